"""Sample data for the examples of the components."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from msgspec import Struct

from nextbuy.contracts.values import Money, Page
from nextbuy.web.pages.listing import Filters
from nextbuy.web.sequence import Diagram, Interaction, draw

_MOMENT: Final = datetime(2026, 3, 14, 9, 26, tzinfo=UTC)
_LONG: Final = "A hand-thrown stoneware serving bowl with an unusually long name in several colours"


class Day(Struct, frozen=True):
    """The figures of a day."""

    day: date
    turnover: Money
    views: int


class Samples(Struct, frozen=True):
    """The data of the examples; a method that returns a product replaces the named fields."""

    picture: str
    moment: datetime = _MOMENT
    long: str = _LONG
    filters: Filters = Filters(price_min="1000", price_max="cheap")
    nothing: Page[Any] = Page([], None)

    def price(self, amount: int) -> Money:
        """Return an amount in cents."""
        return Money(amount)

    def product(self, **changes: object) -> dict[str, object]:
        """Return a product, as buyers see it."""
        return {
            "slug": "speckled-bowl",
            "title": "Speckled bowl",
            "shop_name": "Kiln & Clay",
            "price": Money(2_800),
            "stock": 12,
            "picture": self.picture,
            **changes,
        }

    def own(self, **changes: object) -> dict[str, object]:
        """Return a product, as its seller sees it."""
        reason = {"rule": "banned-word", "points": -60, "field": "title", "word": "pirated", "excerpt": ""}
        product = self.product(id="1", status="active", archived=False, on_sale=True, held=0, sold=7)
        return {**product, "moderation": {"reasons": [reason]}, **changes}

    @property
    def days(self) -> list[Day]:
        """The figures of two weeks, one day of them without sales."""
        return [
            Day(_MOMENT.date() + timedelta(days=number), Money(number * 37 % 11 * 1_250), 20 + number * 53 % 90)
            for number in range(14)
        ]

    @property
    def diagram(self) -> Diagram:
        """The messages of a checkout whose payment fails."""
        messages = [
            ("client", "gateway", "request", "POST create-payment-session", "ok"),
            ("gateway", "order", "forward", "create-payment-session", "ok"),
            ("order", "product", "call", "hold-stock", "ok"),
            ("simulator", "gateway", "webhook", "checkout.session.async_payment_failed", "ok"),
            ("order", "product", "call", "release-stock", "unavailable"),
            ("order", "kafka", "publish", "payment.failed", "ok"),
        ]
        return draw(
            [
                Interaction(_MOMENT, caller, kind, name, outcome, 4.2, caller=caller, callee=callee)
                for caller, callee, kind, name, outcome in messages
            ]
        )
