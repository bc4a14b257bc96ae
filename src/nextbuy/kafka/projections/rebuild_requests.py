"""What asking for a rebuild means, whether an admin does it on a page or an operator in a shell."""

from nextbuy.contracts.errors import Conflict, NotFound
from nextbuy.kafka.audit_log import note
from nextbuy.kafka.projections.projection import PROJECTIONS
from nextbuy.kafka.store import rebuilds
from nextbuy.kafka.store.rebuilds import Rebuild
from nextbuy.kit.storage.database import Transaction


async def request_rebuild(tx: Transaction, name: str, *, asked_by: str) -> Rebuild:
    """Ask for a rebuild, note who did, and return it; the kafka service does it.

    Raises:
        NotFound: there is no such projection (`no-such-projection`).
        Conflict: it is being rebuilt already (`rebuild-runs`).
    """
    if name not in PROJECTIONS:
        known = ", ".join(sorted(PROJECTIONS))
        raise NotFound(f"There is no projection {name}; there are {known}.", slug="no-such-projection")
    rebuild = await rebuilds.ask(tx, name, asked_by)
    if rebuild is None:
        raise Conflict(f"{name} is being rebuilt already; wait until that is done.", slug="rebuild-runs")
    await note(tx, asked_by, "rebuild", name)
    return rebuild
