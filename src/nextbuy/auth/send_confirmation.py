"""POST /auth/api/send-confirmation: send the link that confirms the caller's e-mail address again."""

from nextbuy.auth import link_store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import LinkPurpose, TooManyMails
from nextbuy.auth.tokens import require_account
from nextbuy.contracts.auth import EmailConfirmationRequested
from nextbuy.contracts.values import Nothing
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller


async def send_confirmation(deps: Deps, caller: Caller) -> Nothing:
    """Send a link to the caller's e-mail address, unless it is confirmed.

    Raises:
        TooManyRequests: five were sent within a day (`mail-limit`).
    """
    account = await require_account(deps, caller)
    async with deps.database.transaction() as tx:
        if not account.email_confirmed:
            await link_store.lock_account(tx, account.id)
            links = await link_store.insert_links(tx, LinkPurpose.CONFIRM_EMAIL, [account.id], at=deps.clock())
            if not links:
                raise TooManyMails(retry_after=3_600)
            await publish(tx, EmailConfirmationRequested(account_id=account.id, link_id=links[account.id]))
        reply = Nothing()
        await caller.store_response(tx, reply)
    return reply
