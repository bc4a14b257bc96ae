"""`nextbuy serve web`: the pages in a process of their own, between the gateway and its API.

The gateway forwards the requests for pages to this process, and the pages send theirs to the gateway, signed, with the
IP address of the visitor. It needs no database, no Redis and no bus.
"""

from functools import partial
from typing import Final

from msgspec.structs import replace

from nextbuy.contracts.errors import AppError
from nextbuy.kit.config import Settings
from nextbuy.kit.config_values import ConfigError
from nextbuy.kit.http.asgi import App, service_app
from nextbuy.kit.observability import telemetry
from nextbuy.kit.rpc.transports import HttpTransport, Transport
from nextbuy.kit.service import BODY_LIMIT
from nextbuy.kit.service_identity import GATEWAY, WEB, ServiceIdentity, ServiceIdentityRequired
from nextbuy.kit.wire import IDENTITY, REQUEST_ID, Handler, Request, Response, problem_response
from nextbuy.web.app import pages

_TIMEOUT: Final = 11.0
"""Seconds. Longer than the gateway waits for a service, so that its error arrives."""


def require_web_settings(settings: Settings) -> None:
    """Raise ConfigError unless the settings name the gateway and the secret of the marketplace."""
    if not settings.secret or GATEWAY not in settings.service_urls:
        message = "`nextbuy serve web` needs NEXTBUY_SECRET and NEXTBUY_GATEWAY_URL. Set both as for the gateway."
        raise ConfigError(message)


def web_transport(settings: Settings) -> Transport:
    """Return the transport to the gateway."""
    return HttpTransport(GATEWAY, settings.service_urls[GATEWAY])


def web_app(settings: Settings, gateway: Transport, *, demo: bool) -> App:
    """Return the application that renders pages for the gateway, with the API behind `gateway`."""
    identity = ServiceIdentity(settings.secret, WEB)
    site = pages(partial(_send, gateway, identity), settings=settings, demo=demo)
    return service_app(partial(_answer, site, identity), body_limit=4 * BODY_LIMIT)


async def _answer(site: Handler, identity: ServiceIdentity, request: Request) -> Response:
    """Answer a request of the gateway; it alone may name the visitor."""
    headers = request.headers
    request.trace = telemetry.resume_span(headers.get("traceparent"), headers.get(REQUEST_ID))
    try:
        if identity.verify(headers.get(IDENTITY), request.method, request.target, request.body, headers) != GATEWAY:
            raise ServiceIdentityRequired
    except ServiceIdentityRequired as error:
        return problem_response(error, request.trace.correlation_id)
    return await site(request)


async def _send(gateway: Transport, identity: ServiceIdentity, request: Request) -> Response:
    """Send a request of a page to the API; return its response, or the problem that prevented one."""
    span = (request.trace or telemetry.start_span()).child()
    headers = {**request.headers, "traceparent": span.traceparent, REQUEST_ID: span.correlation_id}
    try:
        return await gateway.deliver(replace(request, headers=headers, sender=identity), _TIMEOUT)
    except AppError as error:
        return problem_response(error, span.correlation_id)
