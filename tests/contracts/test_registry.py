"""The registry of calls and events is complete, without duplicates."""

from nextbuy.contracts import admin, auth, order, product, seller, simulator
from nextbuy.contracts.message import Call, Event
from nextbuy.contracts.registry import CALLS, EVENTS


def test_registry_lists_every_call_and_event() -> None:
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


def test_topics_and_paths_are_unique() -> None:
    assert len({event.topic for event in EVENTS}) == len(EVENTS)
    assert len({call.path for call in CALLS}) == len(CALLS)
    assert all(event.key in event.__struct_fields__ for event in EVENTS)
