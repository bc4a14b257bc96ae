"""What is done when auth starts, and when it stops."""

from nextbuy.auth.deps import Deps


async def open_auth(auth: Deps) -> None:
    """See to it that there is a key to sign with."""
    await auth.keys.open()


async def close_auth(auth: Deps) -> None:
    """Let the threads go."""
    auth.passwords.close()
