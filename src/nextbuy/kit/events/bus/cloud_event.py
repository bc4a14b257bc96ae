"""Envelopes as CloudEvents in binary mode on Kafka: the attributes are headers, the event alone is the value.

Other tools can then filter, trace and display what is on the bus. Conversion is lossless: attributes
that only a newer publisher knows travel as `nextbuy_…` headers in JSON, and bytes that are not an envelope travel
unchanged. The event's position in its publisher's log, which is beside the envelope, is the `sequence` extension.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Raw, Struct

from nextbuy.kit.events.bus.interface import MAX_POSITION, parse_position

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
"""Header of each attribute. CloudEvents names have no `_`; tracing tools expect `traceparent` without a prefix."""
POSITION: Final = "ce_sequence"
"""Header of the position in the publisher's event log."""
DATA_SCHEMA: Final = "ce_dataschema"
"""Header of the schema's URI, which is made of type and version; the envelope does not have it."""
SOURCE_PREFIX: Final = "urn:nextbuy:service:"
"""Beginning of the URI of a source, before the name of the service."""
SCHEMA_PREFIX: Final = "urn:nextbuy:event:"
"""Beginning of the URI of a schema, before topic and version: `urn:nextbuy:event:order.created:1`."""
_SOURCE: Final = SOURCE_PREFIX.encode()
_POSITION_DIGITS: Final = len(str(MAX_POSITION))
"""Zero-padded, because the extension requires values that sort as text."""
_DERIVED: Final = frozenset({POSITION, DATA_SCHEMA})
_ATTRIBUTES: Final = {header: name for name, header in NAMES.items()}
_DATA: Final = "data"
_REQUIRED: Final = frozenset({*NAMES, _DATA})
_NUMBERS: Final = frozenset({"schema_version"})
_EXTENSION: Final = "ce_"
_UNKNOWN: Final = "nextbuy_"
_SPEC: Final = "ce_specversion"
SAME_FOR_ALL: Final = ((_SPEC, b"1.0"), ("content-type", b"application/json"))


class _Known(Struct, forbid_unknown_fields=True):
    """An envelope whose attributes this version knows."""

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


_decode_known: Final = msgspec.json.Decoder(_Known).decode
_decode_fields: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_encode: Final = msgspec.json.Encoder().encode
_DECODE_ERRORS: Final = (msgspec.MsgspecError, ValueError, RecursionError)


def to_binary(body: bytes) -> tuple[list[Header], bytes]:
    """Return the headers and the value of an envelope in JSON, or no headers and `body` if it is not an envelope."""
    try:
        known = _decode_known(body)
    except _DECODE_ERRORS:
        return _convert_unknown(body)
    return [
        *SAME_FOR_ALL,
        (NAMES["id"], known.id.encode()),
        (NAMES["type"], known.type.encode()),
        _schema_header(known.type, known.schema_version),
        (NAMES["source"], _SOURCE + known.source.encode()),
        (NAMES["time"], known.time.encode()),
        (NAMES["key"], known.key.encode()),
        (NAMES["schema_version"], b"%d" % known.schema_version),
        (NAMES["correlation_id"], known.correlation_id.encode()),
        (NAMES["causation_id"], known.causation_id.encode()),
        (NAMES["traceparent"], known.traceparent.encode()),
    ], bytes(known.data)


def _convert_unknown(body: bytes) -> tuple[list[Header], bytes]:
    """Convert an envelope with unknown attributes, or bytes that are not an envelope."""
    try:
        fields = _decode_fields(body)
        if not fields.keys() >= _REQUIRED:
            return [], body
        headers: list[Header] = [*SAME_FOR_ALL]
        value = bytes(fields.pop(_DATA))
        for name, raw in fields.items():
            header = NAMES.get(name)
            if header is None:
                headers.append((_UNKNOWN + name, bytes(raw)))
            elif name in _NUMBERS:
                headers.append((header, b"%d" % int(bytes(raw))))
            else:
                prefix = _SOURCE if name == "source" else b""
                headers.append((header, prefix + _decode_text(raw).encode()))
        headers.append(_schema_header(_decode_text(fields["type"]), int(bytes(fields["schema_version"]))))
    except _DECODE_ERRORS:
        return [], body
    return headers, value


@lru_cache(1_024)
def _schema_header(topic: str, version: int) -> Header:
    return DATA_SCHEMA, f"{SCHEMA_PREFIX}{topic}:{version}".encode()


def position_header(position: int) -> Header:
    """Return the header of a position in an event log."""
    return POSITION, b"%0*d" % (_POSITION_DIGITS, position)


def position_in(headers: Iterable[Header]) -> int:
    """Return the position among headers, or 0 if there is no valid one."""
    content = dict(headers).get(POSITION)
    return parse_position(content.encode() if isinstance(content, str) else content)


def from_binary(headers: Iterable[Header], value: bytes) -> bytes:
    """Return the envelope in JSON that headers and a value represent, or `value` if they are not a CloudEvent."""
    fields: dict[str, Raw | str] = {}
    is_event = False
    for header, content in headers:
        raw = content.encode() if isinstance(content, str) else content or b""
        if header in _DERIVED:
            continue
        if header == _SPEC:
            is_event = True
        elif (name := _ATTRIBUTES.get(header)) is not None:
            fields[name] = Raw(raw) if name in _NUMBERS and raw.isdigit() else raw.decode(errors="replace")
            if name == "source":
                fields[name] = raw.removeprefix(_SOURCE).decode(errors="replace")
        elif header.startswith(_UNKNOWN):
            fields[header.removeprefix(_UNKNOWN)] = Raw(raw)
        elif header.startswith(_EXTENSION):
            fields[header.removeprefix(_EXTENSION)] = raw.decode(errors="replace")
    if not is_event:
        return value
    fields[_DATA] = Raw(value or b"null")
    return _encode(fields)
