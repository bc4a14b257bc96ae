"""A receiver applies each event once per subscription, in order, and all events of a call in one transaction."""

import asyncio
from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from nextbuy.contracts.delivery import EventEntry, Outcome
from nextbuy.contracts.values import new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service import Inbox, Subscription, subscribe
from nextbuy.kit.storage.database import Database, Transaction
from tests.conftest import DatabaseUrl
from tests.kit.events.sample import (
    EFFECTS,
    RECORD_EFFECTS,
    Counted,
    Inbound,
    LogFile,
    Measured,
    ReceiverHarness,
    applied,
    count,
    counted,
    deliver,
    effects,
    entry,
    message,
    numbers_of,
    outcomes,
    record_effects,
    recording,
    run_until_killed,
)
from tests.outbox import published
from tests.waiting import all_wait_for_a_lock, until

ONE, OTHER = subscribe("one", [Counted, Measured], recording("one")), subscribe("other", Counted, recording("other"))


async def test_all_subscriptions_of_a_call_share_one_transaction(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(ONE, OTHER)

    results = await deliver(receiver, *counted(range(50), "one", "other"), entry(Measured(about="b", n=50), "one"))

    assert outcomes(results) == [*["applied applied"] * 50, "applied"]
    assert await applied(harness.database, "one") == list(range(51))
    assert await applied(harness.database, "other") == list(range(50))
    assert harness.database.transactions == 1
    written = "SELECT DISTINCT xmin::text FROM (SELECT xmin FROM inbox UNION ALL SELECT xmin FROM effects) AS written"
    assert len(await harness.database.fetch(written)) == 1
    assert await count(harness.database, "inbox") == 101


async def test_event_twice_in_one_call_has_one_effect(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(RECORD_EFFECTS)
    first, second = counted(range(2))
    named_twice = entry(Counted(about="a", n=2), RECORD_EFFECTS.name, RECORD_EFFECTS.name)

    await deliver(receiver, first, second, first, second, named_twice)

    assert await applied(harness.database) == [0, 1, 2]


async def test_event_of_an_earlier_call_is_a_duplicate(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(RECORD_EFFECTS)
    entries = counted(range(5))
    await deliver(receiver, *entries[:3])

    results = await deliver(receiver, *entries)

    assert outcomes(results) == ["duplicate", "duplicate", "duplicate", "applied", "applied"]
    assert await applied(harness.database) == [0, 1, 2, 3, 4]


async def test_event_is_a_duplicate_for_each_subscription_by_itself(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(ONE, OTHER)
    event_id = new_id()
    await deliver(receiver, entry(Counted(about="a", n=1), "other", id=event_id))

    results = await deliver(receiver, entry(Counted(about="a", n=1), "one", "other", id=event_id))

    assert outcomes(results) == ["applied duplicate"]
    assert (await applied(harness.database, "one"), await applied(harness.database, "other")) == ([1], [1])


async def test_subscription_that_does_not_exist_here_is_unknown(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(ONE, OTHER)

    results = await deliver(
        receiver, entry(Measured(about="a", n=1), "one", "other", "removed"), entry(Counted(about="a", n=2), "removed")
    )

    assert outcomes(results) == ["applied unknown unknown", "unknown"]
    assert await effects(harness.database) == [("a", 1)]
    assert await count(harness.database, "inbox") == 1


async def test_handler_gets_its_new_events_in_the_order_of_the_call(harness: ReceiverHarness) -> None:
    batches: list[list[int]] = []

    async def act(_deps: object, _tx: Transaction, events: Inbound) -> None:
        batches.append(numbers_of(events))

    receiver = await harness.receiver(subscribe("act", [Counted, Measured], act))
    ids = sorted((new_id() for _ in range(6)), reverse=True)
    entries = [entry((Counted, Measured)[n % 2](about="a", n=n), "act", id=event_id) for n, event_id in enumerate(ids)]
    await deliver(receiver, entries[2])

    await deliver(receiver, entries[0], entries[1], entries[0], *entries[2:], entries[4])

    assert batches == [[2], [0, 1, 3, 4, 5]]


async def test_event_from_before_the_subscription_began_is_a_duplicate_without_a_row(
    harness: ReceiverHarness,
) -> None:
    before = entry(Counted(about="a", n=1), "one", "from-start", time=utc_now() - timedelta(milliseconds=2))
    receiver = await harness.receiver(ONE, subscribe("from-start", Counted, recording("from-start"), from_start=True))

    results = await deliver(receiver, before, entry(Counted(about="a", n=2), "one", "from-start"))

    assert outcomes(results) == ["duplicate applied", "applied applied"]
    assert await applied(harness.database, "one") == [2]
    assert await applied(harness.database, "from-start") == [1, 2]
    assert await count(harness.database, "inbox WHERE subscription = 'one'") == 1


async def test_subscription_begins_with_a_whole_millisecond_like_the_ids_of_events(harness: ReceiverHarness) -> None:
    await harness.receiver(ONE)

    fractions = "SELECT count(*) FROM subscriptions WHERE begins_at <> date_trunc('milliseconds', begins_at)"
    assert await harness.database.fetchval(fractions) == 0


async def test_beginning_of_a_subscription_stays_when_its_service_restarts(harness: ReceiverHarness) -> None:
    await harness.receiver(ONE)
    between = entry(Counted(about="a", n=1), "one", "other")
    await asyncio.sleep(0.002)  # a subscription begins with a whole millisecond
    restarted = await harness.receiver(ONE, OTHER)

    results = await deliver(restarted, between, entry(Counted(about="a", n=2), "one", time=utc_now() - timedelta(1)))

    assert outcomes(results) == ["applied duplicate", "duplicate"]


async def test_concurrent_calls_with_the_same_events_apply_them_once(harness: ReceiverHarness) -> None:
    started, finish = asyncio.Event(), asyncio.Event()

    async def act(deps: object, tx: Transaction, events: Inbound) -> None:
        await record_effects(deps, tx, events)
        started.set()
        await finish.wait()

    receiver = await harness.receiver(subscribe(RECORD_EFFECTS.name, Counted, act))
    entries = counted(range(20))

    first = asyncio.create_task(deliver(receiver, *entries))
    await started.wait()
    second = asyncio.create_task(deliver(receiver, *reversed(entries)))
    await until(lambda: all_wait_for_a_lock(harness.database, 1))
    finish.set()

    assert outcomes(await first) == ["applied"] * 20
    assert outcomes(await second) == ["duplicate"] * 20
    assert await applied(harness.database) == list(range(20))


async def test_every_call_locks_its_rows_in_the_same_order(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(ONE, OTHER)

    await deliver(receiver, *reversed(counted(range(20), "other", "one")))

    rows = [
        tuple(row) for row in await harness.database.fetch("SELECT subscription, event_id FROM inbox ORDER BY ctid")
    ]
    assert rows == sorted(rows)
    assert len(rows) == 40


async def test_subscription_applies_an_event_in_each_of_its_inboxes(harness: ReceiverHarness) -> None:
    generations = [1]

    async def inboxes(_tx: Transaction) -> list[Inbox]:
        return [Inbox(f"figures/{one}", recording(f"figures/{one}")) for one in generations]

    receiver = await harness.receiver(
        Subscription("project-figures", (Counted,), record_effects, from_start=False, inboxes=inboxes)
    )
    first, second = counted(range(2), "project-figures")
    await deliver(receiver, first)
    generations.append(2)

    results = await deliver(receiver, first, second)
    again = await deliver(receiver, first, second)

    assert outcomes(results) == ["applied", "applied"]
    assert outcomes(again) == ["duplicate", "duplicate"]
    assert await applied(harness.database, "figures/1") == [0, 1]
    assert await applied(harness.database, "figures/2") == [0, 1]
    assert await count(harness.database, "effects") == 4
    assert await count(harness.database, "inbox WHERE subscription = 'project-figures'") == 0


async def test_undecodable_events_are_rejected_and_the_others_applied(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(RECORD_EFFECTS)
    name = RECORD_EFFECTS.name
    invalid = [
        EventEntry(msgspec.Raw(b'{"id": 5}'), [name], 1),
        EventEntry(msgspec.Raw(b"null"), [name], 1),
        entry(Counted(about="a", n=-1), data=msgspec.Raw(b'{"about": "a", "n": "many"}')),
        entry(Counted(about="a", n=-2), data=msgspec.Raw(b'{"about": "a"}')),
        entry(Counted(about="a", n=-3), data=msgspec.Raw(b'"\xff"')),
    ]
    mixed = [one for pair in zip(counted(range(5)), invalid, strict=True) for one in pair]

    results = await deliver(receiver, *mixed)

    assert outcomes(results) == ["applied", "rejected"] * 5
    assert await applied(harness.database) == [0, 1, 2, 3, 4]
    reasons = [result.reason for [result] in results[1::2]]
    assert reasons[0].startswith("Invalid envelope: ")
    assert reasons[2] == "Invalid data for the type: n: Wrong kind of value. Send a whole number."
    assert harness.database.transactions == 1
    rows = await harness.database.fetch("SELECT rejection FROM inbox WHERE rejection IS NOT NULL")
    assert sorted(row["rejection"] for row in rows) == sorted(reasons[2:])


async def test_handler_gets_the_position_of_each_event(harness: ReceiverHarness) -> None:
    positions: list[int] = []

    async def act(_deps: object, _tx: Transaction, events: Inbound) -> None:
        positions.extend(event.position for event in events)

    receiver = await harness.receiver(subscribe("record-positions", Counted, act))
    first, second, third = counted(range(3), "record-positions")

    await deliver(receiver, replace(first, position=7), replace(second, position=3), replace(third, position=2**63 - 1))

    assert positions == [7, 3, 2**63 - 1]


@pytest.mark.parametrize("position", [0, -1, 2**63])
async def test_event_without_a_valid_position_is_rejected(harness: ReceiverHarness, position: int) -> None:
    receiver = await harness.receiver(RECORD_EFFECTS)
    first, last = counted([1, 2])

    [[result], [other]] = await deliver(receiver, replace(first, position=position), last)

    assert (result.outcome, other.outcome) == (Outcome.REJECTED, Outcome.APPLIED)
    assert result.reason == "No valid position in its publisher's event log."
    assert await applied(harness.database) == [2]


async def test_fields_of_a_newer_publisher_are_ignored(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(RECORD_EFFECTS)
    newer = msgspec.json.decode(message(Counted(about="a", n=1), schema_version=2).body)
    newer |= {"tenant": "north", "data": newer["data"] | {"colour": "red", "parts": [{"n": 1}]}}

    results = await deliver(receiver, EventEntry(msgspec.Raw(msgspec.json.encode(newer)), [RECORD_EFFECTS.name], 1))

    assert outcomes(results) == ["applied"]
    assert await effects(harness.database) == [("a", 1)]


async def test_event_has_one_log_line_with_the_outcome_of_each_subscription(harness: ReceiverHarness) -> None:
    async def refuse(_deps: object, _tx: Transaction, _events: Inbound) -> None:
        raise ValueError("invalid numbers")

    receiver = await harness.receiver(ONE, subscribe("refuse", Counted, refuse))
    parent = telemetry.start_span(request_id="request-1", sampled=True)
    event_id = new_id()
    traced = {"traceparent": parent.traceparent, "correlation_id": "request-1"}
    sent = entry(Counted(about="a", n=1), "removed", "one", "refuse", id=event_id, **traced)

    await deliver(receiver, sent, entry(Measured(about="a", n=2), "one"))
    await deliver(receiver, entry(Measured(about="a", n=3), "removed"))

    first, second, third = harness.log_file.lines("consume")
    assert (first["caller"], first["callee"], first["name"]) == ("kafka", "sample", "test.counted")
    assert first["ids"] == {"event": [str(event_id)]}
    assert first["reason"] == "ValueError: invalid numbers"
    assert first["subscriptions"] == {"one": "applied", "refuse": "rejected", "removed": "unknown"}
    assert first["trace_id"] == parent.trace_id
    assert (second["name"], second["subscriptions"]) == ("test.measured", {"one": "applied"})
    assert [line["outcome"] for line in (first, second, third)] == ["rejected", "ok", "unknown"]


async def test_duplicates_have_no_log_line(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(ONE)
    sent = entry(Counted(about="a", n=1), "one")

    await deliver(receiver, sent)
    await deliver(receiver, sent)

    assert len(harness.log_file.lines("consume")) == 1


async def test_event_published_by_a_handler_names_its_cause_and_continues_its_trace(harness: ReceiverHarness) -> None:
    async def act(_deps: object, tx: Transaction, events: Inbound) -> None:
        for event in events:
            await publish(tx, Measured(about="b", n=0), cause=event)

    receiver = await harness.receiver(subscribe("act", Counted, act))
    origins = [telemetry.start_span(request_id=f"request-{n}", sampled=n == 0) for n in range(2)]
    ids = [new_id() for _ in origins]
    entries = [
        entry(
            Counted(about="a", n=n),
            "act",
            id=event_id,
            traceparent=origin.traceparent,
            correlation_id=origin.correlation_id,
        )
        for n, (event_id, origin) in enumerate(zip(ids, origins, strict=True))
    ]

    with telemetry.use_span(telemetry.start_span(request_id="the delivery")):
        await deliver(receiver, *entries)

    envelopes = await published(harness.database)
    assert [envelope.causation_id for envelope in envelopes] == [str(event_id) for event_id in ids]
    assert [envelope.correlation_id for envelope in envelopes] == ["request-0", "request-1"]
    traces = [telemetry.start_span(envelope.traceparent) for envelope in envelopes]
    assert [(one.trace_id, one.sampled) for one in traces] == [(one.trace_id, one.sampled) for one in origins]


@pytest.mark.parametrize(
    ("role", "stored", "outcome"), [("before-commit", 0, Outcome.APPLIED), ("after-commit", 1, Outcome.DUPLICATE)]
)
async def test_receiver_killed_before_its_answer_causes_one_effect(
    role: str, stored: int, outcome: Outcome, log_file: LogFile, database_url: DatabaseUrl
) -> None:
    url = await database_url("")
    database = await Database.connect(url, "sample")
    await database.execute(EFFECTS)
    receiver = await ReceiverHarness(database, log_file).receiver(RECORD_EFFECTS)
    sent = entry(Counted(about="a", n=1))

    assert await run_until_killed(role, url, bytes(sent.envelope).decode())
    assert await count(database, "effects") == stored

    assert outcomes(await deliver(receiver, sent)) == [outcome]
    assert await effects(database) == [("a", 1)]
    await database.close()
