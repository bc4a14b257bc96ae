"""Access to the basket of a request: that of the buyer who is signed in, else that of the guest whose cookie it has.

Sellers and admins have no basket of their own, so they use the guest's. The first request of a buyer with the cookie of
a guest merges that basket into the buyer's own, once, also if many requests come at the same time: the row of the guest
is locked, and deleted in the transaction that stores the merged lines. Lines that find no room stay with the guest and
are reported, until there is room.

The cookie's token is random, and only its hash is stored. It is set with the first line, never taken from a client, and
renewed with each change.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from nextbuy.contracts.errors import Unavailable
from nextbuy.contracts.values import Role
from nextbuy.kit.config import Settings
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.cross_site import refuse_cross_site
from nextbuy.kit.http.tokens import BASKET_COOKIE, basket_cookie, cookies_of
from nextbuy.kit.wire import JSON, Response, encode
from nextbuy.order.basket_rules import BasketShown, Offers, OpenCheckout, StoredLine, merge_baskets, show_basket
from nextbuy.order.deps import Deps
from nextbuy.order.model import Session
from nextbuy.order.open_checkout import find_open_checkout
from nextbuy.order.store import baskets
from nextbuy.order.store.baskets import NO_BASKET, Basket

_GUEST_LIFE: Final = timedelta(days=30)
"""The life of a guest's cookie after a change; `baskets.purge_guest_baskets` deletes the row at the same time."""

Change = Callable[[Basket, Offers], tuple[list[StoredLine], list[StoredLine]]]
"""A function that returns the lines after a change: as they are stored, and as the response shows them."""


class OpenedBasket(Struct, frozen=True):
    """The basket of a request."""

    buyer_id: UUID | None
    """None for a guest."""
    tokens: dict[bytes, str]
    """The tokens of the guest's cookies, by their hashes."""
    basket: Basket
    waiting: Sequence[StoredLine] = ()
    """Lines of a guest that find no room in the buyer's basket."""
    checkout: Session | None = None
    """The buyer's open checkout."""

    @property
    def cookie(self) -> str | None:
        """The guest's cookie that the response sets: empty deletes it, None leaves it as it is."""
        useless = self.tokens and not self.waiting and (self.buyer_id is not None or self.basket.id is None)
        return "" if useless else None


async def open_basket(deps: Deps, caller: Caller, *, changes: bool = False) -> OpenedBasket:
    """Return the caller's basket, after a merge if one is due.

    Raises:
        Unauthenticated: the login of a buyer has ended.
        Forbidden: a buyer is suspended, or a change comes from a page of another site (`cross-site`).
    """
    buyer_id = (await deps.auth.validate_user(caller)).id if caller.role is Role.BUYER else None
    if changes and buyer_id is None:
        refuse_cross_site(caller.headers, deps.settings)
    # Our cookie comes last, because it has the shortest path.
    tokens = {_hash(token): token for token in reversed(cookies_of(caller.headers, BASKET_COOKIE))}
    if buyer_id is None and not tokens:
        return OpenedBasket(None, tokens, NO_BASKET)
    own, guests = await baskets.find(deps.database, buyer_id, list(tokens))
    if buyer_id is None:
        return OpenedBasket(None, tokens, guests[0] if guests else NO_BASKET)
    if _is_merge_due(own, guests):
        own, guests = await _merge(deps, buyer_id, list(tokens))
    waiting = [line for guest in guests for line in guest.lines]
    return OpenedBasket(buyer_id, tokens, own, waiting, await find_open_checkout(deps, buyer_id))


def _is_merge_due(own: Basket, guests: list[Basket]) -> bool:
    return any(len(merge_baskets(own.lines, guest.lines)[1]) < max(1, len(guest.lines)) for guest in guests)


async def _merge(deps: Deps, buyer_id: UUID, token_hashes: list[bytes]) -> tuple[Basket, list[Basket]]:
    """Merge the baskets of guests into that of a buyer; return it, and the guests that keep lines without room."""
    async with deps.database.transaction() as tx:
        guests = await baskets.lock_guests(tx, token_hashes)
        own = await baskets.lock_own(tx, buyer_id)
        if own.id is None and any(guest.lines for guest in guests):
            own, _ = await baskets.create(tx, [], buyer_id=buyer_id, token_hash=None)
        lines, kept = list(own.lines), []
        for guest in guests:
            lines, waiting = merge_baskets(lines, guest.lines)
            if waiting:
                kept.append(await baskets.update(tx, guest, waiting))
            else:
                await baskets.delete(tx, guest)
        if lines != list(own.lines):
            own = await baskets.update(tx, own, lines)
    return own, kept


async def offers_of(deps: Deps, product_ids: list[UUID], checkout: Session | None) -> Offers:
    """Return the products of a basket; none if the product service is unavailable, and the basket is shown without.

    The units that the buyer's open checkout holds count as available.
    """
    if not product_ids:
        return {}
    try:
        offers = await deps.product.get_offers(product_ids)
    except Unavailable:
        return {}
    return {product_id: offers.get(product_id) for product_id in product_ids} | {
        line.product_id: replace(offer, stock=offer.stock + line.quantity)
        for line in (checkout.units if checkout else ())
        if (offer := offers.get(line.product_id)) is not None
    }


def shown_checkout(deps: Deps, caller: Caller, opened: OpenedBasket) -> OpenCheckout | None:
    """Return the buyer's open checkout as the basket shows it, or None."""
    session = opened.checkout
    if session is None:
        return None
    return OpenCheckout(
        session_id=session.id,
        total=session.total,
        units=sum(line.quantity for line in session.lines),
        expires_at=session.expires_at,
        payment_url=caller.link(session.payment_url or "", deps.settings.public_url),
        last_decline=session.last_decline,
    )


async def change_basket(
    deps: Deps, caller: Caller, opened: OpenedBasket, product_ids: list[UUID], change: Change
) -> BasketShown | Response:
    """Change an opened basket in one transaction with the stored response; `product_ids` are its products."""
    offers = await offers_of(deps, product_ids, opened.checkout)
    checkout = shown_checkout(deps, caller, opened)
    token = secrets.token_urlsafe(16)
    async with deps.database.transaction() as tx:
        if opened.buyer_id is not None:
            basket = await baskets.lock_own(tx, opened.buyer_id)
        else:
            known = [] if opened.basket.token_hash is None else [opened.basket.token_hash]
            basket = next(iter(await baskets.lock_guests(tx, known)), NO_BASKET) if known else NO_BASKET
        stored, shown = change(basket, offers)
        if basket.id is None and stored:
            token_hash = _hash(token) if opened.buyer_id is None else None
            basket, is_new = await baskets.create(tx, stored, buyer_id=opened.buyer_id, token_hash=token_hash)
            if not is_new:
                stored, shown = change(basket, offers)
        if stored != list(basket.lines):
            basket = await baskets.update(tx, basket, stored)
        reply = show_basket(basket.version, shown, offers, opened.waiting, checkout)
        cookie = _renewed(replace(opened, basket=basket), token)
        response = reply if cookie is None else with_cookie(deps.settings, reply, cookie)
        await caller.store_response(tx, response)
    return response


def _renewed(opened: OpenedBasket, new_token: str) -> str | None:
    """Return the cookie after a change; that of a guest lives on for as long as the row."""
    token_hash = opened.basket.token_hash
    return opened.cookie if token_hash is None else opened.tokens.get(token_hash, new_token)


def with_cookie(settings: Settings, reply: BasketShown, cookie: str) -> Response:
    """Return a response that sets the guest's cookie, or deletes it if it is empty."""
    max_age = int(_GUEST_LIFE.total_seconds()) if cookie else 0
    return Response(
        200,
        encode(reply),
        JSON,
        [("etag", reply.etag), ("set-cookie", basket_cookie(settings.public_url, cookie, max_age))],
    )


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
