"""What a marketplace would have recorded of the two examples, to be bent by each test."""

from dataclasses import replace
from typing import Final

from nextbuy.demo.recorded import Interaction
from nextbuy.demo.specification import CREATE_ORDER, CREATE_PRODUCT, CREATE_SESSION, PENDING_PRODUCTS, Example

PAY: Final = "POST /simulator/api/pay/019a8f2e-7c1b-7a3e-9f00-5b2d3c4e5f60"
WEBHOOK: Final = "POST /order/api/payment-webhook"
ACTORS: Final = {CREATE_SESSION: "User", PAY: "User", CREATE_PRODUCT: "Seller", PENDING_PRODUCTS: "Admin"}
ORDER: Final = Example("Create Order", CREATE_ORDER, PAY)


def said(  # noqa: PLR0913 (one line of a record)
    at: float,
    ms: float,
    kind: str,
    ends: tuple[str, str],
    name: str,
    *,
    status: int = 0,
    spans: tuple[str, str] = ("", "?"),
) -> Interaction:
    """Return an interaction that began at `at` milliseconds and went well; `spans` are its own and the one above."""
    return Interaction(at / 1000, kind, *ends, name, ms=ms, status=status, span_id=spans[0], parent_id=spans[1])


def purchase() -> list[Interaction]:
    """Return a purchase, in the order of its begins."""
    return [
        said(0, 30, "request", ("client", "gateway"), CREATE_SESSION, status=201),
        said(1, 28, "forward", ("gateway", "order"), CREATE_SESSION, status=201),
        said(2, 3, "call", ("order", "auth"), "validate-user", status=200),
        said(6, 4, "call", ("order", "product"), "validate-products", status=200),
        said(100, 50, "request", ("client", "gateway"), PAY, status=200),
        said(101, 48, "forward", ("gateway", "simulator"), PAY, status=200),
        said(105, 40, "webhook", ("simulator", "gateway"), "payment-webhook", status=200),
        said(106, 38, "request", ("client", "gateway"), WEBHOOK, status=200),
        said(107, 36, "forward", ("gateway", "order"), WEBHOOK, status=200),
        said(108, 5, "call", ("order", "product"), "update-stock", status=200),
        said(135, 3, "publish", ("order", "kafka"), "order.created"),
        said(140, 8, "consume", ("kafka", "kafka"), "order.created", spans=("notify", "order")),
        said(141, 5, "call", ("kafka", "admin"), "create-notification", status=200, spans=("call", "notify")),
    ]


def without(recorded: list[Interaction], kind: str, name: str) -> list[Interaction]:
    """Return what was recorded but for one kind of thing, which was there."""
    left = [one for one in recorded if (one.kind, one.name) != (kind, name)]
    assert len(left) < len(recorded)
    return left


def failed(one: Interaction, outcome: str, status: int) -> Interaction:
    """Return the same interaction, gone wrong."""
    return replace(one, outcome=outcome, status=status)
