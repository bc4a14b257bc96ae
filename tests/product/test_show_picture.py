"""The route of product pictures."""

import pytest

from nextbuy.contracts.errors import NotFound
from nextbuy.kit.wire import Request
from nextbuy.product.show_picture import show_picture
from tests.callers import caller
from tests.product.service_harness import ServiceHarness


async def test_pending_product_has_a_picture(service: ServiceHarness) -> None:
    waiting = await service.create_product(await service.seller(), "Desk lamp", category="electronics")
    response = await show_picture(service.deps, caller(None), Request("GET", waiting.picture, "", {}))

    assert (response.status, response.content_type) == (200, "image/svg+xml")
    assert response.body.startswith(b"<svg")
    assert ("cache-control", "public, max-age=86400") in response.headers


@pytest.mark.parametrize("name", ["01a204df-ff5d-734d-ae03-88a265c7785c", "x", "", "%00"])
async def test_unknown_product_has_no_picture(service: ServiceHarness, name: str) -> None:
    with pytest.raises(NotFound):
        await show_picture(service.deps, caller(None), Request("GET", f"/product/api/picture/{name}", "", {}))
