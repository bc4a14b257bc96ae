"""Job: create a link for each requested password reset if an active account has its e-mail address, and have it sent.

A request does not do this itself: it would take longer for an e-mail with an account.
"""

from typing import Final

from nextbuy.auth import link_store
from nextbuy.auth.deps import Deps
from nextbuy.auth.model import LinkPurpose
from nextbuy.contracts.auth import PasswordResetRequested
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.observability.telemetry import start_span, use_span

_BATCH: Final = 100
"""Requests per transaction; more wait for the next one."""


async def start_password_resets(deps: Deps) -> bool:
    """Handle a batch of requests; return whether to continue at once with the next batch."""
    async with deps.database.transaction() as tx:
        requests = await link_store.take_reset_requests(tx, limit=_BATCH)
        accounts = await link_store.lock_active_accounts(tx, [row["email"] for row in requests]) if requests else {}
        links = await link_store.insert_links(tx, LinkPurpose.RESET_PASSWORD, list(accounts.values()), at=deps.clock())
        for row in requests:
            account_id = accounts.get(row["email"])
            if account_id is not None and account_id in links:
                with use_span(start_span(row["traceparent"], row["correlation_id"])):
                    await publish(tx, PasswordResetRequested(account_id=account_id, link_id=links[account_id]))
    return len(requests) == _BATCH
