"""Dead letters that a destination proves: it has rejected an event, and the letter is missing or counts as replayed.

A letter is lost if this service's database is older than the destination's, and a replay if it is the other way round.
"""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.delivery import Outcome, Result
from nextbuy.kafka.dead_letters.store import store_letters
from nextbuy.kafka.delivery.open_batch import Entry, delivery_key
from nextbuy.kit.storage.database import Database

# A replay that ends while a destination is asked may be newer than its answer.
_REPLAY_LOST: Final = "status = 'replayed' AND resolved_at < now() - interval '1 minute'"
_STANDING: Final = (
    f"SELECT delivery_key FROM dead_letters WHERE delivery_key = ANY($1::text[]) AND NOT ({_REPLAY_LOST})"  # noqa: S608
)
_REOPEN: Final = f"""
    UPDATE dead_letters SET status = 'waiting', resolved_at = NULL
    WHERE delivery_key = ANY($1::text[]) AND {_REPLAY_LOST}
"""  # noqa: S608  made of constants


class LostLetter(Struct, frozen=True):
    """A rejected event without a dead letter, and the reason in its inbox row."""

    destination: str
    subscription: str
    topic: str
    event_id: UUID
    reason: str
    body: bytes
    position: int


async def standing_letters(database: Database, keys: Collection[tuple[str, UUID]]) -> set[tuple[str, UUID]]:
    """Return the subscriptions and events that have a dead letter which is not replayed."""
    by_key = {delivery_key(subscription, event_id): (subscription, event_id) for subscription, event_id in keys}
    rows = await database.fetch(_STANDING, list(by_key))
    return {by_key[row["delivery_key"]] for row in rows}


async def restore_letters(database: Database, lost: Sequence[LostLetter]) -> None:
    """Store lost dead letters, and mark replayed ones as waiting again."""
    letters = [
        Entry(0, one.topic, one.event_id, one.body, one.position, []).letter(
            one.destination, one.subscription, Result(Outcome.REJECTED, one.reason)
        )
        for one in lost
    ]
    if letters:
        await store_letters(database, letters)
        await database.execute(_REOPEN, [letter.delivery_key for letter in letters])
