"""The interactions that a marketplace records of the examples, for tests to change."""

from dataclasses import replace
from typing import Final

from nextbuy.demo.recorded import Interaction
from nextbuy.demo.specification import CREATE_ORDER, CREATE_PRODUCT, CREATE_SESSION, PENDING_PRODUCTS, Example

PAY: Final = "POST /simulator/api/pay/019a8f2e-7c1b-7a3e-9f00-5b2d3c4e5f60"
WEBHOOK: Final = "POST /order/api/payment-webhook"
ACTORS: Final = {CREATE_SESSION: "User", PAY: "User", CREATE_PRODUCT: "Seller", PENDING_PRODUCTS: "Admin"}
ORDER: Final = Example("Create Order", CREATE_ORDER, PAY)


def interaction(  # noqa: PLR0913 (one line of a record)
    at: float,
    ms: float,
    kind: str,
    ends: tuple[str, str],
    name: str,
    *,
    status: int = 0,
    spans: tuple[str, str] = ("", "?"),
) -> Interaction:
    """Return a successful interaction that began at `at` milliseconds; `spans` are its own and its parent's."""
    return Interaction(at / 1000, kind, *ends, name, ms=ms, status=status, span_id=spans[0], parent_id=spans[1])


def purchase() -> list[Interaction]:
    """Return the interactions of a purchase, in the order in which they began."""
    return [
        interaction(0, 30, "request", ("client", "gateway"), CREATE_SESSION, status=201),
        interaction(1, 28, "forward", ("gateway", "order"), CREATE_SESSION, status=201),
        interaction(2, 3, "call", ("order", "auth"), "validate-user", status=200),
        interaction(6, 4, "call", ("order", "product"), "validate-products", status=200),
        interaction(7, 2, "serve", ("order", "product"), "validate-products", status=200),
        interaction(100, 50, "request", ("client", "gateway"), PAY, status=200),
        interaction(101, 48, "forward", ("gateway", "simulator"), PAY, status=200),
        interaction(105, 40, "webhook", ("simulator", "gateway"), "payment-webhook", status=200),
        interaction(106, 38, "request", ("client", "gateway"), WEBHOOK, status=200),
        interaction(107, 36, "forward", ("gateway", "order"), WEBHOOK, status=200),
        interaction(108, 5, "call", ("order", "product"), "update-stock", status=200),
        replace(interaction(134, 0, "step", ("order", "order"), "create-orders"), outcome="1 order"),
        interaction(135, 3, "publish", ("order", "kafka"), "order.created"),
        *consumed(140, "order.created"),
    ]


def consumed(at: float, topic: str, subscription: str = "create-notification") -> list[Interaction]:
    """Return how an event came to the kafka service, and from there to admin."""
    delivered = interaction(at, 8, "consume", ("kafka", "admin"), topic)
    delivered = replace(delivered, event_id=topic, subscriptions={subscription: "applied"})
    return [replace(delivered, kind="read", callee="kafka"), delivered]


def without(recorded: list[Interaction], kind: str, name: str) -> list[Interaction]:
    """Return the interactions without one kind and name, which must be among them."""
    left = [one for one in recorded if (one.kind, one.name) != (kind, name)]
    assert len(left) < len(recorded)
    return left


def failed(one: Interaction, outcome: str, status: int) -> Interaction:
    """Return the interaction as a failure."""
    return replace(one, outcome=outcome, status=status)
