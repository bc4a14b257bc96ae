"""GET /kafka/api/interactions/{trace_id}: the requests, calls and events of one trace, in order."""

from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.contracts.values import Page, TraceId
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.observability.telemetry import Interaction


class TraceRef(Struct, frozen=True):
    """The id of a trace: 32 hexadecimal digits, as in `traceparent`."""

    trace_id: Annotated[TraceId, Meta(pattern="^[0-9a-f]{32}$")]


async def interactions(deps: Deps, caller: Caller, request: TraceRef) -> Page[Interaction]:
    """List the interactions of a sampled trace; they are stored for one hour.

    Raises:
        Unavailable: Redis, which stores them, does not answer.
    """
    await deps.auth.validate_admin(caller)
    return Page(await deps.interactions.get(request.trace_id))
