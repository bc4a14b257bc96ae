"""GET /product/api/get-product/{key}: one product, by its id or slug.

Anyone sees what can be bought: an active product of an approved shop; its seller and admins see it in every state.
The usual answer is bytes from the shelf, and nothing else is done for it.
"""

from functools import partial
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.values import Role
from nextbuy.kit.database import Database
from nextbuy.kit.web import Caller
from nextbuy.kit.wire import Encoded, encode
from nextbuy.product.deps import Deps
from nextbuy.product.model import ProductShown, id_of, no_such_product
from nextbuy.product.shelf import Shelved, shelved
from nextbuy.product.store.products import read


class GetProduct(Struct, frozen=True):
    """Which one: its id, or its slug."""

    key: Annotated[str, Meta(min_length=1, max_length=100)]


async def get_product(product: Deps, caller: Caller, ask: GetProduct) -> Encoded[ProductShown]:
    """Show a product."""
    kept = product.shelf.find(ask.key)
    if kept is None:
        key: UUID | str = id_of(ask.key) or ask.key
        name = str(key)
        kept = product.shelf.find(name) or await product.shelf.load(name, partial(_read_public, product.database, key))
    identity = caller.identity
    if identity is None or identity.role is Role.BUYER or (kept is not None and kept.seller_id != identity.account_id):
        if kept is None:
            raise no_such_product(ask.key)
        return kept.answer
    owned = await read(product.database, id_of(ask.key) or ask.key, public=False)
    if owned is None or (identity.role is Role.SELLER and owned.seller_id != identity.account_id):
        raise no_such_product(ask.key)
    return Encoded(encode(ProductShown(owned.product)))


async def _read_public(database: Database, key: UUID | str) -> Shelved | None:
    owned = await read(database, key, public=True)
    return None if owned is None else shelved(owned)
