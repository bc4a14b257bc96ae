"""The filters that lists and searches of products have in common."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from nextbuy.contracts.errors import FieldError
from nextbuy.contracts.values import MAX_AMOUNT, Category, PageRequest, ShopId
from nextbuy.product.model import Filters, InvalidPriceRange, tidy

_PriceBound = Annotated[int, Meta(ge=0, le=MAX_AMOUNT, examples=[2_500])]


class FilteredRequest(PageRequest, frozen=True, kw_only=True):
    """A page of products that pass all filters; prices are in minor units of the marketplace's currency."""

    category: Annotated[Category | UnsetType, Meta(description="A category; upper and lower case are equal.")] = UNSET
    price_min: Annotated[_PriceBound, Meta(description="The lowest price, in minor units.")] = 0
    price_max: Annotated[_PriceBound, Meta(description="The highest price, in minor units.")] = MAX_AMOUNT
    in_stock: Annotated[Literal["true", "false"], Meta(description="Whether sold-out products are left out.")] = "false"
    shop_id: ShopId | UnsetType = UNSET

    def filters(self) -> Filters:
        """Return the filters.

        Raises:
            InvalidPriceRange: the lowest price is above the highest.
        """
        if self.price_min > self.price_max:
            message = f"price_min ({self.price_min}) is above price_max ({self.price_max}). Swap them."
            raise InvalidPriceRange(message, errors=[FieldError("price_min", message)])
        return Filters(
            category=None if self.category is UNSET else tidy(self.category),
            shop_id=None if self.shop_id is UNSET else self.shop_id,
            price_min=self.price_min,
            price_max=self.price_max,
            in_stock=self.in_stock == "true",
        )
