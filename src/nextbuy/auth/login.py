"""POST /auth/api/login: an e-mail and a password for a session.

An e-mail without an account and a wrong password get the same answer after the same work. That an account is suspended
is told only to who has its password.
"""

from msgspec import Struct

from nextbuy.auth import lockout, store
from nextbuy.auth.deps import Deps
from nextbuy.auth.lockout import Watched
from nextbuy.auth.model import GivenPassword, Known, Watch, normal_email, suspended
from nextbuy.auth.passwords import NOBODYS
from nextbuy.auth.sessions import LoggedIn, open_session, wants_cookies, with_cookies
from nextbuy.contracts.errors import NotKnown, Refused
from nextbuy.contracts.values import Email
from nextbuy.kit.web import Caller
from nextbuy.kit.wire import Answer


class Login(Struct, frozen=True):
    """Who says to be whom."""

    email: Email
    password: GivenPassword


async def login(auth: Deps, caller: Caller, ask: Login) -> LoggedIn | Answer:
    """Log somebody in."""
    email = normal_email(ask.email)
    subjects = lockout.watched(auth, email, caller.address)
    for _ in range(2):  # once more where somebody changed the account while its password was verified
        known, locked_until = await store.account_for_login(auth.database, email, list(subjects.values()))
        now = auth.clock()
        if locked_until is not None and locked_until > now:
            raise lockout.locked_for((locked_until - now).total_seconds())
        right = await auth.passwords.verify(NOBODYS if known is None else known.password_hash, ask.password)
        if known is None or not right:
            await lockout.count_failure(auth, subjects)
            raise NotKnown("There is no account with this e-mail and password.", slug="wrong-login")
        if known.suspended:
            raise suspended()
        answer = await _open(auth, caller, known, ask.password, subjects)
        if answer is not None:
            return answer
    raise Refused("This account was changed just now; log in again.", slug="account-changed", retry_after=1)


async def _open(auth: Deps, caller: Caller, known: Known, password: str, subjects: Watched) -> LoggedIn | Answer | None:
    password_hash = known.password_hash
    if auth.passwords.is_outdated(password_hash):
        password_hash = await auth.passwords.hash(password)
    sign = await auth.keys.signer()
    async with auth.database.transaction() as tx:
        if password_hash != known.password_hash:
            await store.set_password(tx, known.account.id, new=password_hash, old=known.password_hash)
        session = await open_session(auth, tx, known.account, password_hash, sign)
        if session is None:
            return None
        await lockout.forget_failures(auth, tx, subjects[Watch.ACCOUNT])
        answer = with_cookies(auth.settings, session, status=200) if wants_cookies(caller) else session
        await caller.keep(tx, answer)
    return answer
