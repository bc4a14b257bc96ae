"""Expired holds that no other service releases."""

from uuid import UUID

import pytest

from nextbuy.product import release_expired as module
from nextbuy.product.release_expired import GRACE, release_expired
from tests.product.service_harness import ServiceHarness


async def expire(service: ServiceHarness, session: UUID, age: float) -> None:
    """Let a hold have expired `age` seconds ago."""
    await service.database.execute(
        "UPDATE stock_holds SET expires_at = now() - make_interval(secs => $2) WHERE session_id = $1", session, age
    )


async def test_only_holds_expired_long_ago_are_released(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=10)
    for age in (GRACE + 60, GRACE + 30, GRACE - 30, -60):
        await expire(service, await service.hold((kettle, 1)), age)

    assert not await release_expired(service.deps)
    assert await service.stock_levels(kettle) == (8, 2, 0)


async def test_batch_of_holds_returns_the_units_of_each(
    service: ServiceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 3)
    seller = await service.seller()
    kettle, cup = await service.create_product(seller, stock=20), await service.create_product(seller, stock=20)
    for age in (4, 3, 2, 1):
        await expire(service, await service.hold((kettle, age), (cup, 1)), GRACE + age)

    assert await release_expired(service.deps)
    assert await service.stock_levels(kettle) == (19, 1, 0)
    assert await service.stock_levels(cup) == (19, 1, 0)

    assert not await release_expired(service.deps)
    assert await service.stock_levels(kettle) == (20, 0, 0)
    assert await service.stock_levels(cup) == (20, 0, 0)
