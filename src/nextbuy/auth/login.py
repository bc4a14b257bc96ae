"""POST /auth/api/login: open a login session for an e-mail address and a password.

An e-mail without an account and a wrong password get the same reply after the same work. Only the right password shows
that an account is suspended.
"""

from msgspec import Struct

from nextbuy.auth import login_throttling as throttling
from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.login_throttling import Client, Subjects
from nextbuy.auth.model import (
    AccountChanged,
    Credentials,
    GivenPassword,
    KnownClients,
    Suspended,
    WrongLogin,
)
from nextbuy.auth.passwords import DUMMY_HASH
from nextbuy.auth.sessions import LoggedIn, open_session, wants_cookies, with_cookies
from nextbuy.contracts.values import GivenEmail
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Response


class Login(Struct, frozen=True):
    """The credentials of an account."""

    email: GivenEmail
    password: GivenPassword


async def login(deps: Deps, caller: Caller, request: Login) -> LoggedIn | Response:
    """Open a login session.

    Raises:
        Unauthenticated: the e-mail or the password is wrong (`wrong-login`).
        TooManyRequests: too many logins have failed (`login-locked`) or are waiting (`login-busy`).
        Forbidden: the account is suspended.
    """
    email, client = request.email, throttling.client_of(caller)
    # Try twice, because the account may change while its password is verified.
    for _ in range(2):
        credentials, known = await store.account_for_login(deps.database, email)
        account = None if credentials is None else credentials.account
        subjects = throttling.failure_subjects(deps, client, email, account, known)
        await throttling.require_attempt(deps, subjects)
        is_right = await deps.passwords.verify(
            DUMMY_HASH if credentials is None else credentials.password_hash, request.password
        )
        if credentials is None or not is_right:
            await throttling.count_failure(deps, subjects, account)
            raise WrongLogin
        if credentials.suspended:
            raise Suspended
        reply = await _open_session(deps, caller, credentials, request.password, (client, known, subjects))
        if reply is not None:
            return reply
    raise AccountChanged(retry_after=1)


async def _open_session(
    deps: Deps,
    caller: Caller,
    credentials: Credentials,
    password: str,
    attempt: tuple[Client, KnownClients | None, Subjects],
) -> LoggedIn | Response | None:
    client, known, subjects = attempt
    account, password_hash = credentials.account, credentials.password_hash
    if deps.passwords.needs_rehash(password_hash):
        password_hash = await deps.passwords.hash(password)
    sign = await deps.keys.signer()
    async with deps.database.transaction() as tx:
        if password_hash != credentials.password_hash:
            await store.set_password(tx, account.id, new=password_hash, old=credentials.password_hash)
        session = await open_session(deps, tx, caller, account, password_hash, sign)
        if session is None:
            return None
        await throttling.clear_failures(deps, tx, subjects)
        cookies = wants_cookies(caller)
        device = await throttling.remember_client(deps, tx, client, account, known, cookies=cookies)
        reply = with_cookies(deps.settings, session, status=200, device=device) if cookies else session
        await caller.store_response(tx, reply)
    return reply
