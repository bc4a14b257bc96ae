"""The replayer runs requested replays: it delivers each dead letter to the handler that failed, in batches.

A letter that fails again waits for an operator as before, with the new reason. A transient failure reschedules the
letter and counts no attempt. A letter that could not be decoded when it arrived goes to every handler of its topic;
one that fails dead-letters it under its own name.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from nextbuy.contracts.errors import AppError
from nextbuy.kit.events.dead_letters import replays
from nextbuy.kit.events.dead_letters.replays import ClaimedLetter
from nextbuy.kit.events.handling import Handling
from nextbuy.kit.events.inbound import EventDecoder, InboundEvent, UndecodableEvent
from nextbuy.kit.storage.database import Database, Executor, transient

log: Final = logging.getLogger(__name__)

BATCH_SIZE: Final = 100
"""Letters that are claimed at a time."""
POLL_INTERVAL: Final = 1.0
"""Seconds between polls for requested replays."""
_START_TIMEOUT: Final = 5.0
"""Seconds after which no further letter of a batch is started; with `_CALL_TIMEOUT` it is less than the lease."""
_CALL_TIMEOUT: Final = 12.0
"""Seconds per call of a handler for a single letter."""
_MIN_DELAY: Final = 2.0
_MAX_DELAY: Final = 60.0
"""Seconds before a letter is retried after a transient failure, within which the error may name its own delay."""

Pair = tuple[ClaimedLetter, InboundEvent]


class Replayer:
    """The replayer of one service's dead letters."""

    def __init__(self, database: Database, decoder: EventDecoder, handlings: Mapping[str, Sequence[Handling]]) -> None:
        self._database = database
        self._decoder = decoder
        self._handlings = handlings

    async def run(self) -> None:
        """Run requested replays until cancelled."""
        failing = False
        while True:
            try:
                while await self.run_batch():
                    failing = False
            except Exception as error:  # noqa: BLE001  the database is unavailable; the requests stay stored in it
                if not failing:
                    log.warning("replays failed; retrying: %r", error)
                failing = True
            await asyncio.sleep(POLL_INTERVAL)

    async def run_batch(self) -> bool:
        """Replay one batch of letters; return false if no replay is requested."""
        claimed = await replays.claim(self._database, BATCH_SIZE)
        if not claimed:
            return False
        deadline = time.monotonic() + _START_TIMEOUT
        groups: dict[tuple[str, str], list[ClaimedLetter]] = defaultdict(list)
        for one in claimed:
            groups[one.letter.topic, one.letter.handler].append(one)
        try:
            for (topic, handler), group in groups.items():
                await self._replay_group(topic, handler, group, deadline)
        finally:
            await replays.release(self._database, claimed)
        return True

    async def _replay_group(self, topic: str, handler: str, group: Sequence[ClaimedLetter], deadline: float) -> None:
        handlings = [one for one in self._handlings.get(topic, ()) if handler in {"", one.listening.name}]
        pairs: list[Pair] = []
        for one in group:
            try:
                if not handlings:
                    raise LookupError(f"handler {handler!r} of {topic} no longer exists; discard the dead letter")
                pairs.append((one, self._decoder.decode(topic, one.body)))
            except (UndecodableEvent, LookupError) as error:
                await replays.mark_failed(self._database, one, error)
        if not handler:
            await self._replay_undecoded(handlings, pairs)
        elif pairs and handlings[0].listening.way == "batch":
            await self._replay_together(handlings[0], pairs)
        elif pairs:
            await self._replay_singles(handlings[0], pairs, deadline)

    async def _replay_singles(self, handling: Handling, pairs: Sequence[Pair], deadline: float) -> None:
        done: list[ClaimedLetter] = []
        try:
            for index, (one, item) in enumerate(pairs):
                if time.monotonic() > deadline:
                    return
                timeout = asyncio.timeout(_CALL_TIMEOUT)
                try:
                    async with timeout:
                        await handling.replay_call(item)
                except Exception as error:  # noqa: BLE001  whatever failed is shown to the operator
                    temporary = None if timeout.expired() else transient(error)
                    if temporary is not None:
                        await self._reschedule([later for later, _ in pairs[index:]], temporary)
                        return
                    await replays.mark_failed(self._database, one, error)
                else:
                    done.append(one)
        finally:
            await replays.mark_replayed(self._database, done)

    async def _replay_together(self, handling: Handling, pairs: Sequence[Pair]) -> None:
        """Apply events in one transaction or, if that fails, each half by itself."""
        claimed = [one for one, _ in pairs]
        event_ids = {one.letter.id: item.id for one, item in pairs}

        async def resolve(reader: Executor) -> set[UUID]:
            return {event_ids[letter_id] for letter_id in await replays.mark_replayed(reader, claimed)}

        try:
            await handling.replay_batch([item for _, item in pairs], resolve)
        except Exception as error:  # noqa: BLE001  whatever failed is shown to the operator
            temporary = transient(error)
            if temporary is not None:
                await self._reschedule(claimed, temporary)
            elif len(pairs) == 1:
                await replays.mark_failed(self._database, claimed[0], error)
            else:
                middle = len(pairs) // 2
                await self._replay_together(handling, pairs[:middle])
                await self._replay_together(handling, pairs[middle:])

    async def _replay_undecoded(self, handlings: Sequence[Handling], pairs: Sequence[Pair]) -> None:
        items = [item for _, item in pairs]
        done = len(items)
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                for handling in handlings:
                    done = min(done, await handling.handle(items))
        except TimeoutError as error:
            # The inbox knows which events were applied.
            await replays.reschedule(self._database, [one for one, _ in pairs], error, _MIN_DELAY)
            return
        await replays.mark_replayed(self._database, [one for one, _ in pairs[:done]])

    async def _reschedule(self, claimed: Sequence[ClaimedLetter], error: AppError) -> None:
        seconds = min(max(error.retry_after or 0.0, _MIN_DELAY), _MAX_DELAY)
        await replays.reschedule(self._database, claimed, error, seconds)
