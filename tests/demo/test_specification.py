"""Each arrow of the specification needs a recorded interaction as its proof, and an arrow without one is named."""

from dataclasses import replace

import pytest

from nextbuy.demo.recorded import Interaction, decode_interactions
from nextbuy.demo.specification import (
    CREATE_ORDER,
    CREATE_PRODUCT,
    ORDER_VALIDATES_PRODUCT,
    PENDING_PRODUCTS,
    PRODUCT_CREATED,
    PRODUCT_MODERATION,
    USER_CREATES_ORDER,
    Arrow,
    Example,
)
from tests.demo.recorded_examples import ORDER, PAY, WEBHOOK, consumed, failed, interaction, purchase, without

MODERATION = Example("Product Moderation", PRODUCT_MODERATION)
USER_ORDER = Example("User creates an order", USER_CREATES_ORDER, is_excerpt=True)
VALIDATION = Example("Order service validates product", ORDER_VALIDATES_PRODUCT, is_excerpt=True)
CREATED = Example("Product created notification", PRODUCT_CREATED, is_excerpt=True)


def moderation() -> list[Interaction]:
    """Return the interactions of a moderation, in the order in which they began."""
    step = replace(interaction(10, 0, "step", ("product", "product"), "auto-moderation"), outcome="pending")
    return [
        interaction(0, 30, "request", ("client", "gateway"), CREATE_PRODUCT, status=201),
        interaction(1, 28, "forward", ("gateway", "product"), CREATE_PRODUCT, status=201),
        interaction(2, 3, "call", ("product", "auth"), "validate-seller", status=200),
        interaction(6, 3, "call", ("product", "seller"), "validate-shop-owner", status=200),
        step,
        interaction(28, 3, "publish", ("product", "kafka"), "product.pending"),
        *consumed(33, "product.pending"),
        interaction(900, 20, "request", ("client", "gateway"), PENDING_PRODUCTS, status=200),
        interaction(901, 18, "forward", ("gateway", "admin"), PENDING_PRODUCTS, status=200),
        interaction(902, 4, "call", ("admin", "auth"), "validate-admin", status=200),
        interaction(907, 5, "call", ("admin", "product"), "list-products", status=200),
    ]


def creation() -> list[Interaction]:
    """Return the interactions of a new product that needs no moderation by an admin."""
    published = interaction(28, 3, "publish", ("product", "kafka"), "product.created")
    return [*moderation()[:5], published, *consumed(33, "product.created", "count-new-products")]


def chain(arrows: tuple[Arrow, ...]) -> str:
    """Return arrows as a chain in the notation of the specification's text."""
    steps = [f" ({arrow.text})" if arrow.text else "" for arrow in arrows]
    nodes = [f"{arrow.target}{step}" for arrow, step in zip(arrows, steps, strict=True)]
    return " -> ".join([arrows[0].source, *nodes])


def missing(example: Example, recorded: list[Interaction]) -> list[str]:
    """Return the arrows without a proof, as text."""
    return [str(arrow) for arrow in example.missing(recorded)]


def test_purchase_and_moderation_prove_all_arrows() -> None:
    assert missing(ORDER, purchase()) == []
    assert missing(MODERATION, moderation()) == []
    assert missing(USER_ORDER, purchase()) == []
    assert missing(VALIDATION, purchase()) == []
    assert missing(CREATED, creation()) == []


def test_chains_are_those_of_the_specification() -> None:
    assert [chain(example.arrows) for example in (USER_ORDER, CREATED, VALIDATION)] == [
        "User -> API Gateway -> Order Service -> Product Service (validate) -> Order Service (create)",
        "Product Service -> Kafka (product.created) -> Kafka Service -> Admin Service (notification)",
        "Order Service -> Product Client -> Product Service (internal API)",
    ]


@pytest.mark.parametrize(
    ("example", "recorded", "lost", "arrows"),
    [
        (USER_ORDER, purchase(), ("call", "validate-products"), ["Order Service->>Product Service: validate"]),
        (USER_ORDER, purchase(), ("step", "create-orders"), ["Product Service->>Order Service: create"]),
        (CREATED, creation(), ("publish", "product.created"), ["Product Service->>Kafka: product.created"]),
        (CREATED, creation(), ("read", "product.created"), ["Kafka->>Kafka Service"]),
        (CREATED, creation(), ("consume", "product.created"), ["Kafka Service->>Admin Service: notification"]),
        (VALIDATION, purchase(), ("call", "validate-products"), ["Order Service->>Product Client"]),
        (
            VALIDATION,
            purchase(),
            ("serve", "validate-products"),
            ["Product Client->>Product Service: internal API"],
        ),
    ],
)
def test_arrow_of_a_chain_without_a_proof_is_named(
    example: Example, recorded: list[Interaction], lost: tuple[str, str], arrows: list[str]
) -> None:
    assert missing(example, without(recorded, *lost)) == arrows


def test_excerpt_draws_only_what_proves_its_arrows() -> None:
    assert [(each.kind, each.name) for each in USER_ORDER.drawn(purchase())] == [
        ("request", "POST /order/api/create-payment-session"),
        ("forward", "POST /order/api/create-payment-session"),
        ("call", "validate-products"),
        ("step", "create-orders"),
    ]
    assert [each.kind for each in VALIDATION.drawn(purchase())] == ["call", "serve"]
    assert ORDER.drawn(purchase()) == purchase()


def test_order_of_the_records_does_not_matter() -> None:
    recorded = purchase()

    assert ORDER.proofs([*recorded[1::2], *reversed(recorded[::2])]) == ORDER.proofs(purchase())


def test_arrows_are_those_of_the_specification() -> None:
    assert [str(arrow) for arrow in CREATE_ORDER] == [
        "User->>Gateway: POST /order/api/create-payment-session",
        "Gateway->>OrderService: Forward request",
        "OrderService->>AuthService: Validate user (internal)",
        "AuthService-->>OrderService: User valid",
        "OrderService->>ProductService: Validate products (internal)",
        "ProductService-->>OrderService: Products valid",
        "OrderService-->>Gateway: Payment session created",
        "Gateway-->>User: Session ID",
        "User->>Gateway: Complete payment",
        "Gateway->>OrderService: Payment webhook",
        "OrderService->>ProductService: Update stock",
        "OrderService->>Kafka: Order created event",
        "Kafka->>KafkaService: Process notification",
    ]
    assert [str(arrow) for arrow in PRODUCT_MODERATION] == [
        "Seller->>Gateway: POST /product/api/create-product",
        "Gateway->>ProductService: Forward request",
        "ProductService->>ProductService: Auto moderation",
        "ProductService-->>Gateway: Product created (pending)",
        "Gateway-->>Seller: Success",
        "ProductService->>Kafka: Product pending event",
        "Kafka->>KafkaService: Process event",
        "KafkaService->>AdminService: Create notification",
        "Admin->>Gateway: GET /admin/api/get-pending-products",
        "Gateway->>AdminService: Forward request",
        "AdminService->>ProductService: Get products (internal)",
        "ProductService-->>AdminService: Products list",
        "AdminService-->>Gateway: Response",
        "Gateway-->>Admin: Products list",
    ]


@pytest.mark.parametrize(
    ("kind", "name", "arrows"),
    [
        ("call", "update-stock", ["OrderService->>ProductService: Update stock"]),
        ("publish", "order.created", ["OrderService->>Kafka: Order created event"]),
        ("read", "order.created", ["Kafka->>KafkaService: Process notification"]),
        ("forward", WEBHOOK, ["Gateway->>OrderService: Payment webhook"]),
        ("request", PAY, ["User->>Gateway: Complete payment"]),
        (
            "call",
            "validate-user",
            ["OrderService->>AuthService: Validate user (internal)", "AuthService-->>OrderService: User valid"],
        ),
    ],
)
def test_arrow_without_a_proof_is_named(kind: str, name: str, arrows: list[str]) -> None:
    assert missing(ORDER, without(purchase(), kind, name)) == arrows


def test_missing_moderation_step_is_named() -> None:
    left = without(moderation(), "step", "auto-moderation")

    assert missing(MODERATION, left) == ["ProductService->>ProductService: Auto moderation"]


def test_failed_call_is_no_proof_but_its_retry_is() -> None:
    recorded = purchase()
    place = next(place for place, one in enumerate(recorded) if one.name == "update-stock")
    again = replace(recorded[place], at=recorded[place].at + 0.010, attempt=2)
    recorded[place] = failed(recorded[place], "product-unavailable", 503)

    assert missing(ORDER, recorded) == ["OrderService->>ProductService: Update stock"]
    assert dict(ORDER.proofs([*recorded, again]))[ORDER.arrows[10]] == again


def test_event_for_another_subscription_is_no_proof_of_a_notification() -> None:
    counted = consumed(139, "order.created", "count-new-products")
    notified = next(one for one in purchase() if one.kind == "read")

    assert dict(ORDER.proofs([*purchase(), *counted]))[ORDER.arrows[-1]] == notified
    assert missing(ORDER, [*without(purchase(), "read", "order.created"), *counted]) == [str(ORDER.arrows[-1])]


def test_event_that_its_subscription_rejected_is_no_proof_of_a_notification() -> None:
    recorded = [
        replace(one, subscriptions={"count-new-products": "rejected"}) if one.subscriptions else one
        for one in creation()
    ]

    assert missing(CREATED, recorded) == ["Kafka->>Kafka Service", "Kafka Service->>Admin Service: notification"]


def test_call_between_other_services_is_no_proof() -> None:
    recorded = [replace(one, caller="seller") if one.name == "validate-user" else one for one in purchase()]

    assert len(missing(ORDER, recorded)) == 2


def test_unknown_fields_of_records_are_ignored() -> None:
    written = {"kind": "publish", "caller": "order", "callee": "kafka", "name": "order.created"}
    more = {"outcome": "ok", "took_ms": 1.5, "trace_id": "a" * 32, "correlation_id": "demo", "level": "info"}
    first, second = {"at": "1970-01-01T00:00:02Z"}, {"at": "1970-01-01T00:00:03Z"}

    early, late = decode_interactions([written | second, written | more | first])

    assert (early.at, early.ms, late.at, late.attempt) == (2.0, 1.5, 3.0, 1)


def test_consumed_event_is_one_interaction_of_all_its_subscriptions() -> None:
    written = {"at": "1970-01-01T00:00:02Z", "kind": "consume", "caller": "kafka", "callee": "analytics"}
    event = {"name": "order.created", "ids": {"event": ["e-1"]}}
    items = [written | event | {"subscription": name, "outcome": "applied"} for name in ("figures", "best-sellers")]

    read, consumed = decode_interactions(items)

    assert (read.kind, consumed.kind) == ("read", "consume")
    assert consumed.subscriptions == {"figures": "applied", "best-sellers": "applied"}
