"""Work that has failed for more than ten minutes is listed, retried and given up, on real rows under leases."""

from typing import Final

import pytest
from msgspec import Struct

from nextbuy.contracts.errors import Conflict, NotFound, Unprocessable
from nextbuy.contracts.values import PageRequest
from nextbuy.kit.audit_log import list_entries
from nextbuy.kit.storage.database import Database, Row
from nextbuy.kit.storage.leases import Leases
from nextbuy.kit.stuck import GiveUp, Stuck, StuckWork, leased_kind
from tests.conftest import OpenDatabase

LEASES: Final = Leases("errands", seconds=60, attempts="attempts", failures="")
STUCK: Final = StuckWork(
    leased_kind("errand", LEASES, condition="NOT urgent"), leased_kind("urgent-errand", LEASES, condition="urgent")
)


class Deps(Struct, frozen=True):
    """The dependencies of a service with errands."""

    database: Database


@pytest.fixture
async def errands(open_database: OpenDatabase) -> Database:
    """A table of three errands that are due: 1, 2, and 3, which is urgent."""
    database = await open_database("")
    await database.execute(
        """
        CREATE TABLE errands (id integer PRIMARY KEY, urgent boolean NOT NULL, due_at timestamptz DEFAULT now(),
                              attempts integer NOT NULL DEFAULT 0, failing_since timestamptz, failure text,
                              delayed_until timestamptz)
        """
    )
    await database.execute("INSERT INTO errands (id, urgent) SELECT n, n = 3 FROM generate_series(1, 3) AS n")
    return database


async def claim(errands: Database, errand: int) -> Row:
    """Claim one errand, due or not."""
    await errands.execute("UPDATE errands SET due_at = now() WHERE id = $1", errand)
    [row] = await errands.fetch(LEASES.claim_statement(condition="id = $2"), 1, errand)
    return row


async def fail(errands: Database, errand: int, *, times: int = 2, minutes: float = 0) -> None:
    """Have an errand fail some times, the first time some minutes ago."""
    for attempt in range(1, times + 1):
        row = await claim(errands, errand)
        await LEASES.reschedule(errands, [errand], row["due_at"], 120.0, f"failure {attempt}")
    await errands.execute(
        "UPDATE errands SET failing_since = failing_since - make_interval(mins => $2) WHERE id = $1", errand, minutes
    )


async def listed(errands: Database) -> list[Stuck]:
    """Return all stuck errands."""
    return (await STUCK.page(errands, PageRequest(limit=100))).items


async def test_work_is_stuck_when_it_has_failed_for_more_than_ten_minutes(errands: Database) -> None:
    await fail(errands, 1, minutes=11)
    await fail(errands, 2, minutes=9)
    await fail(errands, 3, times=3, minutes=20)

    urgent, other = await listed(errands)

    assert (urgent.id, urgent.kind, urgent.attempts, urgent.reason) == ("3", "urgent-errand", 3, "failure 3")
    assert (other.id, other.kind, other.attempts, other.reason) == ("1", "errand", 2, "failure 2")
    assert urgent.since < other.since


async def test_first_claim_is_not_a_failure_and_the_second_is(errands: Database) -> None:
    await claim(errands, 1)
    assert await errands.fetchval("SELECT failing_since FROM errands WHERE id = 1") is None

    await claim(errands, 1)

    assert await errands.fetchval("SELECT failing_since FROM errands WHERE id = 1") is not None


async def test_later_failures_do_not_move_the_start(errands: Database) -> None:
    await fail(errands, 1, minutes=11)
    [before] = await listed(errands)

    await fail(errands, 1, times=1)

    [after] = await listed(errands)
    assert (after.since, after.attempts) == (before.since, before.attempts + 1)


async def test_work_that_crashed_each_time_is_listed_without_its_error(errands: Database) -> None:
    await claim(errands, 1)
    await claim(errands, 1)
    await errands.execute("UPDATE errands SET failing_since = failing_since - interval '1 hour'")

    [stuck] = await listed(errands)

    assert stuck.reason == "interrupted; no outcome was stored"


async def test_work_that_succeeded_is_not_stuck(errands: Database) -> None:
    await fail(errands, 1, minutes=11)

    await errands.execute("UPDATE errands SET due_at = NULL WHERE id = 1")

    assert await listed(errands) == []


async def test_stuck_work_is_listed_oldest_first_page_by_page(errands: Database) -> None:
    for errand, minutes in ((1, 20), (2, 20), (3, 30)):
        await fail(errands, errand, minutes=minutes)
    # Equal times: the id decides.
    await errands.execute(
        "UPDATE errands SET failing_since = date_trunc('hour', now()) - interval '1 hour' WHERE id < 3"
    )
    await errands.execute("UPDATE errands SET failing_since = now() - interval '3 hours' WHERE id = 3")

    seen: list[str] = []
    request = PageRequest(limit=1)
    while True:
        page = await STUCK.page(errands, request)
        seen += [stuck.id for stuck in page.items]
        if page.next_cursor is None:
            break
        request = PageRequest(limit=1, cursor=page.next_cursor)

    assert seen == ["3", "1", "2"]
    with pytest.raises(Unprocessable):
        await STUCK.page(errands, PageRequest(cursor="nonsense"))


async def test_stuck_work_is_counted_by_kind(errands: Database) -> None:
    for errand in (1, 2, 3):
        await fail(errands, errand, minutes=11)

    assert await STUCK.status(Deps(errands)) == {"stuck": {"errand": 2, "urgent-errand": 1}}


async def test_retry_makes_work_due_and_is_recorded(errands: Database) -> None:
    await fail(errands, 1, minutes=11)

    async with errands.transaction() as tx:
        await STUCK.retry(tx, "ada", "1")

    assert await errands.fetchval("SELECT due_at <= now() FROM errands WHERE id = 1")
    [entry] = (await list_entries(errands, "errands", 10)).items
    assert (entry.actor, entry.action, entry.subject) == ("ada", "retry-stuck", "1")
    assert entry.details == {"before": "stuck", "after": "due", "kind": "errand", "failure": "failure 2"}


async def test_retry_leaves_running_work_alone(errands: Database) -> None:
    await fail(errands, 1, minutes=11)
    claimed = await claim(errands, 1)

    async with errands.transaction() as tx:
        await STUCK.retry(tx, "ada", "1")

    assert await errands.fetchval("SELECT due_at FROM errands WHERE id = 1") == claimed["due_at"]


async def test_giving_up_locks_work_and_is_recorded(errands: Database) -> None:
    await fail(errands, 1, minutes=11)

    async with errands.transaction() as tx:
        given_up = await STUCK.give_up(tx, "ada", GiveUp("1", "no longer needed"))
        async with errands.transaction() as other:
            assert await other.fetch("SELECT FROM errands WHERE id = 1 FOR UPDATE SKIP LOCKED") == []

    assert given_up.id == "1"
    [entry] = (await list_entries(errands, "errands", 10)).items
    assert (entry.actor, entry.action, entry.subject) == ("ada", "give-up-stuck", "1")
    assert entry.details == {
        "before": "stuck",
        "after": "given up",
        "reason": "no longer needed",
        "kind": "errand",
        "failure": "failure 2",
    }


async def test_running_work_cannot_be_given_up(errands: Database) -> None:
    await fail(errands, 1, minutes=11)
    await claim(errands, 1)

    with pytest.raises(Conflict) as error:
        async with errands.transaction() as tx:
            await STUCK.give_up(tx, "ada", GiveUp("1", "too slow"))

    assert error.value.slug == "stuck-in-progress"
    assert (await list_entries(errands, "errands", 10)).items == []


async def test_work_that_is_not_stuck_is_not_found(errands: Database) -> None:
    await fail(errands, 1, minutes=9)

    for stuck_id in ("1", "99", "no-number"):
        async with errands.transaction() as tx:
            with pytest.raises(NotFound):
                await STUCK.retry(tx, "ada", stuck_id)
            with pytest.raises(NotFound):
                await STUCK.give_up(tx, "ada", GiveUp(stuck_id, "why"))
