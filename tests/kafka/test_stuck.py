"""A destination that accepts no events for ten minutes is listed, until it accepts one."""

from collections.abc import Sequence

import pytest

from nextbuy.contracts.auth import ValidateAdmin
from nextbuy.contracts.delivery import EventEntry, EventsReceived, Outcome, Result
from nextbuy.contracts.errors import AppError, Conflict, NotFound, Unavailable
from nextbuy.contracts.values import PageRequest, Role
from nextbuy.kafka.delivery import outages
from nextbuy.kafka.delivery.outages import Outage
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.give_up_stuck import give_up_stuck
from nextbuy.kafka.retry_stuck import retry_stuck
from nextbuy.kafka.service import SERVICE
from nextbuy.kafka.stuck import stuck
from nextbuy.kit.audit_log import list_entries
from nextbuy.kit.stuck import GiveUp, Stuck, StuckRef
from nextbuy.kit.wire import Response, encode
from tests.callers import account, caller, confirm
from tests.doubles import StubCalls
from tests.kafka.conftest import MakeHarness
from tests.kafka.delivery_harness import DeliveryHarness, let_pass
from tests.kafka.sample_deps import sample_deps
from tests.kit.events.sample import RECORD_EFFECTS, Counted, applied
from tests.waiting import until

pytestmark = [pytest.mark.usefixtures("fast_retries"), pytest.mark.timeout(120)]
ADMIN = caller(account(Role.ADMIN))


@pytest.fixture(autouse=True)
def quick_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outages are recorded without the pauses of production."""
    monkeypatch.setattr(outages, "RECORD_INTERVAL", 0.02)


def operators(harness: DeliveryHarness) -> Deps:
    """Return the dependencies of the endpoints."""
    deps = harness.deps
    calls = StubCalls({ValidateAdmin: confirm})
    return sample_deps(harness.database, calls, deps.bus, deps.destinations)


async def listed(harness: DeliveryHarness) -> list[Stuck]:
    return (await stuck(operators(harness), ADMIN, PageRequest())).items


async def wait_for_record(harness: DeliveryHarness) -> None:
    """Wait until an outage is recorded, and let a quarter of an hour pass."""

    async def recorded() -> bool:
        age = "UPDATE outages SET since = since - interval '15 minutes' WHERE attempts > 3 RETURNING true"
        return bool(await harness.database.fetchval(age))

    await until(recorded, "the outage is recorded", timeout=30)


async def refuse(_entries: Sequence[EventEntry]) -> AppError:
    return Unavailable("Closed for repairs.")


async def ask_to_retry(entries: Sequence[EventEntry]) -> Response:
    results = [[Result(Outcome.RETRY, "database-unavailable") for _ in entry.subscriptions] for entry in entries]
    return Response(200, encode(EventsReceived(results)))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(refuse, "unavailable: Closed for repairs."), (ask_to_retry, "database-unavailable")],
    ids=["call refused", "nothing applied"],
)
async def test_destination_that_accepts_no_events_is_listed_until_it_accepts_one(
    make_redis_harness: MakeHarness, answer: object, reason: str
) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS], other=[RECORD_EFFECTS])
    harness.destinations["sample"].intercept = answer  # type: ignore[assignment]
    async with harness.delivering():
        await harness.publish(Counted(about="a", n=1))
        await wait_for_record(harness)

        [work] = await listed(harness)
        harness.destinations["sample"].intercept = let_pass

        async def none_listed() -> bool:
            return await listed(harness) == []

        await until(none_listed, "the outage has ended")

    assert (work.id, work.kind, work.reason) == ("sample", "destination", reason)
    assert work.attempts > 3
    assert await applied(harness.destinations["sample"].database) == [1]
    assert await harness.database.fetchval("SELECT count(*) FROM outages") == 0


async def test_successful_delivery_leaves_no_outage(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    async with harness.delivering():
        await harness.publish(*(Counted(about="a", n=n) for n in range(50)))
        await until(harness.is_done, "all events are acknowledged")

    assert await harness.database.fetchval("SELECT count(*) FROM outages") == 0


async def test_outage_outlives_a_restart_of_the_kafka_service(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    harness.destinations["sample"].intercept = refuse
    await harness.publish(Counted(about="a", n=1))
    async with harness.delivering():
        await wait_for_record(harness)
        [before] = await listed(harness)

    async def counted_again() -> bool:
        [again] = await listed(harness)
        return again.attempts > before.attempts

    async with harness.delivering():
        await until(counted_again, "the outage is recorded again")
        [after] = await listed(harness)

    assert after.since == before.since


async def test_outage_that_no_copy_refreshes_is_ignored_and_replaced(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    await harness.database.execute(
        """
        INSERT INTO outages (destination, since, failed_at, attempts, reason)
        VALUES ('sample', now() - interval '2 days', now() - interval '1 day', 900, 'long ago')
        """
    )
    assert await listed(harness) == []

    outage = Outage("sample", harness.database)
    outage.failed("now")
    await outage._record(recorded=False)

    row = await harness.database.fetchrow("SELECT *, since > now() - interval '1 minute' AS is_new FROM outages")
    assert row is not None
    assert (row["is_new"], row["attempts"], row["reason"]) == (True, 1, "now")


async def test_retry_is_recorded_and_giving_up_is_refused(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS])
    harness.destinations["sample"].intercept = refuse
    async with harness.delivering():
        await harness.publish(Counted(about="a", n=1))
        await wait_for_record(harness)
        deps = operators(harness)

        await retry_stuck(deps, ADMIN, StuckRef("sample"))
        with pytest.raises(Conflict) as error:
            await give_up_stuck(deps, ADMIN, GiveUp("sample", "enough"))
        with pytest.raises(NotFound):
            await give_up_stuck(deps, ADMIN, GiveUp("unknown", "enough"))

    assert error.value.slug == "destination-not-given-up"
    [entry] = (await list_entries(harness.database, "kafka", 10)).items
    assert (entry.action, entry.subject) == ("retry-stuck", "sample")


async def test_status_has_backlogs_dead_letters_and_stuck_destinations(make_redis_harness: MakeHarness) -> None:
    harness = await make_redis_harness(sample=[RECORD_EFFECTS], other=[RECORD_EFFECTS])
    harness.destinations["sample"].intercept = refuse
    async with harness.delivering():
        await harness.publish(*(Counted(about="a", n=n) for n in range(3)))
        await until(lambda: harness.is_done("other"), "the other destination has taken all events")
        await wait_for_record(harness)

        parts: dict[str, object] = {}
        for part in SERVICE.status:
            parts |= await part(harness.deps)

    destinations = parts.pop("destinations")
    assert isinstance(destinations, dict)
    assert {name: backlog.waiting for name, backlog in destinations.items()} == {"sample": 3, "other": 0}
    assert destinations["sample"].oldest_s > 0
    assert parts == {"dead_letters": 0, "stuck": {"destination": 1}}
