"""Forwarding to services: with a deadline, a breaker, one retry if that is safe, and a log line per attempt."""

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from nextbuy.contracts.errors import AppError, BreakerOpen, Unavailable
from nextbuy.kit.observability.redaction import reason_of
from nextbuy.kit.observability.telemetry import Journal, SpanContext
from nextbuy.kit.rpc.breakers import Breakers
from nextbuy.kit.rpc.callee import Callee
from nextbuy.kit.rpc.retry import ATTEMPT_SHARE, RetryBudget, backoff
from nextbuy.kit.rpc.transports import Transport
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.wire import DEADLINE, PROBLEM, READS, Request, Response

TIMEOUT: Final = 10.0
"""Seconds within which a service must respond."""
_GRACE: Final = 0.25
"""Extra seconds before the gateway gives up, so that a service that runs out of time can report the cause itself."""
_RETRY_PAUSE: Final = 0.05
"""Seconds; the longest pause before the retry."""


class _Slug(Struct):
    slug: str = ""


class Forwarder:
    """A client of the services that forwards requests, each service behind its own breaker."""

    def __init__(
        self,
        transports: Mapping[str, Transport],
        breakers: Breakers,
        identity: ServiceIdentity,
        journal: Journal,
        *,
        timeout: float = TIMEOUT,
    ) -> None:
        """Forward requests that `identity` signs; a service must respond within `timeout` seconds."""
        self._callees = {name: Callee(name, transport, breakers.of(name)) for name, transport in transports.items()}
        self._identity = identity
        self._journal = journal
        self._timeout = timeout
        self._budgets = {name: RetryBudget(now=time.monotonic) for name in transports}

    async def forward(self, service: str, request: Request, span: SpanContext, name: str) -> Response:
        """Forward a request and return the response, whatever its status.

        Changes the request's headers. Each attempt is a child of `span`; `name` identifies the request in the log.
        """
        if request.method not in READS:
            return await self._attempt(service, request, span, name, 1, self._timeout)
        budget = self._budgets[service]
        budget.deposit()
        if not budget.withdraw():
            return await self._attempt(service, request, span, name, 1, self._timeout)
        ends = time.monotonic() + self._timeout
        retrying = False
        try:
            timeout = self._timeout * ATTEMPT_SHARE
            response = await self._attempt(service, request, span, name, 1, timeout, has_retry=True)
            # A service that sends Retry-After knows better when to retry.
            retrying = response.status == 503 and all(header != "retry-after" for header, _ in response.headers)  # noqa: PLR2004
            if not retrying:
                return response
        except Unavailable as error:
            retrying = not isinstance(error, BreakerOpen)
            if not retrying:
                raise
        finally:
            if not retrying:
                budget.put_back()
        await asyncio.sleep(backoff(0, base=_RETRY_PAUSE, cap=_RETRY_PAUSE, random=random.random))
        return await self._attempt(service, request, span, name, 2, max(0.0, ends - time.monotonic()))

    async def _attempt(  # noqa: PLR0913
        self,
        service: str,
        request: Request,
        parent: SpanContext,
        name: str,
        attempt: int,
        timeout: float,
        *,
        has_retry: bool = False,
    ) -> Response:
        started = time.perf_counter()
        span = parent.child()
        headers: Any = request.headers
        headers["traceparent"] = span.traceparent
        headers[DEADLINE] = str(int(timeout * 1000))
        request.trace, request.sender = span, self._identity
        outcome, status, reason = "ok", 0, ""
        try:
            response = await self._callees[service].exchange(request, timeout + _GRACE, _unchanged, has_retry=has_retry)
            status = response.status
            if status >= 400:  # noqa: PLR2004
                outcome = slug_of(response)
            return response
        except BaseException as error:
            outcome, status = (error.slug, error.status) if isinstance(error, AppError) else (type(error).__name__, 0)
            reason = reason_of(error)
            raise
        finally:
            self._journal.interaction(
                "forward",
                "gateway",
                service,
                name,
                trace=span,
                began=started,
                outcome=outcome,
                status=status,
                attempt=attempt,
                reason=reason,
                with_next=True,
            )


def _unchanged(response: Response) -> Response:
    return response


def slug_of(response: Response) -> str:
    """Return the slug of an error response; without one, `refused` (4xx) or `failed` (5xx)."""
    if response.content_type == PROBLEM:
        try:
            return msgspec.json.decode(response.body, type=_Slug).slug or "problem"
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass
    return "refused" if response.status < 500 else "failed"  # noqa: PLR2004
