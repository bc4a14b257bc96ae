"""Expired holds that no other service releases."""

from nextbuy.product.release_expired import GRACE, release_expired
from tests.product.service_harness import ServiceHarness


async def test_only_holds_expired_long_ago_are_released(service: ServiceHarness) -> None:
    kettle = await service.create_product(await service.seller(), stock=10)
    for age in (GRACE + 60, GRACE + 30, GRACE - 30, -60):
        session = await service.hold((kettle, 1))
        await service.database.execute(
            "UPDATE stock_holds SET expires_at = now() - make_interval(secs => $2) WHERE session_id = $1",
            session,
            age,
        )

    assert [await release_expired(service.deps) for _ in range(3)] == [True, True, False]
    assert await service.stock_levels(kettle) == (8, 2, 0)
