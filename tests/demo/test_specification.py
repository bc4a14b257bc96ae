"""Each arrow of the specification needs something recorded that proves it, and one that nothing proves is named."""

from dataclasses import replace

import pytest

from nextbuy.demo.recorded import Interaction, interactions
from nextbuy.demo.specification import (
    CREATE_ORDER,
    CREATE_PRODUCT,
    PENDING_PRODUCTS,
    PRODUCT_MODERATION,
    Example,
)
from tests.demo.told import ORDER, PAY, WEBHOOK, failed, purchase, said, without

MODERATION = Example("Product Moderation", PRODUCT_MODERATION)


def moderation() -> list[Interaction]:
    """Return what is recorded when a product waits and the admin looks, in the order of the begins."""
    step = replace(said(10, 0, "step", ("product", "product"), "auto-moderation"), outcome="pending")
    return [
        said(0, 30, "request", ("client", "gateway"), CREATE_PRODUCT, status=201),
        said(1, 28, "forward", ("gateway", "product"), CREATE_PRODUCT, status=201),
        said(2, 3, "call", ("product", "auth"), "validate-seller", status=200),
        said(6, 3, "call", ("product", "seller"), "validate-shop-owner", status=200),
        step,
        said(28, 3, "publish", ("product", "kafka"), "product.pending"),
        said(33, 9, "consume", ("kafka", "kafka"), "product.pending", spans=("notify", "product")),
        said(34, 5, "call", ("kafka", "admin"), "create-notification", status=200, spans=("call", "notify")),
        said(900, 20, "request", ("client", "gateway"), PENDING_PRODUCTS, status=200),
        said(901, 18, "forward", ("gateway", "admin"), PENDING_PRODUCTS, status=200),
        said(902, 4, "call", ("admin", "auth"), "validate-admin", status=200),
        said(907, 5, "call", ("admin", "product"), "list-products", status=200),
    ]


def missing(example: Example, recorded: list[Interaction]) -> list[str]:
    """Return the arrows that are missing, as text."""
    return [str(arrow) for arrow in example.missing(recorded)]


def test_what_was_specified_is_all_there_after_a_purchase_and_a_moderation() -> None:
    assert missing(ORDER, purchase()) == []
    assert missing(MODERATION, moderation()) == []


def test_the_order_in_which_things_were_recorded_proves_the_same() -> None:
    recorded = purchase()

    assert ORDER.proven([*recorded[1::2], *recorded[::-2]]) == ORDER.proven(purchase())


def test_the_arrows_are_those_of_the_specification() -> None:
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
        ("consume", "order.created", ["Kafka->>KafkaService: Process notification"]),
        ("forward", WEBHOOK, ["Gateway->>OrderService: Payment webhook"]),
        ("request", PAY, ["User->>Gateway: Complete payment"]),
        (
            "call",
            "validate-user",
            ["OrderService->>AuthService: Validate user (internal)", "AuthService-->>OrderService: User valid"],
        ),
    ],
)
def test_an_arrow_that_nothing_proves_is_named(kind: str, name: str, arrows: list[str]) -> None:
    assert missing(ORDER, without(purchase(), kind, name)) == arrows


def test_a_moderation_that_nobody_recorded_is_named() -> None:
    left = without(moderation(), "step", "auto-moderation")

    assert missing(MODERATION, left) == ["ProductService->>ProductService: Auto moderation"]


def test_a_call_that_failed_proves_nothing_until_another_attempt_succeeds() -> None:
    recorded = purchase()
    place = next(place for place, one in enumerate(recorded) if one.name == "update-stock")
    again = replace(recorded[place], at=recorded[place].at + 0.010, attempt=2)
    recorded[place] = failed(recorded[place], "product-unavailable", 503)

    assert missing(ORDER, recorded) == ["OrderService->>ProductService: Update stock"]
    assert dict(ORDER.proven([*recorded, again]))[ORDER.arrows[10]] == again


def test_an_event_that_only_another_listener_has_taken_notified_nobody() -> None:
    counted = said(139, 9, "consume", ("kafka", "kafka"), "order.created", spans=("count", "order"))
    notified = next(one for one in purchase() if one.kind == "consume")

    assert dict(ORDER.proven([*purchase(), counted]))[ORDER.arrows[-1]] == notified
    assert missing(ORDER, [*without(purchase(), "consume", "order.created"), counted]) == [str(ORDER.arrows[-1])]


def test_the_same_words_between_others_prove_nothing() -> None:
    recorded = [replace(one, caller="seller") if one.name == "validate-user" else one for one in purchase()]

    assert len(missing(ORDER, recorded)) == 2


def test_fields_that_the_demo_does_not_know_are_left_out_of_what_it_reads() -> None:
    written = {"at": 2.0, "kind": "publish", "caller": "order", "callee": "kafka", "name": "order.created"}
    more = {"outcome": "ok", "ms": 1.5, "trace_id": "a" * 32, "correlation_id": "demo", "level": "info"}

    late, early = interactions([written | {"at": 3.0}, written | more])[::-1]

    assert (early.at, early.ms, late.at, late.attempt) == (2.0, 1.5, 3.0, 1)
