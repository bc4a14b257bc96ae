"""Job: notify the open streams of accounts whose notifications changed."""

from nextbuy.notification.deps import Deps


async def poll_changes(deps: Deps) -> None:
    """Notify the streams of this process of all changes since the last poll."""
    await deps.streams.poll()
