"""Pictures over the wire."""

import pytest

from nextbuy.contracts.errors import NotFound
from nextbuy.kit.wire import Request
from nextbuy.product.show_picture import show_picture
from tests.callers import caller
from tests.product.service_harness import Desk


async def test_every_product_has_a_picture_at_its_own_address(desk: Desk) -> None:
    waiting = await desk.offer(await desk.seller(), "Desk lamp", category="electronics")
    answer = await show_picture(desk.product, caller(None), Request("GET", waiting.picture, "", {}))
    assert (answer.status, answer.content_type) == (200, "image/svg+xml")
    assert answer.body.startswith(b"<svg")
    assert ("cache-control", "public, max-age=86400") in answer.headers


@pytest.mark.parametrize("name", ["01a204df-ff5d-734d-ae03-88a265c7785c", "x", "", "%00"])
async def test_what_is_not_there_has_no_picture(desk: Desk, name: str) -> None:
    with pytest.raises(NotFound):
        await show_picture(desk.product, caller(None), Request("GET", f"/product/api/picture/{name}", "", {}))
