"""Reports of findings of the comparison: a row for operators and a log line, once for each finding."""

import logging
from collections.abc import Sequence
from typing import Final

from nextbuy.kafka.comparison.store import Finding, add_findings
from nextbuy.kit.storage.database import Database

log: Final = logging.getLogger(__name__)

_SENTENCES: Final = {
    "missing-events": "EVENTS LOST on the way to a destination; delivered from the event log",
    "lost-dead-letters": "rejected events have no dead letter; it is restored",
    "restored-log": "EVENT LOG RESTORED: it lacks events that were delivered; new positions continue above theirs",
}


async def report(database: Database, findings: Sequence[Finding]) -> None:
    """Store findings, and log those that are new."""
    for one in await add_findings(database, findings):
        log.warning(
            _SENTENCES[one.kind],
            extra={
                "service": one.service,
                "topic": one.topic,
                "subscriptions": one.subscriptions,
                "events": one.events,
                "first_event_id": one.first_event_id,
            },
        )
