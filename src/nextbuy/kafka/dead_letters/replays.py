"""GET /kafka/api/replays: the replays by filter that were asked for last."""

from msgspec import Struct

from nextbuy.contracts.values import Limit, Page
from nextbuy.kafka.deps import Deps
from nextbuy.kit.replays import Replay, latest
from nextbuy.kit.web import Caller


class Replays(Struct, frozen=True):
    """How many of them."""

    limit: Limit = 20


async def replays(kafka: Deps, caller: Caller, ask: Replays) -> Page[Replay]:
    """Return the latest replays, the latest first."""
    await kafka.auth.validate_admin(caller.token)
    return Page(await latest(kafka.database, ask.limit))
