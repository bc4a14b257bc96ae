"""POST /auth/api/logout: the session ends, its refresh token with it; access tokens of it are refused from then on."""

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.sessions import wants_cookies, without_cookies
from nextbuy.contracts.errors import NotKnown
from nextbuy.contracts.values import Nothing
from nextbuy.kit.caller import ACCESS_COOKIE, cookie_of
from nextbuy.kit.web import Caller
from nextbuy.kit.wire import Answer


async def logout(auth: Deps, caller: Caller, _ask: Nothing) -> Nothing | Answer:
    """End the session that asks; one that has ended stays ended."""
    if caller.identity is None:
        raise NotKnown("Log in first.")
    await store.end_session(auth.database, caller.identity.session_id, reason="logout", at=auth.clock())
    by_cookie = wants_cookies(caller) or cookie_of(caller.headers, ACCESS_COOKIE) is not None
    return without_cookies(auth.settings) if by_cookie else Nothing()
