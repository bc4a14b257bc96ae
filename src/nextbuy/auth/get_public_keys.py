"""Answers `GetPublicKeys`: what verifies an access token, retired keys for as long as their tokens live."""

from nextbuy.auth.deps import Deps
from nextbuy.contracts.auth import GetPublicKeys, PublicKey, PublicKeys


async def get_public_keys(deps: Deps, _call: GetPublicKeys) -> PublicKeys:
    """Return all keys that are good now."""
    return PublicKeys([PublicKey(kid, pem) for kid, pem in (await deps.keys.public()).items()])
