"""GET /notification/api/stream: say when the caller's notifications change; the events carry no data."""

from functools import partial

from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Request, Response
from nextbuy.notification.deps import Deps


async def stream(deps: Deps, caller: Caller, request: Request) -> Response:
    """Send an event `changed` without data whenever the caller's notifications change, for a minute at most."""
    await deps.auth.validate_user(caller)
    return deps.streams.respond(request, caller.account_id, partial(deps.auth.validate_user, caller))
