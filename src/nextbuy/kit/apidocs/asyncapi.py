"""AsyncAPI 3.0 of all events, generated from the tables of contents of the services; each topic is a channel.

It also lists the calls between services (`x-calls`) and the versions of both (`x-history`): they are the
source of the page `/docs/events`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from nextbuy.contracts.message import Call, Envelope, Event
from nextbuy.kit.apidocs.examples import example
from nextbuy.kit.apidocs.openapi import Json, Schemas, document, first_line
from nextbuy.kit.config import REDIS_PREFIX, Kafka
from nextbuy.kit.events.bus.cloud_event import (
    DATA_SCHEMA,
    NAMES,
    POSITION,
    SAME_FOR_ALL,
    SCHEMA_PREFIX,
    SOURCE_PREFIX,
    position_header,
    to_binary,
)
from nextbuy.kit.events.bus.redis_connection import stream_of
from nextbuy.kit.service import Service

_ABOUT: Final = (
    "Events are published through the outbox of their service, delivered at least once and in order per key, and "
    "applied once. On Kafka an event is a CloudEvent 1.0 in binary mode: the headers are its envelope, the value is "
    "the event. On Redis Streams the field `event` of an entry is the envelope as JSON, with the event as its `data`."
)
_TRACEPARENT: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def asyncapi(  # noqa: PLR0913
    services: Sequence[Service],
    events: Sequence[type[Event]],
    calls: Sequence[type[Call[Any]]] = (),
    *,
    version: str,
    history: Mapping[str, Json] | None = None,
    kafka: Kafka | None = None,
    redis_prefix: str = REDIS_PREFIX,
) -> bytes:
    """Return the document of `events` and `calls`, with their versions from `history` (by kind and name).

    `kafka` and `redis_prefix` are the settings of the bus, which is Kafka if `kafka` has servers.
    """
    bus = _Bus(kafka or Kafka(), redis_prefix)
    schemas = Schemas()
    for kind in [*events, *calls, *(call.reply for call in calls)]:
        schemas.add(kind)
    schemas.generate()
    versions = history or {}
    ordered = sorted(events, key=lambda event: event.topic)
    operations: Json = {}
    for service in services:
        for event in service.publishes:
            operations[f"{service.name}.publishes.{event.topic}"] = _operation("send", service.name, event)
        for subscription in service.subscriptions:
            for event in subscription.events:
                name = f"{service.name}.{subscription.name}.{event.topic}"
                operations[name] = _operation("receive", service.name, event) | {
                    "summary": first_line(subscription.act),
                    "x-subscription": subscription.name,
                }
    return document(
        {
            "asyncapi": "3.0.0",
            "info": {"title": "NextBuy events", "version": version, "description": _ABOUT},
            "defaultContentType": "application/json",
            "servers": bus.servers(),
            "channels": {event.topic: _channel(event, services, bus) for event in ordered},
            "operations": dict(sorted(operations.items())),
            "components": {
                "messages": {event.__name__: _message(event, services, schemas, versions) for event in ordered},
                "schemas": schemas.components,
                "messageTraits": {"envelope": {"headers": _headers()}},
            },
            "x-calls": [_call(call, schemas, versions) for call in sorted(calls, key=lambda call: call.path)],
        }
    )


class _Bus:
    """The names on the bus. Hosts are not published: the document is public, and brokers are not."""

    def __init__(self, kafka: Kafka, redis_prefix: str) -> None:
        self._kafka = kafka
        self._redis_prefix = redis_prefix

    def servers(self) -> Json:
        """Return the server object of the bus."""
        if not self._kafka.servers:
            return {"redis": _server("redis", "Redis Streams", "localhost:6379", "NEXTBUY_REDIS_URL")}
        protocol = "kafka-secure" if "SSL" in self._kafka.security_protocol else "kafka"
        return {"kafka": _server(protocol, "Apache Kafka", "localhost:9092", "NEXTBUY_KAFKA_SERVERS")}

    def topic(self, event: type[Event]) -> str:
        """Return the name of an event's topic on Kafka."""
        return self._kafka.prefix + event.topic

    def address(self, event: type[Event]) -> str:
        """Return the topic on Kafka, or the stream on Redis."""
        return self.topic(event) if self._kafka.servers else stream_of(self._redis_prefix, event.topic)


def _server(protocol: str, description: str, example_host: str, setting: str) -> Json:
    variable = {"description": f"HOST:PORT, as in the setting {setting}.", "default": example_host}
    return {"host": "{host}", "protocol": protocol, "description": description, "variables": {"host": variable}}


def _channel(event: type[Event], services: Sequence[Service], bus: _Bus) -> Json:
    return {
        "address": bus.address(event),
        "description": first_line(event),
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}},
        "bindings": {"kafka": {"topic": bus.topic(event), "bindingVersion": "0.5.0"}},
        "x-publishers": _publishers(event, services),
        "x-subscribers": sorted(
            {service.name for service in services for one in service.subscriptions if event in one.events}
        ),
    }


def _publishers(event: type[Event], services: Sequence[Service]) -> list[str]:
    return sorted({service.name for service in services if event in service.publishes})


def _message(event: type[Event], services: Sequence[Service], schemas: Schemas, versions: Mapping[str, Json]) -> Json:
    payload = example(schemas.of(event), schemas.components, about=event.topic)
    source = next(iter(_publishers(event, services)), "nobody")
    return {
        "name": event.__name__,
        "title": event.topic,
        "summary": first_line(event),
        "contentType": "application/json",
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": "0.5.0"}},
        "x-key": event.key,
        "x-schema-version": event.schema_version,
        "x-history": versions.get("events", {}).get(event.topic, {}).get("versions", []),
        "traits": [{"$ref": "#/components/messageTraits/envelope"}],
        "payload": schemas.of(event),
        "examples": [{"name": event.topic, "headers": _example_headers(event, source, payload), "payload": payload}],
    }


def _example_headers(event: type[Event], source: str, payload: Json) -> dict[str, str]:
    envelope = Envelope(
        id=UUID("01920000-0000-7000-8000-000000000001"),
        type=event.topic,
        source=source,
        time=datetime(2026, 1, 31, 12, tzinfo=UTC),
        key=str(payload[event.key]),
        schema_version=event.schema_version,
        correlation_id="0af7651916cd43dd8448eb211c80319c",
        causation_id="0af7651916cd43dd8448eb211c80319c",
        traceparent=_TRACEPARENT,
        data=msgspec.Raw(msgspec.json.encode(payload)),
    )
    headers, _ = to_binary(msgspec.json.encode(envelope))
    headers.append(position_header(1))
    return {name: (value or b"").decode() if not isinstance(value, str) else value for name, value in headers}


def _headers() -> Json:
    """Return the schema of the headers of a CloudEvent in binary mode; on Kafka all are strings."""
    fields = msgspec.json.schema(Envelope)["$defs"][Envelope.__name__]["properties"]
    descriptions = {name: field["description"] for name, field in fields.items()}
    formats = {"id": {"format": "uuid"}, "time": {"format": "date-time"}, "schema_version": {"pattern": "^[0-9]+$"}}
    named = {
        header: {"type": "string", "description": descriptions[name], "x-attribute": name} | formats.get(name, {})
        for name, header in NAMES.items()
    }
    named[POSITION] = {
        "type": "string",
        "description": "Its position in its publisher's event log (the `sequence` extension).",
        "pattern": "^[0-9]{19}$",
    }
    named[NAMES["source"]]["format"] = "uri"
    named[NAMES["source"]]["pattern"] = f"^{SOURCE_PREFIX}[a-z]+$"
    named[DATA_SCHEMA] = {
        "type": "string",
        "description": "The topic and the version of the event's schema, as a URI.",
        "format": "uri",
        "pattern": f"^{SCHEMA_PREFIX}[a-z.-]+:[0-9]+$",
    }
    fixed = {header: {"type": "string", "const": value.decode()} for header, value in SAME_FOR_ALL}
    return {"type": "object", "required": [*fixed, *named], "properties": fixed | named}


def _call(call: type[Call[Any]], schemas: Schemas, versions: Mapping[str, Json]) -> Json:
    return {
        "name": f"{call.to}.{call.name}",
        "to": call.to,
        "callers": sorted(call.callers),
        "idempotent": call.idempotent,
        "summary": first_line(call),
        "request": schemas.of(call),
        "reply": schemas.of(call.reply),
        "history": versions.get("calls", {}).get(f"{call.to}.{call.name}", {}).get("versions", []),
    }


def _operation(action: str, service: str, event: type[Event]) -> Json:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{event.topic}"},
        "messages": [{"$ref": f"#/channels/{event.topic}/messages/{event.__name__}"}],
        "tags": [{"name": service}],
    }
