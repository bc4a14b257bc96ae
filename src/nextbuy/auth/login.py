"""POST /auth/api/login: an e-mail and a password for a session.

An e-mail without an account and a wrong password get the same answer after the same work. That an account is suspended
is told only to who has its password.
"""

from msgspec import Struct

from nextbuy.auth import lockout, store
from nextbuy.auth.deps import Deps
from nextbuy.auth.lockout import Watched
from nextbuy.auth.model import (
    AccountChanged,
    GivenPassword,
    Known,
    Suspended,
    Watch,
    WrongLogin,
    normal_email,
)
from nextbuy.auth.passwords import NOBODYS
from nextbuy.auth.sessions import LoggedIn, open_session, wants_cookies, with_cookies
from nextbuy.contracts.values import Email
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Response


class Login(Struct, frozen=True):
    """Who says to be whom."""

    email: Email
    password: GivenPassword


async def login(deps: Deps, caller: Caller, request: Login) -> LoggedIn | Response:
    """Log somebody in."""
    email = normal_email(request.email)
    subjects = lockout.watched(deps, email, caller.address)
    for _ in range(2):  # once more where somebody changed the account while its password was verified
        known, locked_until = await store.account_for_login(deps.database, email, list(subjects.values()))
        now = deps.clock()
        if locked_until is not None and locked_until > now:
            raise lockout.locked_for((locked_until - now).total_seconds())
        right = await deps.passwords.verify(NOBODYS if known is None else known.password_hash, request.password)
        if known is None or not right:
            await lockout.count_failure(deps, subjects)
            raise WrongLogin
        if known.suspended:
            raise Suspended
        answer = await _open(deps, caller, known, request.password, subjects)
        if answer is not None:
            return answer
    raise AccountChanged(retry_after=1)


async def _open(
    deps: Deps, caller: Caller, known: Known, password: str, subjects: Watched
) -> LoggedIn | Response | None:
    password_hash = known.password_hash
    if deps.passwords.is_outdated(password_hash):
        password_hash = await deps.passwords.hash(password)
    sign = await deps.keys.signer()
    async with deps.database.transaction() as tx:
        if password_hash != known.password_hash:
            await store.set_password(tx, known.account.id, new=password_hash, old=known.password_hash)
        session = await open_session(deps, tx, known.account, password_hash, sign)
        if session is None:
            return None
        await lockout.forget_failures(deps, tx, subjects[Watch.ACCOUNT])
        answer = with_cookies(deps.settings, session, status=200) if wants_cookies(caller) else session
        await caller.store_response(tx, answer)
    return answer
