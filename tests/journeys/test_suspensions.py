"""The goods of a suspended account are off sale at once, until the account is reinstated."""

from tests.journeys.assertions import assert_problem
from tests.journeys.journey_client import JourneyClient, Json, Person
from tests.waiting import until


async def hidden(client: JourneyClient, product: Json) -> list[bool]:
    """Return whether a product is hidden from each of the ways to find it."""
    found = await client.request("GET", f"/product/api/get-product/{product['id']}")
    by_ids = await client.get(f"/product/api/get-products?ids={product['id']}")
    listed = await client.get("/product/api/get-all-products?limit=100")
    searched = await client.get(f"/product/api/search-products?q={product['title'].split()[0]}&limit=100")
    return [found.status == 404, *(product["id"] not in str(page["items"]) for page in (by_ids, listed, searched))]


async def decide(client: JourneyClient, decision: str, seller: Person, reason: str = "Fraud.") -> None:
    await client.post(f"/admin/api/{decision}/{seller.id}", {"reason": reason}, await client.admin(), status=200)


async def test_goods_of_a_suspended_account_are_off_sale_until_it_is_reinstated(client: JourneyClient) -> None:
    seller, buyer = await client.new_seller(), await client.new_buyer()
    product = await client.new_product(seller)
    session = await client.open_session(buyer, [(product, 1)])

    await decide(client, "suspend-account", seller)

    assert (await client.checkout(buyer, [(product, 1)])).status in {404, 409}
    await until(lambda: all_hidden(client, product), "hidden within a second", timeout=1.0)

    # A checkout that was open already may be paid.
    await client.pay(session)
    await client.wait_for_status("paid", buyer, session)

    await decide(client, "reinstate-account", seller)
    await until(lambda: for_sale(client, product), "for sale within a second", timeout=1.0)
    await client.open_session(buyer, [(product, 1)])


async def test_reinstated_account_leaves_the_suspension_of_its_shop(client: JourneyClient) -> None:
    seller, buyer = await client.new_seller(), await client.new_buyer()
    product = await client.new_product(seller)

    await decide(client, "suspend-account", seller)
    await decide(client, "suspend-seller", seller)
    await decide(client, "reinstate-account", seller)

    assert_problem(await client.request("GET", f"/product/api/get-product/{product['id']}"), 404, "product-not-found")
    assert (await client.checkout(buyer, [(product, 1)])).status in {404, 409}
    await decide(client, "approve-seller", seller)
    await until(lambda: for_sale(client, product), timeout=1.0)


async def all_hidden(client: JourneyClient, product: Json) -> bool:
    return all(await hidden(client, product))


async def for_sale(client: JourneyClient, product: Json) -> bool:
    return not any(await hidden(client, product))
