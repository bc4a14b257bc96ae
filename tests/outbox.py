"""The event log of a service, decoded."""

from typing import Any

import msgspec

from nextbuy.contracts.message import Envelope
from nextbuy.kit.storage.database import Database


async def published(database: Database) -> list[Envelope]:
    """Return the envelopes in a service's event log, in order."""
    rows = await database.fetch("SELECT envelope FROM event_log ORDER BY id")
    return [msgspec.json.decode(row["envelope"], type=Envelope) for row in rows]


async def topics(database: Database) -> list[str]:
    """Return the topics of a service's event log, in order."""
    return [envelope.type for envelope in await published(database)]


def data(envelope: Envelope) -> dict[str, Any]:
    """Return the decoded data of an event."""
    decoded: dict[str, Any] = msgspec.json.decode(bytes(envelope.data))
    return decoded
