"""GET /auth/api/sessions: the caller's login sessions, newest first."""

from nextbuy.auth import session_store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import LoginSession
from nextbuy.auth.tokens import require_account
from nextbuy.contracts.errors import Unauthenticated
from nextbuy.contracts.values import Nothing, Page
from nextbuy.kit.http.caller import Caller


async def list_sessions(deps: Deps, caller: Caller, _request: Nothing) -> Page[LoginSession]:
    """List the caller's login sessions that have not ended, newest first, at most 100."""
    account = await require_account(deps, caller)
    if caller.identity is None:
        raise Unauthenticated
    return Page(
        await session_store.list_sessions(
            deps.database, account.id, current=caller.identity.session_id, at=deps.clock()
        )
    )
