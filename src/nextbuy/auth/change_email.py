"""POST /auth/api/change-email: request another e-mail address for the caller's account.

It is changed once both the old and the new address are confirmed by a link (`confirm-email`). A thief of the password
alone, or of one mailbox alone, cannot take the account over.
"""

from msgspec import Struct

from nextbuy.auth import link_store
from nextbuy.auth import login_throttling as throttling
from nextbuy.auth.current_password import require_password
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import EMAIL_CHANGE, EmailUnchanged, EmailUnconfirmed, GivenPassword, LinkPurpose, TooManyMails
from nextbuy.auth.tokens import require_account
from nextbuy.contracts.auth import EmailChangeRequested
from nextbuy.contracts.values import GivenEmail, Nothing
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller


class ChangeEmail(Struct, frozen=True):
    """The current password, and the new e-mail address."""

    current_password: GivenPassword
    email: GivenEmail


async def change_email(deps: Deps, caller: Caller, request: ChangeEmail) -> Nothing:
    """Send a link to the old and to the new e-mail address; once both are used, the account has the new one.

    A repeated request replaces the one before. Whether the new address is free is checked when the second link is used.

    Raises:
        Conflict: the present address is unconfirmed (`email-unconfirmed`).
        Unprocessable: the new address is the present one (`email-unchanged`).
        Forbidden: the current password is wrong (`wrong-password`).
        TooManyRequests: too many wrong passwords were sent (`too-many-attempts`), or five changes were requested within
            a day (`mail-limit`).
    """
    account = await require_account(deps, caller)
    if not account.email_confirmed:
        raise EmailUnconfirmed
    if request.email == account.email:
        raise EmailUnchanged(field="email")
    verified = await require_password(deps, account, request.current_password)
    now = deps.clock()
    async with deps.database.transaction() as tx:
        await link_store.lock_account(tx, account.id)
        await link_store.expire_links(tx, account.id, EMAIL_CHANGE, at=now)
        old = await link_store.insert_links(tx, LinkPurpose.CHANGE_EMAIL_OLD, [account.id], at=now)
        new = await link_store.insert_links(tx, LinkPurpose.CHANGE_EMAIL_NEW, [account.id], at=now)
        if not old or not new:
            raise TooManyMails(retry_after=3_600)
        await link_store.insert_email_change(tx, account.id, request.email, at=now)
        await throttling.clear_failures(deps, tx, verified.subjects)
        await publish(
            tx,
            EmailChangeRequested(account_id=account.id, old_link_id=old[account.id], new_link_id=new[account.id]),
        )
        reply = Nothing()
        await caller.store_response(tx, reply)
    return reply
