"""The building blocks of a service's table of contents: routes, calls, events and jobs.

Each `service.py` declares one `Service`. The HTTP app, the API documents and the tests are all derived from it.
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
"""The function behind a declaration: a use case, an event handler or a job."""
Method = Literal["GET", "POST", "PUT", "DELETE"]
BODY_LIMIT: Final = 256 * 1024
"""Bytes. The largest request body, unless the route sets its own limit."""


class RawContent(Struct, frozen=True):
    """The bodies of a raw route, for the API document: media types, and the struct that a body in JSON has."""

    produces: tuple[str, ...] = ()
    """Media types of responses. A route that produces HTML also answers errors with a page."""
    accepts: tuple[str, ...] = ()
    body: type[Any] | None = None
    reply: type[Any] | None = None
    redirects: bool = False
    """Whether success may be a redirect (303)."""
    has_etag: bool = False
    """Whether responses carry an ETag, so that a client's current copy is not sent again (304)."""


class Route(Struct, frozen=True, kw_only=True):
    """A public endpoint: its path, who may use it, and the types of its request and reply.

    `path` follows `/<service>/api/`; a part in braces is a field of `request`. `who` is None for anyone. The act of a
    `raw` route takes a `Request` and returns a `Response`.
    """

    method: Method
    path: str
    act: Act
    who: frozenset[Role] | None
    status: int
    request: type[Any]
    takes_request: bool
    """Whether the act has a `request` parameter after the caller."""
    reply: Any
    raw: RawContent | None
    body_limit: int
    summary: str
    idempotent: bool
    takes_if_match: bool
    """Whether the act checks the condition of an If-Match header (`Caller.if_match`)."""
    checks_token: bool
    """Whether a public route refuses a request with an invalid access token, instead of ignoring the token."""

    def operation_id(self, service: str) -> str:
        """Return the OpenAPI operation id, `post_order_create_payment_session` for example."""
        parts = [part.strip("{}") for part in self.path.split("/")]
        return "_".join([self.method.lower(), service, *parts]).replace("-", "_")


class CallHandler(Struct, frozen=True):
    """The function with which a service answers a call."""

    call: type[Call[Any]]
    act: Act


class Inbox(Struct, frozen=True):
    """A name in the inbox, under which each event is recorded once, and the handler that runs for it."""

    name: str
    act: Act


class Subscription(Struct, frozen=True):
    """A named pair of event types and the handler that acts on them.

    `name` is stored in inboxes and dead letters, so it stays when the handler is renamed.
    """

    name: str
    events: tuple[type[Event], ...]
    act: Act
    from_start: bool
    """Whether it also applies the events from before the service first started with it."""
    inboxes: Act | None = None
    """`inboxes(tx)` returns the list of `Inbox` that events are applied in; by default it is one of the same name."""


class Job(Struct, frozen=True):
    """A periodic task: `act(deps)` runs every `every` seconds, and again at once if it returns true."""

    name: str
    act: Act
    every: float
    idle: float
    """Seconds between runs while the service is idle."""


class Task(Struct, frozen=True):
    """A background task: `act(deps)` runs as long as the service, and never returns by itself."""

    name: str
    act: Act


class Service(Struct, frozen=True, kw_only=True):
    """A service's table of contents."""

    name: str
    deps: type[Any]
    routes: Sequence[Route] = ()
    calls: Sequence[CallHandler] = ()
    publishes: Sequence[type[Event]] = ()
    subscriptions: Sequence[Subscription] = ()
    jobs: Sequence[Job] = ()
    tasks: Sequence[Task] = ()
    startup: Act | None = None
    """`startup(deps)` is awaited before the service answers its first request."""
    status: Sequence[Act] = ()
    """Each `part(deps)` returns fields of the service's status (`contracts/status.py`)."""
    shutdown: Act | None = None
    """`shutdown(deps)` is awaited when the process stops."""


def get(
    path: str,
    act: Act,
    *,
    who: Sequence[Role] | None = None,
    raw: RawContent | None = None,
    checks_token: bool = False,
) -> Route:
    """Declare `GET /<service>/api/<path>`, answered by `act(deps, caller[, request])`; `who` is None for anyone."""
    return _route(
        "GET",
        path,
        act,
        who,
        status=200,
        raw=raw,
        body_limit=0,
        idempotent=True,
        takes_if_match=False,
        checks_token=checks_token,
    )


def post(  # noqa: PLR0913
    path: str,
    act: Act,
    *,
    who: Sequence[Role] | None = None,
    status: int = 200,
    raw: RawContent | None = None,
    body_limit: int = BODY_LIMIT,
    if_match: bool = False,
    checks_token: bool = False,
) -> Route:
    """Declare `POST /<service>/api/<path>`; `status` is that of success, `body_limit` in bytes.

    With `if_match`, the act checks the header If-Match.
    """
    return _route(
        "POST",
        path,
        act,
        who,
        status=status,
        raw=raw,
        body_limit=body_limit,
        idempotent=False,
        takes_if_match=if_match,
        checks_token=checks_token,
    )


def put(
    path: str,
    act: Act,
    *,
    who: Sequence[Role] | None = None,
    body_limit: int = BODY_LIMIT,
    if_match: bool = False,
    checks_token: bool = False,
) -> Route:
    """Declare `PUT /<service>/api/<path>`; `body_limit` is in bytes. With `if_match`, the act checks If-Match."""
    return _route(
        "PUT",
        path,
        act,
        who,
        status=200,
        raw=None,
        body_limit=body_limit,
        idempotent=False,
        takes_if_match=if_match,
        checks_token=checks_token,
    )


def delete(path: str, act: Act, *, who: Sequence[Role]) -> Route:
    """Declare `DELETE /<service>/api/<path>`, answered with 204."""
    return _route(
        "DELETE",
        path,
        act,
        who,
        status=204,
        raw=None,
        body_limit=BODY_LIMIT,
        idempotent=False,
        takes_if_match=False,
        checks_token=False,
    )


def answers(call: type[Call[Any]], act: Act) -> CallHandler:
    """Declare that `act(deps, call)` answers a call of other services and returns its reply."""
    return CallHandler(call, act)


def subscribe(
    name: str, events: type[Event] | Sequence[type[Event]], act: Act, *, from_start: bool = False
) -> Subscription:
    """Declare that `act(deps, tx, events)` applies new events of these types, in the transaction of their inbox rows.

    `events` is a sequence of `InboundEvent`. The handler makes no calls; work that must call another service is a job.
    """
    return Subscription(name, (events,) if isinstance(events, type) else tuple(events), act, from_start)


def job(name: str, act: Act, *, every: float, idle: float | None = None) -> Job:
    """Declare that `act(deps)` runs every `every` seconds; every `idle` seconds while the service is idle."""
    return Job(name, act, every, every if idle is None else idle)


def task(name: str, act: Act) -> Task:
    """Declare that `act(deps)` runs until the service stops, and is restarted if it crashes."""
    return Task(name, act)


def _route(  # noqa: PLR0913
    method: Method,
    path: str,
    act: Act,
    who: Sequence[Role] | None,
    *,
    status: int,
    raw: RawContent | None,
    body_limit: int,
    idempotent: bool,
    takes_if_match: bool,
    checks_token: bool,
) -> Route:
    hints = typing.get_type_hints(act)
    parameters = list(inspect.signature(act).parameters)
    takes_request = len(parameters) > 2 and raw is None  # noqa: PLR2004
    return Route(
        method=method,
        path=path,
        act=act,
        who=None if who is None else frozenset(who),
        status=status,
        request=hints[parameters[2]] if takes_request else Nothing,
        takes_request=takes_request,
        reply=None if raw is not None else _reply_type(hints["return"]),
        raw=raw,
        body_limit=body_limit,
        summary=_summary(act),
        idempotent=idempotent,
        takes_if_match=takes_if_match,
        checks_token=checks_token,
    )


def _reply_type(returns: Any) -> Any:  # noqa: ANN401  types are of any type
    """Return the reply type of an act; `Reply | Response` (an act that may set cookies) is `Reply`."""
    replies = [kind for kind in typing.get_args(returns) if kind is not Response]
    return replies[0] if isinstance(returns, types.UnionType) and len(replies) == 1 else returns


def _summary(act: Act) -> str:
    docstring = inspect.getdoc(act) or inspect.getdoc(inspect.getmodule(act)) or ""
    return docstring.split("\n", 1)[0]


ANYONE_LOGGED_IN: Final = tuple(Role)
