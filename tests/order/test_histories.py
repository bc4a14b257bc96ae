"""Whatever happens to a session, its events tell it: what is stored can be built again from them, and is the same."""

import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from nextbuy.contracts.message import Event
from nextbuy.contracts.values import Role
from nextbuy.kit.storage.database import Database, Row
from nextbuy.order.history import TOLD, SessionProjection, evolve, read
from nextbuy.order.model import TRANSITIONS, State
from nextbuy.order.verify_history import Difference, HistoryAsk, verify_history
from tests.callers import account, caller
from tests.order.histories import Histories
from tests.order.market import Market
from tests.outbox import published

MANY, SOME = 3_000, 150
STEPS_OF_THE_TABLE = {(before, then) for sources, then in TRANSITIONS.values() for before in sources}


async def verified(market: Market) -> tuple[int, list[Difference]]:
    """Verify all sessions, a page after the other."""
    admin, number, found = caller(account(Role.ADMIN)), 0, []
    page = await verify_history(market.order, admin, HistoryAsk())
    while True:
        number += page.verified
        found += page.items
        if page.next_cursor is None:
            return number, found
        page = await verify_history(market.order, admin, HistoryAsk(cursor=page.next_cursor))


async def steps_told(database: Database) -> Counter[tuple[State, State]]:
    """Return from which state to which sessions went, as their events tell, and how often."""
    seen: Counter[tuple[State, State]] = Counter()
    lives: dict[UUID, SessionProjection] = {}
    for envelope in await published(database):
        event: Event | None = read(envelope)
        assert event is not None
        session_id: UUID = event.session_id  # type: ignore[attr-defined]
        before, after = lives.get(session_id), evolve(lives.get(session_id), event)
        assert after is not None
        assert after.amiss == ()
        if before is not None and before.status is not after.status:
            seen[before.status, after.status] += 1
        lives[session_id] = after
    return seen


@pytest.mark.timeout(240)
async def test_thousands_of_random_lives_are_each_what_their_events_tell(market: Market) -> None:
    seed = random.SystemRandom().randrange(10**9)
    sys.stdout.write(f"the seed of these histories is {seed}\n")
    histories = Histories(market, seed)
    await histories.make(MANY)
    number, found = await verified(market)
    assert found == []
    assert number >= MANY
    steps = await steps_told(market.database)
    # Money of a wrong amount is told as received and as due in one transaction.
    reached = set(steps) | {(before, State.REFUND_DUE) for before, then in steps if then is State.PAYING}
    assert reached >= STEPS_OF_THE_TABLE, "a step of the table never came to pass"
    assert set(steps) <= STEPS_OF_THE_TABLE, "a step that is not in the table"


@asynccontextmanager
async def tampering(database: Database) -> AsyncIterator[None]:
    """Let the log be changed for a moment."""
    await database.execute("ALTER TABLE event_log DISABLE TRIGGER event_log_append_only")
    yield
    await database.execute("ALTER TABLE event_log ENABLE TRIGGER event_log_append_only")


async def an_event(database: Database, topic: str) -> Row:
    """Return an event, if there is one the last of its key: what a later step has undone, no row remembers."""
    row = await database.fetchrow(
        """
        SELECT *, envelope::jsonb -> 'data' ->> 'session_id' AS session FROM event_log AS one WHERE topic = $1
         ORDER BY EXISTS (SELECT FROM event_log AS later WHERE later.key = one.key AND later.id > one.id) LIMIT 1
        """,
        topic,
    )
    assert row is not None, f"no {topic} in these histories"
    return row


async def put_back(database: Database, row: Row) -> None:
    await database.execute(
        """
        INSERT INTO event_log (id, event_id, topic, key, bucket, parent_span, envelope) OVERRIDING SYSTEM VALUE
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        *(row[name] for name in ("id", "event_id", "topic", "key", "bucket", "parent_span", "envelope")),
    )


@pytest.fixture
async def lived(market: Market) -> Market:
    """A market with some sessions in it."""
    await Histories(market, 11).make(SOME)
    assert (await verified(market))[1] == []
    return market


async def test_an_event_that_is_missing_is_seen_at_its_session_and_no_other(lived: Market) -> None:
    for topic in (event.topic for event in TOLD):
        row = await an_event(lived.database, topic)
        async with tampering(lived.database):
            await lived.database.execute("DELETE FROM event_log WHERE id = $1", row["id"])
        _, found = await verified(lived)
        assert {str(one.session_id) for one in found} == {row["session"]}, topic
        await put_back(lived.database, row)
    assert (await verified(lived))[1] == []


async def test_an_event_too_many_is_seen_at_its_session_and_no_other(lived: Market) -> None:
    for topic in (event.topic for event in TOLD):
        row = await an_event(lived.database, topic)
        again = await lived.database.fetchval(
            """
            INSERT INTO event_log (event_id, topic, key, bucket, parent_span, envelope)
            SELECT gen_random_uuid(), topic, key, bucket, parent_span, envelope FROM event_log WHERE id = $1
            RETURNING id
            """,
            row["id"],
        )
        _, found = await verified(lived)
        assert {str(one.session_id) for one in found} == {row["session"]}, topic
        assert {one.what for one in found} == {"amiss"}
        assert topic in (found[0].told or "")
        async with tampering(lived.database):
            await lived.database.execute("DELETE FROM event_log WHERE id = $1", again)
    assert (await verified(lived))[1] == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE sessions SET status = 'refunded' WHERE id = $1", {"status"}),
        ("UPDATE sessions SET total = total + 1 WHERE id = $1", {"total"}),
        ("UPDATE sessions SET lines = '[]' WHERE id = $1", {"lines"}),
        ("UPDATE sessions SET received = 1 WHERE id = $1", {"received"}),
        ("UPDATE orders SET seller_id = gen_random_uuid() WHERE session_id = $1", {"seller_id"}),
        ("UPDATE orders SET number = number || '?' WHERE session_id = $1", {"number"}),
        ("UPDATE order_lines SET title = '?' FROM orders WHERE id = order_id AND session_id = $1", {"lines"}),
    ],
)
async def test_a_row_that_was_changed_without_an_event_is_named(lived: Market, change: str, what: set[str]) -> None:
    session_id = await lived.database.fetchval("SELECT session_id FROM orders ORDER BY id LIMIT 1")
    await lived.database.execute(change, session_id)
    _, found = await verified(lived)
    assert {one.session_id for one in found} == {session_id}
    assert {one.what.rpartition(" ")[2] for one in found} == what
    assert all(one.stored != one.told for one in found)


async def test_a_session_that_only_the_log_knows_is_named(lived: Market) -> None:
    session_id = await lived.database.fetchval(
        "DELETE FROM sessions WHERE id = (SELECT id FROM sessions WHERE status = 'expired' LIMIT 1) RETURNING id"
    )
    _, found = await verified(lived)
    assert found == [Difference(session_id=session_id, what="session", stored=None, told='"expired"')]


async def test_sessions_that_are_older_than_their_log_are_counted_and_not_compared(lived: Market) -> None:
    async with tampering(lived.database):
        await lived.database.execute("DELETE FROM event_log WHERE topic LIKE 'payment-session.%'")
    await lived.database.execute("UPDATE sessions SET told = false")
    page = await verify_history(lived.order, caller(account(Role.ADMIN)), HistoryAsk())
    assert (page.verified, page.older, page.items) == (0, 100, [])
    assert page.next_cursor is not None
