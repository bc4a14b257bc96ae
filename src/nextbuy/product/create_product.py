"""POST /product/api/create-product: list a product for sale, subject to automatic moderation.

A shop that waits for approval may list products; buyers see them once the shop is approved.
"""

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
    require_listing_allowed,
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


class CreateProduct(Struct, frozen=True):
    """The fields of a new product."""

    title: Title
    description: LongText
    category: Category
    price: Price
    stock: Stock
    tags: Annotated[list[Tag], Meta(max_length=20)] = []


async def create_product(deps: Deps, caller: Caller, request: CreateProduct) -> ProductReply:
    """List a product for sale.

    Raises:
        Forbidden: the seller has no shop (`shop-required`), or it was rejected or suspended.
    """
    account = await deps.auth.validate_seller(caller)
    shop = await deps.seller.validate_shop_owner(account.id)
    require_listing_allowed(shop)
    product = _moderated_product(request, shop)
    deps.journal.step("product", "auto-moderation", product.moderation.decision)

    async with deps.database.transaction() as tx:
        await upsert_shops(tx, [shop_state(shop)])
        created = await _insert(tx, product, shop)
        await publish(tx, _created_event(created, shop), *moderation_events(created, shop.seller_id))
        reply = ProductReply(created)
        await caller.store_response(tx, reply)
    deps.cache.invalidate_pages()
    return reply


def _moderated_product(request: CreateProduct, shop: Shop) -> Product:
    title, category, tags = tidy(request.title), tidy(request.category), tidy_tags(request.tags)
    verdict = moderation.review(title, request.description, category, tags)
    product_id = new_id()
    return Product(
        id=product_id,
        etag="",
        slug="",
        title=title,
        description=request.description,
        category=category,
        price=request.price,
        stock=request.stock,
        tags=tags,
        status=verdict.decision,
        shop_id=shop.id,
        shop_name=shop.name,
        shop_slug=shop.slug,
        picture=picture_path(product_id, title, category),
        moderation=verdict,
        created_at=_NOT_STORED_YET,
    )


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
        category=product.category,
        price=product.price,
        score=product.moderation.score,
    )
