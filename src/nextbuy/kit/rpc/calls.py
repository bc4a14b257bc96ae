"""How one service asks another: deadline, breaker, retry, identity, trace, and one log line, for every call.

A call is retried only where it says it is repeatable, the error says it may be tried again, the retry budget allows it,
and the caller's deadline leaves time. A call is never sent while a transaction is open on the task: in one process it
would wait for a pool that the caller itself is holding.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from nextbuy.contracts.errors import (
    AppError,
    BadGateway,
    BreakerOpen,
    DeadlinePassed,
    Problem,
    Unavailable,
    from_problem,
)
from nextbuy.contracts.message import Call
from nextbuy.kit.deadline import time_left
from nextbuy.kit.http.service_identity import ServiceIdentity
from nextbuy.kit.observability import telemetry
from nextbuy.kit.observability.telemetry import Journal, SpanContext
from nextbuy.kit.rpc.breaker import Breaker, BreakerOpenError
from nextbuy.kit.rpc.retry import RetryBudget, backoff
from nextbuy.kit.rpc.transports import Transport
from nextbuy.kit.storage.database import in_transaction
from nextbuy.kit.wire import DEADLINE, IDENTITY, JSON, REQUEST_ID, Request, Response, encode

Reply = TypeVar("Reply")

CALL_LIMIT: Final = 3.0
"""Seconds that one call may take, retries included, where the caller's deadline leaves more."""
_ATTEMPTS: Final = 3
_BASE, _CAP = 0.02, 0.5
"""Seconds: the first pause between attempts is at most the one, no pause is more than the other."""


class Calls:
    """Carries the calls of one service to all others."""

    def __init__(
        self,
        identity: ServiceIdentity,
        transports: Mapping[str, Transport],
        journal: Journal,
        *,
        breakers: Mapping[str, Breaker],
    ) -> None:
        """Speak as `identity`, over the transport and behind the breaker of each callee."""
        self._identity = identity
        self._transports = transports
        self._journal = journal
        self._breakers = breakers
        self._budgets = {name: RetryBudget(now=time.monotonic) for name in transports}

    async def send(self, call: Call[Reply]) -> Reply:
        """Carry a call and return its reply.

        Raises:
            AppError: what the callee said, with its slug kept; or `Unavailable`, `BreakerOpen`, `DeadlinePassed`.
            RuntimeError: a transaction is open on this task, which is a defect.
        """
        if in_transaction():
            message = f"{call.name} was to be sent while a transaction is open: ask first, then write"
            raise RuntimeError(message)
        body = encode(call)
        ends = time.monotonic() + time_left(CALL_LIMIT)
        budget = self._budgets[call.to]
        budget.deposit()
        attempt = 1
        while True:
            try:
                return await self._attempt(call, body, ends - time.monotonic(), attempt)
            except AppError as error:
                if not (call.idempotent and error.transient) or attempt == _ATTEMPTS or isinstance(error, BreakerOpen):
                    raise
                pause = max(backoff(attempt, base=_BASE, cap=_CAP, random=random.random), error.retry_after or 0.0)
                if time.monotonic() + pause >= ends or not budget.withdraw():
                    raise
            await asyncio.sleep(pause)
            attempt += 1

    async def _attempt(self, call: Call[Reply], body: bytes, within: float, attempt: int) -> Reply:
        trace = telemetry.current_span().child()
        began = time.perf_counter()
        outcome, status = "ok", 0
        try:
            answer = await self._exchange(call, body, within, trace)
            status = answer.status
            return _read(call, answer)
        except AppError as error:
            outcome, status = error.slug, error.status
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self._journal.interaction(
                "call",
                self._identity.service,
                call.to,
                call.name,
                trace=trace,
                began=began,
                outcome=outcome,
                status=status,
                attempt=attempt,
            )

    async def _exchange(self, call: Call[Reply], body: bytes, within: float, trace: SpanContext) -> Response:
        if within <= 0:
            raise DeadlinePassed("No time was left for this; try again.")
        try:
            permit = self._breakers[call.to].admit()
        except BreakerOpenError as error:
            raise BreakerOpen(
                f"The {call.to} service failed too often just now; try again later.", retry_after=error.retry_after
            ) from None
        request = Request(
            "POST",
            call.path,
            "",
            {
                "content-type": JSON,
                IDENTITY: self._identity.sign(call.to),
                DEADLINE: str(int(within * 1000)),
                "traceparent": trace.traceparent,
                REQUEST_ID: trace.correlation_id,
            },
            body,
        )
        try:
            answer = await self._transports[call.to].deliver(request, within)
        except Unavailable:
            permit.failure()
            raise
        except BaseException:
            permit.cancel()
            raise
        if answer.status >= 500:  # noqa: PLR2004
            permit.failure()
        else:
            permit.success()
        return answer


def _read(call: Call[Reply], answer: Response) -> Reply:
    try:
        if answer.status < 300:  # noqa: PLR2004
            reply: Reply = msgspec.json.decode(answer.body, type=call.reply)
            return reply
        problem = msgspec.json.decode(answer.body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadGateway(f"The {call.to} service gave an answer that cannot be read.") from error
    waits = next((value for name, value in answer.headers if name == "retry-after"), "")
    raise from_problem(problem, retry_after=float(waits) if waits.isdecimal() else None)
