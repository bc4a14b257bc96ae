"""A new product: its fields, its review by automatic moderation, and its event."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Final

from msgspec import Meta, Struct
from msgspec.structs import replace

from nextbuy.contracts.product import Product, ProductCreated
from nextbuy.contracts.seller import Shop
from nextbuy.contracts.values import Category, LongText, Price, Stock, Tag, Title, new_id
from nextbuy.kit.events.outbox import publish
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.storage.database import Transaction
from nextbuy.product import moderation
from nextbuy.product.deps import Deps
from nextbuy.product.model import (
    ProductReply,
    moderation_events,
    picture_path,
    shop_state,
    slug_of,
    tidy,
    tidy_tags,
)
from nextbuy.product.store.products import insert
from nextbuy.product.store.shops import upsert_shops

_SUFFIX_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
_SUFFIX_LENGTH: Final = 6
_NOT_STORED_YET: Final = datetime.min.replace(tzinfo=UTC)


class ProductFields(Struct, frozen=True):
    """The fields of a new product."""

    title: Title
    description: LongText
    category: Category
    price: Price
    stock: Stock
    tags: Annotated[list[Tag], Meta(max_length=20)] = []


def moderated_product(deps: Deps, fields: ProductFields, shop: Shop) -> Product:
    """Return a product that is not stored yet, with the verdict of moderation."""
    title, category, tags = tidy(fields.title), tidy(fields.category), tidy_tags(fields.tags)
    verdict = moderation.review(title, fields.description, category, tags)
    deps.journal.step("product", "auto-moderation", verdict.decision)
    product_id = new_id()
    return Product(
        id=product_id,
        etag="",
        slug="",
        title=title,
        description=fields.description,
        category=category,
        price=fields.price,
        stock=fields.stock,
        tags=tags,
        status=verdict.decision,
        shop_id=shop.id,
        shop_name=shop.name,
        shop_slug=shop.slug,
        picture=picture_path(product_id, title, category),
        moderation=verdict,
        created_at=_NOT_STORED_YET,
    )


async def store_product(deps: Deps, caller: Caller, product: Product, shop: Shop) -> ProductReply:
    """Store a new product with its events, and return it as it is stored."""
    async with deps.database.transaction() as tx:
        await upsert_shops(tx, [shop_state(shop)])
        created = await _insert(tx, product, shop)
        verdict = moderation_events(created, shop.seller_id) if created.on_sale else []
        await publish(tx, _created_event(created, shop), *verdict)
        reply = ProductReply(created)
        await caller.store_response(tx, reply)
    deps.cache.invalidate_pages()
    return reply


async def _insert(tx: Transaction, product: Product, shop: Shop) -> Product:
    while True:
        suffix = "".join(secrets.choice(_SUFFIX_ALPHABET) for _ in range(_SUFFIX_LENGTH))
        created = await insert(tx, replace(product, slug=slug_of(product.title, suffix)), shop.seller_id)
        if created is not None:
            return created


def _created_event(product: Product, shop: Shop) -> ProductCreated:
    return ProductCreated(
        product_id=product.id,
        shop_id=product.shop_id,
        shop_name=shop.name,
        seller_id=shop.seller_id,
        title=product.title,
        status=product.status,
        on_sale=product.on_sale,
        category=product.category,
        price=product.price,
        score=product.moderation.score,
    )
