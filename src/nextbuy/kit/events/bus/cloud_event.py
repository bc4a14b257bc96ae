"""An envelope as a CloudEvent in binary mode: its attributes as headers, the event alone as the value.

So tools that know nothing of us can filter, trace and show what is on the bus. Nothing is lost on the way: an attribute
that only a newer sender knows travels as `nextbuy_…`, in JSON, and bytes that are no envelope travel as they are.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Raw, Struct

Header = tuple[str, str | bytes | None]

NAMES: Final = {
    "id": "ce_id",
    "type": "ce_type",
    "source": "ce_source",
    "time": "ce_time",
    "key": "ce_partitionkey",
    "schema_version": "ce_schemaversion",
    "correlation_id": "ce_correlationid",
    "causation_id": "ce_causationid",
    "traceparent": "traceparent",
}
"""By which header an attribute goes. CloudEvents has names without `_`, and tracing tools look for `traceparent`."""
_ATTRIBUTES: Final = {header: name for name, header in NAMES.items()}
_DATA: Final = "data"
_NEEDED: Final = frozenset({*NAMES, _DATA})
_NUMBERS: Final = frozenset({"schema_version"})
_EXTENSION: Final = "ce_"
_NEWER: Final = "nextbuy_"
_SPEC: Final = "ce_specversion"
SAME_FOR_ALL: Final = ((_SPEC, b"1.0"), ("content-type", b"application/json"))


class _Known(Struct, forbid_unknown_fields=True):
    """An envelope of which we know every attribute."""

    id: str
    type: str
    source: str
    time: str
    key: str
    schema_version: int
    correlation_id: str
    causation_id: str
    traceparent: str
    data: Raw


_known: Final = msgspec.json.Decoder(_Known).decode
_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode
_encode: Final = msgspec.json.Encoder().encode
_NO_ENVELOPE: Final = (msgspec.MsgspecError, ValueError, RecursionError)


def to_binary(body: bytes) -> tuple[list[Header], bytes]:
    """Return the headers and the value for an envelope as JSON; none and the same bytes where it is no envelope."""
    try:
        known = _known(body)
    except _NO_ENVELOPE:
        return _to_binary(body)
    return [
        *SAME_FOR_ALL,
        (NAMES["id"], known.id.encode()),
        (NAMES["type"], known.type.encode()),
        (NAMES["source"], known.source.encode()),
        (NAMES["time"], known.time.encode()),
        (NAMES["key"], known.key.encode()),
        (NAMES["schema_version"], b"%d" % known.schema_version),
        (NAMES["correlation_id"], known.correlation_id.encode()),
        (NAMES["causation_id"], known.causation_id.encode()),
        (NAMES["traceparent"], known.traceparent.encode()),
    ], bytes(known.data)


def _to_binary(body: bytes) -> tuple[list[Header], bytes]:
    """Do it for a body of which not every attribute is known, or that is no envelope."""
    try:
        fields = _fields(body)
        if not fields.keys() >= _NEEDED:
            return [], body
        headers: list[Header] = [*SAME_FOR_ALL]
        value = bytes(fields.pop(_DATA))
        for name, raw in fields.items():
            header = NAMES.get(name)
            if header is None:
                headers.append((_NEWER + name, bytes(raw)))
            elif name in _NUMBERS:
                headers.append((header, b"%d" % int(bytes(raw))))
            else:
                headers.append((header, _text(raw).encode()))
    except _NO_ENVELOPE:
        return [], body
    return headers, value


def from_binary(headers: Iterable[Header], value: bytes) -> bytes:
    """Return the envelope as JSON that headers and a value were made of; without a CloudEvent's headers, the value."""
    fields: dict[str, Raw | str] = {}
    is_event = False
    for header, word in headers:
        given = word.encode() if isinstance(word, str) else word or b""
        if header == _SPEC:
            is_event = True
        elif (name := _ATTRIBUTES.get(header)) is not None:
            fields[name] = Raw(given) if name in _NUMBERS and given.isdigit() else _readable(given)
        elif header.startswith(_NEWER):
            fields[header.removeprefix(_NEWER)] = Raw(given)
        elif header.startswith(_EXTENSION):
            fields[header.removeprefix(_EXTENSION)] = _readable(given)
    if not is_event:
        return value
    fields[_DATA] = Raw(value or b"null")
    return _encode(fields)


def _readable(word: bytes) -> str:
    return word.decode(errors="replace")
