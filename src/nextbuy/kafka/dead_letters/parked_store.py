"""The SQL of dead letters of parked events: the bus rejected them, so no subscription has received them."""

import logging
from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from nextbuy.contracts.parking import ParkedEvent
from nextbuy.contracts.values import new_id
from nextbuy.kit.events.error_text import storable
from nextbuy.kit.storage.database import Database, Executor

log: Final = logging.getLogger(__name__)

# An event that was replayed and is parked again waits for an operator again.
_STORE: Final = """
    INSERT INTO dead_letters
        (id, delivery_key, topic, event_id, event_type, destination, subscription, publisher, reason, error_chain,
         attempts, envelope, position)
    SELECT id, 'parked/' || event_id, topic, event_id, topic, '', '', $1, reason, '{}', 1, envelope, log_position
    FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::bigint[])
         AS parked (id, event_id, topic, reason, envelope, log_position)
    ON CONFLICT (delivery_key) DO UPDATE
        SET status = 'waiting', resolved_at = NULL, replay_id = NULL, reason = EXCLUDED.reason,
            attempts = dead_letters.attempts + 1, failed_at = clock_timestamp()
        WHERE dead_letters.status = 'replayed'
    RETURNING event_id
"""


async def unresolved(db: Executor, event_ids: Collection[UUID]) -> set[UUID]:
    """Return the parked events with a dead letter that is waiting, being replayed, or discarded."""
    rows = await db.fetch(
        "SELECT event_id FROM dead_letters WHERE delivery_key = ANY($1::text[]) AND status <> 'replayed'",
        [f"parked/{event_id}" for event_id in event_ids],
    )
    return {row["event_id"] for row in rows}


async def store_parked(database: Database, publisher: str, events: Sequence[ParkedEvent]) -> None:
    """Store a dead letter for each parked event that has none, or reopen one that was replayed."""
    rows = await database.fetch(
        _STORE,
        publisher,
        [new_id() for _ in events],
        [event.event_id for event in events],
        [event.topic for event in events],
        [storable(event.reason) for event in events],
        [bytes(event.envelope) for event in events],
        [event.position for event in events],
    )
    stored = {row["event_id"] for row in rows}
    for event in events:
        if event.event_id in stored:
            log.error(
                "event dead-lettered; it waits for an operator",
                extra={
                    "topic": event.topic,
                    "event_id": event.event_id,
                    "publisher": publisher,
                    "reason": event.reason,
                },
            )
