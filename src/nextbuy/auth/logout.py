"""POST /auth/api/logout: end the login session; its access and refresh tokens are invalid from then on."""

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.sessions import wants_cookies, without_cookies
from nextbuy.contracts.errors import Unauthenticated
from nextbuy.contracts.values import Nothing
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.tokens import ACCESS_COOKIE, cookies_of
from nextbuy.kit.wire import Response


async def logout(deps: Deps, caller: Caller, _request: Nothing) -> Nothing | Response:
    """End the caller's login session."""
    if caller.identity is None:
        raise Unauthenticated
    await store.end_session(deps.database, caller.identity.session_id, reason="logout", at=deps.clock())
    by_cookie = wants_cookies(caller) or bool(cookies_of(caller.headers, ACCESS_COOKIE))
    return without_cookies(deps.settings) if by_cookie else Nothing()
