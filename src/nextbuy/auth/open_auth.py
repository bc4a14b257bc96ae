"""When auth starts: there must be a key to sign with."""

from nextbuy.auth.deps import Deps


async def open_auth(deps: Deps) -> None:
    """Make the first key, where there is none."""
    await deps.keys.open()
