"""Lost dead letters: a destination has rejected an event, and its dead letter is missing or counts as replayed.

A dead letter is lost when this service's database was restored from a backup; a replay is lost when the destination's
database was. The destination's inbox row has the reason, so the dead letter is stored, or is waiting, again.
"""

from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.delivery import Outcome, Result
from nextbuy.kafka.dead_letters.store import store_dead_letters
from nextbuy.kafka.delivery.open_batch import Entry, delivery_key
from nextbuy.kit.storage.database import Database

# A replay that has just ended may be newer than the destination's answer.
_REPLAY_LOST: Final = "status = 'replayed' AND resolved_at < now() - interval '1 minute'"
_DEAD_LETTERED: Final = (
    f"SELECT delivery_key FROM dead_letters WHERE delivery_key = ANY($1::text[]) AND NOT ({_REPLAY_LOST})"  # noqa: S608
)
_REOPEN: Final = f"""
    UPDATE dead_letters SET status = 'waiting', resolved_at = NULL
    WHERE delivery_key = ANY($1::text[]) AND {_REPLAY_LOST}
"""  # noqa: S608  made of constants


class LostDeadLetter(Struct, frozen=True):
    """A rejected event without a dead letter, and the reason in its inbox row."""

    destination: str
    subscription: str
    topic: str
    event_id: UUID
    reason: str
    body: bytes
    position: int


async def find_dead_lettered(database: Database, keys: Collection[tuple[str, UUID]]) -> set[tuple[str, UUID]]:
    """Return the subscriptions and events with a dead letter, unless its replay is lost."""
    by_key = {delivery_key(subscription, event_id): (subscription, event_id) for subscription, event_id in keys}
    rows = await database.fetch(_DEAD_LETTERED, list(by_key))
    return {by_key[row["delivery_key"]] for row in rows}


async def restore_dead_letters(database: Database, lost: Sequence[LostDeadLetter]) -> None:
    """Store lost dead letters, and mark replayed ones as waiting again."""
    dead_letters = [
        Entry(0, dead.topic, dead.event_id, dead.body, dead.position, []).dead_letter(
            dead.destination, dead.subscription, Result(Outcome.REJECTED, dead.reason)
        )
        for dead in lost
    ]
    if dead_letters:
        await store_dead_letters(database, dead_letters)
        await database.execute(_REOPEN, [dead_letter.delivery_key for dead_letter in dead_letters])
