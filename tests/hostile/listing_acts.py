"""The acts of product and seller: a seller opens a shop, lists products, and reads what is hidden from others."""

from dataclasses import replace

import nextbuy.product.service
import nextbuy.seller.service
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.seller import GetShops, SellerClient, Shops
from nextbuy.product.fill_shop_slugs import fill_shop_slugs
from nextbuy.seller.deps import Deps as SellerDeps
from nextbuy.seller.store import insert_shop
from tests.contracts.honest_replies import a_shop
from tests.hostile.act_world import SELLER, World
from tests.lying_callee import Act, LyingCallee, job, request
from tests.product.service_harness import ServiceHarness


async def _product(world: World) -> tuple[ServiceHarness, LyingCallee]:
    service = ServiceHarness(await world.open_database("product"), journal=world.journal)
    callee = world.callee(service.calls)
    service.deps = replace(service.deps, auth=AuthClient(callee.send), seller=SellerClient(callee.send))
    return service, callee


async def listing(world: World) -> Act:
    """A seller lists a product."""
    service, callee = await _product(world)
    body = {"title": "Mug", "description": "", "category": "home", "price": {"amount": 900}, "stock": 3}
    seller = await service.seller()
    run = request(nextbuy.product.service.SERVICE, service.deps, seller, "POST", "create-product", body)
    return Act(callee=callee, database=service.database, run=run)


async def view_of_hidden_product(world: World) -> Act:
    """A seller reads a product that buyers do not see."""
    service, callee = await _product(world)
    seller = await service.seller()
    lamp = await service.create_product(seller, "Desk lamp", category="electronics")
    run = request(nextbuy.product.service.SERVICE, service.deps, seller, "GET", f"get-product/{lamp.id}")
    return Act(callee=callee, database=service.database, run=run)


async def slugs_of_shops(world: World) -> Act:
    """A job reads the slugs of two shops that an earlier release copied."""
    service, callee = await _product(world)
    for name in ("Kiln", "Loom"):
        await service.create_product(await service.seller(name=name))
    shops = list(service.shops.values())
    service.calls.replies[GetShops] = lambda call: Shops([shop for shop in shops if shop.id in call.shop_ids])

    async def remove_slugs() -> None:
        await service.database.execute("UPDATE shops SET slug = NULL")

    run = job(lambda: fill_shop_slugs(service.deps))
    return Act(callee=callee, database=service.database, run=run, prepare=remove_slugs)


async def opening_of_shop(world: World) -> Act:
    """A seller opens a shop."""
    database, callee = await world.open_database("seller"), world.callee({})
    deps = SellerDeps(auth=AuthClient(callee.send), database=database)
    body = {"name": "Clay", "bio": "", "category": "home"}
    run = request(nextbuy.seller.service.SERVICE, deps, SELLER, "POST", "create-shop", body)
    return Act(callee=callee, database=database, run=run)


async def view_of_hidden_shop(world: World) -> Act:
    """A seller reads a shop that is not approved."""
    database, callee = await world.open_database("seller"), world.callee({})
    deps = SellerDeps(auth=AuthClient(callee.send), database=database)
    shop = a_shop(status="pending", seller_id=SELLER.id)
    async with database.transaction() as tx:
        await insert_shop(tx, shop, seller_name="Ada", seller_email="ada@example.test")
    run = request(nextbuy.seller.service.SERVICE, deps, SELLER, "GET", f"get-shop/{shop.id}")
    return Act(callee=callee, database=database, run=run)
