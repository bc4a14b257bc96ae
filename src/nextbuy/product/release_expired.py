"""Every few seconds: units of sessions that ended long ago, and that nobody gave back, can be bought again.

Order gives back what its sessions hold. This is for a hold whose session was never written: the process died in
between. Money that comes even later takes the units again (`update-stock`), or is told that they are gone.
"""

from typing import Final

from nextbuy.product.deps import Deps
from nextbuy.product.store.stock import release_expired as release_one

GRACE: Final = 300.0
"""Seconds after the end of a session for which its units are left to order."""


async def release_expired(deps: Deps) -> bool:
    """Give back what one forgotten session holds; return whether there was one, and so perhaps another."""
    given_back = await release_one(deps.database, GRACE)
    if given_back is None:
        return False
    deps.shelf.drop(given_back)
    return True
