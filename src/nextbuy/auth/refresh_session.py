"""POST /auth/api/refresh-session: exchange a refresh token for a new access and refresh token.

A refresh token is valid once. A second use means that it was copied, so the login session ends for the thief and the
owner. A browser sends its token in a cookie; its pages send it in the body, with a key that is the same for requests at
once, so that all of them get the same tokens.
"""

import logging
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.keys import Signer
from nextbuy.auth.model import GivenToken, RefreshTokenExpired, RefreshTokenInvalid, RefreshTokenReused, require_active
from nextbuy.auth.sessions import LoggedIn, hash_token, new_refresh_token, wants_cookies, with_cookies
from nextbuy.contracts.errors import AppError, Unprocessable
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.tokens import REFRESH_COOKIE, cookies_of
from nextbuy.kit.storage.database import Transaction
from nextbuy.kit.wire import Response

log: Final = logging.getLogger(__name__)


class RefreshSession(Struct, frozen=True):
    """The refresh token; a browser sends it as a cookie instead."""

    refresh_token: GivenToken | UnsetType = UNSET


async def refresh_session(deps: Deps, caller: Caller, request: RefreshSession) -> LoggedIn | Response:
    """Exchange a refresh token for new tokens.

    Raises:
        Unauthenticated: `refresh-invalid`, `refresh-expired`, or `refresh-reused`.
        Forbidden: the account is suspended.
    """
    by_cookie = request.refresh_token is UNSET
    tokens = cookies_of(caller.headers, REFRESH_COOKIE) if request.refresh_token is UNSET else [request.refresh_token]
    if not tokens:
        raise Unprocessable("Send the refresh token.", field="refresh_token")
    hashes = [hash_token(token) for token in tokens]
    sign = await deps.keys.signer()
    async with deps.database.transaction() as tx:
        # A browser may send an old cookie before the current one; that alone shows no theft.
        current = await store.current_refresh_token(tx, hashes, at=deps.clock()) if len(hashes) > 1 else None
        outcome = await _rotate(deps, tx, sign, current or hashes[0])
        if isinstance(outcome, LoggedIn):
            cookies = by_cookie or wants_cookies(caller)
            reply = with_cookies(deps.settings, outcome, status=200) if cookies else outcome
            await caller.store_response(tx, reply)
            return reply
    raise outcome


async def _rotate(deps: Deps, tx: Transaction, sign: Signer, used: bytes) -> LoggedIn | AppError:
    """Return the new tokens or the error; raising it here would roll back the end of the login session."""
    locked = await store.lock_session(tx, used)
    if locked is None:
        return RefreshTokenInvalid()
    session_id, session = locked
    if await store.was_used(tx, used):
        if session.ended_at is None:
            await store.end_session(tx, session_id, reason="refresh-reused", at=deps.clock())
            log.warning(
                "refresh token reused; login session ended for thief and owner",
                extra={"session_id": session_id, "account_id": session.account.id},
            )
        return RefreshTokenReused()
    account = require_active(session)
    new = new_refresh_token(deps)
    if not await store.rotate_refresh_token(tx, used, new.hash, session_id, at=new.at, until=new.until):
        return RefreshTokenExpired()
    return LoggedIn(account, sign(account, session_id), new.text)
