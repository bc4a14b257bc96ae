"""GET /product/api/get-product/{key}: one product, by its id or slug.

Anyone sees what can be bought: an active product of an approved shop; its seller and admins see it in every state.
The usual answer is bytes from the shelf, and nothing else is done for it.
"""

from functools import partial
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.values import Role
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import Encoded, encode
from nextbuy.product.deps import Deps
from nextbuy.product.model import ProductShown, id_of, no_such_product
from nextbuy.product.product_cache import CachedProduct, cached_product
from nextbuy.product.store.products import read


class GetProduct(Struct, frozen=True):
    """Which one: its id, or its slug."""

    key: Annotated[str, Meta(min_length=1, max_length=100)]


async def get_product(deps: Deps, caller: Caller, request: GetProduct) -> Encoded[ProductShown]:
    """Show a product."""
    kept = deps.shelf.find(request.key)
    if kept is None:
        key: UUID | str = id_of(request.key) or request.key
        name = str(key)
        kept = deps.shelf.find(name) or await deps.shelf.load(name, partial(_read_public, deps.database, key))
    identity = caller.identity
    if identity is None or identity.role is Role.BUYER or (kept is not None and kept.seller_id != identity.account_id):
        if kept is None:
            raise no_such_product(request.key)
        return kept.answer
    owned = await read(deps.database, id_of(request.key) or request.key, public=False)
    if owned is None or (identity.role is Role.SELLER and owned.seller_id != identity.account_id):
        raise no_such_product(request.key)
    return Encoded(encode(ProductShown(owned.product)))


async def _read_public(database: Database, key: UUID | str) -> CachedProduct | None:
    owned = await read(database, key, public=True)
    return None if owned is None else cached_product(owned)
