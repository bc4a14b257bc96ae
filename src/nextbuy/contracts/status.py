"""The call by which the gateway collects the status of each service, for `GET /health/status`."""

from functools import cache
from typing import Annotated, Final, Literal, cast

from msgspec import Meta, Struct

from nextbuy.contracts.checks import require_distinct
from nextbuy.contracts.message import Call, CallMeta, Client
from nextbuy.contracts.values import Count, FailureText, Timestamp

_MAX_NAMES: Final = 1_000
Seconds = Annotated[float, Meta(ge=0, le=1e12)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class Backlog(Struct, frozen=True):
    """Events that wait for the same thing."""

    waiting: Count
    oldest_s: Annotated[Seconds | None, Meta(description="The age of the oldest in seconds; null if none waits.")] = (
        None
    )


class CacheCounts(Struct, frozen=True):
    """The outcomes of the loads from the shared cache in one process, since it started."""

    hits: Count
    misses: Count
    errors: Annotated[Count, Meta(description="Loads without the cache, because it did not answer.")]


class BreakerStatus(Struct, frozen=True, kw_only=True):
    """A circuit breaker that has opened since its caller started."""

    callee: Annotated[str, Meta(max_length=100)]
    background: Annotated[bool, Meta(description="Whether it admits background work, or requests people wait for.")]
    state: Literal["closed", "open", "half-open"]
    changed_at: Timestamp
    openings: Count


class ServiceStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The status of one service; a part that does not apply to it is missing."""

    version: Name
    outbox: Annotated[Backlog | None, Meta(description="Events that wait for the bus.")] = None
    destinations: Annotated[
        dict[Name, Backlog], Meta(max_length=_MAX_NAMES, description="Events that wait on the bus, by destination.")
    ] = {}
    dead_letters: Annotated[Count | None, Meta(description="Dead letters that wait for an operator.")] = None
    stuck: Annotated[dict[Name, Count], Meta(max_length=_MAX_NAMES, description="Stuck work, by kind.")] = {}
    reviews: Annotated[
        dict[Name, Count], Meta(max_length=_MAX_NAMES, description="What waits for a decision of an admin, by kind.")
    ] = {}
    cache: Annotated[
        CacheCounts | None, Meta(description="The use of the shared cache by the process that answers.")
    ] = None
    breakers: Annotated[
        list[BreakerStatus], Meta(max_length=_MAX_NAMES, description="Breakers of this service that have opened.")
    ] = []
    problems: Annotated[
        list[FailureText],
        Meta(
            max_length=_MAX_NAMES,
            description="What the service cannot do, and parts of this status that could not be read.",
        ),
    ] = []


class GetStatus(Call[ServiceStatus]):
    """Return the status of a service; each service has a subclass."""


@cache
def get_status_of(service: str) -> type[GetStatus]:
    """Return the call that asks a service for its status."""
    call = CallMeta(
        f"Get{service.title()}Status",
        (GetStatus,),
        {"__doc__": "Return the status of this service.", "__module__": __name__},
        to=service,
        name="get-status",
        callers=("gateway",),
    )
    return cast("type[GetStatus]", call)


class StatusClient(Client):
    """A client of every service."""

    async def get_status(self, service: str) -> ServiceStatus:
        """Return the status of a service.

        Raises:
            AppError: the service does not answer.
        """

        def check(status: ServiceStatus) -> None:
            require_distinct("breakers[{}]", ((one.callee, one.background) for one in status.breakers))

        return await self._send(get_status_of(service)(), check)
