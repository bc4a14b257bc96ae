"""An event that a handler refuses is rejected with a reason, and tried again only by a replay."""

import logging
from collections.abc import Callable
from enum import StrEnum
from typing import cast

import msgspec
import pytest
from msgspec.structs import replace

from nextbuy.contracts.errors import Conflict
from nextbuy.contracts.message import Event
from nextbuy.kit.events.receiver import MAX_FAILURES
from nextbuy.kit.service import Inbox, Subscription, subscribe
from nextbuy.kit.storage.database import Transaction
from tests.kit.events.sample import (
    RECORD_EFFECTS,
    Counted,
    Inbound,
    ReceiverHarness,
    applied,
    break_down,
    counted,
    deliver,
    entry,
    outcomes,
    record_effects,
    recording,
    refuse,
    refusing,
    rejections_in,
)


@pytest.mark.parametrize(
    ("error", "tries", "reason"),
    [(refuse, 1, "conflict: No."), (break_down, MAX_FAILURES, "ValueError: invalid numbers")],
    ids=["permanent", "unforeseen"],
)
async def test_permanent_error_rejects_at_once_and_unforeseen_one_after_three_tries(
    harness: ReceiverHarness, error: Callable[[], Exception], tries: int, reason: str
) -> None:
    attempts: list[list[int]] = []
    receiver = await harness.receiver(subscribe("act", Counted, refusing({1}, error, attempts)))

    [[result]] = await deliver(receiver, *counted([1], "act"))

    assert (result.outcome, result.reason) == ("rejected", reason)
    assert "sample.py" in result.errors[0]
    assert attempts == [[1]] * tries
    assert await rejections_in(harness.database) == [reason]
    assert await applied(harness.database) == []


async def test_event_that_succeeds_at_its_last_try_is_applied(harness: ReceiverHarness) -> None:
    attempts: list[list[int]] = []

    async def act(deps: object, tx: Transaction, events: Inbound) -> None:
        await refusing({1} if len(attempts) < MAX_FAILURES - 1 else (), break_down, attempts)(deps, tx, events)

    receiver = await harness.receiver(subscribe("act", Counted, act))

    results = await deliver(receiver, *counted([1], "act"))

    assert outcomes(results) == ["applied"]
    assert len(attempts) == MAX_FAILURES
    assert await applied(harness.database) == [1]


async def test_rejected_event_is_answered_with_its_reason_and_not_tried_again(harness: ReceiverHarness) -> None:
    attempts: list[list[int]] = []
    receiver = await harness.receiver(subscribe("act", Counted, refusing({1}, refuse, attempts)))
    entries = counted(range(3), "act")
    await deliver(receiver, *entries)
    tried = len(attempts)

    results = await deliver(receiver, *entries)

    assert outcomes(results) == ["duplicate", "rejected", "duplicate"]
    assert results[1][0].reason == "conflict: No."
    assert len(attempts) == tried


async def test_replay_runs_the_handler_of_a_rejected_event(harness: ReceiverHarness) -> None:
    rejected, attempts = {0, 1, 2}, []  # type: ignore[var-annotated]
    receiver = await harness.receiver(subscribe("act", Counted, refusing(rejected, refuse, attempts)))
    entries = counted(range(3), "act")
    await deliver(receiver, *entries)
    rejected.clear()
    attempts.clear()

    replayed = await deliver(receiver, *[replace(one, replay=True) for one in entries[:2]])
    again = await deliver(receiver, replace(entries[0], replay=True), *entries)

    assert outcomes(replayed) == ["applied", "applied"]
    assert outcomes(again) == ["duplicate", "duplicate", "duplicate", "rejected"]
    assert attempts == [[0, 1]]
    assert await applied(harness.database) == [0, 1]
    assert await rejections_in(harness.database) == ["conflict: No."]


async def test_replay_retries_the_rejection_of_its_subscription_only(harness: ReceiverHarness) -> None:
    rejected = {0}
    one, other = (subscribe(name, Counted, refusing(rejected, refuse, [])) for name in ("one", "other"))
    receiver = await harness.receiver(one, other)
    sent = entry(Counted(about="a", n=0), "one", "other")
    await deliver(receiver, sent)
    rejected.clear()

    replayed = await deliver(receiver, replace(sent, subscriptions=["one"], replay=True))
    again = await deliver(receiver, sent)

    assert outcomes(replayed) == ["applied"]
    assert outcomes(again) == ["duplicate rejected"]
    assert await applied(harness.database) == [0]


async def test_replay_of_an_event_without_a_row_applies_it(harness: ReceiverHarness) -> None:
    receiver = await harness.receiver(RECORD_EFFECTS)

    results = await deliver(receiver, *[replace(one, replay=True) for one in counted(range(3))])

    assert outcomes(results) == ["applied"] * 3
    assert await applied(harness.database) == [0, 1, 2]


@pytest.mark.parametrize("others", [0, 4])
async def test_replay_that_fails_again_stores_and_answers_the_new_reason(harness: ReceiverHarness, others: int) -> None:
    errors = [refuse()]

    async def act(_deps: object, _tx: Transaction, _events: Inbound) -> None:
        raise errors[0]

    receiver = await harness.receiver(subscribe("act", Counted, act))
    entries = counted(range(1 + others), "act")
    await deliver(receiver, *entries)
    errors[0] = Conflict("Still not.")

    results = await deliver(receiver, *[replace(one, replay=True) for one in entries])

    assert {(one.outcome.value, one.reason, len(one.errors)) for [one] in results} == {
        ("rejected", "conflict: Still not.", 1)
    }
    assert set(await rejections_in(harness.database)) == {"conflict: Still not."}


async def test_event_that_the_kafka_service_gives_up_is_rejected_without_its_handler(harness: ReceiverHarness) -> None:
    attempts: list[list[int]] = []
    receiver = await harness.receiver(subscribe("act", Counted, refusing((), refuse, attempts)))
    early, given_up = counted(range(2), "act")
    await deliver(receiver, early)

    results = await deliver(
        receiver, replace(early, reject="given up: too slow"), replace(given_up, reject="given up: too slow")
    )
    again = await deliver(receiver, given_up)
    replayed = await deliver(receiver, replace(given_up, replay=True))

    assert outcomes(results) == ["duplicate", "rejected"]
    assert [(one.outcome, one.reason) for [one] in again] == [("rejected", "given up: too slow")]
    assert outcomes(replayed) == ["applied"]
    assert attempts == [[0], [1]]


async def test_event_given_up_for_one_subscription_is_applied_by_another(harness: ReceiverHarness) -> None:
    attempts: list[list[int]] = []
    receiver = await harness.receiver(
        subscribe("act", Counted, refusing((), refuse, attempts)), subscribe("other", Counted, recording("other"))
    )
    sent = entry(Counted(about="a", n=1), "other")

    results = await deliver(receiver, replace(sent, subscriptions=["act"], reject="given up: too slow"), sent)

    assert outcomes(results) == ["rejected", "applied"]
    assert attempts == []
    assert await applied(harness.database) == [1]


async def test_event_rejected_in_each_inbox_of_its_subscription_has_a_row_in_each(harness: ReceiverHarness) -> None:
    async def inboxes(_tx: Transaction) -> list[Inbox]:
        return [Inbox("figures/1", recording("1")), Inbox("figures/2", refusing({1}, refuse, []))]

    receiver = await harness.receiver(
        Subscription("project", (Counted,), record_effects, from_start=False, inboxes=inboxes)
    )
    entries = counted(range(3), "project")

    results = await deliver(receiver, *entries)

    assert outcomes(results) == ["applied", "rejected", "applied"]
    assert outcomes(await deliver(receiver, *entries)) == ["duplicate", "rejected", "duplicate"]
    assert await applied(harness.database, "1") == await applied(harness.database, "record_effects") == [0, 2]
    assert await rejections_in(harness.database) == ["conflict: No."] * 2


async def test_reason_with_nul_and_surrogates_is_stored(
    harness: ReceiverHarness, caplog: pytest.LogCaptureFixture
) -> None:
    # A worker of pytest-xdist cannot report a log record with a lone surrogate.
    caplog.set_level(logging.CRITICAL, logger="nextbuy.kit.events.receiver")

    async def act(_deps: object, _tx: Transaction, _events: Inbound) -> None:
        try:
            raise OSError("behind \0 \ud800")
        except OSError as error:
            raise Conflict("x" * 10_000 + "\0") from error

    receiver = await harness.receiver(subscribe("act", Counted, act))

    [[result]] = await deliver(receiver, *counted([1], "act"))

    assert len(result.reason) <= 2_000
    assert result.errors[1].startswith("OSError: behind \\0 ?")
    assert await rejections_in(harness.database) == [result.reason]


class Tone(StrEnum):
    WARM = "warm"


class Lit(Event, topic="test.lit", key="about"):
    about: str
    tone: Tone = Tone.WARM


async def test_nul_in_an_event_is_a_reason_and_never_an_unforeseen_error(harness: ReceiverHarness) -> None:
    attempts: list[int] = []

    async def act(_deps: object, tx: Transaction, events: Inbound) -> None:
        attempts.append(len(events))
        await tx.execute("SELECT $1::text[]", [cast("Lit", one.event).about for one in events])

    receiver = await harness.receiver(subscribe("act", Lit, act))
    good, in_text = entry(Lit(about="a"), "act"), entry(Lit(about="a\0"), "act", key="a")
    in_enum = entry(Lit(about="a"), "act", data=msgspec.Raw(b'{"about": "a", "tone": "\\u0000"}'))
    given_up = replace(entry(Lit(about="a"), "act"), reject="given up: \0 " + "x" * 10_000)

    results = await deliver(receiver, good, in_text, in_enum, given_up)

    assert outcomes(results) == ["applied", "rejected", "rejected", "rejected"]
    reasons = [result.reason for [result] in results[1:]]
    assert reasons[1] == "Invalid data for the type: tone: Unknown value. Send one of: warm."
    assert reasons[2].startswith("given up: \\0 x")
    assert len(reasons[2]) == 2_000
    assert await rejections_in(harness.database) == reasons
