"""The limits of unpaid checkouts: units of a product in one checkout, and open checkouts of one network."""

import hmac
from collections.abc import Sequence
from uuid import UUID

from nextbuy.contracts.product import Line
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.client_network import client_network
from nextbuy.kit.storage.database import Transaction
from nextbuy.order.deps import Deps
from nextbuy.order.model import HoldLimit
from nextbuy.order.store.networks import count_open_checkouts, lock_network
from nextbuy.order.store.orders import has_orders


def check_units(deps: Deps, basket: Sequence[Line]) -> None:
    """Check that a basket, which names each product once, has few enough units of each for one checkout.

    Raises:
        Conflict: it has too many (`hold-limit`).
    """
    limit = deps.settings.checkout_units
    if any(line.quantity > limit for line in basket):
        raise HoldLimit(f"One checkout can have at most {limit:,} of each product. Choose fewer.")


async def limited_network(deps: Deps, caller: Caller, buyer_id: UUID) -> str | None:
    """Return a keyed hash of the network of a buyer who has never paid; None if no limit applies to the buyer."""
    network = client_network(caller.ip_address)
    if not deps.settings.rate_limits or not network or await has_orders(deps.database, buyer_id):
        return None
    key = deps.settings.derive("checkout-networks").encode()
    return hmac.new(key, network.encode(errors="surrogatepass"), "sha256").hexdigest()[:32]


async def check_open_checkouts(deps: Deps, tx: Transaction, network: str) -> None:
    """Check that a network may have one more open checkout, and lock it until the transaction ends.

    Raises:
        Conflict: the network has too many open checkouts (`hold-limit`).
    """
    await lock_network(tx, network)
    limit = deps.settings.open_checkouts
    if await count_open_checkouts(tx, network) >= limit:
        raise HoldLimit(
            f"New buyers at your IP address have {limit:,} unpaid checkouts, which is the limit."
            " Try again when one of them has been paid, cancelled or expired."
        )
