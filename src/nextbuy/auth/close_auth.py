"""When auth stops: the threads that hash passwords go."""

from nextbuy.auth.deps import Deps


async def close_auth(auth: Deps) -> None:
    """Let the threads go."""
    auth.passwords.close()
