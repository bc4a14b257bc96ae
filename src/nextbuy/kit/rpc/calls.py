"""Internal calls: deadline, breaker, retries, identity and trace, and one log line for every attempt.

A call is retried only if it is idempotent, the error is transient and no open breaker, the retry budget has a retry
left, and the caller's deadline leaves time. Each attempt that may be retried gets a part of that time.

No call is made while a transaction is open on the task: a callee in the same process could wait for a database
connection that its caller holds.
"""

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from functools import partial
from typing import Final, TypeVar

import msgspec

from nextbuy.contracts.errors import AppError, BadGateway, BreakerOpen, DeadlinePassed, Problem, from_problem
from nextbuy.contracts.message import Call, Check, ReplyMismatch
from nextbuy.kit.deadline import time_left
from nextbuy.kit.observability import telemetry
from nextbuy.kit.observability.ids import Ids, collect_ids
from nextbuy.kit.observability.redaction import excerpt, reason_of
from nextbuy.kit.observability.telemetry import Journal, SpanContext
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.rpc.callee import Callee
from nextbuy.kit.rpc.invalid_replies import invalid_field, shorten
from nextbuy.kit.rpc.retry import ATTEMPT_SHARE, RetryBudget, backoff
from nextbuy.kit.rpc.transports import Transport
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.storage.database import in_transaction
from nextbuy.kit.wire import BACKGROUND, DEADLINE, JSON, REQUEST_ID, Request, Response, encode
from nextbuy.kit.workload import in_background

log: Final = logging.getLogger(__name__)

Reply = TypeVar("Reply")

CALL_TIMEOUT: Final = 3.0
"""Seconds for a call with its retries, unless the caller's deadline comes first."""
BACKGROUND_TIMEOUT: Final = 9.0
"""Seconds for a background call with its retries: each attempt may take as long as a whole `CALL_TIMEOUT`."""
_MAX_ATTEMPTS: Final = 3
_RETRY_AFTER_DIGITS: Final = 5
"""Digits of the Retry-After of an error, at most; one that is longer than a day is ignored."""
_BASE, _CAP = 0.02, 0.5
"""Seconds. Bounds of the first and of later pauses between attempts; the callee's Retry-After may be longer."""


class Calls:
    """Sends the calls of one service to the others."""

    def __init__(
        self,
        identity: ServiceIdentity,
        transports: Mapping[str, Transport],
        journal: Journal,
        *,
        breakers: Breakers,
        record_success: bool = True,
    ) -> None:
        """Send calls as the service of `identity`; `record_success=False` records failed attempts only."""
        self._identity = identity
        self._callees = {
            (name, background): Callee(name, transport, breakers.of(name, background=background))
            for name, transport in transports.items()
            for background in (False, True)
        }
        self._journal = journal
        self._record_success = record_success
        self._budgets = {name: RetryBudget(now=time.monotonic) for name in transports}

    async def send(self, call: Call[Reply], check: Check[Reply] | None = None) -> Reply:
        """Make a call and return its reply, which has passed `check`.

        Raises:
            AppError: its error, with its slug; or `Unavailable` (`BreakerOpen`, `DeadlinePassed`, `BadGateway`).
            RuntimeError: a transaction is open on this task, which is a defect of the caller.
        """
        if in_transaction():
            message = f"{call.name} must not be called while a transaction is open: call first, then write"
            raise RuntimeError(message)
        body = encode(call)
        is_patient = call.idempotent and in_background()
        ends = time.monotonic() + time_left(BACKGROUND_TIMEOUT if is_patient else CALL_TIMEOUT)
        budget = self._budgets[call.to]
        budget.deposit()
        attempt = 1
        while True:
            has_retry = call.idempotent and attempt < _MAX_ATTEMPTS and budget.withdraw()
            retrying = False
            try:
                return await self._attempt(call, check, body, ends - time.monotonic(), attempt, has_retry=has_retry)
            except AppError as error:
                pause = backoff(attempt, base=_BASE, cap=_CAP, random=random.random)
                if not isinstance(error, DeadlinePassed):  # a hang has already waited long enough
                    pause = max(pause, error.retry_after or 0.0)
                retrying = has_retry and _may_be_retried(error) and time.monotonic() + pause < ends
                if not retrying:
                    raise
            finally:
                if has_retry and not retrying:
                    budget.put_back()
            await asyncio.sleep(pause)
            attempt += 1

    async def _attempt(
        self,
        call: Call[Reply],
        check: Check[Reply] | None,
        body: bytes,
        remaining: float,
        attempt: int,
        *,
        has_retry: bool,
    ) -> Reply:
        timeout = remaining * ATTEMPT_SHARE if has_retry else remaining
        span = telemetry.current_span().child()
        started = time.perf_counter()
        outcome, status, reason = "ok", 0, ""
        try:
            if timeout <= 0:
                raise DeadlinePassed("The time for this request has run out. Try again.")
            reply = await self._callees[call.to, in_background()].exchange(
                self._request(call, body, timeout, span), timeout, partial(_decode, call, check), has_retry=has_retry
            )
            if isinstance(reply, AppError):
                raise reply
            status = 200
            return reply
        except AppError as error:
            outcome, status, reason = error.slug, error.status, reason_of(error)
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            if self._record_success or outcome != "ok":
                ids: Ids = {}
                if outcome != "ok":  # If the call succeeded, the callee's line has the ids.
                    collect_ids(ids, call)
                self._journal.interaction(
                    "call",
                    self._identity.service,
                    call.to,
                    call.name,
                    trace=span,
                    began=started,
                    outcome=outcome,
                    status=status,
                    attempt=attempt,
                    ids=ids,
                    reason=reason,
                )

    def _request(self, call: Call[Reply], body: bytes, timeout: float, span: SpanContext) -> Request:
        headers = {
            "content-type": JSON,
            DEADLINE: str(int(timeout * 1000)),
            "traceparent": span.traceparent,
            REQUEST_ID: span.correlation_id,
        }
        if in_background():
            headers[BACKGROUND] = "1"
        return Request("POST", call.path, "", headers, body, sender=self._identity)


def _may_be_retried(error: AppError) -> bool:
    return error.transient and not isinstance(error, BreakerOpen)


def _decode(call: Call[Reply], check: Check[Reply] | None, response: Response) -> Reply | AppError:
    """Return the reply of a response, or the error that its problem document describes.

    Raises:
        BadGateway: the response cannot be decoded, or its reply does not pass the check.
    """
    try:
        if response.status < 300:  # noqa: PLR2004
            reply: Reply = msgspec.json.decode(response.body, type=call.reply)
            if check is not None:
                check(reply)
            return reply
        problem = msgspec.json.decode(response.body, type=Problem)
    except ReplyMismatch as mismatch:
        log.warning(
            "reply refused; it does not fit its call",
            extra={"callee": call.to, "call": call.name, "field": mismatch.field, "value": shorten(mismatch.value)},
        )
        raise BadGateway(f"The {call.to} service sent an invalid reply. Try again later.") from mismatch
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        field, value = invalid_field(error, response.body)
        invalid = BadGateway(f"The {call.to} service sent an invalid reply. Try again later.")
        invalid.add_note(f"status {response.status}, body begins: {excerpt(response.body)}")
        log.warning(
            "reply refused; it cannot be decoded",
            extra={"callee": call.to, "call": call.name, "reason": str(error), "field": field, "value": shorten(value)},
        )
        raise invalid from error
    retry_after = next((value for name, value in response.headers if name == "retry-after"), "")
    is_plausible = retry_after.isascii() and retry_after.isdecimal() and len(retry_after) <= _RETRY_AFTER_DIGITS
    return from_problem(problem, retry_after=float(retry_after) if is_plausible else None)
