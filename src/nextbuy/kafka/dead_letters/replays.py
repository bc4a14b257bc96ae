"""GET /kafka/api/replays: the replays by filter that were asked for last."""

from msgspec import Struct

from nextbuy.contracts.values import Limit, Page
from nextbuy.kafka.deps import Deps
from nextbuy.kit.events.dead_letters.replays import Replay, latest
from nextbuy.kit.http.caller import Caller


class Replays(Struct, frozen=True):
    """How many of them."""

    limit: Limit = 20


async def replays(deps: Deps, caller: Caller, request: Replays) -> Page[Replay]:
    """Return the latest replays, the latest first."""
    await deps.auth.validate_admin(caller.token)
    return Page(await latest(deps.database, request.limit))
