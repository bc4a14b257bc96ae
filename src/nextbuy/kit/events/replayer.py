"""Runs the replays that were asked for, many letters at a time: each by the handler that failed.

What fails again waits for a person as before, with the latest reason. What something stands in the way of that will
pass is deferred, and uses up no attempt. A letter that could not be read when it came is given to every handler, or
buried under the name of the one that fails.
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
from nextbuy.kit.events.dead_letters.replays import Claimed
from nextbuy.kit.events.handling import Handling, transient
from nextbuy.kit.events.inbound import EventDecoder as EventReader
from nextbuy.kit.events.inbound import InboundEvent, UndecodableEvent
from nextbuy.kit.storage.database import Database, Executor

log: Final = logging.getLogger(__name__)

MOST: Final = 100
"""Letters that are in hand at a time."""
POLL: Final = 1.0
"""Seconds between looks for what was asked for."""
_BEGIN_WITHIN: Final = 5.0
"""Seconds after which what is not begun is given back; with one act's time it is less than a lease."""
_ACT_TIMEOUT: Final = 12.0
"""Seconds that one act may take."""
_DEFERRED: Final = 2.0
_LONGEST_DEFERRED: Final = 60.0

Pair = tuple[Claimed, InboundEvent]


class Replayer:
    """The replaying side of one service."""

    def __init__(self, database: Database, reader: EventReader, handlings: Mapping[str, Sequence[Handling]]) -> None:
        """Replay with these handlers, by topic."""
        self._database = database
        self._reader = reader
        self._handlings = handlings

    async def run(self) -> None:
        """Run the replays that are asked for, for ever; cancel it to stop it."""
        away = False
        while True:
            try:
                while await self.some():
                    away = False
            except Exception as error:  # noqa: BLE001  it was the database, and what was asked for is asked for still
                if not away:
                    log.warning("Replays have to wait: %r", error)
                away = True
            await asyncio.sleep(POLL)

    async def some(self) -> bool:
        """Run some of what was asked for; false where there is nothing."""
        claimed = await replays.claim(self._database, MOST)
        if not claimed:
            return False
        ends = time.monotonic() + _BEGIN_WITHIN
        groups: dict[tuple[str, str], list[Claimed]] = defaultdict(list)
        for one in claimed:
            groups[one.letter.topic, one.letter.handler].append(one)
        try:
            for (topic, handler), group in groups.items():
                await self._run(topic, handler, group, ends)
        finally:
            await replays.give_back(self._database, claimed[0].token)
        return True

    async def _run(self, topic: str, handler: str, group: Sequence[Claimed], ends: float) -> None:
        handlings = [one for one in self._handlings.get(topic, ()) if handler in {"", one.listening.name}]
        pairs: list[Pair] = []
        for one in group:
            try:
                if not handlings:
                    raise LookupError(f"There is no handler {handler} of {topic} any more.")
                pairs.append((one, self._reader.read(topic, one.body)))
            except (UndecodableEvent, LookupError) as error:
                await replays.put_back(self._database, one, error)
        if not handler:
            await self._deliver(handlings, pairs)
        elif pairs and handlings[0].listening.way == "batch":
            await self._together(handlings[0], pairs)
        elif pairs:
            await self._one_by_one(handlings[0], pairs, ends)

    async def _one_by_one(self, handling: Handling, pairs: Sequence[Pair], ends: float) -> None:
        done: list[Claimed] = []
        try:
            for place, (one, item) in enumerate(pairs):
                if time.monotonic() > ends:
                    return
                limit = asyncio.timeout(_ACT_TIMEOUT)
                try:
                    async with limit:
                        await handling.act_again(item)
                except Exception as error:  # noqa: BLE001  whatever it was is told to the person who asked
                    passing = None if limit.expired() else transient(error)
                    if passing is not None:
                        await self._defer([later for later, _ in pairs[place:]], passing)
                        return
                    await replays.put_back(self._database, one, error)
                else:
                    done.append(one)
        finally:
            await replays.settle(self._database, done)

    async def _together(self, handling: Handling, pairs: Sequence[Pair]) -> None:
        """Apply events in one transaction, or, where that cannot be done, each half of them by itself."""
        claimed = [one for one, _ in pairs]
        event_ids = {one.letter.id: item.id for one, item in pairs}

        async def settle(reader: Executor) -> set[UUID]:
            return {event_ids[letter_id] for letter_id in await replays.settle(reader, claimed)}

        try:
            await handling.apply_again([item for _, item in pairs], settle)
        except Exception as error:  # noqa: BLE001  whatever it was is told to the person who asked
            passing = transient(error)
            if passing is not None:
                await self._defer(claimed, passing)
            elif len(pairs) == 1:
                await replays.put_back(self._database, claimed[0], error)
            else:
                middle = len(pairs) // 2
                await self._together(handling, pairs[:middle])
                await self._together(handling, pairs[middle:])

    async def _deliver(self, handlings: Sequence[Handling], pairs: Sequence[Pair]) -> None:
        items = [item for _, item in pairs]
        done = len(items)
        try:
            async with asyncio.timeout(_BEGIN_WITHIN):
                for handling in handlings:
                    done = min(done, await handling.handle(items))
        except TimeoutError as error:
            # The inbox knows what was done of it.
            await replays.defer(self._database, [one for one, _ in pairs], error, _DEFERRED)
            return
        await replays.settle(self._database, [one for one, _ in pairs[:done]])

    async def _defer(self, claimed: Sequence[Claimed], error: AppError) -> None:
        seconds = min(max(error.retry_after or 0.0, _DEFERRED), _LONGEST_DEFERRED)
        await replays.defer(self._database, claimed, error, seconds)
