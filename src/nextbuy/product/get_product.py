"""GET /product/api/get-product/{key}: one product, by its id or slug.

Buyers see active products of approved shops, if they are on sale; what its seller has archived is gone (410). The
seller and admins see a product in any status, once auth has confirmed that their login session is active. The usual
reply is encoded in the product cache and needs no database and no call.
"""

import time
from functools import partial
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.values import Role, parse_uuid
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import Encoded, encode
from nextbuy.product.access import may_see_hidden
from nextbuy.product.deps import Deps
from nextbuy.product.model import ProductArchived, ProductNotFound, ProductShown, shown_product
from nextbuy.product.product_cache import CachedProduct, cached_product
from nextbuy.product.store.products import read, read_archived


class GetProduct(Struct, frozen=True):
    """The id or the slug of a product."""

    key: Annotated[str, Meta(min_length=1, max_length=100)]


async def get_product(deps: Deps, caller: Caller, request: GetProduct) -> Encoded[ProductShown]:
    """Show a product; the seller and admins see it in any status, with the verdict of moderation.

    Raises:
        ProductNotFound: it does not exist, or the caller may not see it.
        ProductArchived: its seller has archived it.
    """
    cached = deps.cache.get(request.key)
    if cached is None:
        key: UUID | str = parse_uuid(request.key) or request.key
        name = str(key)
        cached = deps.cache.get(name) or await deps.cache.load(name, partial(_read_public, deps.database, key))
    identity = caller.identity
    if (
        identity is None
        or identity.role is Role.BUYER
        or (identity.role is Role.SELLER and cached is not None and cached.seller_id != identity.account_id)
    ):
        return await _public_reply(deps, request.key, cached)
    owned = await read(deps.database, parse_uuid(request.key) or request.key, public=False)
    if owned is None or not await may_see_hidden(deps, caller, owned.seller_id):
        return await _public_reply(deps, request.key, cached)
    return Encoded(encode(shown_product(owned.product, to_owner=True)), owned.product.etag)


async def _public_reply(deps: Deps, key: str, cached: CachedProduct | None) -> Encoded[ProductShown]:
    if cached is not None:
        return deps.cache.reply(cached)
    if await read_archived(deps.database, parse_uuid(key) or key) is None:
        raise ProductNotFound
    raise ProductArchived


async def _read_public(database: Database, key: UUID | str) -> CachedProduct | None:
    began = time.monotonic()
    owned = await read(database, key, public=True)
    return None if owned is None else cached_product(owned, began)
