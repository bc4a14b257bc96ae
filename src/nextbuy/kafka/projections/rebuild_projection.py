"""POST /kafka/api/projections/{name}/rebuild: a projection is made again of the event logs, while the shop runs.

Accepted, not done: `GET /kafka/api/projections` tells how far it is.
"""

from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.contracts.values import Nothing
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.projections.rebuild_requests import request_rebuild
from nextbuy.kit.http.caller import Caller


class RebuildProjection(Struct, frozen=True):
    """Which one."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]


async def rebuild_projection(deps: Deps, caller: Caller, request: RebuildProjection) -> Nothing:
    """Ask for a rebuild; `NotFound` where there is no such projection, `Conflict` where it is being rebuilt."""
    admin = await deps.auth.validate_admin(caller.token)
    async with deps.database.transaction() as tx:
        await request_rebuild(tx, request.name, asked_by=str(admin.id))
        await caller.store_response(tx, Nothing())
    return Nothing()
