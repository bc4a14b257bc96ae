"""Envelopes convert to CloudEvents and back without loss."""

import re
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, structs

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.registry import EVENTS
from nextbuy.contracts.values import new_id
from nextbuy.kit.events.bus.cloud_event import Header, from_binary, position_header, position_in, to_binary
from nextbuy.kit.events.bus.interface import MAX_POSITION

ENVELOPE = Envelope(
    id=new_id(),
    type="order.created",
    source="order",
    time=datetime(2026, 11, 22, 20, 0, tzinfo=UTC),
    key="снег ☃",
    schema_version=3,
    correlation_id="c0ffee",
    causation_id="cause",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    data=Raw(b'{"total":"68.50"}'),
)
BODY = msgspec.json.encode(ENVELOPE)


def test_envelope_becomes_headers_and_event_becomes_value() -> None:
    headers, value = to_binary(BODY)
    assert value == b'{"total":"68.50"}'
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "content-type": b"application/json",
        "ce_id": str(ENVELOPE.id).encode(),
        "ce_type": b"order.created",
        "ce_dataschema": b"urn:nextbuy:event:order.created:3",
        "ce_source": b"urn:nextbuy:service:order",
        "ce_time": b"2026-11-22T20:00:00Z",
        "ce_partitionkey": "снег ☃".encode(),
        "ce_schemaversion": b"3",
        "ce_correlationid": b"c0ffee",
        "ce_causationid": b"cause",
        "traceparent": ENVELOPE.traceparent.encode(),
    }
    assert msgspec.json.decode(from_binary(headers, value), type=Envelope) == ENVELOPE


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_unknown_attributes_survive_the_round_trip(more: dict[str, object]) -> None:
    known = msgspec.json.decode(BODY)
    body = msgspec.json.encode(more | known)
    assert msgspec.json.decode(from_binary(*to_binary(body))) == more | known


@given(st.integers(1, MAX_POSITION), st.integers(1, MAX_POSITION))
def test_position_is_a_header_that_sorts_as_text_and_no_attribute(one: int, other: int) -> None:
    headers, value = to_binary(BODY)
    (_, first), (_, second) = position_header(one), position_header(other)
    assert isinstance(first, bytes)
    assert isinstance(second, bytes)

    assert (first < second) == (one < other)
    assert position_in([*headers, position_header(one)]) == one
    assert msgspec.json.decode(from_binary([*headers, position_header(one)], value), type=Envelope) == ENVELOPE


@pytest.mark.parametrize("content", [None, b"", b"0", b"-1", b"+1", b"1.0", "\u0661", b"9" * 19, b"1" * 40])
def test_missing_or_invalid_position_is_none(content: str | bytes | None) -> None:
    assert position_in([("ce_id", b"7"), ("ce_sequence", content)]) == 0
    assert position_in([("ce_id", b"7")]) == 0


@given(st.binary())
def test_bytes_that_are_not_an_envelope_travel_unchanged(body: bytes) -> None:
    assert to_binary(body) == ([], body)
    assert from_binary([], body) == body


@pytest.mark.parametrize("field", ["id", "type", "source", "time", "key", "schema_version", "traceparent", "data"])
def test_envelope_with_missing_field_travels_unchanged(field: str) -> None:
    body = msgspec.json.encode({name: value for name, value in msgspec.json.decode(BODY).items() if name != field})
    assert to_binary(body) == ([], body)


@pytest.mark.parametrize("wrong", [{"id": 7}, {"schema_version": "new"}, {"schema_version": None}, {"key": ["a"]}])
def test_envelope_with_attribute_of_wrong_type_travels_unchanged(wrong: dict[str, object]) -> None:
    body = msgspec.json.encode(msgspec.json.decode(BODY) | wrong)
    assert to_binary(body) == ([], body)


def test_cloud_event_of_another_system_is_converted_field_by_field() -> None:
    headers: list[Header] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", "text"),
        ("ce_tenant", b"\xff"),
        ("ce_time", None),
        ("other", b"1"),
    ]
    read = msgspec.json.decode(from_binary(headers, b""))
    assert read == {"id": "text", "tenant": "�", "time": "", "data": None}


def test_source_without_the_prefix_is_read_as_it_is() -> None:
    headers, value = to_binary(BODY)
    older = [(name, b"order" if name == "ce_source" else content) for name, content in headers]
    assert msgspec.json.decode(from_binary(older, value), type=Envelope) == ENVELOPE


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic)
def test_source_and_schema_are_absolute_uris(event: type[Event]) -> None:
    envelope = structs.replace(ENVELOPE, type=event.topic, schema_version=event.schema_version)
    headers = dict(to_binary(msgspec.json.encode(envelope))[0])
    assert headers["ce_dataschema"] == f"urn:nextbuy:event:{event.topic}:{event.schema_version}".encode()
    for name in ("ce_source", "ce_dataschema"):
        content = headers[name]
        assert isinstance(content, bytes)
        assert re.fullmatch(rb"urn:[a-z0-9][a-z0-9-]{1,31}:[A-Za-z0-9.:_-]+", content)
