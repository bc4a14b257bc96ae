"""The two examples of the specification, arrow by arrow, and what must be recorded for each to have happened.

Written out from its diagrams "Create Order" and "Product Moderation". An arrow is proven by one interaction that ended
well; an answer (`-->>`) by the interaction that it answers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from nextbuy.demo.recorded import Interaction

CREATE_SESSION: Final = "POST /order/api/create-payment-session"
CREATE_PRODUCT: Final = "POST /product/api/create-product"
PENDING_PRODUCTS: Final = "GET /admin/api/get-pending-products"
COMPLETE_PAYMENT: Final = "POST payment_url"
"""Stands for the request whose address only a payment session tells."""
_WEBHOOK: Final = "POST /order/api/payment-webhook"
_NOTIFY: Final = "create-notification"


@dataclass(frozen=True)
class Proof:
    """What an interaction must be, to prove an arrow; `caller` is left open for a request, which anybody may make.

    `leads_to` is a call that must have been made because of it: an event has several listeners.
    """

    kind: str
    caller: str
    callee: str
    name: str
    leads_to: str = ""

    def holds(self, one: Interaction, recorded: Sequence[Interaction]) -> bool:
        """Whether this interaction is such a one, ended well, and led where it should have."""
        if (one.kind, one.callee, one.name) != (self.kind, self.callee, self.name) or not one.good:
            return False
        if self.kind != "request" and one.caller != self.caller:
            return False
        effects = (other for other in recorded if other.parent_id == one.span_id and other.good)
        return not self.leads_to or any(effect.name == self.leads_to for effect in effects)


@dataclass(frozen=True)
class Arrow:
    """One arrow of the specification, in its words, and what proves it."""

    source: str
    target: str
    text: str
    proof: Proof
    is_answer: bool = False

    def __str__(self) -> str:
        return f"{self.source}{'-->>' if self.is_answer else '->>'}{self.target}: {self.text}"


def _request(name: str) -> Proof:
    return Proof("request", "client", "gateway", name)


def _forward(service: str, name: str) -> Proof:
    return Proof("forward", "gateway", service, name)


def _call(caller: str, callee: str, name: str) -> Proof:
    return Proof("call", caller, callee, name)


def _notified(topic: str) -> Proof:
    return Proof("consume", "kafka", "kafka", topic, leads_to=_NOTIFY)


_VALIDATE_USER: Final = _call("order", "auth", "validate-user")
_VALIDATE_PRODUCTS: Final = _call("order", "product", "validate-products")
_LIST_PRODUCTS: Final = _call("admin", "product", "list-products")

CREATE_ORDER: Final = (
    Arrow("User", "Gateway", "POST /order/api/create-payment-session", _request(CREATE_SESSION)),
    Arrow("Gateway", "OrderService", "Forward request", _forward("order", CREATE_SESSION)),
    Arrow("OrderService", "AuthService", "Validate user (internal)", _VALIDATE_USER),
    Arrow("AuthService", "OrderService", "User valid", _VALIDATE_USER, is_answer=True),
    Arrow("OrderService", "ProductService", "Validate products (internal)", _VALIDATE_PRODUCTS),
    Arrow("ProductService", "OrderService", "Products valid", _VALIDATE_PRODUCTS, is_answer=True),
    Arrow("OrderService", "Gateway", "Payment session created", _forward("order", CREATE_SESSION), is_answer=True),
    Arrow("Gateway", "User", "Session ID", _request(CREATE_SESSION), is_answer=True),
    Arrow("User", "Gateway", "Complete payment", _request(COMPLETE_PAYMENT)),
    Arrow("Gateway", "OrderService", "Payment webhook", _forward("order", _WEBHOOK)),
    Arrow("OrderService", "ProductService", "Update stock", _call("order", "product", "update-stock")),
    Arrow("OrderService", "Kafka", "Order created event", Proof("publish", "order", "kafka", "order.created")),
    Arrow("Kafka", "KafkaService", "Process notification", _notified("order.created")),
)

PRODUCT_MODERATION: Final = (
    Arrow("Seller", "Gateway", "POST /product/api/create-product", _request(CREATE_PRODUCT)),
    Arrow("Gateway", "ProductService", "Forward request", _forward("product", CREATE_PRODUCT)),
    Arrow(
        "ProductService", "ProductService", "Auto moderation", Proof("step", "product", "product", "auto-moderation")
    ),
    Arrow(
        "ProductService", "Gateway", "Product created (pending)", _forward("product", CREATE_PRODUCT), is_answer=True
    ),
    Arrow("Gateway", "Seller", "Success", _request(CREATE_PRODUCT), is_answer=True),
    Arrow("ProductService", "Kafka", "Product pending event", Proof("publish", "product", "kafka", "product.pending")),
    Arrow("Kafka", "KafkaService", "Process event", _notified("product.pending")),
    Arrow("KafkaService", "AdminService", "Create notification", _call("kafka", "admin", _NOTIFY)),
    Arrow("Admin", "Gateway", "GET /admin/api/get-pending-products", _request(PENDING_PRODUCTS)),
    Arrow("Gateway", "AdminService", "Forward request", _forward("admin", PENDING_PRODUCTS)),
    Arrow("AdminService", "ProductService", "Get products (internal)", _LIST_PRODUCTS),
    Arrow("ProductService", "AdminService", "Products list", _LIST_PRODUCTS, is_answer=True),
    Arrow("AdminService", "Gateway", "Response", _forward("admin", PENDING_PRODUCTS), is_answer=True),
    Arrow("Gateway", "Admin", "Products list", _request(PENDING_PRODUCTS), is_answer=True),
)


@dataclass(frozen=True)
class Example:
    """One example of the specification, acted: its arrows, and the request by which the payment was completed."""

    title: str
    arrows: tuple[Arrow, ...]
    payment: str = COMPLETE_PAYMENT

    def proven(self, recorded: Iterable[Interaction]) -> list[tuple[Arrow, Interaction | None]]:
        """Return each arrow with the first interaction that proves it, or with None where nothing does."""
        in_order = sorted(recorded, key=lambda one: one.at)
        return [(arrow, self._proof(arrow, in_order)) for arrow in self.arrows]

    def missing(self, recorded: Iterable[Interaction]) -> list[Arrow]:
        """Return the arrows that nothing proves."""
        return [arrow for arrow, proof in self.proven(recorded) if proof is None]

    def _proof(self, arrow: Arrow, in_order: list[Interaction]) -> Interaction | None:
        wanted = arrow.proof
        if wanted.name == COMPLETE_PAYMENT:
            wanted = replace(wanted, name=self.payment)
        return next((one for one in in_order if wanted.holds(one, in_order)), None)
