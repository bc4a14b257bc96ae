"""Job: notify the open streams of admins of changes."""

from nextbuy.admin.deps import Deps


async def poll_changes(deps: Deps) -> None:
    """Notify the streams of this process of all changes since the last poll."""
    await deps.streams.poll()
