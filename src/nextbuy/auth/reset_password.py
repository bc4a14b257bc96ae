"""POST /auth/api/reset-password: set a new password with the token of a link.

It ends all login sessions, and forgets known clients and failed logins, as `nextbuy create-admin` does.
"""

from msgspec import Struct

from nextbuy.auth import link_store, store
from nextbuy.auth.deps import Deps
from nextbuy.auth.links import require_link
from nextbuy.auth.model import GivenToken, LinkInvalid, LinkPurpose, Password, check_new_password
from nextbuy.contracts.auth import PasswordChanged
from nextbuy.contracts.values import Nothing
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller


class ResetPassword(Struct, frozen=True):
    """The token of a link, and the new password."""

    token: GivenToken
    password: Password


async def reset_password(deps: Deps, caller: Caller, request: ResetPassword) -> Nothing:
    """Set a new password, and end all login sessions of the account; the link also confirms its e-mail address.

    Raises:
        Conflict: the link is unknown, has expired, or was used (`link-invalid`).
        TooManyRequests: too many invalid tokens were sent (`too-many-attempts`), or too many logins are waiting.
    """
    link = await require_link(deps, caller, request.token, LinkPurpose.RESET_PASSWORD)
    check_new_password(request.password, email=link.email)
    password_hash = await deps.passwords.hash(request.password)
    now = deps.clock()
    async with deps.database.transaction() as tx:
        if not await link_store.use_link(tx, link, at=now):
            raise LinkInvalid
        await store.set_password(tx, link.account_id, new=password_hash)
        await store.confirm_email(tx, link.account_id, at=now)
        await store.end_all_sessions(tx, link.account_id, reason="password-reset", at=now)
        await store.purge_known_clients(tx, link.account_id)
        await publish(tx, PasswordChanged(account_id=link.account_id, how="reset"))
        reply = Nothing()
        await caller.store_response(tx, reply)
    return reply
