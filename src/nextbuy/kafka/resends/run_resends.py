"""Job: deliver the events of a requested resend from the event logs, in parts, after new events.

Each part is delivered to every destination before the next one is read. A destination drops an event that it has
already applied as a duplicate, so a part that is repeated after a crash changes nothing.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from nextbuy.contracts.comparison import EventSelection, LoggedEnvelope
from nextbuy.contracts.errors import AppError, Unavailable
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.late_delivery import LateEvent
from nextbuy.kafka.resends import resend_requests
from nextbuy.kafka.resends.resend_requests import ClaimedResend, LeaseLost, LogProgress
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.events.inbound import EventDecoder
from nextbuy.kit.service_context import Destination

SLICE: Final = 5.0
"""Seconds after which a resend is released to be claimed again, so that a shutdown does not wait long."""
LATE_TIMEOUT: Final = 90.0
"""Seconds for the delivery of a part: longer than a failing event is tried (`dispatcher.GIVE_UP_AFTER`)."""
CALL_TIMEOUT: Final = 9.0
"""Seconds per read of an event log; its first attempt gets a third."""
_DELAY: Final = 2.0
"""Seconds before a part is delivered again after a failure."""

NotDelivered: Final = Unavailable.of("not-delivered", "A service has not accepted the events.")


async def run_resends(deps: Deps) -> bool:
    """Work on one resend for about `SLICE` seconds; return false if none is requested."""
    claimed = await resend_requests.claim(deps.database)
    if claimed is None:
        return False
    work = _Work(deps, claimed)
    try:
        await work.advance()
    except LeaseLost:
        return True
    except AppError as error:
        reason = f"{error.slug}: {error}"
        if error.transient:
            await resend_requests.block(deps.database, work.claimed, reason, _DELAY)
        else:
            await resend_requests.fail(deps.database, work.claimed, reason)
    finally:
        await resend_requests.release(deps.database, work.claimed)
    return True


class _Work:
    """The parts of one claimed resend."""

    def __init__(self, deps: Deps, claimed: ClaimedResend) -> None:
        self.claimed = claimed
        self._deps = deps
        destination = claimed.resend.destination
        self._destinations = [each for each in deps.destinations if destination in ("", each.name)]
        self._topics = {topic for each in self._destinations for topic in each.topics}
        if claimed.resend.selection.topics is not None:
            self._topics &= set(claimed.resend.selection.topics)

    async def advance(self) -> None:
        """Deliver parts until the slice or the resend ends."""
        until = time.monotonic() + SLICE
        if not self.claimed.resend.event_logs:
            publishers = [each.name for each in self._deps.publishers if self._topics & set(each.topics)]
            await self._save([LogProgress(name) for name in publishers], 0)
        while self.claimed.until is not None and time.monotonic() < until:
            logs = self.claimed.resend.event_logs
            index, progress = next((index, log) for index, log in enumerate(logs) if not log.done)
            events, after = await self._deliver_part(progress)
            await self._save([*logs[:index], after, *logs[index + 1 :]], self.claimed.resend.events + events)

    async def _save(self, event_logs: list[LogProgress], events: int) -> None:
        self.claimed = await resend_requests.save(self._deps.database, self.claimed, event_logs, events)

    async def _deliver_part(self, progress: LogProgress) -> tuple[int, LogProgress]:
        """Deliver the next events of a log, and return their number and the progress after them."""
        service, last = progress.service, progress.last
        topics = next(set(each.topics) & self._topics for each in self._deps.publishers if each.name == service)
        selection: EventSelection = replace(self.claimed.resend.selection, topics=sorted(topics))
        set_deadline(CALL_TIMEOUT)
        part = await self._deps.comparison.read_logged_events(service, selection, after=progress.position)
        events = [one for one in part.events if EventDecoder.envelope(bytes(one.envelope), one.position).type in topics]
        await asyncio.gather(*(self._deliver(destination, events) for destination in self._destinations))
        if not part.events:
            return 0, LogProgress(service, max(last, 0), last, done=True)
        return len(events), LogProgress(service, part.events[-1].position, last if last >= 0 else part.last)

    async def _deliver(self, destination: Destination, events: Sequence[LoggedEnvelope]) -> None:
        by_topic: dict[str, list[LateEvent]] = defaultdict(list)
        for event in events:
            envelope = EventDecoder.envelope(bytes(event.envelope), event.position)
            if names := destination.topics.get(envelope.type):
                by_topic[envelope.type].append(LateEvent(envelope.id, event.position, bytes(event.envelope), names))
        delivered = await asyncio.gather(
            *(self._deps.late.deliver(destination.name, topic, late, LATE_TIMEOUT) for topic, late in by_topic.items())
        )
        if not all(delivered):
            raise NotDelivered(f"The {destination.name} service has not accepted the events.")
