"""The immediate effect of decisions about accounts and sellers, before their events arrive.

Without it, a decision would take effect only after two events. If a service is unavailable, the events suffice.
"""

import logging
from typing import Final, Literal

from nextbuy.admin.deps import Deps
from nextbuy.contracts.auth import Account, ChangedAccount
from nextbuy.contracts.errors import BadGateway, Unavailable
from nextbuy.contracts.seller import Seller

log: Final = logging.getLogger(__name__)


async def apply_to_shop(
    deps: Deps, account: ChangedAccount, status: Literal["active", "suspended"], *, reason: str
) -> Account:
    """Close or open the shop of an account whose status has changed; return the account."""
    try:
        shop = await deps.seller.apply_account_status(account.id, status, reason=reason, position=account.position)
        if shop is not None:
            await deps.product.copy_shop(shop)
    except Unavailable as error:
        _log_postponed(error)
    return Account(account.id, account.email, account.name, account.role, account.email_confirmed)


async def apply_to_products(deps: Deps, seller: Seller) -> Seller:
    """Take the products of a decided seller off sale or put them on sale; return the seller."""
    try:
        await deps.product.copy_shop(seller.shop)
    except Unavailable as error:
        _log_postponed(error)
    return seller


def _log_postponed(error: Unavailable) -> None:
    if isinstance(error, BadGateway):
        raise error
    log.warning("decision stored; its effect waits for the event", extra={"reason": error.slug})
