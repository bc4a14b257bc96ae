"""Call GetPublicKeys: return the keys that verify access tokens."""

from nextbuy.auth.deps import Deps
from nextbuy.contracts.auth import GetPublicKeys, PublicKey, PublicKeys


async def get_public_keys(deps: Deps, _call: GetPublicKeys) -> PublicKeys:
    """Return all public keys, retired ones until their last token has expired."""
    return PublicKeys([PublicKey(kid, pem) for kid, pem in (await deps.keys.public()).items()])
