"""The examples of the specification, end to end, through the public API."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import metadata

from tests.journeys.assertions import (
    assert_fields,
    assert_listed_order,
    assert_problem,
    assert_product,
    assert_public_product,
    assert_shop,
    is_id,
    is_money,
    is_time,
)
from tests.journeys.journey_client import PASSWORD_FIELDS, Basket, JourneyClient, Json, Person, trace_headers
from tests.waiting import until


async def test_register_login_refresh_logout(client: JourneyClient) -> None:
    asked = {"email": "Ada.L@Journeys.nextbuy.test", "name": "Ada", "role": "buyer", **PASSWORD_FIELDS}
    response = await client.request("POST", "/auth/api/register", asked)
    assert response.status == 201, response.body
    assert_fields(response.json, user=dict, access_token=str, refresh_token=str, expires_in=900)
    assert_fields(response.json["user"], id=is_id, name="Ada", role="buyer")
    assert response.json["user"]["email"].lower() == asked["email"].lower()
    assert_problem(await client.request("POST", "/auth/api/register", asked), 409, "email-taken")

    ada = await client.login(asked["email"])
    assert (await client.get("/auth/api/me", ada))["user"] == response.json["user"]

    renewed = await client.post("/auth/api/refresh-session", {"refresh_token": ada.refresh_token}, status=200)
    assert_fields(renewed, user=dict, access_token=str, refresh_token=str, expires_in=900)
    client.market.secrets |= {renewed["access_token"], renewed["refresh_token"]}
    again = await client.request("POST", "/auth/api/refresh-session", {"refresh_token": ada.refresh_token})
    assert_problem(again, 401)
    ended = await client.request("POST", "/auth/api/refresh-session", {"refresh_token": renewed["refresh_token"]})
    assert_problem(ended, 401)

    ada = await client.login(asked["email"])
    left = await client.request("POST", "/auth/api/logout", who=ada)
    assert (left.status, left.body) == (204, b"")
    assert_problem(await client.request("GET", "/auth/api/me", who=ada), 401)


async def test_new_shop_waits_for_approval(client: JourneyClient) -> None:
    admin, seller = await client.admin(), await client.new_seller(approved=False)
    assert_shop(seller.shop, "pending")
    mine = await client.get("/seller/api/my-shop", seller)
    assert mine == {"shop": seller.shop, "seller_status": "pending"}
    second = {"name": "Another", "bio": "", "category": "snapshot"}
    assert_problem(await client.request("POST", "/seller/api/create-shop", second, who=seller), 409)
    assert_problem(
        await client.request(
            "POST", "/product/api/create-product", client.product_fields(), who=await client.new_buyer()
        ),
        403,
    )

    waiting = await client.list_all("/admin/api/get-pending-sellers", admin)
    asks = next(one for one in waiting if one["user_id"] == seller.id)
    assert_fields(asks, user_id=is_id, name=seller.name, email=seller.email, shop=dict, submitted_at=is_time)
    await client.post(f"/admin/api/approve-seller/{seller.id}", {}, admin, status=200)
    assert_shop((await client.get(f"/seller/api/get-shop/{seller.shop['id']}"))["shop"], "approved")
    assert (await client.get("/seller/api/my-shop", seller))["seller_status"] == "approved"
    assert seller.id not in {one["user_id"] for one in await client.list_all("/admin/api/get-pending-sellers", admin)}

    refused = await client.new_seller(approved=False)
    no_reason = await client.request("POST", f"/admin/api/reject-seller/{refused.id}", {}, who=admin)
    assert_problem(no_reason, 422)
    await client.post(f"/admin/api/reject-seller/{refused.id}", {"reason": "No address."}, admin, status=200)
    assert (await client.get("/seller/api/my-shop", refused))["seller_status"] == "rejected"


async def test_example_1_basket_of_two_shops_becomes_two_orders(client: JourneyClient) -> None:
    buyer = await client.new_buyer()
    sellers = [await client.new_seller(), await client.new_seller()]
    bowl = await client.new_product(sellers[0], stock=10, price=2_800)
    cup = await client.new_product(sellers[0], stock=5, price=1_250)
    book = await client.new_product(sellers[1], stock=3, price=1_999)
    basket = [(bowl, 2), (cup, 1), (book, 3)]
    cents = 2 * 2_800 + 1_250 + 3 * 1_999

    session = await open_checked_session(client, buyer, basket, cents)
    page = await client.request("GET", session["payment_url"])
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert f"{cents / 100:.2f}" in page.body.decode()
    assert (await client.pay(session)).json["status"] == "paid"
    paid = await client.wait_for_status("paid", buyer, session)
    assert len(paid["order_ids"]) == 2

    listed = await client.list_all("/order/api/user-orders", buyer)
    assert {order["id"] for order in listed} == set(paid["order_ids"])
    assert sum(order["total"]["amount"] for order in listed) == cents
    for order in listed:
        seller, other = sorted(sellers, key=lambda one: one.shop["id"] != order["shop_id"])
        await assert_order_visible_to(client, order, session, seeing=[buyer, seller], strangers=[other])
        assert order["id"] in {one["id"] for one in await client.list_all("/order/api/seller-orders", seller)}
    await assert_admin_is_notified(client, listed)

    async def stock_has_gone_down() -> bool:
        found = [await client.get(f"/product/api/get-product/{product['slug']}") for product, _ in basket]
        return [one["product"]["stock"] for one in found] == [8, 4, 0]

    await until(stock_has_gone_down, "the public stock is reduced", timeout=2.5)
    sold_out = await client.checkout(await client.new_buyer(), [(bowl, 1), (book, 1)])
    assert_problem(sold_out, 409, "sold-out")
    assert (await client.get(f"/product/api/get-product/{bowl['id']}"))["product"]["stock"] == 8


async def open_checked_session(client: JourneyClient, buyer: Person, basket: Basket, cents: int) -> Json:
    lines = [{"product_id": product["id"], "quantity": quantity} for product, quantity in basket]
    street = {"full_name": "Ada L", "line1": "1 Kiln Street", "city": "Delft"}
    asked = {"lines": lines, "address": {**street, "postal_code": "2611", "country": "NL"}}
    headers = trace_headers()
    response = await client.request("POST", "/order/api/create-payment-session", asked, who=buyer, headers=headers)
    assert response.status == 201, response.body
    assert response.headers["X-Request-ID"] == headers["X-Request-ID"]
    session: Json = response.json
    total = {"amount": cents, "currency": "USD"}
    assert_fields(
        session, session_id=is_id, status="open", total=total, lines=list, expires_at=is_time, payment_url=str
    )
    left = datetime.fromisoformat(session["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    for line, (product, quantity) in zip(session["lines"], basket, strict=True):
        assert_fields(
            line, product_id=product["id"], shop_id=product["shop_id"], title=product["title"], quantity=quantity
        )
        assert_fields(line, unit_price=product["price"])
    assert_fields(
        await client.get_session(buyer, session),
        session_id=session["session_id"],
        status="open",
        total=total,
        order_ids=[],
    )
    stranger = await client.new_buyer()
    assert_problem(
        await client.request("GET", f"/order/api/payment-session/{session['session_id']}", who=stranger), 404
    )
    return session


async def assert_order_visible_to(
    client: JourneyClient, order: Json, session: Json, *, seeing: Sequence[Person], strangers: Sequence[Person]
) -> None:
    assert_listed_order(order)
    path = f"/order/api/order-details/{order['id']}"
    for who in (*seeing, await client.admin()):
        details = (await client.get(path, who))["order"]
        assert_fields(details, id=order["id"], number=order["number"], session_id=session["session_id"], lines=list)
        assert_fields(details, shop_id=order["shop_id"], status=str, total=order["total"], created_at=is_time)
        cents = sum(line["unit_price"]["amount"] * line["quantity"] for line in details["lines"])
        assert cents == order["total"]["amount"]
    for stranger in (*strangers, await client.new_buyer()):
        assert_problem(await client.request("GET", path, who=stranger), 404)


async def assert_admin_is_notified(client: JourneyClient, orders: Sequence[Json]) -> None:
    admin = await client.admin()

    async def all_notified() -> bool:
        notes = await client.list_all("/admin/api/notifications", admin)
        about = [note for note in notes if any(order["number"] in note["message"] for order in orders)]
        for note in about:
            assert_fields(note, id=is_id, kind="order-created", title=str, message=str, link=str, source_event_id=is_id)
            assert_fields(note, read=False, created_at=is_time)
        return len(about) == len(orders)

    await until(all_notified, "the admin is notified of every order")


async def test_order_validates_products_before_it_creates_a_session(client: JourneyClient) -> None:
    seller, buyer = await client.new_seller(), await client.new_buyer()
    cup = await client.new_product(seller, stock=2)
    unknown = {"id": seller.id}

    too_many = await client.checkout(buyer, [(cup, 3)])
    missing = await client.checkout(buyer, [(cup, 1), (unknown, 1)])

    assert_problem(too_many, 409, "sold-out")
    assert_problem(missing, 404, "product-not-found")
    assert (await client.get(f"/product/api/get-product/{cup['id']}"))["product"]["stock"] == 2
    assert await client.buy(buyer, [(cup, 2)])


async def test_created_products_are_counted_in_a_notification_of_admins(client: JourneyClient) -> None:
    admin, seller = await client.admin(), await client.new_seller()
    await client.new_product(seller)
    latest = await client.new_product(seller)

    async def notification() -> Json:
        notes = await client.list_all("/admin/api/notifications", admin)
        return next((note for note in notes if note["title"] == f"New products of {seller.shop['name']}"), {})

    async def both_are_counted() -> bool:
        return str((await notification()).get("message", "")).startswith("2 new products on ")

    await until(both_are_counted, "admins are notified of both products")
    assert_fields(await notification(), kind="new-products", link=f"/product/{latest['id']}", source_event_id=is_id)


async def test_example_2_pending_product_is_notified_and_approved(client: JourneyClient) -> None:
    admin, seller = await client.admin(), await client.new_seller()
    lamp = (await client.post("/product/api/create-product", client.product_fields(category="electronics"), seller))[
        "product"
    ]
    assert_product(lamp, "pending")
    assert lamp["shop_id"] == seller.shop["id"]
    assert lamp["moderation"]["reasons"]
    hidden = f"/product/api/get-product/{lamp['id']}"
    assert_problem(await client.request("GET", hidden), 404)
    assert_problem(await client.request("GET", hidden, who=await client.new_buyer()), 404)
    assert_product((await client.get(hidden, seller))["product"], "pending")
    assert_product((await client.get(hidden, admin))["product"], "pending")
    assert_problem(await client.checkout(await client.new_buyer(), [(lamp, 1)]), 404)

    async def admin_is_notified() -> bool:
        notes = await client.list_all("/admin/api/notifications", admin)
        about = [note for note in notes if lamp["title"] in note["message"]]
        return [note["kind"] for note in about] == ["product-pending"]

    await until(admin_is_notified, "the admin is notified of the pending product")
    waiting = await client.list_all("/admin/api/get-pending-products", admin)
    assert_product(next(product for product in waiting if product["id"] == lamp["id"]), "pending")
    decided = await client.post(f"/admin/api/approve-product/{lamp['id']}", {}, admin, status=200)
    assert_fields(decided["product"], id=lamp["id"], status="active")
    assert await client.buy(await client.new_buyer(), [(decided["product"], 1)])


async def test_rejected_product_is_moderated_again_after_change(client: JourneyClient) -> None:
    admin, seller = await client.admin(), await client.new_seller()
    copy = client.product_fields() | {
        "description": "A counterfeit of a famous museum vase, as good as the original of the museum."
    }
    refused = (await client.post("/product/api/create-product", copy, seller))["product"]
    assert_product(refused, "rejected")
    assert any(reason["points"] < 0 and reason["word"] == "counterfeit" for reason in refused["moderation"]["reasons"])

    mended = await client.request(
        "PUT",
        f"/product/api/update-product/{refused['id']}",
        {"description": "A burgundy vase of our own making, turned and fired in the shop."},
        who=seller,
    )
    assert mended.status == 200, mended.body
    assert mended.json["product"]["status"] != "rejected"
    own = await client.list_all("/product/api/get-shop-products", seller)
    assert [product["id"] for product in own] == [refused["id"]]

    lamp = (await client.post("/product/api/create-product", client.product_fields(category="electronics"), seller))[
        "product"
    ]
    no = await client.post(f"/admin/api/reject-product/{lamp['id']}", {"reason": "No papers."}, admin, status=200)
    assert_fields(no["product"], id=lamp["id"], status="rejected")
    assert_problem(await client.request("GET", f"/product/api/get-product/{lamp['id']}"), 404)


async def test_lists_are_paged_and_search_ranks_results(client: JourneyClient) -> None:
    seller = await client.new_seller()
    word = f"zyx{seller.id[-8:]}"
    made = []
    for price in (500, 300, 900, 700, 100):
        offer = client.product_fields(title=f"Vase {word}", price=price, category=word)
        made.append((await client.post("/product/api/create-product", offer, seller))["product"])

    async def all_are_shown() -> bool:
        return len(await client.list_all(f"/product/api/get-all-products?category={word}")) == 5

    await until(all_are_shown, "all five are shown")
    for sort, order in (("price-low", sorted), ("price-high", lambda prices: sorted(prices, reverse=True))):
        found, cursor, pages = [], "", 0
        while True:
            page = await client.get(f"/product/api/get-all-products?category={word}&sort={sort}&limit=2{cursor}")
            assert_fields(page, items=list)
            assert len(page["items"]) <= 2
            found += [product["price"]["amount"] for product in page["items"]]
            pages += 1
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert (found, pages) == (order([100, 300, 500, 700, 900]), 3)
    latest = await client.list_all(f"/product/api/get-all-products?category={word}&sort=latest")
    assert [product["id"] for product in latest] == [product["id"] for product in reversed(made)]
    hits = await client.list_all(f"/product/api/search-products?q={word}")
    assert {product["id"] for product in hits} == {product["id"] for product in made}
    for product in hits:
        assert_public_product(product, "active")
        assert "moderation" not in product
        assert is_money(product["price"])
    assert_problem(await client.request("GET", "/product/api/get-all-products?cursor=nonsense"), 422, "invalid-cursor")
    assert_problem(await client.request("GET", "/product/api/get-all-products?limit=0"), 422)


async def test_documents_health_and_api_browser_are_served(client: JourneyClient) -> None:
    assert (await client.get("/openapi.json"))["openapi"].startswith("3.1")
    assert (await client.get("/asyncapi.json"))["asyncapi"].startswith("3")
    assert (await client.request("GET", "/docs")).status == 200
    assert (await client.request("GET", "/health/live")).status == 200
    assert await client.get("/health/version") == {"version": metadata.version("nextbuy")}
    checks = (await client.get("/health/ready"))["checks"]
    assert checks.keys() >= {
        "auth",
        "product",
        "seller",
        "order",
        "admin",
        "notification",
        "analytics",
        "kafka",
        "postgres",
        "redis",
    }
    assert ("apache-kafka" in checks) == ("NEXTBUY_KAFKA_SERVERS" in client.market.settings)
    assert set(checks.values()) == {"up"}
