"""GET /kafka/api/replays/{replay_id}: a replay by filter and its progress."""

from uuid import UUID

from msgspec import Struct

from nextbuy.kafka.dead_letters.replay_requests import Replay, get_replay
from nextbuy.kafka.deps import Deps
from nextbuy.kit.http.caller import Caller


class ReplayRef(Struct, frozen=True):
    """The id of a replay."""

    replay_id: UUID


async def replay(deps: Deps, caller: Caller, request: ReplayRef) -> Replay:
    """Show the progress of a replay by filter.

    Raises:
        NotFound: it does not exist.
    """
    await deps.auth.validate_admin(caller)
    return await get_replay(deps.database, request.replay_id)
