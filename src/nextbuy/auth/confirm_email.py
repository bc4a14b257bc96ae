"""POST /auth/api/confirm-email: confirm an e-mail address, or a change of it, with the token of a link."""

from msgspec import Struct

from nextbuy.auth import link_store, store
from nextbuy.auth.deps import Deps
from nextbuy.auth.links import require_link
from nextbuy.auth.model import EMAIL_CHANGE, GivenToken, LinkInvalid, LinkPurpose
from nextbuy.contracts.auth import EmailChanged
from nextbuy.contracts.values import Nothing
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller


class ConfirmEmail(Struct, frozen=True):
    """The token of a link."""

    token: GivenToken


async def confirm_email(deps: Deps, caller: Caller, request: ConfirmEmail) -> Nothing:
    """Confirm an e-mail address, or a requested change of it, with the token of a link.

    Raises:
        Conflict: the link is unknown, has expired, or was used (`link-invalid`), or another account has the new address
            (`email-taken`).
        TooManyRequests: too many invalid tokens were sent (`too-many-attempts`).
    """
    link = await require_link(deps, caller, request.token, LinkPurpose.CONFIRM_EMAIL, *EMAIL_CHANGE)
    now = deps.clock()
    async with deps.database.transaction() as tx:
        if not await link_store.use_link(tx, link, at=now):
            raise LinkInvalid
        if link.purpose is LinkPurpose.CONFIRM_EMAIL:
            await store.confirm_email(tx, link.account_id, at=now)
        elif (email := await link_store.confirm_email_change(tx, link)) is not None:
            await store.set_email(tx, link.account_id, email, at=now)
            # These were sent to the old address.
            stale = [LinkPurpose.RESET_PASSWORD, LinkPurpose.CONFIRM_EMAIL]
            await link_store.expire_links(tx, link.account_id, stale, at=now)
            await publish(tx, EmailChanged(account_id=link.account_id))
        reply = Nothing()
        await caller.store_response(tx, reply)
    return reply
