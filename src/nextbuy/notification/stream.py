"""GET /notification/api/stream: announce changes of the caller's notifications, by events without data."""

from functools import partial

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Request, Response
from nextbuy.notification.deps import Deps


async def stream(deps: Deps, caller: Caller, request: Request) -> Response:
    """Send the event `changed`, without data, whenever the caller's notifications change, for a minute at most."""
    await deps.auth.validate_user(caller)
    return deps.streams.respond(request, caller.account_id, partial(deps.auth.validate_user, caller))
