"""GET /kafka/api/interactions/{trace_id}: what the parts of the marketplace said to each other for one trace, in order."""

from typing import Annotated

from msgspec import Meta, Struct
from redis.exceptions import RedisError

from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.values import Page
from nextbuy.kafka.deps import Deps
from nextbuy.kit.interactions import interactions_of
from nextbuy.kit.telemetry import Interaction
from nextbuy.kit.web import Caller


class Interactions(Struct, frozen=True):
    """Which trace: 32 hexadecimal digits, as in `traceparent`."""

    trace_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]


async def interactions(kafka: Deps, caller: Caller, ask: Interactions) -> Page[Interaction]:
    """Return a trace's interactions of the last hour; `Unavailable` while Redis, which keeps them, is away."""
    await kafka.auth.validate_admin(caller.token)
    try:
        return Page(await interactions_of(kafka.redis, ask.trace_id))
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("The record of interactions is out of reach; the log has them.", retry_after=5) from error
