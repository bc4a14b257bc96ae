"""The document of events is valid AsyncAPI 3.0, and its examples are valid messages."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct

from nextbuy.contracts.message import Envelope, Event
from nextbuy.contracts.registry import CALLS, EVENTS
from nextbuy.contracts.values import Money, Timestamp
from nextbuy.host.api_index import events_document, index_lines
from nextbuy.host.composition import SERVICES as HOSTED
from nextbuy.kit.apidocs.asyncapi import asyncapi
from nextbuy.kit.apidocs.examples import example
from nextbuy.kit.apidocs.openapi import Schemas
from nextbuy.kit.config import Kafka
from nextbuy.kit.events.bus.cloud_event import from_binary
from nextbuy.kit.service import Service, subscribe

Json = dict[str, Any]
Key = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.\-]+$")]
_SCHEMA: Final = frozenset(
    {"$ref", "title", "description", "type", "format", "enum", "const", "default", "examples", "pattern", "required"}
    | {"properties", "additionalProperties", "items", "anyOf", "minimum", "maximum", "minLength", "maxLength"}
    | {"minItems", "maxItems", "maxProperties", "propertyNames", "contentEncoding"}
)


class Object(Struct, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """An object of AsyncAPI 3.0, as far as the document uses it: what it does not know is not allowed."""


class Reference(Object, rename={"ref": "$ref"}):
    ref: Annotated[str, Meta(pattern="^#/")]


class Info(Object):
    title: str
    version: str
    description: str


class Channel(Object):
    address: str
    messages: dict[Key, Reference]
    description: str
    bindings: Json


class Named(Object):
    name: str


class Variable(Object):
    description: str
    default: str


class Server(Object):
    host: str
    protocol: Literal["kafka", "kafka-secure", "redis"]
    description: str
    variables: dict[Key, Variable]


class Operation(Object):
    action: Literal["send", "receive"]
    channel: Reference
    messages: list[Reference]
    tags: list[Named]
    summary: str = ""


class Example(Object):
    name: str
    headers: dict[str, str]
    payload: Json


class Message(Object):
    name: str
    title: str
    summary: str
    contentType: Literal["application/json"]  # noqa: N815  AsyncAPI's word
    bindings: Json
    traits: list[Reference]
    payload: Reference
    examples: list[Example]


class MessageTrait(Object):
    headers: Json


class Components(Object):
    messages: dict[Key, Message]
    schemas: dict[Key, Json]
    messageTraits: dict[Key, MessageTrait]  # noqa: N815


class Document(Object):
    asyncapi: Literal["3.0.0"]
    info: Info
    defaultContentType: str  # noqa: N815
    servers: dict[Key, Server]
    channels: dict[Key, Channel]
    operations: dict[Key, Operation]
    components: Components


class Lit(Event, topic="lamp.lit", key="lamp_id"):
    """A lamp was lit."""

    lamp_id: Annotated[UUID, Meta(description="The lamp that is lit.")]
    tone: Literal["lit", "dim"]
    at: Timestamp
    until: Timestamp | None = None


class Deep(Struct):
    """A type that contains itself."""

    name: Annotated[str, Meta(min_length=20, max_length=30)]
    code: Annotated[str, Meta(pattern="^[A-Z]{2}-[0-9]$", examples=["AB-1"])]
    few: Annotated[list[int], Meta(min_length=2)]
    watts: Annotated[int, Meta(ge=5, le=9)]
    amount: Annotated[int, Meta(le=-3)]
    price: Money | None = None
    timeout: "Deep | None" = None
    on: bool = False
    words: dict[str, int] = {}


async def count_lit(_deps: object, _tx: object, _events: object) -> None:
    """Count the lit ones."""


async def count_all(_deps: object, _tx: object, _events: object) -> None:
    """Count all."""


SERVICES = [
    Service(name="lamp", deps=object, publishes=[Lit]),
    Service(
        name="count",
        deps=object,
        subscriptions=[subscribe("count-lit", Lit, count_lit), subscribe("count-all", [Lit], count_all)],
    ),
]


def whole() -> Json:
    document: Json = json.loads(events_document([hosted.service for hosted in HOSTED.values()]))
    return document


def without_extensions(part: Any) -> Any:  # noqa: ANN401  any JSON
    if isinstance(part, dict):
        return {name: without_extensions(value) for name, value in part.items() if not name.startswith("x-")}
    return [without_extensions(one) for one in part] if isinstance(part, list) else part


def schemas_in(schema: Json) -> Iterator[Json]:
    yield schema
    for inside in ("items", "additionalProperties"):
        if isinstance(schema.get(inside), dict):
            yield from schemas_in(schema[inside])
    for one in [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]:
        yield from schemas_in(one)


def test_document_is_valid_asyncapi_3() -> None:
    plain = without_extensions(whole())
    document = msgspec.convert(plain, Document)
    for operation in document.operations.values():
        channel = document.channels[operation.channel.ref.removeprefix("#/channels/")]
        allowed = {f"{operation.channel.ref}/messages/{name}" for name in channel.messages}
        assert {one.ref for one in operation.messages} <= allowed
    for channel in document.channels.values():
        assert all(
            one.ref.removeprefix("#/components/messages/") in document.components.messages
            for one in channel.messages.values()
        )
    named = {f"#/components/schemas/{name}" for name in document.components.schemas}
    for schema in document.components.schemas.values():
        for one in schemas_in(schema):
            assert one.keys() <= _SCHEMA
            assert one.get("$ref", next(iter(named))) in named
            assert set(one.get("required", [])) <= one.get("properties", {}).keys()
    for message in document.components.messages.values():
        assert message.payload.ref in named
        assert [trait.ref for trait in message.traits] == ["#/components/messageTraits/envelope"]


@pytest.mark.parametrize("place", ["channels", "operations"])
def test_unknown_field_is_invalid(place: str) -> None:
    plain = without_extensions(whole())
    next(iter(plain[place].values()))["publishers"] = []
    with pytest.raises(msgspec.ValidationError, match="publishers"):
        msgspec.convert(plain, Document)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic)
def test_example_is_valid_kafka_message(event: type[Event]) -> None:
    document = whole()
    message = document["components"]["messages"][event.__name__]
    given = message["examples"][0]
    read = msgspec.convert(given["payload"], event, strict=True)
    assert msgspec.json.decode(msgspec.json.encode(read)) == given["payload"]
    headers: Json = document["components"]["messageTraits"]["envelope"]["headers"]
    assert given["headers"].keys() == headers["properties"].keys() == set(headers["required"])
    for name, form in headers["properties"].items():
        assert given["headers"][name] == form.get("const", given["headers"][name])
        assert re.search(form.get("pattern", ""), given["headers"][name])
    body = from_binary([(name, word) for name, word in given["headers"].items()], msgspec.json.encode(given["payload"]))
    envelope = msgspec.json.decode(body, type=Envelope)
    assert (envelope.type, envelope.key) == (event.topic, str(getattr(read, event.key)))
    assert envelope.schema_version == message["x-schema-version"] == message["x-history"][-1]["version"]


def test_example_fits_its_type() -> None:
    schemas = Schemas()
    schemas.add(Deep)
    schemas.generate()
    given = example(schemas.of(Deep), schemas.components)
    read = msgspec.convert(given, Deep, strict=True)
    assert (read.code, read.watts, read.amount, len(read.few)) == ("AB-1", 5, -3, 2)
    assert given == example(schemas.of(Deep), schemas.components)


def test_event_has_publishers_and_subscriptions() -> None:
    document = json.loads(asyncapi(SERVICES, [Lit], version="1"))
    channel = document["channels"]["lamp.lit"]
    assert (channel["x-publishers"], channel["x-subscribers"]) == (["lamp"], ["count"])
    received = document["operations"]["count.count-lit.lamp.lit"]
    assert (received["action"], received["summary"]) == ("receive", "Count the lit ones.")
    assert received["x-subscription"] == "count-lit"
    assert document["operations"]["count.count-all.lamp.lit"]["summary"] == "Count all."
    assert document["operations"]["lamp.publishes.lamp.lit"]["action"] == "send"
    message = document["components"]["messages"]["Lit"]
    assert (message["x-key"], message["x-history"]) == ("lamp_id", [])
    assert message["examples"][0]["payload"]["tone"] == "lit"


def test_field_has_its_description_and_format() -> None:
    fields = json.loads(asyncapi(SERVICES, [Lit], version="1"))["components"]["schemas"]["Lit"]["properties"]
    assert fields["lamp_id"]["description"] == "The lamp that is lit."
    assert fields["at"]["format"] == "date-time"
    assert fields["until"]["anyOf"][0]["format"] == "date-time"


def test_call_has_callers_and_idempotency() -> None:
    calls = {call["name"]: call for call in whole()["x-calls"]}
    hold = calls["product.hold-stock"]
    assert (hold["callers"], hold["to"], hold["idempotent"]) == (["order"], "product", True)
    assert hold["history"][0]["version"] == 1
    assert len(calls) == len(CALLS)


def test_command_line_lists_the_same() -> None:
    lines = list(index_lines([hosted.service for hosted in HOSTED.values()]))
    assert len(lines) == len(CALLS) + len(EVENTS)
    assert [
        line for line in lines if re.search(r"^call +product\.hold-stock +order → product, idempotent, version 2", line)
    ]
    event = re.compile(r"^event +order\.created +order → admin, analytics, .*key order_id, version")
    assert [line for line in lines if event.search(line)]


def test_server_and_channels_are_those_of_the_configured_kafka() -> None:
    kafka = Kafka(servers="broker.internal:9093", security_protocol="SASL_SSL", prefix="shop.", password="hush")
    text = asyncapi(SERVICES, [Lit], version="1", kafka=kafka)
    document = json.loads(text)
    assert document["servers"]["kafka"]["protocol"] == "kafka-secure"
    channel = document["channels"]["lamp.lit"]
    assert channel["address"] == channel["bindings"]["kafka"]["topic"] == "shop.lamp.lit"
    assert b"broker.internal" not in text
    assert b"hush" not in text


def test_server_and_channels_are_those_of_the_configured_redis() -> None:
    document = json.loads(asyncapi(SERVICES, [Lit], version="1", redis_prefix="shop:"))
    assert document["servers"].keys() == {"redis"}
    assert document["servers"]["redis"]["protocol"] == "redis"
    assert document["channels"]["lamp.lit"]["address"] == "shop:stream:lamp.lit"
    assert document["channels"]["lamp.lit"]["bindings"]["kafka"]["topic"] == "nextbuy.lamp.lit"


def test_published_document_follows_the_settings() -> None:
    kafka = Kafka(servers="b:9092", prefix="shop.")
    document = json.loads(events_document([hosted.service for hosted in HOSTED.values()], kafka=kafka))
    assert {channel["address"].partition(".")[0] for channel in document["channels"].values()} == {"shop"}


def test_document_is_deterministic() -> None:
    assert asyncapi(SERVICES, [Lit], version="1") == asyncapi(SERVICES, [Lit], version="1")
