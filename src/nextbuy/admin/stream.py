"""GET /admin/api/stream: announce changes to admins, by events without data."""

from functools import partial

from nextbuy.admin.deps import Deps
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Request, Response


async def stream(deps: Deps, caller: Caller, request: Request) -> Response:
    """Send the event `changed`, without data, whenever something that admins see changes, for a minute at most."""
    await deps.auth.validate_admin(caller)
    return deps.streams.respond(request, caller.account_id, partial(deps.auth.validate_admin, caller))
