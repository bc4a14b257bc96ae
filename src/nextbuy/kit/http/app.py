"""Turns a service's table of contents into one function over bytes.

`App.handle` finds the route or call, reads what it takes, checks who asks, does the act once per idempotency key, and
writes the answer; whatever happens it answers, and bad input is never a 500.
"""

import logging
from typing import Any, Final, Generic, TypeVar
from urllib.parse import parse_qsl

import msgspec

from nextbuy.contracts.errors import (
    AppError,
    EndpointNotFound,
    FieldError,
    Forbidden,
    InternalError,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unprocessable,
    WrongMediaType,
    WrongRole,
)
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.http import idempotency
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.idempotency import IdempotentRequest
from nextbuy.kit.http.service_identity import ServiceIdentity
from nextbuy.kit.http.tokens import TokenVerifier, token_of
from nextbuy.kit.observability import telemetry
from nextbuy.kit.service import CallHandler, Route, Service
from nextbuy.kit.storage.database import Database, as_app_error
from nextbuy.kit.wire import (
    CLIENT,
    DEADLINE,
    IDENTITY,
    REQUEST_ID,
    Encoded,
    Request,
    Response,
    encode,
    problem_response,
)

log: Final = logging.getLogger(__name__)

Deps = TypeVar("Deps")
REQUEST_LIMIT: Final = 10.0
"""Seconds that a request may take where nobody gave it a deadline."""
_MOST_PARAMETERS: Final = 20
_READS: Final = frozenset({"GET", "HEAD"})


CallNotFound: Final = NotFound.of("call-not-found", "There is no such call between services.")
CallerNotAllowed: Final = Forbidden.of("caller-not-allowed", "This service may not make this call.")
NulCharacter: Final = Unprocessable.of("nul-character", "Texts must not contain the NUL character.")


class App(Generic[Deps]):
    """One service, handler."""

    def __init__(
        self,
        service: Service,
        deps: Deps,
        *,
        identity: ServiceIdentity,
        verifier: TokenVerifier | None = None,
        database: Database | None = None,
    ) -> None:
        """Answer for `service`; `verifier` reads people's tokens, `identity` those of other services."""
        self.service = service
        self.deps = deps
        self._identity = identity
        self._verifier = verifier
        self._database = database
        self._secret = identity.own_secret("idempotency")
        self._routes = _Table(service)
        self._calls = {handler.call.path: handler for handler in service.calls}
        self._internal = f"/{service.name}/internal/"

    async def handle(self, request: Request) -> Response:
        """Answer a request, whatever it is."""
        headers = request.headers
        trace = request.trace or telemetry.resume_span(headers.get("traceparent"), headers.get(REQUEST_ID))
        with telemetry.use_span(trace):
            limit = headers.get(DEADLINE, "")
            set_deadline(int(limit) / 1000 if limit.isdecimal() and len(limit) < 7 else REQUEST_LIMIT)  # noqa: PLR2004
            try:
                if request.path.startswith(self._internal):
                    return await self._answer_call(request)
                return await self._answer_route(request)
            except AppError as error:
                return problem_response(error, trace.correlation_id)
            except Exception as error:
                known = as_app_error(error)
                if known is None:
                    log.exception("%s %s broke", request.method, request.path)
                    known = InternalError("Something broke on our side; it has been logged under this correlation id.")
                else:
                    log.warning("%s %s: %s: %s", request.method, request.path, type(error).__name__, error)
                return problem_response(known, trace.correlation_id)

    async def _answer_call(self, request: Request) -> Response:
        caller = self._identity.read(request.headers.get(IDENTITY))
        handler = self._calls.get(request.path)
        if handler is None:
            raise CallNotFound
        if request.method != "POST":
            raise MethodNotAllowed("Calls are made with POST.")
        if caller not in handler.call.callers:
            raise CallerNotAllowed(f"The {caller} service may not make this call.")
        return Response(200, encode(await handler.act(self.deps, _decode(request.body, handler))))

    async def _answer_route(self, request: Request) -> Response:
        route, captured = self._routes.find(request.method, request.path)
        if len(request.body) > route.body_limit:
            raise TooLarge(f"A body may have {route.body_limit} bytes here.")
        caller = await self._caller(route, request)
        if route.raw:
            answer: Response = await route.act(self.deps, caller, request)
            return answer
        ask = _ask(route, request, captured)
        key = request.headers.get(idempotency.HEADER)
        if key is None or request.method in _READS or self._database is None:
            return await self._do(route, caller, ask)
        scope = str(caller.identity.account_id) if caller.identity else f"anyone@{caller.address}"
        bearer = "" if caller.identity else request.headers.get("cookie", "")
        caller.idempotent_request = IdempotentRequest(scope, key, request, secret=self._secret, bearer=bearer)
        caller.idempotent_request.status = route.status
        trace = telemetry.current_span()

        async def act() -> Response:
            try:
                return await self._do(route, caller, ask)
            except AppError as error:
                if error.transient or error.status >= 500:  # noqa: PLR2004
                    raise
                return problem_response(error, trace.correlation_id)

        return await caller.idempotent_request.run_once(self._database, act)

    async def _do(self, route: Route, caller: Caller, ask: object) -> Response:
        reply = await (route.act(self.deps, caller, ask) if route.takes_request else route.act(self.deps, caller))
        if type(reply) is Encoded:
            return Response(route.status, reply.body)
        if type(reply) is Response:
            return reply
        return Response(route.status, b"" if route.status == 204 else encode(reply))  # noqa: PLR2004

    async def _caller(self, route: Route, request: Request) -> Caller:
        headers = request.headers
        address = headers.get(CLIENT, "")
        if route.who is None and "authorization" not in headers and "cookie" not in headers:
            return Caller("", None, address, headers)
        token = token_of(request.method, headers) if route.who is not None else _token_or_none(request)
        if token is None or self._verifier is None:
            if route.who is not None:
                raise Unauthenticated("Log in first, and send the access token.")
            return Caller("", None, address, headers)
        try:
            identity = await self._verifier.verify(token)
        except Unauthenticated:
            if route.who is None:
                return Caller("", None, address, headers)
            raise
        if route.who is not None and identity.role not in route.who:
            allowed = " or ".join(sorted(route.who))
            raise WrongRole(f"This is for {allowed} accounts.")
        return Caller(token, identity, address, headers)


def _token_or_none(request: Request) -> str | None:
    try:
        return token_of(request.method, request.headers)
    except Forbidden:
        return None


class _Table:
    """Finds a route by method and path."""

    def __init__(self, service: Service) -> None:
        self._fixed: dict[tuple[str, str], Route] = {}
        self._ends: dict[tuple[str, str], tuple[str, Route]] = {}
        """By method and all but the last part: most parametrised routes end with their only parameter."""
        self._patterns: dict[tuple[str, int], list[tuple[list[str], Route]]] = {}
        self._paths: list[list[str]] = []
        for route in service.routes:
            path = f"/{service.name}/api/{route.path}"
            parts = path.split("/")
            self._paths.append(parts)
            beginning, _, end = path.rpartition("/")
            if end.startswith("{") and "{" not in beginning:
                self._ends[route.method, beginning] = end[1:-1], route
            elif "{" in path:
                self._patterns.setdefault((route.method, len(parts)), []).append((parts, route))
            else:
                self._fixed[route.method, path] = route

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        if method == "HEAD":
            method = "GET"
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            return fixed, {}
        beginning, _, end = path.rpartition("/")
        ending = self._ends.get((method, beginning))
        if ending is not None and end:
            return ending[1], {ending[0]: end}
        parts = path.split("/")
        for pattern, route in self._patterns.get((method, len(parts)), ()):
            captured = _match(pattern, parts)
            if captured is not None:
                return route, captured
        if any(len(known) == len(parts) and _match(known, parts) is not None for known in self._paths):
            raise MethodNotAllowed(f"{method} is not for this address.")
        raise EndpointNotFound


def _match(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    captured: dict[str, str] = {}
    for want, have in zip(pattern, parts, strict=True):
        if want.startswith("{"):
            if not have:
                return None
            captured[want[1:-1]] = have
        elif want != have:
            return None
    return captured


def _ask(route: Route, request: Request, captured: dict[str, str]) -> object:
    try:
        if request.method in _READS:
            pairs = (
                parse_qsl(request.query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
                if request.query
                else []
            )
            fields: dict[str, Any] = {**dict(pairs), **captured} if pairs else captured
            if "%00" in request.query or "\0" in request.query or "\0" in request.path:
                _no_nul(fields)
            return msgspec.convert(fields, type=route.request, strict=False)
        body = request.body
        if body:
            _json_only(request)
        if b"\\u0000" in body:
            _no_nul(msgspec.json.decode(body))
        if not captured:
            return msgspec.json.decode(body or b"{}", type=route.request)
        fields = msgspec.json.decode(body or b"{}", type=dict[str, Any])
        return msgspec.convert({**fields, **captured}, type=route.request)
    except msgspec.ValidationError as error:
        raise _unreadable(error, in_path=captured) from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as error:
        raise Unprocessable(f"This cannot be read: {type(error).__name__}.") from None


def _unreadable(error: msgspec.ValidationError, *, in_path: dict[str, str]) -> AppError:
    message, _, where = str(error).partition(" - at `")
    field = where.rstrip("`").removeprefix("$").removeprefix(".") or "body"
    if field in in_path:
        return EndpointNotFound()
    return Unprocessable(f"{field}: {message}", errors=[FieldError(field, message)])


def _json_only(request: Request) -> None:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise WrongMediaType("Send JSON, as application/json.")


def _no_nul(value: object) -> None:
    """Refuse NUL characters: PostgreSQL's text cannot hold them."""
    if isinstance(value, str):
        if "\0" in value:
            raise NulCharacter
    elif isinstance(value, dict):
        for key, item in value.items():
            _no_nul(key)
            _no_nul(item)
    elif isinstance(value, list):
        for item in value:
            _no_nul(item)


def _decode(body: bytes, handler: CallHandler) -> object:
    try:
        return msgspec.json.decode(body, type=handler.call)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Unprocessable(f"The call cannot be read: {error}") from None
