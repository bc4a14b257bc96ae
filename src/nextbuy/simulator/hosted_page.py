"""The HTML page of a payment, without scripts and without content from other servers."""

from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from nextbuy.contracts.money import format_money
from nextbuy.kit.wire import Response
from nextbuy.simulator.model import CARDS, Payment, Status

HTML: Final = "text/html; charset=utf-8"
_HEADERS: Final = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
]
_environment: Final = Environment(
    loader=PackageLoader("nextbuy.simulator"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(
    payment: Payment | None, status: Status | None, *, home: str, code: int = 200, error: str = "", typed: str = ""
) -> Response:
    """Return the page of a payment, or for None the page “Payment not found”.

    `home` is the URL of the way back, and `typed` refills the card field.
    """
    cards = [(" ".join(number[i : i + 4] for i in range(0, 16, 4)), outcome) for number, outcome in CARDS.items()]
    html = _environment.get_template("payment.html").render(
        payment=payment,
        status=status,
        declined=payment is not None and status == "open" and payment.declines > 0,
        amount="" if payment is None else format_money(payment.amount),
        until="" if payment is None else f"{payment.expires_at:%H:%M} UTC",
        cards=cards,
        home=home,
        error=error,
        typed=typed,
    )
    return Response(code, html.encode(), HTML, list(_HEADERS))
