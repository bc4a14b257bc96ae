"""Every call and event there is, for people: as a document, and as lines at the command line."""

from collections.abc import Iterator
from importlib import metadata, resources
from typing import Any

import msgspec

from nextbuy.contracts.registry import CALLS, EVENTS
from nextbuy.host.table import ENTRIES
from nextbuy.kit.apidocs.asyncapi import asyncapi


def events_document() -> bytes:
    """Return the AsyncAPI document of all events, with the calls, and with what was accepted of both."""
    accepted = (resources.files("nextbuy.contracts") / "history.json").read_bytes()
    return asyncapi(
        [entry.service for entry in ENTRIES.values()],
        EVENTS,
        CALLS,
        version=metadata.version("nextbuy"),
        history=msgspec.json.decode(accepted, type=dict[str, Any]),
    )


def lines() -> Iterator[str]:
    """Tell of every call who makes it, and of every event who publishes it and who listens."""
    document = msgspec.json.decode(events_document())
    for call in document["x-calls"]:
        again = "repeatable" if call["repeatable"] else "once"
        version = len(call["history"])
        yield f"call   {call['name']:<28} {', '.join(call['callers'])} → {call['to']}, {again}, version {version}"
    for topic, channel in document["channels"].items():
        message = document["components"]["messages"][next(iter(channel["messages"]))]
        publishers, listeners = (", ".join(channel[f"x-{who}"]) or "nobody" for who in ("publishers", "listeners"))
        yield (
            f"event  {topic:<28} {publishers} → {listeners}, key {message['x-key']}, "
            f"version {message['x-schema-version']}"
        )
