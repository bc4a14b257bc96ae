"""When auth stops: the threads that hash passwords go."""

from nextbuy.auth.deps import Deps


async def close_auth(deps: Deps) -> None:
    """Let the threads go."""
    deps.passwords.close()
