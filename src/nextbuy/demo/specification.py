"""The five examples of the specification, arrow by arrow, with the recorded interaction that proves each arrow.

Copied from its diagrams "Create Order" and "Product Moderation", and from the chains in its text. An arrow is proven by
one successful interaction; a reply (`-->>`) by the interaction that it replies to.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from nextbuy.demo.recorded import Interaction

CREATE_SESSION: Final = "POST /order/api/create-payment-session"
CREATE_PRODUCT: Final = "POST /product/api/create-product"
PENDING_PRODUCTS: Final = "GET /admin/api/get-pending-products"
COMPLETE_PAYMENT: Final = "POST payment_url"
"""Stands for the request to the `payment_url` of a payment session."""
_WEBHOOK: Final = "POST /order/api/payment-webhook"
_NOTIFY: Final = "create-notification"
_COUNT: Final = "count-new-products"
"""Admin's subscription that keeps the notification of new products."""


@dataclass(frozen=True)
class Expectation:
    """The interaction that proves an arrow; the caller of a request is not compared.

    `subscription` is the one that must have applied the event: an event has several.
    """

    kind: str
    caller: str
    callee: str
    name: str
    subscription: str = ""

    def matches(self, actual: Interaction) -> bool:
        """Return whether an interaction is the expected one and succeeded."""
        if (actual.kind, actual.callee, actual.name) != (self.kind, self.callee, self.name) or not actual.ok:
            return False
        if self.kind != "request" and actual.caller != self.caller:
            return False
        return not self.subscription or actual.subscriptions.get(self.subscription) == "applied"


@dataclass(frozen=True)
class Arrow:
    """One arrow of the specification, with its text and its proof."""

    source: str
    target: str
    text: str
    expectation: Expectation
    is_reply: bool = False

    def __str__(self) -> str:
        text = f": {self.text}" if self.text else ""
        return f"{self.source}{'-->>' if self.is_reply else '->>'}{self.target}{text}"


def _request(name: str) -> Expectation:
    return Expectation("request", "client", "gateway", name)


def _forward(service: str, name: str) -> Expectation:
    return Expectation("forward", "gateway", service, name)


def _call(caller: str, callee: str, name: str) -> Expectation:
    return Expectation("call", caller, callee, name)


def _published(service: str, topic: str) -> Expectation:
    return Expectation("publish", service, "kafka", topic)


def _notified(topic: str, callee: str, kind: str, subscription: str = _NOTIFY) -> Expectation:
    return Expectation(kind, "kafka", callee, topic, subscription=subscription)


_VALIDATE_USER: Final = _call("order", "auth", "validate-user")
_VALIDATE_PRODUCTS: Final = _call("order", "product", "validate-products")
_LIST_PRODUCTS: Final = _call("admin", "product", "list-products")

CREATE_ORDER: Final = (
    Arrow("User", "Gateway", "POST /order/api/create-payment-session", _request(CREATE_SESSION)),
    Arrow("Gateway", "OrderService", "Forward request", _forward("order", CREATE_SESSION)),
    Arrow("OrderService", "AuthService", "Validate user (internal)", _VALIDATE_USER),
    Arrow("AuthService", "OrderService", "User valid", _VALIDATE_USER, is_reply=True),
    Arrow("OrderService", "ProductService", "Validate products (internal)", _VALIDATE_PRODUCTS),
    Arrow("ProductService", "OrderService", "Products valid", _VALIDATE_PRODUCTS, is_reply=True),
    Arrow("OrderService", "Gateway", "Payment session created", _forward("order", CREATE_SESSION), is_reply=True),
    Arrow("Gateway", "User", "Session ID", _request(CREATE_SESSION), is_reply=True),
    Arrow("User", "Gateway", "Complete payment", _request(COMPLETE_PAYMENT)),
    Arrow("Gateway", "OrderService", "Payment webhook", _forward("order", _WEBHOOK)),
    Arrow("OrderService", "ProductService", "Update stock", _call("order", "product", "update-stock")),
    Arrow("OrderService", "Kafka", "Order created event", _published("order", "order.created")),
    Arrow("Kafka", "KafkaService", "Process notification", _notified("order.created", "kafka", "read")),
)

PRODUCT_MODERATION: Final = (
    Arrow("Seller", "Gateway", "POST /product/api/create-product", _request(CREATE_PRODUCT)),
    Arrow("Gateway", "ProductService", "Forward request", _forward("product", CREATE_PRODUCT)),
    Arrow(
        "ProductService",
        "ProductService",
        "Auto moderation",
        Expectation("step", "product", "product", "auto-moderation"),
    ),
    Arrow("ProductService", "Gateway", "Product created (pending)", _forward("product", CREATE_PRODUCT), is_reply=True),
    Arrow("Gateway", "Seller", "Success", _request(CREATE_PRODUCT), is_reply=True),
    Arrow("ProductService", "Kafka", "Product pending event", _published("product", "product.pending")),
    Arrow("Kafka", "KafkaService", "Process event", _notified("product.pending", "kafka", "read")),
    Arrow("KafkaService", "AdminService", "Create notification", _notified("product.pending", "admin", "consume")),
    Arrow("Admin", "Gateway", "GET /admin/api/get-pending-products", _request(PENDING_PRODUCTS)),
    Arrow("Gateway", "AdminService", "Forward request", _forward("admin", PENDING_PRODUCTS)),
    Arrow("AdminService", "ProductService", "Get products (internal)", _LIST_PRODUCTS),
    Arrow("ProductService", "AdminService", "Products list", _LIST_PRODUCTS, is_reply=True),
    Arrow("AdminService", "Gateway", "Response", _forward("admin", PENDING_PRODUCTS), is_reply=True),
    Arrow("Gateway", "Admin", "Products list", _request(PENDING_PRODUCTS), is_reply=True),
)

USER_CREATES_ORDER: Final = (
    Arrow("User", "API Gateway", "", _request(CREATE_SESSION)),
    Arrow("API Gateway", "Order Service", "", _forward("order", CREATE_SESSION)),
    Arrow("Order Service", "Product Service", "validate", _VALIDATE_PRODUCTS),
    Arrow("Product Service", "Order Service", "create", Expectation("step", "order", "order", "create-orders")),
)
"""The order is created when its payment arrives, as the diagram "Create Order" shows."""

PRODUCT_CREATED: Final = (
    Arrow("Product Service", "Kafka", "product.created", _published("product", "product.created")),
    Arrow("Kafka", "Kafka Service", "", _notified("product.created", "kafka", "read", _COUNT)),
    Arrow("Kafka Service", "Admin Service", "notification", _notified("product.created", "admin", "consume", _COUNT)),
)

ORDER_VALIDATES_PRODUCT: Final = (
    Arrow("Order Service", "Product Client", "", _VALIDATE_PRODUCTS),
    Arrow(
        "Product Client",
        "Product Service",
        "internal API",
        Expectation("serve", "order", "product", "validate-products"),
    ),
)
"""Of one call, the caller's line and the callee's."""


@dataclass(frozen=True)
class Example:
    """A completed example of the specification: its arrows, and the request that made the payment."""

    title: str
    arrows: tuple[Arrow, ...]
    payment: str = COMPLETE_PAYMENT
    is_excerpt: bool = False
    """Whether its diagram shows only the interactions that prove its arrows, since its trace has more."""

    def proofs(self, recorded: Iterable[Interaction]) -> list[tuple[Arrow, Interaction | None]]:
        """Return each arrow with the first interaction that proves it, or None."""
        by_time = sorted(recorded, key=lambda interaction: interaction.at)
        return [(arrow, self._proof(arrow, by_time)) for arrow in self.arrows]

    def missing(self, recorded: Iterable[Interaction]) -> list[Arrow]:
        """Return the arrows without a proof."""
        return [arrow for arrow, proof in self.proofs(recorded) if proof is None]

    def drawn(self, recorded: Sequence[Interaction]) -> list[Interaction]:
        """Return the interactions that its diagram shows."""
        if not self.is_excerpt:
            return list(recorded)
        proofs = [proof for _, proof in self.proofs(recorded) if proof is not None]
        return [proof for index, proof in enumerate(proofs) if proof not in proofs[:index]]

    def _proof(self, arrow: Arrow, by_time: list[Interaction]) -> Interaction | None:
        expectation = arrow.expectation
        if expectation.name == COMPLETE_PAYMENT:
            expectation = replace(expectation, name=self.payment)
        return next((candidate for candidate in by_time if expectation.matches(candidate)), None)
