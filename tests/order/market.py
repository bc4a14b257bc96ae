"""A small market around the order service: fakes of product, seller, auth and the payment provider."""

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from nextbuy.contracts.auth import Account, AuthClient, ValidateUser
from nextbuy.contracts.message import Call
from nextbuy.contracts.order import Reason
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import GetShops, SellerClient, Shop, Shops
from nextbuy.contracts.simulator import ClosePayment, OpenPayment, PaymentClosed, PaymentOpened, Refund, RefundPayment
from nextbuy.contracts.values import Role, ShopStatus, new_id
from nextbuy.kit.clock import utc_now
from nextbuy.kit.config import Settings
from nextbuy.kit.http import webhook_signature
from nextbuy.kit.observability.telemetry import Journal, current_span, start_span, use_span
from nextbuy.kit.storage.database import Database
from nextbuy.kit.stuck import GiveUp
from nextbuy.kit.wire import Request, Response
from nextbuy.order.create_payment_session import (
    CreatePaymentSession,
    DeliveryAddress,
    PaymentSessionCreated,
    create_payment_session,
)
from nextbuy.order.deps import Deps
from nextbuy.order.expire_sessions import expire_sessions
from nextbuy.order.give_up_stuck import give_up_stuck
from nextbuy.order.model import BasketLine
from nextbuy.order.payment_webhook import payment_webhook
from nextbuy.order.payments import SimulatorPayments
from nextbuy.order.recover_checkouts import recover_checkouts
from nextbuy.order.refund_unmatched_payments import refund_unmatched_payments
from nextbuy.order.release_due_holds import release_due_holds
from tests.callers import GATEWAY, account, caller, confirm
from tests.doubles import StubCalls
from tests.order.fake_product import FakeProduct

SECRET = "whsec_of_this_test"


class Market:
    """The order service on a real database, with every service that it calls as a fake."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = utc_now()
        self.buyer = account(Role.BUYER)
        self.shops: dict[UUID, Shop] = {}
        self.products = FakeProduct()
        self.stock, self.held, self.sold = self.products.stock, self.products.held, self.products.sold
        self.refunds: dict[str, str] = {}
        self.paid: set[str] = set()
        """Payments that were made at the provider, whether or not it has reported them."""
        self.closed: set[str] = set()
        self.opened: dict[UUID, PaymentOpened] = {}
        self.before_call: Callable[[Call[Any]], Callable[[], None] | None] = lambda _: None
        """Runs before the effect of each call, and may return what runs after it."""
        replies: dict[type[Call[Any]], Callable[[Any], object]] = {
            ValidateUser: confirm,
            GetShops: lambda call: Shops([self.shops[one] for one in call.shop_ids]),
            OpenPayment: self._open,
            ClosePayment: self._close,
            RefundPayment: self._refund,
            **self.products.replies,
        }
        self.calls = StubCalls({kind: self._hooked(reply) for kind, reply in replies.items()})
        self.deps = Deps(
            auth=AuthClient(self.calls),
            product=ProductClient(self.calls),
            seller=SellerClient(self.calls),
            payments=SimulatorPayments(self.calls, "http://shop.test"),
            database=database,
            clock=lambda: self.now,
            settings=Settings(secret=b"0123456789abcdef", webhook_secrets=(SECRET,), rate_limits=False),
            journal=Journal(),
        )

    def _hooked(self, reply: Callable[[Any], object]) -> Callable[[Any], object]:
        def hooked(call: Call[Any]) -> object:
            after_call = self.before_call(call)
            result = reply(call)
            if after_call is not None:
                after_call()
            return result

        return hooked

    def shop(self, status: ShopStatus = "approved") -> UUID:
        """Open a shop."""
        shop = Shop(new_id(), "Shop", "shop", "", "books", status, new_id(), 1)
        self.shops[shop.id] = shop
        return shop.id

    def product(self, shop_id: UUID, *, price: int = 1000, stock: int = 10) -> UUID:
        """Offer a product."""
        return self.products.add(shop_id, price=price, stock=stock)

    def _open(self, call: OpenPayment) -> PaymentOpened:
        payment_id = f"pay_{call.reference.hex}"
        return self.opened.setdefault(
            call.reference, PaymentOpened(payment_id, f"http://shop.test/pay/{payment_id}", call.reference)
        )

    def _close(self, call: ClosePayment) -> PaymentClosed:
        paid = call.payment_id in self.paid
        if not paid:
            self.closed.add(call.payment_id)
        return PaymentClosed(call.payment_id, paid)

    def _refund(self, call: RefundPayment) -> Refund:
        return Refund(self.refunds.setdefault(call.payment_id, f"re_{len(self.refunds)}"), call.payment_id)

    # ── buyers, the provider, and time ──

    async def create_payment_session(
        self, *lines: tuple[UUID, int], by: Account | None = None, address: DeliveryAddress | None = None
    ) -> PaymentSessionCreated:
        """Check out a basket as this buyer, by default as a new one, who is `buyer` from then on."""
        if by is None:
            self.buyer = account(Role.BUYER)
        basket = [BasketLine(product_id, quantity) for product_id, quantity in lines]
        request = CreatePaymentSession(lines=basket, address=address)
        with _request_span():
            return await create_payment_session(self.deps, caller(by or self.buyer), request)

    def provider_event(self, kind: str, session_id: object, **fields: object) -> dict[str, Any]:
        """Return an event of the provider about the payment of a session."""
        opened = self.opened.get(session_id) if isinstance(session_id, UUID) else None
        data = {
            "id": opened.payment_id if opened else "pay_unknown",
            "client_reference_id": str(session_id),
            "currency": "usd",
            "payment_status": "paid",
            **fields,
        }
        return {"id": f"evt_{new_id().hex}", "type": kind, "data": {"object": data}}

    def paid_event(self, session: PaymentSessionCreated, **fields: object) -> dict[str, Any]:
        """Return the event that reports the payment of a session."""
        return self.provider_event(
            "checkout.session.completed", session.session_id, **{"amount_total": session.total.amount, **fields}
        )

    def signed_request(self, event: object, *, secret: str = SECRET, at: datetime | None = None) -> Request:
        """Return a webhook request with a signed event."""
        return self.signed_body(json.dumps(event).encode(), secret=secret, at=at)

    def signed_body(self, body: bytes, *, secret: str = SECRET, at: datetime | None = None) -> Request:
        """Return a webhook request with a signed body."""
        header = webhook_signature.sign(body, [secret], at=int((at or self.now).timestamp()))
        return Request("POST", "/order/api/payment-webhook", "", {"stripe-signature": header}, body, sender=GATEWAY)

    async def deliver(self, event: object) -> Response:
        """Deliver a signed event of the provider."""
        with _request_span():
            return await payment_webhook(self.deps, caller(None), self.signed_request(event))

    async def advance_clock(self, **duration: float) -> None:
        """Advance the clock, let all claims expire, and run the jobs until nothing is due."""
        self.now += timedelta(**duration)
        await self.recover()

    async def recover(self) -> None:
        """Recover as after a crash: let all claims expire, and run the jobs until nothing is due."""
        for _ in range(3):
            await self.expire_claims()
            await expire_sessions(self.deps)
            await recover_checkouts(self.deps)
            await refund_unmatched_payments(self.deps)
            await release_due_holds(self.deps)

    async def give_up(self, *ids: str) -> None:
        """Give up work by its ids, after all work that is due has failed for an hour."""
        for table, work in (("sessions", "completion"), ("sessions", "release"), ("unmatched_payments", "refund")):
            await self.database.execute(
                f"""
                UPDATE {table} SET {work}_failing_since = now() - interval '1 hour',
                                   {work}_delayed_until = {work}_due_at
                 WHERE {work}_due_at IS NOT NULL
                """
            )
        for stuck_id in ids:
            await give_up_stuck(self.deps, caller(account(Role.ADMIN)), GiveUp(stuck_id, "the provider is gone"))

    async def expire_claims(self) -> None:
        """Make all claimed and scheduled work due now."""
        for table, column in (
            ("sessions", "completion_due_at"),
            ("sessions", "release_due_at"),
            ("unmatched_payments", "refund_due_at"),
        ):
            await self.database.execute(
                f"UPDATE {table} SET {column} = now() - interval '1 s' WHERE {column} IS NOT NULL"
            )

    # ── reconciliation ──

    async def status(self, session_id: UUID) -> str:
        """Return the stored status of a session."""
        return str(await self.database.fetchval("SELECT status FROM sessions WHERE id = $1", session_id))

    def payment_id(self, session: PaymentSessionCreated) -> str:
        """Return the provider's payment of a session."""
        return self.opened[session.session_id].payment_id

    async def assert_reconciled(self, *, payments: set[str]) -> None:
        """Check that each payment has orders or a refund, held units a live session, sold units orders with events."""
        rows = await self.database.fetch("SELECT * FROM sessions")
        statuses = {row["id"]: row["status"] for row in rows}
        for session_id in self.held:
            assert statuses.get(session_id) in {"opening", "open", "paying"}, "stock is held for no live session"
        # Orders that the provider refunded stay, and so do their sold units.
        ordered = {row["id"] for row in rows if row["status"] == "paid" or row["reason"] == Reason.REFUNDED_LATE}
        for session_id in self.sold:
            assert session_id in ordered, f"stock is sold to a session in {statuses.get(session_id)}"
        for row in rows:
            assert row["status"] in {"open", "paid", "refunded", "failed", "expired", "cancelled"}, row["status"]
            assert (row["id"] in self.sold) == (row["id"] in ordered)
        kept = {row["payment_id"] for row in rows if row["id"] in ordered}
        early = {row["payment_id"] for row in rows if row["reason"] == Reason.REFUNDED_EARLY}
        assert kept | early | set(self.refunds) == payments, "a payment without orders or a refund"
        assert not kept & set(self.refunds), "a payment with both orders and a refund"
        orders = await self.database.fetch("SELECT id, session_id, shop_id FROM orders")
        assert {row["session_id"] for row in orders} == ordered
        events: dict[str, list[str]] = defaultdict(list)
        for row in await self.database.fetch("SELECT topic, key FROM event_log"):
            events[row["topic"]].append(row["key"])
        ids = sorted(str(row["id"]) for row in orders)
        assert sorted(events["order.created"]) == ids
        assert sorted(events["order.paid"]) == ids
        refunded = [str(row["id"]) for row in orders if statuses[row["session_id"]] == "refunded"]
        assert sorted(events["order.refunded"]) == sorted(refunded)
        for product_id in self.stock:
            taken = sum(units.get(product_id, 0) for part in (self.held, self.sold) for units in part.values())
            assert self.stock[product_id] + taken == 10, "units appeared or disappeared"


def _request_span() -> use_span:
    """Return a new span, as the server starts one for each request, or the running one if a test has started it."""
    running = current_span()
    return use_span(running if running.trace_id.strip("0") else start_span())
