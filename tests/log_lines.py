"""Lines of a log, decoded with the fields that are left out because they have their usual value."""

from typing import Any

import msgspec

from nextbuy.kit.observability.interaction import InteractionLine


def decode_line(line: bytes | str) -> dict[str, Any]:
    """Return all fields of an interaction or of a log record."""
    fields: dict[str, Any] = msgspec.json.decode(line)
    if "logger" in fields:
        return {**fields, "trace_id": fields["trace"], "correlation_id": fields.get("request", fields["trace"])}
    return dict(msgspec.to_builtins(msgspec.convert(fields, InteractionLine).complete()))
