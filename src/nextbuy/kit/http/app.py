"""The request handler of a service: finds the route or call, checks its caller, and turns errors into problems."""

import logging
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from msgspec.structs import replace

from nextbuy.contracts.errors import (
    AppError,
    Forbidden,
    InternalError,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unauthenticated,
    wrong_role,
)
from nextbuy.kit.activity import Activity
from nextbuy.kit.deadline import set_deadline
from nextbuy.kit.http import idempotency
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.conditional import none_match
from nextbuy.kit.http.decoding import decode_call, decode_request, refuse_encoded
from nextbuy.kit.http.idempotency import IdempotentRequest
from nextbuy.kit.http.routing import RouteTable
from nextbuy.kit.http.served import QUIET_CALLS, ServedRequest
from nextbuy.kit.http.tokens import (
    ACCESS_COOKIE,
    InvalidToken,
    TokenVerifier,
    access_tokens,
    expired_cookies,
    sent_by_cookie,
    tokens_of,
)
from nextbuy.kit.observability import telemetry
from nextbuy.kit.observability.ids import collect_ids, note_id, note_ids, note_into, note_path
from nextbuy.kit.service import CallHandler, Route, Service
from nextbuy.kit.service_identity import GATEWAY, ServiceIdentity, ServiceIdentityRequired
from nextbuy.kit.storage.database import Database, as_app_error
from nextbuy.kit.wire import (
    BACKGROUND,
    CLIENT,
    DEADLINE,
    IDENTITY,
    READS,
    REQUEST_ID,
    Encoded,
    Request,
    Response,
    encode,
    etag_of,
    problem_response,
    reply_response,
)
from nextbuy.kit.workload import set_background

log: Final = logging.getLogger(__name__)

Deps = TypeVar("Deps")
REQUEST_TIMEOUT: Final = 10.0
"""Seconds that a request may take, unless its sender set a deadline."""


CallNotFound: Final = NotFound.of("call-not-found", "Internal call not found.")
CallerNotAllowed: Final = Forbidden.of("caller-not-allowed", "This service may not make this call.")


class App(Generic[Deps]):
    """The handler of one service's routes and calls."""

    def __init__(  # noqa: PLR0913
        self,
        service: Service,
        deps: Deps,
        *,
        identity: ServiceIdentity,
        verifier: TokenVerifier | None = None,
        database: Database | None = None,
        calls: Sequence[CallHandler] = (),
        journal: telemetry.Journal | None = None,
    ) -> None:
        """Handle the requests of `service`; it answers `calls` besides the calls of its table of contents.

        Without a `verifier` no caller counts as signed in; without a `database` Idempotency-Keys are ignored; without a
        `journal` no request has a line.
        """
        self.service = service
        self.deps = deps
        self._identity = identity
        self._verifier = verifier
        self._database = database
        self._journal = journal
        self.activity = Activity()
        """The requests that may have had an effect."""
        self._secret = identity.own_secret("idempotency")
        self._routes = RouteTable(service)
        self._calls = {handler.call.path: handler for handler in (*service.calls, *calls)}
        self._internal = f"/{service.name}/internal/"

    async def handle(self, request: Request) -> Response:
        """Return the response to a request; every error becomes a problem document."""
        headers = request.headers
        span = request.trace or telemetry.resume_span(headers.get("traceparent"), headers.get(REQUEST_ID))
        served = ServedRequest(f"{request.method} (unknown path)")
        response = None
        try:
            with telemetry.use_span(span), note_into(served.ids):
                response = await self._respond(request, served, span.correlation_id)
            if served.headers:
                response = replace(response, headers=[*response.headers, *served.headers])
            return response
        finally:
            if self._journal is not None and not isinstance(served.error, ServiceIdentityRequired):
                served.log(self._journal, self.service.name, span, response, local=request.sender is not None)

    async def _respond(self, request: Request, served: ServedRequest, correlation_id: str) -> Response:
        set_background(BACKGROUND in request.headers)
        deadline = request.headers.get(DEADLINE, "")
        set_deadline(int(deadline) / 1000 if deadline.isdecimal() and len(deadline) < 7 else REQUEST_TIMEOUT)  # noqa: PLR2004
        try:
            is_call = request.path.startswith(self._internal)
            served.caller = self._sender_of(request, is_call=is_call)
            return await (self._answer_call(request, served) if is_call else self._answer_route(request, served))
        except AppError as error:
            served.error = error
            return problem_response(error, correlation_id)
        except Exception as error:
            app_error = as_app_error(error)
            if app_error is None:
                log.exception("request failed; answered with 500: %s", served.name)
                app_error = InternalError()
            app_error.__cause__ = error
            served.error = app_error
            return problem_response(app_error, correlation_id)
        finally:
            if request.method != "GET":
                self.activity.note()

    def _sender_of(self, request: Request, *, is_call: bool) -> str:
        """Return the gateway or the service that sent a request; a sender in this process needs no signature."""
        try:
            sender = (
                request.sender.service
                if request.sender is not None
                else self._identity.verify(
                    request.headers.get(IDENTITY), request.method, request.target, request.body, request.headers
                )
            )
            if sender != GATEWAY and not is_call:
                raise ServiceIdentityRequired
        except ServiceIdentityRequired:
            log.warning(
                "request refused; neither the gateway nor a service signed it",
                extra={"service": self.service.name, "method": request.method, "path": request.path},
            )
            raise
        return sender

    async def _answer_call(self, request: Request, served: ServedRequest) -> Response:
        handler = self._calls.get(request.path)
        served.name = handler.call.name if handler is not None else "(unknown call)"
        if handler is None:
            raise CallNotFound
        if request.method != "POST":
            raise MethodNotAllowed.only("POST")
        if served.caller not in handler.call.callers:
            raise CallerNotAllowed(f"The {served.caller} service may not make this call.")
        served.quiet = served.name in QUIET_CALLS
        call = decode_call(request.body, handler)
        collect_ids(served.ids, call)
        reply = await handler.act(self.deps, call)
        collect_ids(served.ids, reply)
        return Response(200, encode(reply))

    async def _answer_route(self, request: Request, served: ServedRequest) -> Response:
        route, captured = self._routes.find(request.method, request.path)
        served.name = f"{route.method} {route.path}"
        note_path(captured)
        if len(request.body) > route.body_limit:
            raise TooLarge(f"The request body is too large. Send at most {route.body_limit} bytes.")
        refuse_encoded(request)
        caller = await self._caller(route, request, served)
        if route.raw:
            response: Response = await route.act(self.deps, caller, request)
            return response
        decoded = decode_request(route, request, captured)
        collect_ids(served.ids, decoded)
        if idempotency.HEADER not in request.headers or request.method in READS or self._database is None:
            return await self._act(route, caller, decoded)
        return await self._act_once(self._database, route, caller, decoded, served)

    async def _caller(self, route: Route, request: Request, served: ServedRequest) -> Caller:
        """Return the caller of a request; an invalid token is an error only if the route needs or checks it.

        The response then deletes a cookie with an invalid token. If several were sent, it deletes cookies of other
        paths than ours, and ours only if all are invalid.
        """
        headers = request.headers
        anonymous = Caller("", None, headers.get(CLIENT, ""), headers)
        if route.who is None and "authorization" not in headers and "cookie" not in headers:
            return anonymous
        tokens: list[str] = []
        try:
            tokens = tokens_of(request.method, headers)
            if self._verifier is None:
                raise Unauthenticated("Sign in first, and send the access token.")
            token, identity = await self._verifier.verify_first(tokens)
            note_id("account", identity.account_id)
        except (Unauthenticated, Forbidden) as error:
            if route.who is None and not (route.checks_token and access_tokens(headers)):
                return anonymous
            if isinstance(error, InvalidToken) and sent_by_cookie(headers):
                served.headers = expired_cookies(ACCESS_COOKIE, request.path, ours=True)
            raise
        if len(tokens) > 1 and route.who is not None:
            served.headers = expired_cookies(ACCESS_COOKIE, request.path, ours=False)
        if route.who is not None and identity.role not in route.who:
            raise wrong_role(route.who)
        return Caller(token, identity, headers.get(CLIENT, ""), headers)

    async def _act(self, route: Route, caller: Caller, decoded: object) -> Response:
        reply = await (route.act(self.deps, caller, decoded) if route.takes_request else route.act(self.deps, caller))
        if type(reply) not in {Encoded, Response}:
            note_ids(reply)
        response = reply_response(route.status, reply)
        # The gateway answers for what is the same for everybody, since the entity tag depends on the compression.
        etag = "" if isinstance(reply, Encoded) and reply.as_of is not None else etag_of(reply)
        if etag and route.method in READS and none_match(caller.headers, etag):
            return Response(304, content_type="", headers=response.headers)
        return response

    async def _act_once(
        self,
        database: Database,
        route: Route,
        caller: Caller,
        decoded: object,
        served: ServedRequest,
    ) -> Response:
        account = caller.identity and str(caller.identity.account_id)
        idempotent = IdempotentRequest(
            account or f"anyone@{caller.ip_address}",
            caller.headers[idempotency.HEADER],
            f"{route.method} {route.path}",
            decoded,
            secret=self._secret,
            condition=caller.if_match() if route.takes_if_match else None,
            cookies=caller.headers.get("cookie", "") if account is None else None,
            status=route.status,
        )
        caller.idempotent_request = idempotent

        async def act() -> Response:
            try:
                return await self._act(route, caller, decoded)
            except AppError as error:
                if error.transient or error.status >= 500:  # noqa: PLR2004
                    raise
                served.error = error
                return problem_response(error, telemetry.current_span().correlation_id)

        return await idempotent.run_once(database, act)
