"""POST /kafka/api/projections/{name}/rebuild: a projection is made again of the event logs, while the shop runs.

Accepted, not done: `GET /kafka/api/projections` tells how far it is.
"""

from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.contracts.values import Nothing
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.projections.asking import ask_rebuild
from nextbuy.kit.web import Caller


class RebuildProjection(Struct, frozen=True):
    """Which one."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]


async def rebuild_projection(kafka: Deps, caller: Caller, ask: RebuildProjection) -> Nothing:
    """Ask for a rebuild; `NotFound` where there is no such projection, `Refused` where it is being rebuilt."""
    admin = await kafka.auth.validate_admin(caller.token)
    async with kafka.database.transaction() as tx:
        await ask_rebuild(tx, ask.name, asked_by=str(admin.id))
        await caller.keep(tx, Nothing())
    return Nothing()
