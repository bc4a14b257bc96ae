"""GET /kafka/api/interactions/{trace_id}: what was said between services in one trace, in order."""

from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.contracts.values import Page, TraceId
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.observability.telemetry import Interaction


class Interactions(Struct, frozen=True):
    """Which trace: 32 hexadecimal digits, as in `traceparent`."""

    trace_id: Annotated[TraceId, Meta(pattern="^[0-9a-f]{32}$")]


async def interactions(deps: Deps, caller: Caller, request: Interactions) -> Page[Interaction]:
    """Return a trace's interactions of the last hour; `Unavailable` while Redis, which keeps them, is away."""
    await deps.auth.validate_admin(caller.token)
    return Page(await deps.interactions.get(request.trace_id))
