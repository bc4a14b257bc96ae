"""The words that services share may grow, and do nothing else; the snapshot says what they were."""

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nextbuy.contracts import admin, auth, order, product, seller, simulator
from nextbuy.contracts.catalogue import CALLS, EVENTS
from nextbuy.contracts.message import Call, Event

SNAPSHOT = Path(__file__).with_name("catalogue.json")
Words = dict[str, Any]


def described() -> Words:
    """Return every call and event with its schema."""
    types = [*CALLS, *(call.reply for call in CALLS), *EVENTS]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/{name}")
    by_type = dict(zip(map(str, types), schemas, strict=True))
    return {
        "calls": {
            f"{call.to}.{call.name}": {
                "callers": sorted(call.callers),
                "repeatable": call.repeatable,
                "takes": by_type[str(call)],
                "gives": by_type[str(call.reply)],
            }
            for call in CALLS
        },
        "events": {
            event.topic: {"key": event.key, "schema_version": event.schema_version, "says": by_type[str(event)]}
            for event in EVENTS
        },
        "components": {name: _without_words(schema) for name, schema in components.items()},
    }


def _without_words(schema: Words) -> Words:
    """Return a schema without its prose, which may be mended at any time."""
    return {key: value for key, value in schema.items() if key != "description"}


def broken(old: object, new: object, where: str = "") -> list[str]:
    """Return what of `old` is not in `new` any more, or is something else there; what is new beside it is allowed."""
    if isinstance(old, dict) and isinstance(new, dict):
        lost = [f"{where}/{key} was removed" for key in old if key not in new]
        changed = [line for key in old if key in new for line in broken(old[key], new[key], f"{where}/{key}")]
        if where.endswith("/required"):
            return changed
        return lost + changed
    if isinstance(old, list) and isinstance(new, list):
        if where.endswith("/required"):
            return [f"{where} asks for {item} now" for item in new if item not in old]
        return [f"{where} lost {item}" for item in old if item not in new]
    return [] if old == new else [f"{where} was {old!r} and is {new!r}"]


def test_nothing_that_was_agreed_has_changed() -> None:
    """Add freely, then run `python -m tests.contracts.test_catalogue` to take the new words into the snapshot."""
    agreed = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    now = json.loads(json.dumps(described()))
    assert broken(agreed, now) == []
    assert agreed == now, "there are new words: take them into the snapshot, as the docstring says"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("events", "order.created", "key"), "session_id"),
        (("calls", "product.update-stock", "repeatable"), False),
        (("components", "OrderCreated", "properties", "total"), None),
        (("components", "Money", "properties", "amount"), {"type": "string"}),
    ],
)
def test_a_planted_change_is_caught(path: tuple[str, ...], value: object) -> None:
    agreed = described()
    changed = copy.deepcopy(agreed)
    place = changed
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    assert broken(agreed, changed) != []


def test_an_added_field_is_no_breach() -> None:
    agreed = described()
    grown = copy.deepcopy(agreed)
    grown["components"]["OrderCreated"]["properties"]["gift"] = {"type": "boolean", "default": False}
    assert broken(agreed, grown) == []


def test_every_call_and_event_is_in_the_list() -> None:
    modules = (admin, auth, order, product, seller, simulator)
    declared = [
        word
        for module in modules
        for word in vars(module).values()
        if isinstance(word, type) and issubclass(word, Call | Event) and word.__module__ == module.__name__
    ]
    calls = {word for word in declared if issubclass(word, Call) and hasattr(word, "to")}
    events = {word for word in declared if issubclass(word, Event) and hasattr(word, "topic")}
    assert calls == set(CALLS)
    assert events == set(EVENTS)


def test_topics_and_addresses_are_unique() -> None:
    assert len({event.topic for event in EVENTS}) == len(EVENTS)
    assert len({call.path for call in CALLS}) == len(CALLS)
    assert all(event.key in event.__struct_fields__ for event in EVENTS)


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(described(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
