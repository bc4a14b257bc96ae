"""GET /kafka/api/replays/{replay_id}: how far a replay by filter has come."""

from uuid import UUID

from msgspec import Struct

from nextbuy.kafka.deps import Deps
from nextbuy.kit.events.dead_letters.replays import Replay, get_replay
from nextbuy.kit.http.caller import Caller


class OfReplay(Struct, frozen=True):
    """Which replay."""

    replay_id: UUID


async def replay(deps: Deps, caller: Caller, request: OfReplay) -> Replay:
    """Return a replay; `NotFound` where there is none of this id."""
    await deps.auth.validate_admin(caller.token)
    return await get_replay(deps.database, request.replay_id)
