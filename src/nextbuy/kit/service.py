"""A service's table of contents: routes, calls that it answers, events that it publishes or listens to, and jobs.

Each `service.py` makes one `Service` of these; the web seam, the documents (OpenAPI, AsyncAPI) and the tests read
everything from it.
"""

import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal

from msgspec import Struct

from nextbuy.contracts.message import Call, Event
from nextbuy.contracts.values import Nothing, Role
from nextbuy.kit.wire import Response

Act = Callable[..., Awaitable[Any]]
Method = Literal["GET", "POST", "PUT", "DELETE"]
BODY_LIMIT: Final = 256 * 1024
"""Bytes that a request body may have, where the route says nothing else."""


class Route(Struct, frozen=True, kw_only=True):
    """One public address: who may use it, what it takes and gives.

    `path` is what follows `/<service>/api/`; parts in braces are fields of `ask`. `who` is None for anyone. A `raw` act
    is given the request and returns the answer, both as bytes.
    """

    method: Method
    path: str
    act: Act
    who: frozenset[Role] | None
    status: int
    ask: type[Any]
    asks: bool
    """Does the act take an `ask` beside the caller?"""
    reply: Any
    raw: bool
    body_limit: int
    summary: str
    idempotent: bool


class Answering(Struct, frozen=True):
    """One call that a service answers."""

    call: type[Call[Any]]
    act: Act


class Listening(Struct, frozen=True):
    """What a service does with events: one at a time, in batches, or many at once; see `on`, `on_batch`, `on_many`."""

    name: str
    events: tuple[type[Event], ...]
    act: Act
    way: Literal["single", "batch", "many"]


class Job(Struct, frozen=True):
    """What a service does over and over: `act(deps)` each `every` seconds, and again at once while it returns true."""

    name: str
    act: Act
    every: float


class Service(Struct, frozen=True, kw_only=True):
    """All that a service is."""

    name: str
    deps: type[Any]
    routes: Sequence[Route] = ()
    calls: Sequence[Answering] = ()
    publishes: Sequence[type[Event]] = ()
    listens: Sequence[Listening] = ()
    jobs: Sequence[Job] = ()
    opens: Act | None = None
    """`opens(deps)` is awaited before the service answers anything."""
    closes: Act | None = None
    """`closes(deps)` is awaited when it stops."""


def _summary(act: Act) -> str:
    text = inspect.getdoc(act) or inspect.getdoc(inspect.getmodule(act)) or ""
    return text.split("\n", 1)[0]


def _reply(returns: Any) -> Any:  # noqa: ANN401  types are of any type
    """Return what a client is told: an act that may answer by itself (with cookies) gives the same reply in it."""
    told = [kind for kind in typing.get_args(returns) if kind is not Response]
    return told[0] if isinstance(returns, types.UnionType) and len(told) == 1 else returns


def _route(  # noqa: PLR0913
    method: Method,
    path: str,
    act: Act,
    who: Sequence[Role] | None,
    *,
    status: int,
    raw: bool,
    body_limit: int,
    idempotent: bool,
) -> Route:
    hints = typing.get_type_hints(act)
    parameters = list(inspect.signature(act).parameters)
    asks = len(parameters) > 2 and not raw  # noqa: PLR2004
    return Route(
        method=method,
        path=path,
        act=act,
        who=None if who is None else frozenset(who),
        status=status,
        ask=hints[parameters[2]] if asks else Nothing,
        asks=asks,
        reply=None if raw else _reply(hints["return"]),
        raw=raw,
        body_limit=body_limit,
        summary=_summary(act),
        idempotent=idempotent,
    )


def get(path: str, act: Act, *, who: Sequence[Role] | None = None, raw: bool = False) -> Route:
    """Declare `GET path`; `who` is anyone where it is None."""
    return _route("GET", path, act, who, status=200, raw=raw, body_limit=0, idempotent=True)


def post(
    path: str,
    act: Act,
    *,
    who: Sequence[Role] | None = None,
    status: int = 200,
    raw: bool = False,
    body_limit: int = BODY_LIMIT,
) -> Route:
    """Declare `POST path`."""
    return _route("POST", path, act, who, status=status, raw=raw, body_limit=body_limit, idempotent=False)


def put(path: str, act: Act, *, who: Sequence[Role] | None = None, body_limit: int = BODY_LIMIT) -> Route:
    """Declare `PUT path`."""
    return _route("PUT", path, act, who, status=200, raw=False, body_limit=body_limit, idempotent=False)


def answers(call: type[Call[Any]], act: Act) -> Answering:
    """Declare that `act(deps, call)` answers a call."""
    return Answering(call, act)


def on(events: type[Event] | Sequence[type[Event]], act: Act) -> Listening:
    """Declare that `act(deps, event, envelope)` is done for each such event, until it succeeds or is a dead letter."""
    return Listening(act.__name__, (events,) if isinstance(events, type) else tuple(events), act, "single")


def on_batch(events: Sequence[type[Event]], act: Act) -> Listening:
    """Declare that `act(deps, tx, [(event, envelope), …])` is done for new events, in the inbox's transaction."""
    return Listening(act.__name__, tuple(events), act, "batch")


def on_many(events: Sequence[type[Event]], act: Act) -> Listening:
    """Declare that `act(deps, [(event, envelope), …])` is done for new events at once, until it succeeds.

    It makes calls, so no transaction is open. An event may come to it again, in other company: whoever is told knows
    events by their ids.
    """
    return Listening(act.__name__, tuple(events), act, "many")


def job(act: Act, *, every: float) -> Job:
    """Declare that `act(deps)` is done every `every` seconds."""
    return Job(act.__name__, act, every)


ANYONE_LOGGED_IN: Final = tuple(Role)
