"""Events, calls and routes made on the spot, to be compared with what they were."""

import json
import types
from typing import Any, Final

from msgspec import Struct

from nextbuy.contracts.message import Call, Event
from nextbuy.kit.service import Route, Service, on, post
from tools.contracts import described, readers
from tools.history import Outcome, judge

REQUIRED: Final = object()
Thing = type[Event] | type[Call[Any]] | Route
Fields = dict[str, Any]
"""By name a type, or a type and a default."""


async def shine(_deps: object, _event: object, _envelope: object) -> None:
    """Shine."""


def _body(fields: Fields) -> dict[str, Any]:
    given = {name: kind if isinstance(kind, tuple) else (kind, REQUIRED) for name, kind in fields.items()}
    return {"__annotations__": {name: kind for name, (kind, _) in given.items()}, "__module__": __name__} | {
        name: default for name, (_, default) in given.items() if default is not REQUIRED
    }


def struct(name: str, fields: Fields) -> type[Struct]:
    """Make a struct."""
    return types.new_class(name, (Struct,), {"kw_only": True}, lambda space: space.update(_body(fields)))


def event(fields: Fields, *, name: str = "Lit", **words: Any) -> type[Event]:  # noqa: ANN401
    """Make an event; its topic is `lamp.lit` and its key `lamp_id` unless `words` say otherwise."""
    options = {"topic": "lamp.lit", "key": "lamp_id"} | words
    return types.new_class(name, (Event,), options, lambda space: space.update(_body({"lamp_id": str} | fields)))


def call(takes: Fields, gives: Fields, **words: Any) -> type[Call[Any]]:  # noqa: ANN401
    """Make the call `lamp.light`, which `house` makes unless `words` say otherwise."""
    options = {"to": "lamp", "name": "light", "callers": ("house",), "idempotent": True} | words
    reply: Any = struct("Lighted", gives)
    return types.new_class("Light", (Call[reply],), options, lambda space: space.update(_body(takes)))


def route(takes: Fields, gives: Fields, **words: Any) -> Route:  # noqa: ANN401
    """Make the route `POST /lamp/api/light`."""

    async def light(_deps: object, _caller: object, _ask: object) -> None:
        """Light a lamp."""

    types_of = {"_ask": struct("Ask", takes), "return": struct("Told", gives)}
    light.__annotations__.update(types_of)
    return post("light", light, **words)


def judged(was: Thing, now: Thing | None) -> Outcome:
    """Accept the one, and judge the other by it; None is nothing in its place."""
    agreed = judge({}, **_described(was), since="1.0")
    assert agreed.breaks == []
    return judge(agreed.history, **_described(now), since="1.1")


def _described(*things: Thing | None) -> dict[str, Any]:
    events = [one for one in things if isinstance(one, type) and issubclass(one, Event)]
    calls = [one for one in things if isinstance(one, type) and issubclass(one, Call)]
    routes = [one for one in things if isinstance(one, Route)]
    services = [
        Service(name="lamp", deps=object, routes=routes),
        Service(name="house", deps=object, listens=[on("shine", events, shine)]),
    ]
    now = json.loads(json.dumps(described(services, events, calls)))
    return {"now": now, "listeners": readers(services)}
