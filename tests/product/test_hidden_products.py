"""No public route shows a product that is pending or rejected, or whose shop is not approved, to a stranger."""

from typing import Final

import pytest

from nextbuy.contracts.auth import Account
from nextbuy.contracts.product import Product
from nextbuy.contracts.values import Role
from nextbuy.kit.service import Route
from nextbuy.product.poll_changes import poll_changes
from nextbuy.product.service import SERVICE
from nextbuy.product.update_product import UpdateProduct, update_product
from tests.callers import account, caller
from tests.product.service_harness import ServiceHarness
from tests.product.test_over_the_wire import RouteClient

WORD: Final = "quillwork"
"""A word of the title that no path and no query contains in this form."""
PUBLIC: Final = [route for route in SERVICE.routes if route.who is None]
QUERIES: Final = {
    "get-products": ["ids={id}"],
    "get-all-products": ["", "category={category}", "sort=price-low", "sort=price-high"],
    "search-products": ["q=quillw", "q=quillworks", "q=desk+lamp"],
}


def targets(route: Route, product: Product) -> list[str]:
    """Return the addresses of a route that could show a product."""
    paths = [
        route.path.replace("{key}", key).replace("{product_id}", str(product.id))
        for key in (str(product.id), product.slug)
    ]
    queries = QUERIES.get(
        route.path, [product.picture.partition("?")[2]] if route.path.startswith("picture/") else [""]
    )
    return [
        f"{path}?{query.format(id=product.id, category=product.category)}"
        for path in dict.fromkeys(paths)
        for query in queries
    ]


async def hidden(service: ServiceHarness, seller: Account, how: str) -> Product:
    """Create a product that was public before, and hide it."""
    title = f"Desk lamp with {WORD}"
    lamp = await service.create_product(seller, title)
    if how == "suspended":
        await service.set_shop_status(seller, "suspended")
        return lamp
    changes = {"pending": {"category": "electronics"}, "rejected": {"title": f"Stolen desk lamp with {WORD}"}}
    request = UpdateProduct(product_id=lamp.id, **changes[how])  # type: ignore[arg-type]
    return (await update_product(service.deps, caller(seller), request)).product


@pytest.mark.parametrize("how", ["pending", "rejected", "suspended"])
@pytest.mark.parametrize("route", PUBLIC, ids=lambda route: f"{route.method} {route.path}")
async def test_public_route_hides_product_from_strangers(service: ServiceHarness, route: Route, how: str) -> None:
    client = RouteClient(service)
    lamp = await hidden(service, await service.seller(), how)
    await poll_changes(service.deps)
    body = {"items": [{"product_id": str(lamp.id), "action": "viewed"}]} if route.method == "POST" else None

    for target in targets(route, lamp):
        for who in (None, account(Role.BUYER), account(Role.SELLER)):
            response = await client.request(route.method, target, body, by=who)
            assert response.status in {200, 202, 404}, (target, response.body)
            shown = response.body.decode() + str(response.headers)
            assert WORD not in shown.casefold(), target
            assert route.method == "POST" or str(lamp.id) not in shown.replace(target, ""), target
