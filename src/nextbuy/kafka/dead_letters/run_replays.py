"""Job: deliver the dead letters whose replay was requested, each to the subscription that rejected it.

A dead letter that is rejected again waits for an operator as before, with the new reason. A transient failure delays it
and counts no attempt. An event that could not be decoded when it arrived is delivered to every subscription of its
topic; a parked event goes back into the outbox of its publisher.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from msgspec import Raw

from nextbuy.contracts.delivery import EventEntry, Outcome, Result
from nextbuy.contracts.errors import AppError
from nextbuy.kafka.dead_letters import replay_requests
from nextbuy.kafka.dead_letters.replay_requests import ClaimedDeadLetter
from nextbuy.kafka.deps import Deps
from nextbuy.kit.events.inbound import EventDecoder, UndecodableEvent
from nextbuy.kit.service_context import publisher_by_topic
from nextbuy.kit.storage.database import transient

BATCH_SIZE: Final = 100
"""Dead letters that are claimed at a time."""
_DELAY: Final = 2.0
"""Seconds before a dead letter is delivered again after a transient failure."""


async def run_replays(deps: Deps) -> bool:
    """Replay one batch of dead letters; return false if no replay is due."""
    claimed = await replay_requests.claim(deps.database, BATCH_SIZE)
    if not claimed:
        return False
    groups: dict[tuple[str, str], list[ClaimedDeadLetter]] = defaultdict(list)
    for one in claimed:
        groups[one.letter.destination, one.letter.publisher].append(one)
    try:
        for (destination, publisher), group in groups.items():
            if publisher:
                await _replay_parked(deps, publisher, group)
            elif destination:
                await _replay(deps, destination, group)
            else:
                for one in group:
                    await _replay_undecoded(deps, one)
    finally:
        await replay_requests.release(deps.database, claimed)
    return True


async def _replay(deps: Deps, destination: str, group: Sequence[ClaimedDeadLetter]) -> None:
    """Deliver dead letters in one call; if it fails for good, deliver each half, to find the one that fails."""
    entries = [EventEntry(Raw(one.body), [one.letter.subscription], one.position, replay=True) for one in group]
    try:
        results = (await deps.delivery.receive_events(destination, entries)).results
    except AppError as error:
        outcome = _outcome_of(error)
        if outcome is Outcome.RETRY or len(group) == 1:
            results = [[Result(outcome, str(error))] for _ in group]
        else:
            await _replay(deps, destination, group[: len(group) // 2])
            await _replay(deps, destination, group[len(group) // 2 :])
            return
    for one, row in zip(group, results, strict=True):
        await _store_result(deps, one, row)


async def _replay_parked(deps: Deps, publisher: str, group: Sequence[ClaimedDeadLetter]) -> None:
    """Have parked events published again; the publisher parks those that the bus rejects again."""
    event_ids = [one.letter.event_id for one in group if one.letter.event_id]
    try:
        await deps.parking.replay_parked_events(publisher, event_ids)
    except AppError as error:
        result = Result(_outcome_of(error), str(error))
        for one in group:
            await _store_result(deps, one, [result])
    else:
        await replay_requests.mark_replayed(deps.database, group)


async def _replay_undecoded(deps: Deps, one: ClaimedDeadLetter) -> None:
    """Deliver an event to every subscription of its topic; if one rejects it, the dead letter stays."""
    topic = one.letter.topic
    try:
        EventDecoder.envelope(one.body, one.position, topic, publisher_by_topic(deps.publishers).get(topic))
    except UndecodableEvent as error:
        await _store_result(deps, one, [Result(Outcome.REJECTED, str(error))])
        return
    results: list[Result] = []
    for destination in deps.destinations:
        names = destination.topics.get(topic, ())
        if names:
            entry = EventEntry(Raw(one.body), list(names), one.position, replay=True)
            try:
                results += (await deps.delivery.receive_events(destination.name, [entry])).results[0]
            except AppError as error:
                results.append(Result(_outcome_of(error), str(error)))
    await _store_result(deps, one, results)


async def _store_result(deps: Deps, one: ClaimedDeadLetter, results: Sequence[Result]) -> None:
    by_outcome = {result.outcome: result for result in results}
    if transient_failure := by_outcome.get(Outcome.RETRY):
        await replay_requests.reschedule(deps.database, [one], transient_failure.reason, _DELAY)
    elif rejection := by_outcome.get(Outcome.REJECTED):
        await replay_requests.mark_failed(deps.database, one, rejection.reason, rejection.errors)
    elif Outcome.UNKNOWN in by_outcome or not results:
        reason = f"subscription {one.letter.subscription!r} no longer exists; discard this dead letter"
        await replay_requests.mark_failed(deps.database, one, reason, [])
    else:
        await replay_requests.mark_replayed(deps.database, [one])


def _outcome_of(error: AppError) -> Outcome:
    return Outcome.REJECTED if transient(error) is None else Outcome.RETRY
