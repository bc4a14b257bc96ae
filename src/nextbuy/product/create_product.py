"""POST /product/api/create-product: a seller offers something, and moderation says at once whether it may be shown.

A shop that waits for approval may prepare its goods; nothing of it is seen or sold before. The row, its events and
the answer to the request are one transaction.
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
from nextbuy.product.model import ProductShown, may_offer, picture_path, slug_of, tidy, tidy_tags, verdict_events
from nextbuy.product.store.products import insert
from nextbuy.product.store.shops import ShopWord, keep_shop

_SUFFIX_SIGNS: Final = "abcdefghijklmnopqrstuvwxyz234567"
_SUFFIX_LENGTH: Final = 6
_NO_TIME_YET: Final = datetime.min.replace(tzinfo=UTC)


class CreateProduct(Struct, frozen=True):
    """What is offered."""

    title: Title
    description: LongText
    category: Category
    price: Price
    stock: Stock
    tags: Annotated[list[Tag], Meta(max_length=20)] = []


async def create_product(deps: Deps, caller: Caller, request: CreateProduct) -> ProductShown:
    """Offer a product."""
    account = await deps.auth.validate_seller(caller.token)
    shop = await deps.seller.validate_shop_owner(account.id)
    may_offer(shop)
    offered = _reviewed(request, shop)
    deps.journal.step("product", "auto-moderation", offered.moderation.decision)
    async with deps.database.transaction() as tx:
        await keep_shop(tx, ShopWord(shop.id, shop.seller_id, shop.name, shop.status, shop.version))
        kept = await _insert(tx, offered, shop)
        await publish(tx, _created(kept, shop), *verdict_events(kept, shop.seller_id))
        shown = ProductShown(kept)
        await caller.store_response(tx, shown)
    deps.shelf.drop_pages()
    return shown


def _reviewed(request: CreateProduct, shop: Shop) -> Product:
    title, category, tags = tidy(request.title), tidy(request.category), tidy_tags(request.tags)
    verdict = moderation.review(title, request.description, category, tags)
    product_id = new_id()
    return Product(
        id=product_id,
        slug="",
        title=title,
        description=request.description,
        category=category,
        price=request.price.money(),
        stock=request.stock,
        tags=tags,
        status=verdict.decision,
        shop_id=shop.id,
        picture=picture_path(product_id),
        moderation=verdict,
        created_at=_NO_TIME_YET,
    )


async def _insert(tx: Transaction, offered: Product, shop: Shop) -> Product:
    while True:
        suffix = "".join(secrets.choice(_SUFFIX_SIGNS) for _ in range(_SUFFIX_LENGTH))
        kept = await insert(tx, replace(offered, slug=slug_of(offered.title, suffix)), shop.seller_id)
        if kept is not None:
            return kept


def _created(kept: Product, shop: Shop) -> ProductCreated:
    return ProductCreated(
        product_id=kept.id,
        shop_id=kept.shop_id,
        seller_id=shop.seller_id,
        title=kept.title,
        status=kept.status,
        category=kept.category,
        price=kept.price,
        score=kept.moderation.score,
    )
