"""POST /analytics/api/projections/{name}/rebuild: rebuild a projection from event logs while the marketplace runs.

The response is 202: `GET /analytics/api/projections` shows the progress.
"""

from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.analytics.deps import Deps
from nextbuy.analytics.rebuild_requests import request_rebuild
from nextbuy.contracts.values import Nothing
from nextbuy.kit.http.caller import Caller


class RebuildProjection(Struct, frozen=True):
    """The name of a projection."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]


async def rebuild_projection(deps: Deps, caller: Caller, request: RebuildProjection) -> Nothing:
    """Request the rebuild of a projection.

    Raises:
        NotFound: it does not exist.
        Conflict: it is already being rebuilt.
    """
    admin = await deps.auth.validate_admin(caller)
    async with deps.database.transaction() as tx:
        await request_rebuild(tx, request.name, requested_by=str(admin.id))
        await caller.store_response(tx, Nothing())
    return Nothing()
