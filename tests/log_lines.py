"""Lines of a log, decoded with the fields that are left out because they have their usual value."""

from typing import Any

import msgspec

from nextbuy.kit.observability.telemetry import InteractionLine


def decode_line(line: bytes | str) -> dict[str, Any]:
    """Return all fields of an interaction or of a log record."""
    fields: dict[str, Any] = msgspec.json.decode(line)
    if "logger" in fields:
        return {"correlation_id": fields["trace_id"], **fields}
    return dict(msgspec.to_builtins(msgspec.convert(fields, InteractionLine).complete()))
