"""Factories for two versions of an event, a call, or a route."""

import json
import types
from typing import Any, Final

from msgspec import Struct

from nextbuy.contracts.message import Call, Event
from nextbuy.kit.service import Route, Service, post, subscribe
from tools.contracts import described, readers
from tools.history import Outcome, judge

REQUIRED: Final = object()
Thing = type[Event] | type[Call[Any]] | Route
Fields = dict[str, Any]
"""The type of each field by its name, or its type and its default."""


async def shine(_deps: object, _tx: object, _events: object) -> None:
    """Shine."""


def _body(fields: Fields) -> dict[str, Any]:
    typed = {name: kind if isinstance(kind, tuple) else (kind, REQUIRED) for name, kind in fields.items()}
    return {"__annotations__": {name: kind for name, (kind, _) in typed.items()}, "__module__": __name__} | {
        name: default for name, (_, default) in typed.items() if default is not REQUIRED
    }


def struct(name: str, fields: Fields) -> type[Struct]:
    """Make a struct."""
    return types.new_class(name, (Struct,), {"kw_only": True}, lambda space: space.update(_body(fields)))


def event(fields: Fields, *, name: str = "Lit", **words: Any) -> type[Event]:  # noqa: ANN401
    """Make an event; its topic is `lamp.lit` and its key `lamp_id` unless `words` override them."""
    options = {"topic": "lamp.lit", "key": "lamp_id"} | words
    return types.new_class(name, (Event,), options, lambda space: space.update(_body({"lamp_id": str} | fields)))


def call(request: Fields, reply_fields: Fields, **words: Any) -> type[Call[Any]]:  # noqa: ANN401
    """Make the call `lamp.light`, which `house` makes unless `words` override them."""
    options = {"to": "lamp", "name": "light", "callers": ("house",), "idempotent": True} | words
    reply: Any = struct("Lighted", reply_fields)
    return types.new_class("Light", (Call[reply],), options, lambda space: space.update(_body(request)))


def route(request: Fields, reply_fields: Fields, **words: Any) -> Route:  # noqa: ANN401
    """Make the route `POST /lamp/api/light`."""

    async def light(_deps: object, _caller: object, _ask: object) -> None:
        """Light a lamp."""

    types_of = {"_ask": struct("Ask", request), "return": struct("Lighted", reply_fields)}
    light.__annotations__.update(types_of)
    return post("light", light, **words)


def judged(was: Thing, now: Thing | None) -> Outcome:
    """Accept one version and compare the next with it; None removes it."""
    agreed = judge({}, **_described(was), since="1.0")
    assert agreed.breaks == []
    return judge(agreed.history, **_described(now), since="1.1")


def _described(*things: Thing | None) -> dict[str, Any]:
    events = [thing for thing in things if isinstance(thing, type) and issubclass(thing, Event)]
    calls = [thing for thing in things if isinstance(thing, type) and issubclass(thing, Call)]
    routes = [thing for thing in things if isinstance(thing, Route)]
    services = [
        Service(name="lamp", deps=object, routes=routes),
        Service(name="house", deps=object, subscriptions=[subscribe("shine", events, shine)]),
    ]
    now = json.loads(json.dumps(described(services, events, calls)))
    return {"now": now, "listeners": readers(services)}
