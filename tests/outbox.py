"""The event log of a service, decoded."""

from typing import Any, Final

import msgspec

from nextbuy.contracts.message import Envelope
from nextbuy.kit.storage.database import Database

_LOG: Final = "SELECT envelope FROM event_log WHERE topic {} 'operator.acted.%' ORDER BY id"


async def published(database: Database) -> list[Envelope]:
    """Return the envelopes in a service's event log, in order; without the acts of operators."""
    return [
        msgspec.json.decode(row["envelope"], type=Envelope) for row in await database.fetch(_LOG.format("NOT LIKE"))
    ]


async def acts(database: Database) -> list[dict[str, Any]]:
    """Return the acts of operators in a service's event log, in order."""
    return [
        data(msgspec.json.decode(row["envelope"], type=Envelope)) for row in await database.fetch(_LOG.format("LIKE"))
    ]


async def topics(database: Database) -> list[str]:
    """Return the topics of a service's event log, in order."""
    return [envelope.type for envelope in await published(database)]


def data(envelope: Envelope) -> dict[str, Any]:
    """Return the decoded data of an event."""
    decoded: dict[str, Any] = msgspec.json.decode(bytes(envelope.data))
    return decoded
