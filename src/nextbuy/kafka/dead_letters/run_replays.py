"""Job: deliver the dead letters whose replay was requested, each to the subscription that rejected it.

A letter that is rejected again waits for an operator as before, with the new reason. A transient failure delays it and
counts no attempt. A letter that could not be decoded when it arrived goes to every subscription of its topic, and a
parked event back into the outbox of its publisher.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from msgspec import Raw

from nextbuy.contracts.delivery import EventEntry, Outcome, Result
from nextbuy.contracts.errors import AppError, BadGateway
from nextbuy.kafka.dead_letters import replay_requests
from nextbuy.kafka.dead_letters.replay_requests import ClaimedLetter
from nextbuy.kafka.deps import Deps
from nextbuy.kit.events.inbound import EventDecoder, UndecodableEvent
from nextbuy.kit.service_context import source_by_topic
from nextbuy.kit.storage.database import transient

BATCH_SIZE: Final = 100
"""Letters that are claimed at a time."""
_DELAY: Final = 2.0
"""Seconds before a letter is delivered again after a transient failure."""


async def run_replays(deps: Deps) -> bool:
    """Replay one batch of letters; return false if no replay is requested."""
    claimed = await replay_requests.claim(deps.database, BATCH_SIZE)
    if not claimed:
        return False
    groups: dict[tuple[str, str], list[ClaimedLetter]] = defaultdict(list)
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


async def _replay(deps: Deps, destination: str, group: Sequence[ClaimedLetter]) -> None:
    entries = [EventEntry(Raw(one.body), [one.letter.subscription], one.position, replay=True) for one in group]
    try:
        results = (await deps.delivery.receive_events(destination, entries)).results
        if [len(row) for row in results] != [1] * len(group):
            raise BadGateway(f"The {destination} service answered for other events.")
    except AppError as error:
        outcome = _outcome_of(error)
        if outcome is Outcome.RETRY or len(group) == 1:
            results = [[Result(outcome, str(error))] for _ in group]
        else:
            await _replay(deps, destination, group[: len(group) // 2])
            await _replay(deps, destination, group[len(group) // 2 :])
            return
    for one, row in zip(group, results, strict=True):
        await _conclude(deps, one, row)


async def _replay_parked(deps: Deps, publisher: str, group: Sequence[ClaimedLetter]) -> None:
    """Have parked events published again; what the bus rejects once more is parked and waits as before."""
    event_ids = [one.letter.event_id for one in group if one.letter.event_id]
    try:
        await deps.parking.replay_parked_events(publisher, event_ids)
    except AppError as error:
        result = Result(_outcome_of(error), str(error))
        for one in group:
            await _conclude(deps, one, [result])
    else:
        await replay_requests.mark_replayed(deps.database, group)


async def _replay_undecoded(deps: Deps, one: ClaimedLetter) -> None:
    """Deliver a letter to every subscription of its topic; what one rejects stays in this letter."""
    topic = one.letter.topic
    try:
        EventDecoder.envelope(one.body, one.position, topic, source_by_topic(deps.sources).get(topic))
    except UndecodableEvent as error:
        await _conclude(deps, one, [Result(Outcome.REJECTED, str(error))])
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
    await _conclude(deps, one, results)


async def _conclude(deps: Deps, one: ClaimedLetter, results: Sequence[Result]) -> None:
    failed = {result.outcome: result for result in results}
    if retried := failed.get(Outcome.RETRY):
        await replay_requests.reschedule(deps.database, [one], retried.reason, _DELAY)
    elif rejected := failed.get(Outcome.REJECTED):
        await replay_requests.mark_failed(deps.database, one, rejected.reason, rejected.errors)
    elif Outcome.UNKNOWN in failed or not results:
        reason = f"subscription {one.letter.subscription!r} no longer exists; discard this dead letter"
        await replay_requests.mark_failed(deps.database, one, reason, [])
    else:
        await replay_requests.mark_replayed(deps.database, [one])


def _outcome_of(error: AppError) -> Outcome:
    return Outcome.REJECTED if transient(error) is None else Outcome.RETRY
