"""The product service on a real database, with doubles of auth and seller: what its tests do to it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import convert
from msgspec.structs import replace

from nextbuy.contracts.auth import Account, AuthClient, ValidateSeller
from nextbuy.contracts.product import HoldStock, Line, Moderation, Product
from nextbuy.contracts.seller import SellerClient, Shop, ValidateShopOwner
from nextbuy.contracts.values import Role, ShopStatus, new_id
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from nextbuy.product.activity import Activities
from nextbuy.product.counters import KnownCounters
from nextbuy.product.create_product import CreateProduct, create_product
from nextbuy.product.deps import Deps
from nextbuy.product.get_product import GetProduct, get_product
from nextbuy.product.hold_stock import hold_stock
from nextbuy.product.model import ProductShown
from nextbuy.product.product_cache import ProductCache
from nextbuy.product.store.shops import ShopWord, keep_shop
from tests.callers import account, caller
from tests.doubles import StubCalls

Json = dict[str, Any]
TEXT = "A thing for the home, made by hand and built to last."


def decoded(body: bytes) -> Json:
    """Return an answer as its reader sees it."""
    read: Json = msgspec.json.decode(body)
    return read


class Desk:
    """One copy of the service; several can stand before one database."""

    def __init__(self, database: Database, *, journal: Journal, calls: StubCalls | None = None) -> None:
        self.calls = calls or StubCalls()
        self.shops: dict[UUID, Shop] = {}
        self.accounts: dict[str, Account] = {}
        if calls is None:
            self.calls.replies = {
                ValidateSeller: lambda call: self.accounts[call.token],
                ValidateShopOwner: lambda call: self.shops[call.seller_id],
            }
        self.database = database
        self.product = Deps(
            AuthClient(self.calls),
            SellerClient(self.calls),
            database,
            journal,
            ProductCache(),
            Activities(),
            KnownCounters(),
        )

    async def seller(self, status: ShopStatus = "approved", name: str = "Clay & Co") -> Account:
        """Let somebody have a shop, which product does not know of yet."""
        who = account(Role.SELLER)
        shop = Shop(new_id(), name, name.lower(), "", "home", status, who.id, 1)
        self.shops[who.id] = shop
        self.accounts[caller(who).token] = who
        return who

    async def shop_becomes(self, who: Account, status: ShopStatus) -> Shop:
        """Let seller decide about a shop, and product hear of it."""
        shop = self.shops[who.id]
        self.shops[who.id] = replace(shop, status=status, version=shop.version + 1)
        await self.hear(self.shops[who.id])
        return self.shops[who.id]

    async def hear(self, shop: Shop) -> None:
        """Let product hear of a shop."""
        async with self.database.transaction() as tx:
            await keep_shop(tx, ShopWord(shop.id, shop.seller_id, shop.name, shop.status, shop.version))

    async def offer(self, who: Account, title: str = "Copper kettle", **fields: object) -> Product:
        """Let a seller offer something."""
        ask = {
            "title": title,
            "description": TEXT,
            "category": "Kitchen",
            "price": {"amount": 2_500, "currency": "USD"},
            "stock": 10,
            **fields,
        }
        shown = await create_product(self.product, caller(who), convert(ask, CreateProduct))
        return shown.product

    async def see(self, key: object, who: Account | None = None) -> Product:
        """Return a product as somebody sees it."""
        answer = await get_product(self.product, caller(who), GetProduct(str(key)))
        return convert(decoded(answer.body), ProductShown).product

    async def hold(self, *lines: tuple[Product, int], session: UUID | None = None) -> UUID:
        """Hold units for a session."""
        session = session or new_id()
        await hold_stock(
            self.product,
            HoldStock(session_id=session, lines=[Line(p.id, n) for p, n in lines], expires_at=soon()),
        )
        return session

    async def units(self, product: Product) -> tuple[int, int, int]:
        """Return what can be bought, is held, is sold."""
        row = await self.database.fetchrow("SELECT stock, held, sold FROM products WHERE id = $1", product.id)
        assert row is not None
        return row["stock"], row["held"], row["sold"]


def soon() -> datetime:
    """Return when a session ends that has just begun."""
    return datetime.now(UTC) + timedelta(minutes=30)


def rules(moderation: Moderation) -> list[str]:
    """Return the rules that moderation names."""
    return [reason.rule for reason in moderation.reasons]
