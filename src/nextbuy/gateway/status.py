"""GET /health/status: the state of the whole marketplace, in detail for admins and services.

Everyone else is shown whether it is up or degraded. An admin is recognised by the access token alone, so that the
status can be read while auth is unavailable.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal

from msgspec import Struct

from nextbuy.contracts.errors import AppError, Unavailable
from nextbuy.contracts.status import Backlog, BreakerStatus, CacheCounts, ServiceStatus
from nextbuy.contracts.values import Role
from nextbuy.kit.http.tokens import TokenVerifier, access_tokens
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.wire import IDENTITY, Request, Response, encode

_LATE: Final = 60.0
"""Seconds after which a waiting event shows that something is wrong: much longer than a restart takes."""
_MAX_AGE: Final = 1.0
"""Seconds for which a status is reused for all clients."""
_TIMEOUT: Final = 3.0
"""Seconds for the whole status; its parts have shorter limits of their own."""

_BUS: Final = "bus"
"""The probe that fails while the bus is at risk; the others are of services and engines."""

CACHE: Final = "cache"
"""The engine of the shared cache."""

State = Literal["up", "degraded"]
StatusUnavailable: Final = Unavailable.of("status-unavailable", "The status could not be collected in time. Try again.")


class Memory(Struct, frozen=True):
    """The memory of an engine in bytes; `max_bytes` is 0 without a limit."""

    used_bytes: int
    max_bytes: int


class Collected(Struct, frozen=True, kw_only=True):
    """The status of each service, or why it sent none, and the engines."""

    version: str
    carrier: str
    services: Mapping[str, ServiceStatus | AppError]
    engines: Mapping[str, str]
    """The versions of the engines; empty for one that does not answer."""
    cache_memory: Memory | None = None
    """The memory of the shared cache; None if it is off or does not answer."""
    risks: Mapping[str, str] = {}
    """The problems of the bus that an operator should solve, by the names of the risks."""


class ServiceReport(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The state of a service, and what waits and is stuck there.

    `breaker` is the state of the gateway's breaker for it, `breakers` are its own for the services that it calls.
    """

    state: str
    version: str = ""
    breaker: str
    breakers: list[BreakerStatus] = []
    outbox: Backlog | None = None
    cache: CacheCounts | None = None
    stuck: Mapping[str, int] = {}
    problems: list[str] = []


class EngineReport(Struct, frozen=True, omit_defaults=True):
    """The state of an engine, its version and, of the shared cache, its memory."""

    state: str
    version: str
    memory: Memory | None = None


class Status(Struct, frozen=True, kw_only=True):
    """The state of the marketplace; `stuck` and `reviews` count stuck work and decisions to make."""

    status: State
    version: str
    carrier: str
    services: Mapping[str, ServiceReport]
    engines: Mapping[str, EngineReport]
    destinations: Mapping[str, Backlog]
    risks: Mapping[str, str]
    dead_letters: int | None
    stuck: Mapping[str, Mapping[str, int]]
    reviews: Mapping[str, int]


def compile_status(collected: Collected, states: Mapping[str, str], breakers: Mapping[str, str]) -> Status:
    """Combine the collected status with the states that probes found and the states of the breakers."""
    services = {
        name: _service(one, states.get(name, "down"), breakers[name]) for name, one in collected.services.items()
    }
    engines = {
        name: EngineReport(state, collected.engines.get(name, ""), collected.cache_memory if name == CACHE else None)
        for name, state in states.items()
        if name not in services and name != _BUS
    }
    reported = [one for one in collected.services.values() if isinstance(one, ServiceStatus)]
    destinations = {name: backlog for one in reported for name, backlog in one.destinations.items()}
    stuck = {name: one.stuck for name, one in services.items() if one.stuck}
    backlogs = [*destinations.values(), *(one.outbox for one in services.values() if one.outbox)]
    is_late = any((backlog.oldest_s or 0.0) > _LATE for backlog in backlogs)
    all_up = {one.state for one in services.values()} | set(states.values()) <= {"up"}
    return Status(
        status="up" if all_up and not stuck and not is_late else "degraded",
        version=collected.version,
        carrier=collected.carrier,
        services=services,
        engines=engines,
        destinations=destinations,
        risks=collected.risks,
        dead_letters=next((one.dead_letters for one in reported if one.dead_letters is not None), None),
        stuck=stuck,
        reviews={kind: number for one in reported for kind, number in one.reviews.items()},
    )


def _service(collected: ServiceStatus | AppError, state: str, breaker: str) -> ServiceReport:
    if isinstance(collected, AppError):
        state = "degraded" if state == "up" else state
        return ServiceReport(state=state, breaker=breaker, problems=[f"{collected.slug}: {collected}"])
    return ServiceReport(
        state="degraded" if state == "up" and collected.problems else state,
        version=collected.version,
        breaker=breaker,
        breakers=collected.breakers,
        outbox=collected.outbox,
        cache=collected.cache,
        stuck=collected.stuck,
        problems=collected.problems,
    )


class StatusEndpoint:
    """The handler of `GET /health/status`."""

    def __init__(
        self, collect: Callable[[], Awaitable[Collected]], verifier: TokenVerifier, identity: ServiceIdentity
    ) -> None:
        """Report what `collect` returns, in detail to admins, known by `verifier`, and to services, by `identity`."""
        self._collect = collect
        self._verifier = verifier
        self._identity = identity
        self._current: asyncio.Task[Status] | None = None
        self._current_until = 0.0

    async def answer(
        self, request: Request, states: Callable[[], Awaitable[Mapping[str, str]]], breakers: Mapping[str, str]
    ) -> Response:
        """Return the status; one that is younger than `_MAX_AGE` is reused."""
        if self._current is None or (self._current.done() and time.monotonic() >= self._current_until):
            self._current = asyncio.create_task(self._compile(states, breakers))
        status = await asyncio.shield(self._current)
        return Response(200, encode(status if await self._may_see_details(request) else {"status": status.status}))

    async def _compile(self, states: Callable[[], Awaitable[Mapping[str, str]]], breakers: Mapping[str, str]) -> Status:
        try:
            async with asyncio.timeout(_TIMEOUT):
                found, collected = await asyncio.gather(states(), self._collect())
                return compile_status(collected, found, breakers)
        except TimeoutError:
            raise StatusUnavailable(retry_after=1) from None
        finally:
            self._current_until = time.monotonic() + _MAX_AGE

    async def _may_see_details(self, request: Request) -> bool:
        try:
            if IDENTITY in request.headers:
                self._identity.verify(request.headers[IDENTITY], request.method, request.target, b"")
                return True
            _, identity = await self._verifier.verify_first(access_tokens(request.headers))
            return identity.role is Role.ADMIN
        except AppError:
            return False
