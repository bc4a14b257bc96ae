"""Product: the products of all shops, their moderation, stock, search, and the counts of views and sales."""

from typing import Final

from nextbuy.contracts.operator import operator_acted_of
from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import (
    CopyShop,
    DecideProduct,
    HoldStock,
    ListProducts,
    ProductAddedToBasket,
    ProductApproved,
    ProductCreated,
    ProductPending,
    ProductRejected,
    ProductUpdated,
    ProductViewed,
    ReadProductEvents,
    ReleaseStock,
    UpdateStock,
    ValidateProducts,
)
from nextbuy.contracts.product_offers import GetOffers
from nextbuy.contracts.seller import SHOP_EVENTS
from nextbuy.contracts.values import Role
from nextbuy.kit.events.event_log import read_events
from nextbuy.kit.service import RawContent, Service, answers, get, job, post, put, subscribe
from nextbuy.product.archive_product import archive_product
from nextbuy.product.copy_shop import copy_shop
from nextbuy.product.copy_shops import copy_shops
from nextbuy.product.count_activity import count_activity
from nextbuy.product.create_product import create_product
from nextbuy.product.decide_product import decide_product
from nextbuy.product.deps import Deps
from nextbuy.product.duplicate_product import duplicate_product
from nextbuy.product.fill_shop_slugs import fill_shop_slugs
from nextbuy.product.flush_activity import flush_activity
from nextbuy.product.get_activity import get_activity
from nextbuy.product.get_all_products import get_all_products
from nextbuy.product.get_archived_product import get_archived_product
from nextbuy.product.get_categories import get_categories
from nextbuy.product.get_offers import get_offers
from nextbuy.product.get_product import get_product
from nextbuy.product.get_products import get_products
from nextbuy.product.get_shop_products import get_shop_products
from nextbuy.product.get_sitemap_parts import get_sitemap_parts
from nextbuy.product.get_sitemap_products import get_sitemap_products
from nextbuy.product.get_sitemap_shops import get_sitemap_shops
from nextbuy.product.hold_stock import hold_stock
from nextbuy.product.list_products import list_products
from nextbuy.product.poll_changes import poll_changes
from nextbuy.product.release_expired import release_expired
from nextbuy.product.release_stock import release_stock
from nextbuy.product.report_activity import report_activity
from nextbuy.product.restore_product import restore_product
from nextbuy.product.review_status import review_status
from nextbuy.product.search_products import search_products
from nextbuy.product.show_picture import show_picture
from nextbuy.product.update_product import update_product
from nextbuy.product.update_stock import update_stock
from nextbuy.product.validate_products import validate_products

SERVICE: Final = Service(
    name="product",
    deps=Deps,
    routes=[
        post("create-product", create_product, who=[Role.SELLER], status=201),
        put("update-product/{product_id}", update_product, who=[Role.SELLER], if_match=True),
        post("archive-product/{product_id}", archive_product, who=[Role.SELLER]),
        post("restore-product/{product_id}", restore_product, who=[Role.SELLER]),
        post("duplicate-product/{product_id}", duplicate_product, who=[Role.SELLER], status=201),
        get("get-product/{key}", get_product),
        get("get-archived-product/{key}", get_archived_product),
        get("get-activity/{product_id}", get_activity),
        get("get-products", get_products),
        get("get-all-products", get_all_products),
        get("get-categories", get_categories),
        get("search-products", search_products),
        get("get-sitemap-parts", get_sitemap_parts),
        get("get-sitemap-products", get_sitemap_products),
        get("get-sitemap-shops", get_sitemap_shops),
        get("get-shop-products", get_shop_products, who=[Role.SELLER]),
        post("report-activity", report_activity, status=202, body_limit=16 * 1024),
        get("picture/{product_id}", show_picture, raw=RawContent(produces=("image/svg+xml",), has_etag=True)),
    ],
    calls=[
        answers(ValidateProducts, validate_products),
        answers(GetOffers, get_offers),
        answers(HoldStock, hold_stock),
        answers(ReleaseStock, release_stock),
        answers(UpdateStock, update_stock),
        answers(ListProducts, list_products),
        answers(DecideProduct, decide_product),
        answers(CopyShop, copy_shop),
        answers(ReadProductEvents, read_events),
    ],
    publishes=[
        operator_acted_of("product"),
        ProductCreated,
        ProductUpdated,
        ProductPending,
        ProductApproved,
        ProductRejected,
        ProductViewed,
        ProductAddedToBasket,
    ],
    subscriptions=[
        subscribe("copy-shops", SHOP_EVENTS, copy_shops),
        subscribe("count-activity", [ProductViewed, OrderCreated], count_activity),
    ],
    status=[review_status],
    jobs=[
        job("poll-changes", poll_changes, every=0.5),
        job("release-expired-holds", release_expired, every=10.0),
        job("fill-shop-slugs", fill_shop_slugs, every=10.0),
        job("flush-activity", flush_activity, every=1.0),
    ],
    startup=poll_changes,
    shutdown=flush_activity,
)
