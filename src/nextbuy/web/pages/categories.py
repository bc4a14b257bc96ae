"""The categories of the whole catalogue."""

from msgspec import Struct

from nextbuy.web.api import Api


class Category(Struct, frozen=True):
    """A category, with the number of products for sale in it."""

    id: str
    slug: str
    name: str
    products: int
    parent_id: str | None = None


class Categories(Struct):
    """The categories of a reply."""

    items: list[Category]


async def read_categories(api: Api) -> list[Category]:
    """Return all categories."""
    return (await api.get("/product/api/get-categories", Categories)).items
