"""Generate ten thousand products from word lists, always the same, and insert them into the tables of product."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from bench.words import GOODS, LOOKS, MAKERS, MATERIALS, NOT_THERE, SENTENCES, TAGS

SIZE: Final = 10_000
STOCK: Final = 1_000_000
"""Units of each product, so that no load sells one out."""
_FIRST: Final = datetime(2026, 1, 1, tzinfo=UTC)
_FIRST_MS: Final = int(_FIRST.timestamp() * 1000)
_INTERVAL: Final = timedelta(minutes=1)
_MODERATION: Final = '{"score": 100, "decision": "active", "reasons": []}'
SQL_ID: Final = (
    f"(lpad(to_hex({_FIRST_MS} + :{{0}}::bigint * 60000), 12, '0')"
    " || '70008000' || lpad(to_hex(:{0}::bigint), 12, '0'))::uuid"
)
"""The SQL of `id_of` for a variable of pgbench."""

# The column `search` has the same weights as in `nextbuy.product.store.products`.
_COPY_IN: Final = """
CREATE TEMP TABLE new_products (id uuid, shop_id uuid, seller_id uuid, slug text, stock int, price_amount bigint,
    created_at timestamptz, category text, tags text[], title text, description text, moderation jsonb)
"""
_TAKE_OVER: Final = """
INSERT INTO products (id, shop_id, seller_id, slug, stock, price_amount, currency, accepted_amount, status, created_at,
                      category, tags, title, description, moderation, search)
SELECT id, shop_id, seller_id, slug, stock, price_amount, 'USD', price_amount, 'active', created_at,
       category, tags, title, description, moderation,
       setweight(to_tsvector('english', title), 'A')
       || setweight(to_tsvector('english', array_to_string(tags, ' ') || ' ' || category), 'B')
       || setweight(to_tsvector('english', description), 'C')
  FROM new_products
"""


class Shop(Struct, frozen=True):
    """A shop that offers the goods, and the access token of its seller."""

    shop_id: UUID
    seller_id: UUID
    token: str = ""


class Good(Struct, frozen=True):
    """The generated properties of a product."""

    id: UUID
    title: str
    description: str
    category: str
    tags: list[str]
    price: int
    at: datetime

    @property
    def slug(self) -> str:
        """The part of the URL that names it."""
        return f"{self.title.lower().replace(' ', '-')}-{self.id.int & 0xFFFFFF:06x}"


def id_of(number: int) -> UUID:
    """Return the id of the product with a number: a UUIDv7 of its creation time."""
    return UUID(int=(_FIRST_MS + number * 60_000) << 80 | 0x7000_8000 << 48 | number)


def goods(size: int = SIZE) -> Iterator[Good]:
    """Generate `size` products, always the same."""
    random = Random(20)  # noqa: S311  the same goods each time
    categories = list(GOODS)
    for number in range(size):
        category = random.choice(categories)
        noun, maker = random.choice(GOODS[category]), random.choice(MAKERS)
        look, material = random.choice(LOOKS), random.choice(MATERIALS)
        sentences = random.sample(SENTENCES, random.randint(2, 6))
        yield Good(
            id=id_of(number),
            title=f"{look} {material} {noun} by {maker}".capitalize(),
            description=" ".join(sentences).format(maker=maker, material=material, noun=noun, look=look),
            category=category,
            tags=random.sample(TAGS, random.randint(0, 4)),
            price=random.randint(3, 400) * 100 - random.choice((1, 5, 50)),
            at=_FIRST + number * _INTERVAL,
        )


def queries(count: int = 200) -> list[str]:
    """Return search queries for things, materials, looks, makers, and themes; some find nothing."""
    random = Random(21)  # noqa: S311  the same queries each time
    nouns = [noun for names in GOODS.values() for noun in names]
    found: dict[str, None] = {}
    while len(found) < count:
        noun, material, look = random.choice(nouns), random.choice(MATERIALS), random.choice(LOOKS)
        maker = random.choice(MAKERS)
        kinds = (noun, f"{material} {noun}", f"{look} {noun}", f"{look} {material}", f"{maker} {noun}")
        rare = (material, f"{random.choice(TAGS)} {noun}", random.choice(NOT_THERE))
        found[random.choice(kinds if random.random() < 0.9 else rare)] = None  # noqa: PLR2004
    return list(found)


async def put_in(url: str, shops: Sequence[Shop], size: int = SIZE) -> None:
    """Insert the goods into the database of product, spread over its shops."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(_COPY_IN)
            await connection.copy_records_to_table("new_products", records=_records(shops, size))
            await connection.execute(_TAKE_OVER)
        await connection.execute("VACUUM ANALYZE products")
    finally:
        await connection.close()


def _records(shops: Sequence[Shop], size: int) -> Iterator[tuple[object, ...]]:
    for number, good in enumerate(goods(size)):
        shop = shops[number % len(shops)]
        yield (
            good.id,
            shop.shop_id,
            shop.seller_id,
            good.slug,
            STOCK,
            good.price,
            good.at,
            good.category,
            good.tags,
            good.title,
            good.description,
            _MODERATION,
        )
