"""Operations of operators on dead letters; each is recorded in the audit log in the same transaction."""

from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.kafka.dead_letters import replay_requests, store
from nextbuy.kafka.dead_letters.replay_requests import Replay
from nextbuy.kafka.dead_letters.store import DeadLetter, Filter
from nextbuy.kit.audit_log import record
from nextbuy.kit.storage.database import Transaction

_MATCHING: Final = "dead-letters"
"""The audit log's subject of a replay by filter."""


class DeadLetterRef(Struct, frozen=True):
    """The id of a dead letter."""

    id: UUID


async def replay(tx: Transaction, actor: str, letter_id: UUID) -> DeadLetter:
    """Request the replay of a dead letter."""
    letter = await replay_requests.request_replay(tx, letter_id)
    await record(
        tx,
        actor,
        "replay",
        str(letter_id),
        before="waiting",
        after="replaying",
        event_type=letter.event_type,
        subscription=letter.subscription,
    )
    return letter


async def replay_matching(tx: Transaction, actor: str, only: Filter) -> Replay:
    """Request the replay of the waiting dead letters that match a filter, up to `MAX_DEAD_LETTERS`."""
    run = await replay_requests.request_replays(tx, actor, only)
    await record(tx, actor, "replay", _MATCHING, filter=msgspec.to_builtins(only), replay_id=run.id, total=run.total)
    return run


async def discard(tx: Transaction, actor: str, letter_id: UUID, reason: str) -> DeadLetter:
    """Discard a dead letter; nothing can undo this."""
    letter = await store.discard(tx, letter_id, reason)
    await record(
        tx,
        actor,
        "discard",
        str(letter_id),
        before="waiting",
        after="discarded",
        reason=reason,
        event_type=letter.event_type,
        subscription=letter.subscription,
    )
    return letter
