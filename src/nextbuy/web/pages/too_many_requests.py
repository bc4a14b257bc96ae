"""`/too-many-requests`: the page that the gateway shows to a browser beyond its rate limit, with status 429."""

from typing import Final

from starlette.responses import Response

from nextbuy.web.visit import View, Visit

_DEFAULT: Final = 60
_MAX_DIGITS: Final = 3


class TooManyRequestsView(View):
    """The seconds until the next request is accepted."""

    seconds: int


async def too_many_requests(visit: Visit) -> Response:
    """Say when to try again."""
    seconds = visit.request.query_params.get("seconds", "")
    is_short = seconds.isascii() and seconds.isdecimal() and len(seconds) <= _MAX_DIGITS
    return await visit.page("too_many_requests", TooManyRequestsView(int(seconds) if is_short else _DEFAULT))
