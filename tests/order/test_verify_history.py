"""Sessions rebuilt from the event log equal the stored rows, and every deviation is found.

`NEXTBUY_TEST_CHECKOUTS` sets the number of random checkouts.
"""

import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest

from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import PaymentDeclined
from nextbuy.contracts.product import ReleaseStock
from nextbuy.contracts.values import Role
from nextbuy.kit.storage.database import Database, Row
from nextbuy.order.differences import Difference
from nextbuy.order.history import EVENTS, SessionProjection, decode_event, evolve
from nextbuy.order.model import TRANSITIONS, State
from nextbuy.order.unmatched_history import Origin
from nextbuy.order.verify_history import VerifyHistory, verify_history
from tests.callers import account, caller
from tests.order.market import Market
from tests.order.random_checkouts import RandomCheckouts
from tests.outbox import published

MANY = int(os.environ.get("NEXTBUY_TEST_CHECKOUTS") or 600)
SOME = 150
ORIGIN = Origin(datetime(2026, 5, 1, tzinfo=UTC), "", "")
ALLOWED_STEPS = {(source, target) for sources, target in TRANSITIONS.values() for source in sources}


async def verified(market: Market) -> tuple[int, list[Difference]]:
    """Verify all sessions, page by page."""
    admin, number, found = caller(account(Role.ADMIN)), 0, []
    page = await verify_history(market.deps, admin, VerifyHistory())
    while True:
        number += page.verified
        found += page.items
        if page.next_cursor is None:
            return number, found
        page = await verify_history(market.deps, admin, VerifyHistory(cursor=page.next_cursor))


async def logged_steps(database: Database) -> Counter[tuple[State, State]]:
    """Count the steps from one state to another in the event log."""
    steps: Counter[tuple[State, State]] = Counter()
    sessions: dict[UUID, SessionProjection] = {}
    for envelope in await published(database):
        event: Event | None = decode_event(envelope)
        assert event is not None
        session_id: UUID = event.session_id  # type: ignore[attr-defined]
        before = sessions.get(session_id)
        after = evolve(before, event, ORIGIN)
        assert after is not None
        assert after.violations == ()
        if before is not None and (before.status is not after.status or isinstance(event, PaymentDeclined)):
            steps[before.status, after.status] += 1
        sessions[session_id] = after
    return steps


@pytest.mark.scaled
@pytest.mark.timeout(240)
async def test_many_random_checkouts_equal_their_events(market: Market) -> None:
    seed = random.SystemRandom().randrange(10**9)
    sys.stdout.write(f"the seed of these checkouts is {seed}\n")

    await RandomCheckouts(market, seed).run(MANY)

    number, found = await verified(market)
    assert found == []
    assert number >= MANY
    steps = await logged_steps(market.database)
    # A payment of a wrong amount is received and due for refund in one transaction; one that the provider refunded
    # before it reported it also ends in that transaction.
    received = {source for source, target in steps if target is State.PAYING}
    reached = set(steps) | {(source, end) for source in received for end in (State.REFUND_DUE, State.REFUNDED)}
    assert reached >= ALLOWED_STEPS, "a transition of the table never happened"
    assert set(steps) <= ALLOWED_STEPS, "a step that is not in the table"


@asynccontextmanager
async def mutable_event_log(database: Database) -> AsyncIterator[None]:
    """Allow changes to the event log."""
    await database.execute("ALTER TABLE event_log DISABLE TRIGGER event_log_append_only")
    yield
    await database.execute("ALTER TABLE event_log ENABLE TRIGGER event_log_append_only")


async def an_event(database: Database, topic: str) -> Row:
    """Return an event of a topic, if possible the last of its key: a payment hides what an earlier event changed."""
    row = await database.fetchrow(
        """
        SELECT *, envelope::jsonb -> 'data' ->> 'session_id' AS session FROM event_log AS one WHERE topic = $1
         ORDER BY (SELECT (count(*) FILTER (WHERE later.topic = 'payment.received'), count(*))
                     FROM event_log AS later WHERE later.key = one.key AND later.id > one.id)
         LIMIT 1
        """,
        topic,
    )
    assert row is not None, f"no {topic} in these checkouts"
    return row


async def restore(database: Database, row: Row) -> None:
    await database.execute(
        """
        INSERT INTO event_log (id, event_id, topic, key, bucket, parent_span, envelope) OVERRIDING SYSTEM VALUE
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        *(row[name] for name in ("id", "event_id", "topic", "key", "bucket", "parent_span", "envelope")),
    )


@pytest.fixture
async def used(market: Market) -> Market:
    """A market with some sessions in it."""
    await RandomCheckouts(market, 11).run(SOME)
    session = await market.create_payment_session((market.product(market.shop()), 1))
    market.calls.replies[ReleaseStock] = Unavailable("unavailable")
    await market.deliver(market.provider_event("checkout.session.expired", session.session_id))
    await market.give_up(str(session.session_id))
    assert (await verified(market))[1] == []
    return market


async def test_missing_event_is_found_at_its_session_and_no_other(used: Market) -> None:
    for topic in (event.topic for event in EVENTS):
        row = await an_event(used.database, topic)
        async with mutable_event_log(used.database):
            await used.database.execute("DELETE FROM event_log WHERE id = $1", row["id"])

        _, found = await verified(used)

        assert {str(one.session_id) for one in found} == {row["session"]}, topic
        await restore(used.database, row)
    assert (await verified(used))[1] == []


async def test_repeated_event_is_found_at_its_session_and_no_other(used: Market) -> None:
    for topic in (event.topic for event in EVENTS):
        row = await an_event(used.database, topic)
        copy = await used.database.fetchval(
            """
            INSERT INTO event_log (event_id, topic, key, bucket, parent_span, envelope)
            SELECT gen_random_uuid(), topic, key, bucket, parent_span, envelope FROM event_log WHERE id = $1
            RETURNING id
            """,
            row["id"],
        )

        _, found = await verified(used)

        assert {str(one.session_id) for one in found} == {row["session"]}, topic
        assert {one.field for one in found} == {"violations"}
        assert topic in (found[0].logged or "")
        async with mutable_event_log(used.database):
            await used.database.execute("DELETE FROM event_log WHERE id = $1", copy)
    assert (await verified(used))[1] == []


@pytest.mark.parametrize(
    ("change", "fields"),
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
async def test_row_changed_without_an_event_is_named(used: Market, change: str, fields: set[str]) -> None:
    session_id = await used.database.fetchval("SELECT session_id FROM orders ORDER BY id LIMIT 1")
    await used.database.execute(change, session_id)

    _, found = await verified(used)

    assert {one.session_id for one in found} == {session_id}
    assert {one.field.rpartition(" ")[2] for one in found} == fields
    assert all(one.stored != one.logged for one in found)


async def test_session_that_only_the_log_has_is_named(used: Market) -> None:
    session_id = await used.database.fetchval(
        "DELETE FROM sessions WHERE id = (SELECT id FROM sessions WHERE status = 'expired' LIMIT 1) RETURNING id"
    )

    _, found = await verified(used)

    assert found == [Difference(session_id=session_id, field="session", stored=None, logged='"expired"')]


async def test_session_that_the_log_does_not_have_is_named(used: Market) -> None:
    session_id = await used.database.fetchval("SELECT id FROM sessions WHERE status = 'expired' LIMIT 1")
    async with mutable_event_log(used.database):
        await used.database.execute("DELETE FROM event_log WHERE key = $1", str(session_id))

    _, found = await verified(used)

    assert found == [Difference(session_id=session_id, field="session", stored='"expired"', logged=None)]
