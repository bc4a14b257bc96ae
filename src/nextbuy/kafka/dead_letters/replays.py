"""GET /kafka/api/replays: the latest replays by filter."""

from msgspec import Struct

from nextbuy.contracts.values import Limit, Page
from nextbuy.kafka.dead_letters.replay_requests import Replay, latest
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller


class ListReplays(Struct, frozen=True):
    """The number of replays to return."""

    limit: Limit = 20


async def replays(deps: Deps, caller: Caller, request: ListReplays) -> Page[Replay]:
    """List replays by filter, newest first."""
    await deps.auth.validate_admin(caller)
    return Page(await latest(deps.database, request.limit))
