"""Units that everybody forgot."""

from nextbuy.product.release_expired import GRACE, release_expired
from tests.product.service_harness import Desk


async def test_only_sessions_that_ended_long_ago_are_given_back(desk: Desk) -> None:
    kettle = await desk.offer(await desk.seller(), stock=10)
    for age in (GRACE + 60, GRACE + 30, GRACE - 30, -60):
        session = await desk.hold((kettle, 1))
        await desk.database.execute(
            "UPDATE stock_sessions SET expires_at = now() - make_interval(secs => $2) WHERE session_id = $1",
            session,
            age,
        )
    assert [await release_expired(desk.product) for _ in range(3)] == [True, True, False]
    assert await desk.units(kettle) == (8, 2, 0)
