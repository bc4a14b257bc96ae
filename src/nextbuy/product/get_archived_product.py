"""GET /product/api/get-archived-product/{key}: what remains public of a product that its seller has archived."""

from typing import Annotated

from msgspec import Meta, Struct

from nextbuy.contracts.values import parse_uuid
from nextbuy.kit.http.caller import Caller
from nextbuy.product.deps import Deps
from nextbuy.product.model import ProductNotFound
from nextbuy.product.store.products import ArchivedProduct, read_archived


class GetArchivedProduct(Struct, frozen=True):
    """The id or the slug of an archived product."""

    key: Annotated[str, Meta(min_length=1, max_length=100)]


class ArchivedProductFound(Struct, frozen=True):
    """The archived product."""

    product: ArchivedProduct


async def get_archived_product(deps: Deps, _caller: Caller, request: GetArchivedProduct) -> ArchivedProductFound:
    """Show the title, category and shop of an archived product.

    Raises:
        ProductNotFound: no product of an open shop was archived under this id or slug, or it was not approved.
    """
    found = await read_archived(deps.database, parse_uuid(request.key) or request.key)
    if found is None:
        raise ProductNotFound
    return ArchivedProductFound(found)
