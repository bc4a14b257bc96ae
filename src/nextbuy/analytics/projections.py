"""GET /analytics/api/projections: projections and the progress of their rebuilds."""

from msgspec import Struct

from nextbuy.analytics.deps import Deps
from nextbuy.analytics.store import projections as store
from nextbuy.analytics.store import rebuilds
from nextbuy.analytics.store.rebuilds import Rebuild, State
from nextbuy.contracts.values import Page, Timestamp
from nextbuy.kit.http.caller import Caller


class RebuildStatus(Struct, frozen=True):
    """The latest rebuild: `read` of `of` positions in the event logs, with `events` events of the projection."""

    state: State
    requested_by: str
    read: int
    of: int
    events: int
    requested_at: Timestamp
    ended_at: Timestamp | None
    error: str


class ProjectionStatus(Struct, frozen=True):
    """A projection, its current generation, and the number of events in it."""

    name: str
    generation: int
    events: int
    rebuild: RebuildStatus | None


def _status(rebuild: Rebuild) -> RebuildStatus:
    read, of = rebuilds.progress(rebuild.event_logs)
    return RebuildStatus(
        rebuild.state,
        rebuild.requested_by,
        read,
        of,
        rebuild.events,
        rebuild.requested_at,
        rebuild.ended_at,
        rebuild.error,
    )


async def projections(deps: Deps, caller: Caller) -> Page[ProjectionStatus]:
    """List all projections, by name."""
    await deps.auth.validate_admin(caller)
    latest = await rebuilds.latest(deps.database)
    return Page(
        [
            ProjectionStatus(
                row.name, row.generation, row.events, _status(latest[row.name]) if row.name in latest else None
            )
            for row in await store.summaries(deps.database)
        ]
    )
