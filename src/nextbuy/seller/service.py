"""Seller: shops, their status, and the decisions of admins about their sellers."""

from nextbuy.contracts.auth import AccountReinstated, AccountSuspended
from nextbuy.contracts.operator import operator_acted_of
from nextbuy.contracts.seller import (
    ApplyAccountStatus,
    DecideSeller,
    GetShops,
    ListSellers,
    ReadSellerEvents,
    SellerApproved,
    SellerRegistered,
    SellerRejected,
    SellerSuspended,
    SellerUpdated,
    ValidateShopOwner,
)
from nextbuy.contracts.values import Role
from nextbuy.kit.events.event_log import read_events
from nextbuy.kit.service import Service, answers, get, post, put, subscribe
from nextbuy.seller.apply_account_status import apply_account_status
from nextbuy.seller.create_shop import create_shop
from nextbuy.seller.decide_seller import decide_seller
from nextbuy.seller.deps import Deps
from nextbuy.seller.follow_accounts import follow_accounts
from nextbuy.seller.get_public_shops import get_public_shops
from nextbuy.seller.get_shop import get_shop
from nextbuy.seller.get_shops import get_shops
from nextbuy.seller.list_sellers import list_sellers
from nextbuy.seller.my_shop import my_shop
from nextbuy.seller.review_status import review_status
from nextbuy.seller.update_shop import update_shop
from nextbuy.seller.validate_shop_owner import validate_shop_owner

SERVICE = Service(
    name="seller",
    deps=Deps,
    routes=[
        post("create-shop", create_shop, who=[Role.SELLER], status=201),
        put("update-shop", update_shop, who=[Role.SELLER]),
        get("my-shop", my_shop, who=[Role.SELLER]),
        get("get-shop/{shop_id}", get_shop),
        get("get-shops", get_public_shops),
    ],
    calls=[
        answers(ValidateShopOwner, validate_shop_owner),
        answers(GetShops, get_shops),
        answers(ListSellers, list_sellers),
        answers(DecideSeller, decide_seller),
        answers(ApplyAccountStatus, apply_account_status),
        answers(ReadSellerEvents, read_events),
    ],
    publishes=[
        SellerRegistered,
        SellerUpdated,
        SellerApproved,
        SellerRejected,
        SellerSuspended,
        operator_acted_of("seller"),
    ],
    subscriptions=[
        subscribe("follow-accounts", [AccountSuspended, AccountReinstated], follow_accounts, from_start=True),
    ],
    status=[review_status],
)
