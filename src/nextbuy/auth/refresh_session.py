"""POST /auth/api/refresh-session: a refresh token for a new pair; each is good once.

A spent one that comes back has been copied by somebody: the session ends, for the thief and the owner alike, without
tolerance. The browser's comes in its cookie, which is only ever sent here and never with another site's request.
"""

import logging
from typing import Final

from msgspec import UNSET, Struct, UnsetType

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.keys import Signer
from nextbuy.auth.model import (
    GivenToken,
    RefreshTokenExpired,
    RefreshTokenInvalid,
    RefreshTokenReused,
    check_standing,
)
from nextbuy.auth.sessions import (
    REFRESH_COOKIE,
    LoggedIn,
    hash_of,
    new_refresh_token,
    wants_cookies,
    with_cookies,
)
from nextbuy.contracts.errors import AppError, Unprocessable
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.tokens import cookie_of
from nextbuy.kit.storage.database import Transaction
from nextbuy.kit.wire import Response

log: Final = logging.getLogger(__name__)


class RefreshSession(Struct, frozen=True):
    """The token to be spent; a browser may leave it to its cookie."""

    refresh_token: GivenToken | UnsetType = UNSET


async def refresh_session(deps: Deps, caller: Caller, request: RefreshSession) -> LoggedIn | Response:
    """Spend a refresh token on a new pair."""
    given, by_cookie = request.refresh_token, False
    if given is UNSET:
        given, by_cookie = cookie_of(caller.headers, REFRESH_COOKIE) or UNSET, True
    if given is UNSET:
        raise Unprocessable("Send the refresh token.", field="refresh_token")
    sign = await deps.keys.signer()
    async with deps.database.transaction() as tx:
        outcome = await _rotate(deps, tx, sign, hash_of(given))
        if isinstance(outcome, LoggedIn):
            cookies = by_cookie or wants_cookies(caller)
            answer = with_cookies(deps.settings, outcome, status=200) if cookies else outcome
            await caller.store_response(tx, answer)
            return answer
    raise outcome


async def _rotate(deps: Deps, tx: Transaction, sign: Signer, spent: bytes) -> LoggedIn | AppError:
    """Return the new pair, or why there is none: an error raised here would undo the end of the session."""
    found = await store.lock_session_of(tx, spent)
    if found is None:
        return RefreshTokenInvalid()
    session_id, standing = found
    if await store.is_spent(tx, spent):
        if standing.ended_at is None:
            await store.end_session(tx, session_id, reason="refresh-reused", at=deps.clock())
            log.warning(
                "a spent refresh token came back: session %s of account %s ends", session_id, standing.account.id
            )
        return RefreshTokenReused()
    account = check_standing(standing)
    token = new_refresh_token(deps)
    if not await store.spend(tx, spent, token.hash, session_id, at=token.at, until=token.until):
        return RefreshTokenExpired()
    return LoggedIn(account, sign(account, session_id), token.text)
