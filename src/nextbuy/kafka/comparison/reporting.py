"""Reports of comparison findings: a row for operators and a log line, once for each finding."""

import logging
from collections.abc import Sequence
from typing import Final

from nextbuy.kafka.comparison.store import Finding, add_findings
from nextbuy.kit.storage.database import Database

log: Final = logging.getLogger(__name__)

_SENTENCES: Final = {
    "missing-events": "EVENTS LOST on the way to a destination; delivered from the event log",
    "lost-dead-letters": "DEAD LETTERS LOST; restored from the inbox and the event log",
    "restored-log": "EVENT LOG RESTORED without events that were delivered; new positions continue above theirs",
}


async def report(database: Database, findings: Sequence[Finding]) -> None:
    """Store findings, and log those that are new."""
    for finding in await add_findings(database, findings):
        log.warning(
            _SENTENCES[finding.kind],
            extra={
                "service": finding.service,
                "topic": finding.topic,
                "subscriptions": finding.subscriptions,
                "events": finding.events,
                "first_event_id": finding.first_event_id,
            },
        )
