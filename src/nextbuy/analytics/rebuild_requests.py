"""Requests to rebuild a projection, by API or command line; each is recorded in the audit log."""

from typing import Final

from nextbuy.analytics.projection import PROJECTIONS
from nextbuy.analytics.store import rebuilds
from nextbuy.analytics.store.rebuilds import Rebuild
from nextbuy.contracts.errors import Conflict, NotFound
from nextbuy.kit.audit_log import record
from nextbuy.kit.storage.database import Transaction

ProjectionNotFound: Final = NotFound.of("projection-not-found", "Projection not found.")
RebuildRunning: Final = Conflict.of(
    "rebuild-running", "The projection is already being rebuilt. Wait until the rebuild ends."
)


async def request_rebuild(tx: Transaction, name: str, *, requested_by: str) -> Rebuild:
    """Request a rebuild, which the job `rebuild-projections` works on, and return it.

    Raises:
        NotFound: the projection does not exist (`projection-not-found`).
        Conflict: it is already being rebuilt (`rebuild-running`).
    """
    if name not in PROJECTIONS:
        known = ", ".join(sorted(PROJECTIONS))
        raise ProjectionNotFound(f"Projection not found: {name}. Choose one of {known}.")
    rebuild = await rebuilds.request(tx, name, requested_by)
    if rebuild is None:
        raise RebuildRunning(f"{name} is already being rebuilt. Wait until the rebuild ends.")
    await record(tx, requested_by, "rebuild", name)
    return rebuild
