"""GET /product/api/picture/{product_id}: a product's picture as SVG, drawn from its title and category.

Pictures of products in any status are public, because sellers and admins load them from pages that send no token.
"""

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Request, Response
from nextbuy.product.deps import Deps
from nextbuy.product.model import ProductNotFound, parse_id
from nextbuy.product.picture import draw
from nextbuy.product.store.products import title_and_category

_HEADERS = [
    ("cache-control", "public, max-age=86400"),
    # Opened as a document, the SVG must not run or load anything.
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"),
]


async def show_picture(deps: Deps, _caller: Caller, request: Request) -> Response:
    """Draw the picture of a product."""
    key = request.path.rpartition("/")[2]
    product_id = parse_id(key)
    subject = None if product_id is None else await title_and_category(deps.database, product_id)
    if subject is None:
        raise ProductNotFound
    return Response(200, draw(str(product_id), *subject), "image/svg+xml", _HEADERS)
