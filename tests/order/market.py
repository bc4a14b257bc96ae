"""A small market around order: product, seller, auth and the payment provider, doubles that keep books."""

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from nextbuy.contracts.auth import Account, AuthClient, ValidateUser
from nextbuy.contracts.errors import Conflict, NotFound
from nextbuy.contracts.message import Call
from nextbuy.contracts.product import (
    HoldStock,
    Line,
    PricedLine,
    ProductClient,
    ProductsValidated,
    ReleaseStock,
    StockReleased,
    UpdateStock,
    ValidateProducts,
)
from nextbuy.contracts.seller import GetShops, SellerClient, Shop, Shops
from nextbuy.contracts.simulator import OpenPayment, PaymentOpened, PaymentReturned, RefundPayment
from nextbuy.contracts.values import Money, Nothing, Role, ShopStatus, new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.config import Settings
from nextbuy.kit.http import webhook_signature
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import Request, Response
from nextbuy.order.create_payment_session import BasketLine, CreatePaymentSession, create_payment_session
from nextbuy.order.create_payment_session import PaymentSessionCreated as Created
from nextbuy.order.deps import Deps
from nextbuy.order.expire_sessions import expire_sessions
from nextbuy.order.finish_payments import finish_payments
from nextbuy.order.payment_webhook import payment_webhook
from nextbuy.order.payments import SimulatorPayments
from nextbuy.order.release_due_holds import release_due_holds
from tests.callers import account, caller
from tests.doubles import StubCalls

SECRET = "whsec_of_this_test"


class Market:
    """Order on a real database, and everybody whom it asks."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = utc_now()
        self.buyer = account(Role.BUYER)
        self.products: dict[UUID, tuple[UUID, Money]] = {}
        self.stock: dict[UUID, int] = {}
        self.shops: dict[UUID, Shop] = {}
        self.held: dict[UUID, dict[UUID, int]] = {}
        self.sold: dict[UUID, dict[UUID, int]] = {}
        self.closed: set[UUID] = set()
        self.refunds: dict[str, str] = {}
        self.opened: dict[UUID, PaymentOpened] = {}
        self.spoil: Callable[[Call[Any]], Callable[[], None] | None] = lambda _: None
        """Called before each call; what it returns is called after the effect of it."""
        self.calls = StubCalls(
            {
                ValidateUser: self._wrap(lambda _: self.buyer),
                ValidateProducts: self._wrap(self._validate),
                GetShops: self._wrap(lambda call: Shops([self.shops[i] for i in call.shop_ids if i in self.shops])),
                HoldStock: self._wrap(self._hold),
                ReleaseStock: self._wrap(self._release),
                UpdateStock: self._wrap(self._update),
                OpenPayment: self._wrap(self._open),
                RefundPayment: self._wrap(self._refund),
            }
        )
        self.order = Deps(
            auth=AuthClient(self.calls),
            product=ProductClient(self.calls),
            seller=SellerClient(self.calls),
            payments=SimulatorPayments(self.calls, "http://shop.test"),
            database=database,
            clock=lambda: self.now,
            settings=Settings(secret=b"0123456789abcdef", webhook_secrets=(SECRET,)),
            journal=Journal(),
        )

    def _wrap(self, act: Callable[[Any], object]) -> Callable[[Any], object]:
        def answer(call: Call[Any]) -> object:
            then = self.spoil(call)
            reply = act(call)
            if then is not None:
                then()
            return reply

        return answer

    # ── what there is to buy ──

    def shop(self, status: ShopStatus = "approved") -> UUID:
        """Open a shop."""
        shop = Shop(new_id(), "Shop", "shop", "", "books", status, new_id(), 1)
        self.shops[shop.id] = shop
        return shop.id

    def product(self, shop_id: UUID, *, price: int = 1000, stock: int = 10) -> UUID:
        """Offer a product."""
        product_id = new_id()
        self.products[product_id] = (shop_id, Money(price))
        self.stock[product_id] = stock
        return product_id

    def _validate(self, call: ValidateProducts) -> ProductsValidated:
        if any(line.product_id not in self.products for line in call.lines):
            raise NotFound("No such product.", slug="product-not-found")
        self._enough(call.lines)
        return ProductsValidated([self.priced(line) for line in call.lines])

    def priced(self, line: Line) -> PricedLine:
        """Return a line in product's words."""
        shop_id, price = self.products[line.product_id]
        return PricedLine(line.product_id, shop_id, "Thing", line.quantity, price)

    def _enough(self, lines: list[Line]) -> None:
        if any(self.stock[line.product_id] < line.quantity for line in lines):
            raise Conflict("Sold out.", slug="sold-out")

    def _hold(self, call: HoldStock) -> Nothing:
        if call.session_id in self.closed:
            raise Conflict("Released.", slug="hold-released")
        if call.session_id not in self.held:
            self._enough(call.lines)
            self.held[call.session_id] = self._take(call.lines)
        return Nothing()

    def _take(self, lines: list[Line]) -> dict[UUID, int]:
        for line in lines:
            self.stock[line.product_id] -= line.quantity
        return {line.product_id: line.quantity for line in lines}

    def _release(self, call: ReleaseStock) -> StockReleased:
        if call.session_id in self.sold:
            return StockReleased("sold")
        self.closed.add(call.session_id)
        for product_id, quantity in self.held.pop(call.session_id, {}).items():
            self.stock[product_id] += quantity
        return StockReleased("released")

    def _update(self, call: UpdateStock) -> Nothing:
        if call.session_id not in self.sold:
            held = self.held.pop(call.session_id, None)
            if held is None:
                self._enough(call.lines)
                held = self._take(call.lines)
            self.sold[call.session_id] = held
        return Nothing()

    def _open(self, call: OpenPayment) -> PaymentOpened:
        payment_id = f"pay_{call.reference.hex}"
        return self.opened.setdefault(call.reference, PaymentOpened(payment_id, f"http://shop.test/pay/{payment_id}"))

    def _refund(self, call: RefundPayment) -> PaymentReturned:
        return PaymentReturned(self.refunds.setdefault(call.payment_id, f"re_{len(self.refunds)}"))

    # ── what people and the provider do ──

    async def basket(self, *lines: tuple[UUID, int], by: Account | None = None) -> Created:
        """Take a basket to the checkout."""
        ask = CreatePaymentSession(lines=[BasketLine(product_id, quantity) for product_id, quantity in lines])
        return await create_payment_session(self.order, caller(by or self.buyer), ask)

    def event(self, kind: str, session_id: object, **fields: object) -> dict[str, Any]:
        """Return an event of the provider about a session's payment."""
        opened = self.opened.get(session_id) if isinstance(session_id, UUID) else None
        about = {
            "id": opened.payment_id if opened else "pay_unknown",
            "client_reference_id": str(session_id),
            "currency": "usd",
            "payment_status": "paid",
            **fields,
        }
        return {"id": f"evt_{new_id().hex}", "type": kind, "data": {"object": about}}

    def paid(self, session: Created, **fields: object) -> dict[str, Any]:
        """Return the event that says that a session's money is there."""
        return self.event(
            "checkout.session.completed", session.session_id, **{"amount_total": session.total.amount, **fields}
        )

    def signed(self, event: object, *, secret: str = SECRET, at: datetime | None = None) -> Request:
        """Return an event as the request that brings it."""
        body = json.dumps(event).encode()
        header = webhook_signature.sign(body, [secret], at=int((at or self.now).timestamp()))
        return Request("POST", "/order/api/payment-webhook", "", {"stripe-signature": header}, body)

    async def tell(self, event: object) -> Response:
        """Bring an event, signed."""
        return await payment_webhook(self.order, caller(None), self.signed(event))

    async def time_passes(self, **much: float) -> None:
        """Let time pass, claims and pauses included, and the jobs do what is due until there is nothing."""
        self.now += timedelta(**much)
        await self.recover()

    async def recover(self) -> None:
        """What a start after a crash does: leases are over, and the jobs run until they find nothing."""
        for _ in range(3):
            await self.database.execute(
                "UPDATE sessions SET work_at = now() - interval '1 s' WHERE work_at IS NOT NULL"
            )
            await self.database.execute(
                "UPDATE sessions SET release_at = now() - interval '1 s' WHERE release_at IS NOT NULL"
            )
            await self.database.execute(
                "UPDATE stray_payments SET work_at = now() - interval '1 s' WHERE work_at IS NOT NULL"
            )
            await expire_sessions(self.order)
            await finish_payments(self.order)
            await release_due_holds(self.order)

    # ── the books ──

    async def status(self, session_id: UUID) -> str:
        """Return a session's internal status."""
        return str(await self.database.fetchval("SELECT status FROM sessions WHERE id = $1", session_id))

    async def check_books(self, *, money_for: set[str]) -> None:
        """Money has orders or a refund, held units a live session, sold units orders, orders their events."""
        rows = await self.database.fetch("SELECT * FROM sessions")
        live = {row["id"]: row["status"] for row in rows}
        for session_id in self.held:
            assert live.get(session_id) in {"opening", "open", "paying"}, "stock is held for nobody"
        for session_id in self.sold:
            assert live.get(session_id) == "paid", f"stock is sold to a session that is {live.get(session_id)}"
        for row in rows:
            assert row["status"] in {"open", "paid", "refunded", "failed", "expired"}, row["status"]
            assert (row["id"] in self.sold) == (row["status"] == "paid")
        kept = {row["payment_id"] for row in rows if row["status"] == "paid"}
        assert kept | set(self.refunds) == money_for, "money without an order or a refund"
        assert not kept & set(self.refunds), "money that went back, and goods as well"
        orders = await self.database.fetch("SELECT id, session_id, shop_id FROM orders")
        assert {row["session_id"] for row in orders} == {i for i, status in live.items() if status == "paid"}
        events: dict[str, list[str]] = defaultdict(list)
        for row in await self.database.fetch("SELECT topic, key FROM event_log"):
            events[row["topic"]].append(row["key"])
        ids = sorted(str(row["id"]) for row in orders)
        assert sorted(events["order.created"]) == ids
        assert sorted(events["order.paid"]) == ids
        for product_id in self.stock:
            gone = sum(units.get(product_id, 0) for part in (self.held, self.sold) for units in part.values())
            assert self.stock[product_id] + gone == 10, "units came out of nothing"
