"""POST /auth/api/register: create the account of a buyer or seller, and open its first login session.

Of two concurrent registrations with one e-mail, one is refused. The refusal (409 `email-taken`) shows that an e-mail
has an account: a person must learn why they cannot register, and the API promises it. The gateway's limit of logins and
registrations per network bounds how many e-mails can be tried. Only `nextbuy create-admin` creates admins.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from nextbuy.auth import link_store, store
from nextbuy.auth import login_throttling as throttling
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import EmailTaken, LinkPurpose, Password, Suspended, check_new_password, normal_name
from nextbuy.auth.sessions import LoggedIn, open_session, wants_cookies, with_cookies
from nextbuy.contracts.auth import Account, AccountRegistered
from nextbuy.contracts.values import GivenEmail, Role, Title, new_id
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.wire import Response


class Register(Struct, frozen=True):
    """A new account."""

    email: GivenEmail
    password: Password
    name: Annotated[Title, Meta(examples=["Ada Winter"])]
    role: Literal["buyer", "seller"]


async def register(deps: Deps, caller: Caller, request: Register) -> LoggedIn | Response:
    """Create an account and open its first login session."""
    check_new_password(request.password, email=request.email)
    account = Account(id=new_id(), email=request.email, name=normal_name(request.name), role=Role(request.role))
    password_hash = await deps.passwords.hash(request.password)
    sign = await deps.keys.signer()
    async with deps.database.transaction() as tx:
        if not await store.insert_account(tx, account, password_hash=password_hash, at=deps.clock()):
            raise EmailTaken
        session = await open_session(deps, tx, caller, account, password_hash, sign)
        if session is None:
            raise Suspended
        links = await link_store.insert_links(tx, LinkPurpose.CONFIRM_EMAIL, [account.id], at=deps.clock())
        await publish(tx, AccountRegistered(account_id=account.id, role=account.role, link_id=links[account.id]))
        cookies = wants_cookies(caller)
        device = await throttling.remember_client(
            deps, tx, throttling.client_of(caller), account, known=None, cookies=cookies
        )
        reply = with_cookies(deps.settings, session, status=201, device=device) if cookies else session
        await caller.store_response(tx, reply)
    return reply
