"""POST /auth/api/register: somebody becomes a buyer or a seller, and is logged in.

An e-mail has one account: of two registrations at once, one is refused. Nobody becomes an admin here.
"""

from typing import Literal

from msgspec import Struct

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import Password, check_new_password, normal_email, normal_name, suspended
from nextbuy.auth.sessions import LoggedIn, open_session, wants_cookies, with_cookies
from nextbuy.contracts.auth import Account, AccountRegistered
from nextbuy.contracts.errors import Refused
from nextbuy.contracts.values import Email, Role, Title, new_id
from nextbuy.kit.outbox import publish
from nextbuy.kit.web import Caller
from nextbuy.kit.wire import Answer


class Register(Struct, frozen=True):
    """Who wants an account."""

    email: Email
    password: Password
    name: Title
    role: Literal["buyer", "seller"]


async def register(auth: Deps, caller: Caller, ask: Register) -> LoggedIn | Answer:
    """Make an account, and log its owner in."""
    email = normal_email(ask.email)
    check_new_password(ask.password, email=email)
    account = Account(id=new_id(), email=email, name=normal_name(ask.name), role=Role(ask.role))
    password_hash = await auth.passwords.hash(ask.password)
    sign = await auth.keys.signer()
    async with auth.database.transaction() as tx:
        if not await store.add_account(tx, account, password_hash=password_hash, at=auth.clock()):
            raise Refused("There is an account with this e-mail; log in, or use another.", slug="email-taken")
        session = await open_session(auth, tx, account, password_hash, sign)
        if session is None:
            raise suspended()
        await publish(
            tx,
            AccountRegistered(account_id=account.id, email=account.email, name=account.name, role=account.role),
        )
        answer = with_cookies(auth.settings, session, status=201) if wants_cookies(caller) else session
        await caller.keep(tx, answer)
    return answer
