"""POST /auth/api/confirm-email: confirm an e-mail address with the token of a link."""

from msgspec import Struct

from nextbuy.auth import link_store, store
from nextbuy.auth.deps import Deps
from nextbuy.auth.links import require_link
from nextbuy.auth.model import GivenToken, LinkInvalid, LinkPurpose
from nextbuy.contracts.values import Nothing
from nextbuy.kit.http.caller import Caller


class ConfirmEmail(Struct, frozen=True):
    """The token of a link."""

    token: GivenToken


async def confirm_email(deps: Deps, caller: Caller, request: ConfirmEmail) -> Nothing:
    """Confirm that the owner of an account reads the mails to its e-mail address.

    Raises:
        Conflict: the link is unknown, has expired, or was used (`link-invalid`).
        TooManyRequests: too many invalid tokens were sent (`too-many-attempts`).
    """
    link = await require_link(deps, caller, request.token, LinkPurpose.CONFIRM_EMAIL)
    now = deps.clock()
    async with deps.database.transaction() as tx:
        if not await link_store.use_link(tx, link, at=now):
            raise LinkInvalid
        await store.confirm_email(tx, link.account_id, at=now)
        reply = Nothing()
        await caller.store_response(tx, reply)
    return reply
