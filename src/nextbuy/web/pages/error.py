"""The page of an error: what is wrong, and what to do."""

from starlette.responses import Response

from nextbuy.contracts.errors import AppError
from nextbuy.kit.wire import REQUEST_ID
from nextbuy.web.visit import View, Visit


class ErrorView(View):
    """The content of the page of an error."""

    status: int
    slug: str
    detail: str
    transient: bool
    request_id: str
    """The id under which support finds the request."""


async def error_page(visit: Visit, error: AppError) -> Response:
    """Show an error, with its status and Retry-After."""
    request_id = visit.request.headers.get(REQUEST_ID, "")
    view = ErrorView(error.status, error.slug, error.detail, error.transient, request_id)
    response = await visit.page("error", view, status=error.status)
    if error.retry_after is not None:
        response.headers["retry-after"] = str(max(1, round(error.retry_after + 0.499)))
    return response
