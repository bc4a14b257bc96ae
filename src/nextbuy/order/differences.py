"""The differences between stored rows and their projections from the event log, field by field."""

from collections.abc import Mapping
from typing import Final, cast
from uuid import UUID

import msgspec
from msgspec import Struct

from nextbuy.order.history import SessionProjection

_MAX_JSON_LENGTH: Final = 300


class Difference(Struct, frozen=True, kw_only=True):
    """A field whose stored and logged values differ, both as JSON; a missing value is null."""

    session_id: UUID
    field: str
    stored: str | None
    logged: str | None


def session_differences(
    session_id: UUID, stored: SessionProjection | None, logged: SessionProjection | None
) -> list[Difference]:
    """Return the differences of a session, its orders and its unmatched payments."""
    if stored is None or logged is None:
        stored_fields, logged_fields = _existence(stored), _existence(logged)
    else:
        stored_fields, logged_fields = _fields(stored), _fields(logged)
    return [
        Difference(session_id=session_id, field=field, stored=stored_value, logged=logged_value)
        for field, stored_value, logged_value in field_differences(stored_fields, logged_fields)
    ]


def field_differences(
    stored: Mapping[str, object], logged: Mapping[str, object]
) -> list[tuple[str, str | None, str | None]]:
    """Return the fields that differ, by name, each with the stored and the logged value as JSON."""
    return [
        (name, _as_json(stored.get(name)), _as_json(logged.get(name)))
        for name in sorted(stored.keys() | logged.keys())
        if stored.get(name) != logged.get(name)
    ]


def _existence(session: SessionProjection | None) -> dict[str, object]:
    return {"session": None if session is None else session.status}


def _fields(session: SessionProjection) -> dict[str, object]:
    """Return all fields by name; the name of an order or payment field starts with its kind and id."""
    fields: dict[str, object] = msgspec.to_builtins(session, str_keys=True)
    for group, label in (("orders", "order"), ("unmatched_payments", "unmatched payment")):
        for key, values in cast("dict[str, dict[str, object]]", fields.pop(group)).items():
            fields |= {f"{label} {key}: {name}": value for name, value in values.items()}
    return fields


def _as_json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()[:_MAX_JSON_LENGTH]
