"""The product service on a real database with stubs of auth and seller, and steps for its tests."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import convert
from msgspec.structs import replace

from nextbuy.contracts.auth import Account, AuthClient, ValidateSeller, ValidateUser
from nextbuy.contracts.product import HoldStock, Line, Moderation, Product
from nextbuy.contracts.seller import SellerClient, Shop, ValidateShopOwner
from nextbuy.contracts.values import Role, ShopStatus, new_id
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.cache import SharedCache
from nextbuy.kit.storage.database import Database
from nextbuy.product.activity_buffer import ActivityBuffer
from nextbuy.product.counters_cache import CountersCache
from nextbuy.product.create_product import CreateProduct, create_product
from nextbuy.product.deps import Deps
from nextbuy.product.get_product import GetProduct, get_product
from nextbuy.product.hold_stock import hold_stock
from nextbuy.product.model import ProductShown, ShownProduct, shop_state, shown_product
from nextbuy.product.product_cache import ProductCache
from nextbuy.product.store.changes import ChangeFeed
from nextbuy.product.store.shops import upsert_shops
from tests.callers import account, caller, confirm
from tests.doubles import StubCalls

Json = dict[str, Any]
TEXT = "A thing for the home, made by hand and built to last."


def decoded(body: bytes) -> Json:
    """Decode a JSON body."""
    read: Json = msgspec.json.decode(body)
    return read


def shown(product: Product, *, to_owner: bool = False) -> ShownProduct:
    """Return a product as get-product shows it to anybody, or to its owner."""
    return shown_product(product, to_owner=to_owner).product


class ServiceHarness:
    """One process's copy of the service; several may share a database."""

    def __init__(self, database: Database, *, journal: Journal, calls: StubCalls | None = None) -> None:
        self.calls = calls or StubCalls()
        self.shops: dict[UUID, Shop] = {}
        if calls is None:
            self.calls.replies = {
                ValidateSeller: confirm,
                ValidateUser: confirm,
                ValidateShopOwner: lambda call: self.shops[call.seller_id],
            }
        self.database = database
        self.deps = Deps(
            auth=AuthClient(self.calls),
            seller=SellerClient(self.calls),
            database=database,
            journal=journal,
            cache=ProductCache(SharedCache(None, "")),
            feed=ChangeFeed(database),
            activity=ActivityBuffer(),
            counters=CountersCache(),
        )

    async def seller(self, status: ShopStatus = "approved", name: str = "Clay & Co") -> Account:
        """Add a seller with a shop that product does not know yet."""
        who = account(Role.SELLER)
        shop = Shop(new_id(), name, name.lower(), "", "home", status, who.id, 1)
        self.shops[who.id] = shop
        return who

    async def set_shop_status(self, who: Account, status: ShopStatus) -> Shop:
        """Change the status of a shop, and store it in product."""
        shop = self.shops[who.id]
        self.shops[who.id] = replace(shop, status=status, version=shop.version + 1)
        await upsert_shops(self.database, [shop_state(self.shops[who.id])])
        return self.shops[who.id]

    async def create_product(self, who: Account, title: str = "Copper kettle", **fields: object) -> Product:
        """List a product for a seller, by default a copper kettle."""
        fields = {
            "title": title,
            "description": TEXT,
            "category": "Kitchen",
            "price": {"amount": 2_500, "currency": "USD"},
            "stock": 10,
            **fields,
        }
        return (await create_product(self.deps, caller(who), convert(fields, CreateProduct))).product

    async def get_product(self, key: object, who: Account | None = None) -> ShownProduct:
        """Return a product as `who`, or an anonymous visitor, sees it."""
        reply = await get_product(self.deps, caller(who), GetProduct(str(key)))
        return convert(decoded(reply.body), ProductShown).product

    async def hold(
        self, *lines: tuple[Product, int], session: UUID | None = None, replaces: UUID | None = None
    ) -> UUID:
        """Hold units for a session, which may replace another."""
        session = session or new_id()
        await hold_stock(
            self.deps,
            HoldStock(
                session_id=session, lines=[Line(p.id, n) for p, n in lines], expires_at=soon(), replaces=replaces
            ),
        )
        return session

    async def stock_levels(self, product: Product) -> tuple[int, int, int]:
        """Return the units in stock, held, and sold."""
        row = await self.database.fetchrow("SELECT stock, held, sold FROM products WHERE id = $1", product.id)
        assert row is not None
        return row["stock"], row["held"], row["sold"]


def soon() -> datetime:
    """Return the expiry of a new session."""
    return datetime.now(UTC) + timedelta(minutes=30)


def rules(moderation: Moderation) -> list[str]:
    """Return the rules of a moderation's reasons."""
    return [reason.rule for reason in moderation.reasons]
