"""Carries a request to its service: deadline, breaker, one more try where that is safe, and one log line for each."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Final, cast

import msgspec
from msgspec import Struct

from nextbuy.contracts.errors import AppError, BreakerOpen, DeadlinePassed, Unavailable
from nextbuy.gateway.deadlines import Deadlines
from nextbuy.gateway.targets import Incoming, Target
from nextbuy.kit.http.asgi import Disconnected
from nextbuy.kit.observability.telemetry import Journal, SpanContext
from nextbuy.kit.rpc.breaker import Breaker, BreakerOpenError, Permit
from nextbuy.kit.rpc.retry import RetryBudget, backoff
from nextbuy.kit.wire import DEADLINE, PROBLEM, Request, Response

LIMIT: Final = 10.0
"""Seconds that a service has for an answer."""
GRACE: Final = 0.25
"""Seconds more before it is given up: a service that keeps its deadline says better itself what it waited for."""
_PAUSE: Final = 0.05
_SAFE: Final = frozenset({"GET", "HEAD"})


class _Slug(Struct):
    slug: str = ""


class Forwarder:
    """Carries requests to services, each behind a breaker of its own."""

    def __init__(
        self, targets: Mapping[str, Target], breakers: Mapping[str, Breaker], journal: Journal, *, limit: float = LIMIT
    ) -> None:
        """Carry to `targets`, with `limit` seconds for an answer."""
        self._targets = targets
        self._breakers = breakers
        self._journal = journal
        self._deadlines = Deadlines()
        self._limit = limit
        self._limit_header = str(int(limit * 1000))
        self._budgets = {name: RetryBudget(now=time.monotonic) for name in targets}

    def streams(self, service: str) -> bool:
        """Tell whether a service takes a body that is still on its way."""
        return self._targets[service].streams

    async def forward(
        self, service: str, request: Request, body: Incoming | None, trace: SpanContext, name: str
    ) -> Response:
        """Carry a request whose headers are a dict that is ours, and return the answer, whatever its status.

        Raises:
            AppError: there is no answer.
        """
        if request.method not in _SAFE:
            return await self._attempt(service, request, body, trace, name, 1)
        self._budgets[service].deposit()
        try:
            answer = await self._attempt(service, request, None, trace, name, 1)
            # A service that says when to come again knows better than we do.
            if answer.status != 503 or any(header == "retry-after" for header, _ in answer.headers):  # noqa: PLR2004
                return answer
            if not self._budgets[service].withdraw():
                return answer
        except (BreakerOpen, DeadlinePassed):
            raise
        except Unavailable:
            if not self._budgets[service].withdraw():
                raise
        await asyncio.sleep(backoff(0, base=_PAUSE, cap=_PAUSE, random=random.random))
        return await self._attempt(service, request, None, trace, name, 2)

    async def _attempt(
        self, service: str, request: Request, body: Incoming | None, trace: SpanContext, name: str, attempt: int
    ) -> Response:
        """Make one attempt, and write its line."""
        began = time.perf_counter()
        span = trace.child()
        headers = cast("dict[str, str]", request.headers)
        headers["traceparent"] = span.traceparent
        # What that header says: in this process it need not be taken apart again.
        request.trace = span
        headers[DEADLINE] = self._limit_header
        outcome, status = "ok", 0
        permit: Permit | None = None
        task = cast("asyncio.Task[object]", asyncio.current_task())
        try:
            permit = self._breakers[service].admit()
            self._deadlines.enter(task, self._limit + GRACE)
            answer = await self._targets[service].deliver(request, body)
            status = answer.status
            if status >= 400:  # noqa: PLR2004
                outcome = slug_of(answer)
            if status < 500 or _says_what_it_lacks(answer):  # noqa: PLR2004
                permit.success()
            else:
                permit.failure()
            return answer
        except BaseException as error:
            told = self._told(error, service, task)
            if permit is not None and isinstance(told, Exception) and not _is_the_clients(told):
                permit.failure()
            outcome = told.slug if isinstance(told, AppError) else type(told).__name__
            status = told.status if isinstance(told, AppError) else 0
            if told is error:
                raise
            raise told from None
        finally:
            self._deadlines.leave(task)
            if permit is not None:
                permit.cancel()
            self._journal.interaction(
                "forward",
                "gateway",
                service,
                name,
                trace=span,
                began=began,
                outcome=outcome,
                status=status,
                attempt=attempt,
            )

    def _told(self, error: BaseException, service: str, task: "asyncio.Task[object]") -> BaseException:
        """Return the error that is told of one that came up."""
        if isinstance(error, BreakerOpenError):
            return BreakerOpen(
                f"The {service} service failed too often just now; try again later.", retry_after=error.retry_after
            )
        if isinstance(error, asyncio.CancelledError) and self._deadlines.passed(task):
            return DeadlinePassed(f"The {service} service did not answer in time; try again.", retry_after=1)
        return error


def _is_the_clients(error: Exception) -> bool:
    """Tell whether it was the client that failed: its body was too long or too slow, or it went away."""
    return isinstance(error, Disconnected) or (isinstance(error, AppError) and not isinstance(error, Unavailable))


def _says_what_it_lacks(answer: Response) -> bool:
    """Tell whether a 5xx is a live service's word that something it needs is away.

    It does not count against that service: the breaker would close off all else that it still can do.
    """
    return answer.status != 500 and answer.content_type == PROBLEM  # noqa: PLR2004


def slug_of(answer: Response) -> str:
    """Return what an error says of itself in one word."""
    if answer.content_type == PROBLEM:
        try:
            return msgspec.json.decode(answer.body, type=_Slug).slug or "problem"
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
    return "refused" if answer.status < 500 else "failed"  # noqa: PLR2004
