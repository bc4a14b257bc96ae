"""The status counts the products that wait for a decision, and no others."""

import pytest

from nextbuy.product.review_status import review_status
from nextbuy.product.store import lists
from tests.product.service_harness import ServiceHarness


async def test_pending_products_are_counted_up_to_a_limit(
    service: ServiceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller = await service.seller()
    await service.create_product(seller, "Mug")
    for number in range(3):
        await service.create_product(seller, f"Antique sword {number}")

    assert await review_status(service.deps) == {"reviews": {"products": 3}}
    monkeypatch.setattr(lists, "_MAX_COUNTED", 2)
    assert await review_status(service.deps) == {"reviews": {"products": 2}}
