"""GET /admin/api/stream: say when something changes that admins see; the events carry no data."""

from functools import partial

from nextbuy.admin.deps import Deps
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Request, Response


async def stream(deps: Deps, caller: Caller, request: Request) -> Response:
    """Send an event `changed` without data whenever something changes that admins see, for a minute at most."""
    await deps.auth.validate_admin(caller)
    return deps.streams.respond(request, caller.account_id, partial(deps.auth.validate_admin, caller))
