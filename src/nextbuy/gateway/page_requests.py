"""Requests of the pages to the API.

A page is a client of the API with the rights of its visitor. Its own request has passed the rate limits, so the
requests that it sends are not counted again; they are forwarded and logged like all others.
"""

import logging
from typing import Final

from nextbuy.contracts.errors import AppError, InternalError
from nextbuy.gateway.routes import Routes
from nextbuy.kit.observability import telemetry
from nextbuy.kit.wire import Request, Response, StreamedResponse, problem_response

log: Final = logging.getLogger(__name__)


class PageRequests:
    """Answers the requests that pages in the gateway's process send to the API."""

    def __init__(self) -> None:
        """Wait for `routes`, which the gateway sets once the pages exist: they are one of its routes."""
        self.routes: Routes

    async def answer(self, request: Request) -> Response:
        """Return the response of the API, whatever its status; its body is whole."""
        span = request.trace or telemetry.start_span()
        try:
            route, path = self.routes.find(request.path.encode())
            request.path = path
            response = await route.answer(request, span, route.log_name(request.method, path))
            return await response.whole() if isinstance(response, StreamedResponse) else response
        except AppError as error:
            return problem_response(error, span.correlation_id)
        except Exception:
            with telemetry.use_span(span):
                log.exception("request of a page failed; answered with status 500: %s", request.path)
            return problem_response(InternalError(), span.correlation_id)
