"""What asking for a rebuild means, whether an admin does it on a page or an operator in a shell."""

from nextbuy.contracts.errors import Conflict, NotFound
from nextbuy.kafka.audit_log import note
from nextbuy.kafka.projections.projection import PROJECTIONS
from nextbuy.kafka.store import rebuilds
from nextbuy.kafka.store.rebuilds import Rebuild
from nextbuy.kit.storage.database import Transaction


class ProjectionNotFound(NotFound, slug="projection-not-found"):
    """Projection not found."""


class RebuildRunning(Conflict, slug="rebuild-running"):
    """The projection is already being rebuilt. Wait until that is done."""


async def request_rebuild(tx: Transaction, name: str, *, asked_by: str) -> Rebuild:
    """Ask for a rebuild, note who did, and return it; the kafka service does it.

    Raises:
        NotFound: there is no such projection (`projection-not-found`).
        Conflict: it is being rebuilt already (`rebuild-running`).
    """
    if name not in PROJECTIONS:
        known = ", ".join(sorted(PROJECTIONS))
        raise ProjectionNotFound(f"Projection not found: {name}. Choose one of {known}.")
    rebuild = await rebuilds.ask(tx, name, asked_by)
    if rebuild is None:
        raise RebuildRunning(f"{name} is already being rebuilt. Wait until that is done.")
    await note(tx, asked_by, "rebuild", name)
    return rebuild
