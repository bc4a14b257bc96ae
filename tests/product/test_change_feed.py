"""The feed of changes is delayed by no request, and trusts no snapshot of another server."""

import asyncio
from datetime import timedelta

from msgspec.structs import replace

from nextbuy.product.poll_changes import poll_changes
from tests.product.service_harness import ServiceHarness
from tests.waiting import until


async def test_poll_waits_for_no_connection_of_the_pool(service: ServiceHarness) -> None:
    await poll_changes(service.deps)
    before = service.deps.cache.snapshot
    busy = [asyncio.create_task(service.database.execute("SELECT pg_sleep(4)")) for _ in range(20)]

    async def all_are_busy() -> bool:
        return service.database._pool.get_idle_size() == 0 and service.database._pool.get_size() >= 8

    await until(all_are_busy)
    async with asyncio.timeout(2):
        await poll_changes(service.deps)

    assert service.deps.cache.snapshot is not before
    assert not any(task.done() for task in busy)
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)


async def test_everything_is_dropped_when_another_server_answers(service: ServiceHarness) -> None:
    product = await service.create_product(await service.seller())
    await poll_changes(service.deps)
    await service.get_product(product.id)
    await poll_changes(service.deps)
    assert service.deps.cache.get(product.slug) is not None

    snapshot = service.deps.cache.snapshot
    assert snapshot is not None
    # As if the replica that was promoted had started an hour before.
    service.deps.cache.snapshot = replace(snapshot, server_started=snapshot.server_started - timedelta(hours=1))
    await poll_changes(service.deps)

    assert service.deps.cache.get(product.slug) is None
