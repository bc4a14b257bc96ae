"""GET /product/api/picture/{product_id}: a product's picture as SVG, drawn from its title and category.

Who may see a product may see its picture; others get 404, because the picture shows the title. The URL of the
picture, a field of the product, changes with the picture.
"""

from typing import Final

from nextbuy.contracts.values import parse_uuid
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.conditional import none_match
from nextbuy.kit.wire import Request, Response
from nextbuy.product.access import may_see_hidden
from nextbuy.product.deps import Deps
from nextbuy.product.model import ProductNotFound, picture_path
from nextbuy.product.picture import draw
from nextbuy.product.store.products import read_picture_subject

_MAX_AGE: Final = 300
"""Seconds for which a browser or proxy may show a picture that is no longer public."""

# Opened as a document, the SVG must not run or load anything.
_SAFE: Final = ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'")


async def show_picture(deps: Deps, caller: Caller, request: Request) -> Response:
    """Draw the picture of a product."""
    product_id = parse_uuid(request.path.rpartition("/")[2])
    subject = None if product_id is None else await read_picture_subject(deps.database, product_id)
    if product_id is None or subject is None:
        raise ProductNotFound
    if not subject.public:
        if not await may_see_hidden(deps, caller, subject.seller_id):
            raise ProductNotFound
        headers = [_SAFE, ("cache-control", "private, no-store")]
    else:
        path = picture_path(product_id, subject.title, subject.category)
        etag = f'"{path.rpartition("=")[2]}"'
        headers = [
            _SAFE,
            ("cache-control", f"public, max-age={_MAX_AGE}" if request.target == path else "public, no-cache"),
            # Pages of other origins show public pictures.
            ("cross-origin-resource-policy", "cross-origin"),
            ("etag", etag),
        ]
        if none_match(request.headers, etag):
            return Response(304, content_type="", headers=headers)
    return Response(200, draw(str(product_id), subject.title, subject.category), "image/svg+xml", headers)
