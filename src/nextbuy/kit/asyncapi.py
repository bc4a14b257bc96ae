"""AsyncAPI 3.0 of all events, made from what services say that they publish and listen to. A topic is a channel."""

from collections.abc import Sequence
from typing import Any, Final

from nextbuy.contracts.message import Event
from nextbuy.kit.openapi import Json, Schemas, document
from nextbuy.kit.service import Service

_ABOUT: Final = (
    "Events that have happened, each published once through the outbox of its service, delivered at least once, in "
    "order per key, and applied once. On the bus an event is the data of an envelope with the attributes of "
    "CloudEvents 1.0."
)
_ENVELOPE: Final[Json] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "format": "uuid", "description": "The same wherever and however often it arrives."},
        "type": {"type": "string", "description": "The topic."},
        "source": {"type": "string", "description": "The service that published it."},
        "time": {"type": "string", "format": "date-time"},
        "key": {"type": "string", "description": "Events of one key stay in order."},
        "schema_version": {"type": "integer"},
        "correlation_id": {"type": "string", "description": "The request that all this began with."},
        "causation_id": {"type": "string", "description": "The event or request that this one came of."},
        "traceparent": {"type": "string"},
    },
}


def asyncapi(services: Sequence[Service], events: Sequence[type[Event]], *, version: str) -> bytes:
    """Return the document of `events`, published and listened to by `services`."""
    schemas = Schemas()
    for event in events:
        schemas.want(event)
    schemas.make()
    ordered = sorted(events, key=lambda event: event.topic)
    operations: Json = {}
    for service in services:
        for event in service.publishes:
            operations[f"{service.name}.publishes.{event.topic}"] = _operation("send", service.name, event, "")
        for listening in service.listens:
            for event in listening.events:
                name = f"{service.name}.{listening.name}.{event.topic}"
                operations[name] = _operation("receive", service.name, event, _first_line(listening.act))
    return document(
        {
            "asyncapi": "3.0.0",
            "info": {"title": "NextBuy events", "version": version, "description": _ABOUT},
            "defaultContentType": "application/json",
            "channels": {event.topic: _channel(event, services) for event in ordered},
            "operations": dict(sorted(operations.items())),
            "components": {
                "messages": {event.__name__: _message(event, schemas) for event in ordered},
                "schemas": schemas.components,
                "messageTraits": {"envelope": {"headers": _ENVELOPE}},
            },
        }
    )


def _channel(event: type[Event], services: Sequence[Service]) -> Json:
    return {
        "address": event.topic,
        "description": _first_line(event),
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}},
        "x-publishers": sorted({service.name for service in services if event in service.publishes}),
        "x-listeners": sorted(
            {service.name for service in services for listening in service.listens if event in listening.events}
        ),
    }


def _message(event: type[Event], schemas: Schemas) -> Json:
    return {
        "name": event.__name__,
        "title": event.topic,
        "summary": _first_line(event),
        "x-key": event.key,
        "x-schema-version": event.schema_version,
        "traits": [{"$ref": "#/components/messageTraits/envelope"}],
        "payload": schemas.of(event),
    }


def _operation(action: str, service: str, event: type[Event], summary: str) -> Json:
    operation: Json = {
        "action": action,
        "channel": {"$ref": f"#/channels/{event.topic}"},
        "messages": [{"$ref": f"#/channels/{event.topic}/messages/{event.__name__}"}],
        "tags": [{"name": service}],
    }
    if summary:
        operation["summary"] = summary
    return operation


def _first_line(thing: Any) -> str:  # noqa: ANN401 (a class or a function)
    return (thing.__doc__ or "").split("\n", 1)[0]
