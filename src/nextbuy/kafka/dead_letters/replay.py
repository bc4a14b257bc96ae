"""GET /kafka/api/replays/{replay_id}: how far a replay by filter has come."""

from uuid import UUID

from msgspec import Struct

from nextbuy.kafka.deps import Deps
from nextbuy.kit.replays import Replay, replay_of
from nextbuy.kit.web import Caller


class OfReplay(Struct, frozen=True):
    """Which replay."""

    replay_id: UUID


async def replay(kafka: Deps, caller: Caller, ask: OfReplay) -> Replay:
    """Return a replay; `NotFound` where there is none of this id."""
    await kafka.auth.validate_admin(caller.token)
    return await replay_of(kafka.database, ask.replay_id)
