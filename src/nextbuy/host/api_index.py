"""The index of all calls and events: as an AsyncAPI document, and as lines for the command line."""

from collections.abc import Iterator, Sequence
from importlib import metadata, resources
from typing import Any

import msgspec

from nextbuy.contracts.registry import CALLS, EVENTS
from nextbuy.kit.apidocs.asyncapi import asyncapi
from nextbuy.kit.config import REDIS_PREFIX, Kafka
from nextbuy.kit.service import Service


def events_document(
    services: Sequence[Service], *, kafka: Kafka | None = None, redis_prefix: str = REDIS_PREFIX
) -> bytes:
    """Return the AsyncAPI document of all events and calls, with the accepted history of both.

    `kafka` and `redis_prefix` are the settings of the bus.
    """
    accepted = (resources.files("nextbuy.contracts") / "history.json").read_bytes()
    return asyncapi(
        services,
        EVENTS,
        CALLS,
        version=metadata.version("nextbuy"),
        kafka=kafka,
        redis_prefix=redis_prefix,
        history=msgspec.json.decode(accepted, type=dict[str, Any]),
    )


def index_lines(services: Sequence[Service]) -> Iterator[str]:
    """Yield a line per call with its callers, and a line per event with its publishers and subscribers."""
    document = msgspec.json.decode(events_document(services))
    for call in document["x-calls"]:
        retries = "idempotent" if call["idempotent"] else "not idempotent"
        callers = ", ".join(call["callers"])
        yield f"call   {call['name']:<28} {callers} → {call['to']}, {retries}, version {len(call['history'])}"
    for topic, channel in document["channels"].items():
        message = document["components"]["messages"][next(iter(channel["messages"]))]
        publishers, subscribers = (", ".join(channel[f"x-{who}"]) or "none" for who in ("publishers", "subscribers"))
        yield (
            f"event  {topic:<28} {publishers} → {subscribers}, key {message['x-key']}, "
            f"version {message['x-schema-version']}"
        )
