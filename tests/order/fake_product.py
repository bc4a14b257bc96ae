"""An in-memory fake of the product service's stock; `test_product_contract.py` runs on it and on the real one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID

from nextbuy.contracts.message import Call
from nextbuy.contracts.product import (
    HoldStock,
    Line,
    ProductsValidated,
    QuotedLine,
    ReleaseStock,
    StockReleased,
    UpdateStock,
    ValidateProducts,
)
from nextbuy.contracts.product_offers import GetOffers, Offers, ProductOffer
from nextbuy.contracts.values import Nothing, Price, new_id
from nextbuy.product.model import ProductNotFound, SessionClosed, SoldOut


@dataclass
class FakeProduct:
    """Products with their stock, and the units that sessions hold or have bought."""

    products: dict[UUID, tuple[UUID, Price]] = field(default_factory=dict)
    """The shop and the price of each product."""
    stock: dict[UUID, int] = field(default_factory=dict)
    held: dict[UUID, dict[UUID, int]] = field(default_factory=dict)
    sold: dict[UUID, dict[UUID, int]] = field(default_factory=dict)
    released: set[UUID] = field(default_factory=set)

    @property
    def replies(self) -> Mapping[type[Call[Any]], Callable[[Any], object]]:
        """A reply for each call that the order service makes."""
        return {
            ValidateProducts: self.validate_products,
            GetOffers: self.get_offers,
            HoldStock: self.hold_stock,
            ReleaseStock: self.release_stock,
            UpdateStock: self.update_stock,
        }

    def add(self, shop_id: UUID, *, price: int = 1000, stock: int = 10) -> UUID:
        """Offer a product."""
        product_id = new_id()
        self.products[product_id] = (shop_id, Price(price))
        self.stock[product_id] = stock
        return product_id

    def priced(self, line: Line) -> QuotedLine:
        """Return a line with its price."""
        shop_id, price = self.products[line.product_id]
        return QuotedLine(line.product_id, shop_id, "Thing", line.quantity, price)

    def validate_products(self, call: ValidateProducts) -> ProductsValidated:
        """Price all lines, or refuse."""
        self._require(call.lines, self.held.get(call.replaces, {}) if call.replaces else {})
        return ProductsValidated([self.priced(line) for line in call.lines])

    def get_offers(self, call: GetOffers) -> Offers:
        """Return the products that exist, and the ids of the others."""
        found = [one for one in dict.fromkeys(call.product_ids) if one in self.products]
        return Offers([self.offer(one) for one in found], list(set(call.product_ids) - set(found)))

    def offer(self, product_id: UUID) -> ProductOffer:
        """Return a product as a basket shows it."""
        shop_id, price = self.products[product_id]
        return ProductOffer(
            product_id=product_id,
            shop_id=shop_id,
            shop_name="Shop",
            shop_slug="shop",
            slug="thing",
            title="Thing",
            unit_price=price,
            stock=self.stock[product_id],
            picture="/product/api/picture/thing",
        )

    def hold_stock(self, call: HoldStock) -> Nothing:
        """Hold all lines once, unless the session was released; release the session that it replaces in any case."""
        if call.replaces is not None:
            self._release(call.replaces)
        if call.session_id in self.released:
            raise SessionClosed
        if call.session_id not in self.held | self.sold:
            self.held[call.session_id] = self._take(call.lines)
        return Nothing()

    def release_stock(self, call: ReleaseStock) -> StockReleased:
        """Release what the session holds, unless it is sold."""
        return StockReleased("released" if self._release(call.session_id) else "sold")

    def update_stock(self, call: UpdateStock) -> Nothing:
        """Sell what the session holds; take the lines again if it was released."""
        if call.session_id not in self.sold:
            held = self.held.pop(call.session_id, None)
            self.sold[call.session_id] = self._take(call.lines) if held is None else held
            self.released.discard(call.session_id)
        return Nothing()

    def _release(self, session_id: UUID) -> bool:
        if session_id in self.sold:
            return False
        self.released.add(session_id)
        for product_id, quantity in self.held.pop(session_id, {}).items():
            self.stock[product_id] += quantity
        return True

    def _take(self, lines: list[Line]) -> dict[UUID, int]:
        self._require(lines)
        for line in lines:
            self.stock[line.product_id] -= line.quantity
        return {line.product_id: line.quantity for line in lines}

    def _require(self, lines: list[Line], own: Mapping[UUID, int] = MappingProxyType({})) -> None:
        if any(line.product_id not in self.products for line in lines):
            raise ProductNotFound
        if any(self.stock[line.product_id] + own.get(line.product_id, 0) < line.quantity for line in lines):
            raise SoldOut
