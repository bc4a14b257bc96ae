"""GET /product/api/picture/{product_id}: a product's picture, drawn from its title and category.

It is shown in whatever state the product is: its seller and the admins look at it too, from pages that ask without a
token.
"""

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Request, Response
from nextbuy.product.deps import Deps
from nextbuy.product.model import id_of, no_such_product
from nextbuy.product.picture import draw
from nextbuy.product.store.products import title_and_category

_HEADERS = [
    ("cache-control", "public, max-age=86400"),
    # Opened by itself it is a document; it has nothing to run, and may not.
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'"),
]


async def show_picture(deps: Deps, _caller: Caller, request: Request) -> Response:
    """Draw a product."""
    name = request.path.rpartition("/")[2]
    product_id = id_of(name)
    drawn_from = None if product_id is None else await title_and_category(deps.database, product_id)
    if drawn_from is None:
        raise no_such_product(name)
    return Response(200, draw(str(product_id), *drawn_from), "image/svg+xml", _HEADERS)
