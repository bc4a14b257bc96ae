"""GET /kafka/api/projections: what is made of events, and how far it is being made again."""

from msgspec import Struct

from nextbuy.contracts.values import Page, Timestamp
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.store import projections as rows
from nextbuy.kafka.store import rebuilds
from nextbuy.kafka.store.rebuilds import Rebuild, State
from nextbuy.kit.http.caller import Caller


class RebuildShown(Struct, frozen=True):
    """The last rebuild: `read` of `of` positions of the event logs, which gave so many events."""

    state: State
    asked_by: str
    read: int
    of: int
    events: int
    asked_at: Timestamp
    ended_at: Timestamp | None
    error: str


class ProjectionShown(Struct, frozen=True):
    """A projection, the generation that is read, and of how many events it is made."""

    name: str
    generation: int
    events: int
    rebuild: RebuildShown | None


def _shown(rebuild: Rebuild) -> RebuildShown:
    read, of = rebuilds.progress(rebuild.sources)
    return RebuildShown(
        rebuild.state, rebuild.asked_by, read, of, rebuild.events, rebuild.asked_at, rebuild.ended_at, rebuild.error
    )


async def projections(deps: Deps, caller: Caller) -> Page[ProjectionShown]:
    """Return all projections, by name."""
    await deps.auth.validate_admin(caller.token)
    last = await rebuilds.latest(deps.database)
    return Page(
        [
            ProjectionShown(one.name, one.generation, one.events, _shown(last[one.name]) if one.name in last else None)
            for one in await rows.standing(deps.database)
        ]
    )
