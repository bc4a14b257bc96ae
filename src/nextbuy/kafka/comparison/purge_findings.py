"""Job: delete old findings of the comparison."""

from nextbuy.kafka.comparison import store
from nextbuy.kafka.deps import Deps


async def purge_findings(deps: Deps) -> None:
    """Delete findings that are older than `RETENTION_DAYS`."""
    await store.purge_findings(deps.database)
