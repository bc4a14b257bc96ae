"""Dead letters of the sample service, and requests to replay them."""

from collections.abc import Sequence

from nextbuy.contracts.values import new_id
from nextbuy.kafka.dead_letters.replay_requests import MAX_DEAD_LETTERS, Replay, request_replays
from nextbuy.kafka.dead_letters.store import ALL, Filter, NewDeadLetter, store_dead_letters
from nextbuy.kit.storage.database import Database
from tests.kit.events.sample import Counted, message


def new_dead_letter(n: int, subscription: str = "record-effects", *, reason: str = "conflict: No.") -> NewDeadLetter:
    """Return a dead letter of an event that a subscription of `sample` has rejected."""
    event_id = new_id()
    sent = message(Counted(about="a", n=n), id=event_id)
    return NewDeadLetter(
        delivery_key=f"{subscription}/{event_id}",
        topic=Counted.topic,
        event_id=event_id,
        event_type=Counted.topic,
        destination="sample",
        subscription=subscription,
        reason=reason,
        errors=[reason],
        attempts=1,
        body=sent.body,
        position=sent.position,
    )


async def add_dead_letters(
    database: Database, numbers: Sequence[int], subscription: str = "record-effects", *, reason: str = "conflict: No."
) -> None:
    """Store one dead letter per number."""
    await store_dead_letters(database, [new_dead_letter(n, subscription, reason=reason) for n in numbers])


async def request(database: Database, only: Filter = ALL, *, limit: int = MAX_DEAD_LETTERS) -> Replay:
    """Request a replay by filter."""
    async with database.transaction() as tx:
        return await request_replays(tx, "operator", only, limit=limit)
