"""Lists of products: the filters and the request that home, category, search and shop pages share."""

from typing import Final, Literal
from uuid import UUID

from nextbuy.contracts.product import PublicProduct
from nextbuy.contracts.values import Page
from nextbuy.web.api import Api
from nextbuy.web.choices import Choices
from nextbuy.web.prices import amount_of

LIMIT: Final = 24
"""Products per page: whole rows of 2, 3, 4 and 6."""

Sort = Literal["", "latest", "price-low", "price-high", "relevance"]


class Filters(Choices, frozen=True, omit_defaults=True):
    """The choices of a visitor in a list of products."""

    q: str = ""
    sort: Sort = ""
    price_min: str = ""
    price_max: str = ""
    in_stock: str = ""

    @property
    def prices(self) -> dict[str, int]:
        """The prices that narrow the list, in minor units."""
        problems = self.problems
        return {name: amount for name, amount in self._amounts.items() if name not in problems}

    @property
    def problems(self) -> dict[str, str]:
        """The problem of each price that cannot narrow the list; the template has the texts."""
        amounts = self._amounts
        if len(amounts) > 1 and amounts["price_min"] > amounts["price_max"]:
            return dict.fromkeys(amounts, "reversed")
        return {name: "not-a-price" for name, text in self._typed.items() if text and name not in amounts}

    @property
    def _typed(self) -> dict[str, str]:
        return {"price_min": self.price_min, "price_max": self.price_max}

    @property
    def _amounts(self) -> dict[str, int]:
        return {name: amount for name, text in self._typed.items() if (amount := amount_of(text)) is not None}


async def read_products(
    api: Api, filters: Filters, *, category: str = "", shop_id: UUID | None = None
) -> Page[PublicProduct]:
    """Read one page of a list.

    Raises:
        AppError: the error of the API; 422 for a cursor of another list.
    """
    words = {"q": filters.q} if filters.q else {}
    return await api.get(
        "/product/api/search-products" if words else "/product/api/get-all-products",
        Page[PublicProduct],
        **words,
        category=category,
        shop_id=None if shop_id is None else str(shop_id),
        sort=filters.sort,
        **filters.prices,
        in_stock="true" if filters.in_stock else "",
        limit=LIMIT,
        cursor=filters.cursor,
    )
