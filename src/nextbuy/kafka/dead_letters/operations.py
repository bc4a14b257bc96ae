"""What an operator does about dead letters, by the API or at the terminal: each act with its line in the audit."""

from typing import Final
from uuid import UUID

import msgspec

from nextbuy.kafka.audit_log import note
from nextbuy.kit.events.dead_letters import replays
from nextbuy.kit.events.dead_letters import store as dead_letters
from nextbuy.kit.events.dead_letters.replays import Replay
from nextbuy.kit.events.dead_letters.store import DeadLetter, Filter
from nextbuy.kit.storage.database import Transaction

_LETTERS: Final = "dead-letters"


async def replay(tx: Transaction, who: str, letter_id: UUID) -> DeadLetter:
    """Ask for a replay; `NotFound` or `Conflict` where there can be none."""
    letter = await replays.request_replay(tx, letter_id)
    await note(tx, who, "replay", str(letter_id), event_type=letter.event_type, handler=letter.handler)
    return letter


async def replay_matching(tx: Transaction, who: str, only: Filter) -> Replay:
    """Ask for a replay of all that wait and that the filter names, up to the most that one replay takes."""
    asked = await replays.request_replays(tx, who, only)
    await note(tx, who, "replay", _LETTERS, filter=msgspec.to_builtins(only), replay_id=asked.id, total=asked.total)
    return asked


async def discard(tx: Transaction, who: str, letter_id: UUID, reason: str) -> DeadLetter:
    """Give an event up for good; `NotFound` or `Conflict` where it cannot be."""
    letter = await dead_letters.discard(tx, letter_id, reason)
    await note(tx, who, "discard", str(letter_id), reason=reason, event_type=letter.event_type, handler=letter.handler)
    return letter
