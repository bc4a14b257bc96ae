"""Both examples of the specification, end to end, in the words of the API."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tests.journeys.people import PASSWORD_FIELDS, Basket, Json, Person, Town, new_trace
from tests.journeys.shapes import has, is_id, is_listed_order, is_money, is_problem, is_product, is_shop, is_time
from tests.waiting import until


async def test_somebody_registers_logs_in_goes_on_and_leaves(town: Town) -> None:
    asked = {"email": "Ada.L@Journeys.nextbuy.test", "name": "Ada", "role": "buyer", **PASSWORD_FIELDS}
    answer = await town.ask("POST", "/auth/api/register", asked)
    assert answer.status == 201, answer.body
    has(answer.said, user=dict, access_token=str, refresh_token=str, expires_in=900)
    has(answer.said["user"], id=is_id, name="Ada", role="buyer")
    assert answer.said["user"]["email"].lower() == asked["email"].lower()
    is_problem(await town.ask("POST", "/auth/api/register", asked), 409, "email-taken")

    ada = await town.login(asked["email"])
    assert (await town.get("/auth/api/me", ada))["user"] == answer.said["user"]

    renewed = await town.post("/auth/api/refresh-session", {"refresh_token": ada.refresh_token}, status=200)
    has(renewed, user=dict, access_token=str, refresh_token=str, expires_in=900)
    town.market.secrets |= {renewed["access_token"], renewed["refresh_token"]}
    again = await town.ask("POST", "/auth/api/refresh-session", {"refresh_token": ada.refresh_token})
    is_problem(again, 401)
    ended = await town.ask("POST", "/auth/api/refresh-session", {"refresh_token": renewed["refresh_token"]})
    is_problem(ended, 401)

    ada = await town.login(asked["email"])
    left = await town.ask("POST", "/auth/api/logout", who=ada)
    assert (left.status, left.body) == (204, b"")
    is_problem(await town.ask("GET", "/auth/api/me", who=ada), 401)


async def test_a_shop_is_opened_waits_and_is_approved(town: Town) -> None:
    admin, seller = await town.admin(), await town.seller(approved=False)
    is_shop(seller.shop, "pending")
    mine = await town.get("/seller/api/my-shop", seller)
    assert mine == {"shop": seller.shop, "seller_status": "pending"}
    second = {"name": "Another", "bio": "", "category": "books"}
    is_problem(await town.ask("POST", "/seller/api/create-shop", second, who=seller), 409)
    is_problem(await town.ask("POST", "/product/api/create-product", town.offer(), who=await town.buyer()), 403)

    waiting = await town.items("/admin/api/get-pending-sellers", admin)
    asks = next(one for one in waiting if one["user_id"] == seller.id)
    has(asks, user_id=is_id, name=seller.name, email=seller.email, shop=dict, submitted_at=is_time)
    await town.post(f"/admin/api/approve-seller/{seller.id}", {}, admin, status=200)
    is_shop((await town.get(f"/seller/api/get-shop/{seller.shop['id']}"))["shop"], "approved")
    assert (await town.get("/seller/api/my-shop", seller))["seller_status"] == "approved"
    assert seller.id not in {one["user_id"] for one in await town.items("/admin/api/get-pending-sellers", admin)}

    refused = await town.seller(approved=False)
    no_reason = await town.ask("POST", f"/admin/api/reject-seller/{refused.id}", {}, who=admin)
    is_problem(no_reason, 422)
    await town.post(f"/admin/api/reject-seller/{refused.id}", {"reason": "No address."}, admin, status=200)
    assert (await town.get("/seller/api/my-shop", refused))["seller_status"] == "rejected"


async def test_example_1_a_basket_from_two_shops_becomes_two_orders(town: Town) -> None:
    buyer = await town.buyer()
    sellers = [await town.seller(), await town.seller()]
    bowl = await town.product(sellers[0], stock=10, price=2_800)
    cup = await town.product(sellers[0], stock=5, price=1_250)
    book = await town.product(sellers[1], stock=3, price=1_999)
    basket = [(bowl, 2), (cup, 1), (book, 3)]
    cents = 2 * 2_800 + 1_250 + 3 * 1_999

    session = await an_open_session(town, buyer, basket, cents)
    page = await town.ask("GET", session["payment_url"])
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert f"{cents / 100:.2f}" in page.body.decode()
    assert (await town.pay(session)).said["status"] == "paid"
    paid = await town.until_it_is("paid", buyer, session)
    assert len(paid["order_ids"]) == 2

    listed = await town.items("/order/api/user-orders", buyer)
    assert {order["id"] for order in listed} == set(paid["order_ids"])
    assert sum(order["total"]["amount"] for order in listed) == cents
    for order in listed:
        seller, other = sorted(sellers, key=lambda one: one.shop["id"] != order["shop_id"])
        await an_order_is_seen_by_whom_it_concerns(town, order, session, seeing=[buyer, seller], strangers=[other])
        assert order["id"] in {one["id"] for one in await town.items("/order/api/seller-orders", seller)}
    await the_admin_is_told_of(town, listed)

    async def stock_has_gone_down() -> bool:
        found = [await town.get(f"/product/api/get-product/{product['slug']}") for product, _ in basket]
        return [one["product"]["stock"] for one in found] == [8, 4, 0]

    await until(stock_has_gone_down, "the stock is shown as bought", within=2.5)
    sold_out = await town.checkout(await town.buyer(), [(bowl, 1), (book, 1)])
    is_problem(sold_out, 409, "sold-out")
    assert (await town.get(f"/product/api/get-product/{bowl['id']}"))["product"]["stock"] == 8


async def an_open_session(town: Town, buyer: Person, basket: Basket, cents: int) -> Json:
    lines = [{"product_id": product["id"], "quantity": quantity} for product, quantity in basket]
    street = {"full_name": "Ada L", "line1": "1 Kiln Street", "city": "Delft"}
    asked = {"lines": lines, "address": {**street, "postal_code": "2611", "country": "NL"}}
    headers = new_trace()
    answer = await town.ask("POST", "/order/api/create-payment-session", asked, who=buyer, headers=headers)
    assert answer.status == 201, answer.body
    assert answer.headers["X-Request-ID"] == headers["X-Request-ID"]
    session: Json = answer.said
    total = {"amount": cents, "currency": "USD"}
    has(session, session_id=is_id, status="open", total=total, lines=list, expires_at=is_time, payment_url=str)
    left = datetime.fromisoformat(session["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    for line, (product, quantity) in zip(session["lines"], basket, strict=True):
        has(line, product_id=product["id"], shop_id=product["shop_id"], title=product["title"], quantity=quantity)
        has(line, unit_price=product["price"])
    has(await town.state(buyer, session), session_id=session["session_id"], status="open", total=total, order_ids=[])
    stranger = await town.buyer()
    is_problem(await town.ask("GET", f"/order/api/payment-session/{session['session_id']}", who=stranger), 404)
    return session


async def an_order_is_seen_by_whom_it_concerns(
    town: Town, order: Json, session: Json, *, seeing: Sequence[Person], strangers: Sequence[Person]
) -> None:
    is_listed_order(order)
    path = f"/order/api/order-details/{order['id']}"
    for who in (*seeing, await town.admin()):
        told = (await town.get(path, who))["order"]
        has(told, id=order["id"], number=order["number"], session_id=session["session_id"], lines=list)
        has(told, shop_id=order["shop_id"], status=str, total=order["total"], created_at=is_time)
        cents = sum(line["unit_price"]["amount"] * line["quantity"] for line in told["lines"])
        assert cents == order["total"]["amount"]
    for stranger in (*strangers, await town.buyer()):
        is_problem(await town.ask("GET", path, who=stranger), 404)


async def the_admin_is_told_of(town: Town, orders: Sequence[Json]) -> None:
    admin = await town.admin()

    async def told() -> bool:
        notes = await town.items("/admin/api/notifications", admin)
        about = [note for note in notes if any(order["number"] in note["message"] for order in orders)]
        for note in about:
            has(note, id=is_id, kind="order-created", title=str, message=str, link=str, source_event_id=is_id)
            has(note, read=False, created_at=is_time)
        return len(about) == len(orders)

    await until(told, "the admin is told of every order")


async def test_example_2_a_product_waits_is_seen_by_the_admin_and_approved(town: Town) -> None:
    admin, seller = await town.admin(), await town.seller()
    lamp = (await town.post("/product/api/create-product", town.offer(category="electronics"), seller))["product"]
    is_product(lamp, "pending")
    assert lamp["shop_id"] == seller.shop["id"]
    assert lamp["moderation"]["reasons"]
    hidden = f"/product/api/get-product/{lamp['id']}"
    is_problem(await town.ask("GET", hidden), 404)
    is_problem(await town.ask("GET", hidden, who=await town.buyer()), 404)
    is_product((await town.get(hidden, seller))["product"], "pending")
    is_product((await town.get(hidden, admin))["product"], "pending")
    is_problem(await town.checkout(await town.buyer(), [(lamp, 1)]), 404)

    async def admin_is_told() -> bool:
        notes = await town.items("/admin/api/notifications", admin)
        about = [note for note in notes if lamp["title"] in note["message"]]
        return [note["kind"] for note in about] == ["product-pending"]

    await until(admin_is_told, "the admin is told of the product that waits")
    waiting = await town.items("/admin/api/get-pending-products", admin)
    is_product(next(product for product in waiting if product["id"] == lamp["id"]), "pending")
    decided = await town.post(f"/admin/api/approve-product/{lamp['id']}", {}, admin, status=200)
    has(decided["product"], id=lamp["id"], status="active")
    assert await town.bought(await town.buyer(), [(decided["product"], 1)])


async def test_moderation_refuses_with_its_reasons_and_looks_again_at_what_was_changed(town: Town) -> None:
    admin, seller = await town.admin(), await town.seller()
    copy = town.offer() | {"description": "A replica of a famous museum vase, as good as the original of the museum."}
    refused = (await town.post("/product/api/create-product", copy, seller))["product"]
    is_product(refused, "rejected")
    assert any(reason["points"] < 0 and "replica" in reason["excerpt"] for reason in refused["moderation"]["reasons"])

    mended = await town.ask(
        "PUT",
        f"/product/api/update-product/{refused['id']}",
        {"description": "A burgundy vase of our own making, turned and fired in the shop."},
        who=seller,
    )
    assert mended.status == 200, mended.body
    assert mended.said["product"]["status"] != "rejected"
    own = await town.items("/product/api/get-shop-products", seller)
    assert [product["id"] for product in own] == [refused["id"]]

    lamp = (await town.post("/product/api/create-product", town.offer(category="electronics"), seller))["product"]
    no = await town.post(f"/admin/api/reject-product/{lamp['id']}", {"reason": "No papers."}, admin, status=200)
    has(no["product"], id=lamp["id"], status="rejected")
    is_problem(await town.ask("GET", f"/product/api/get-product/{lamp['id']}"), 404)


async def test_lists_are_read_page_by_page_and_search_finds_the_best_first(town: Town) -> None:
    seller = await town.seller()
    word = f"zyx{seller.id[-8:]}"
    made = []
    for price in (500, 300, 900, 700, 100):
        offer = town.offer(title=f"Vase {word}", price=price, category=word)
        made.append((await town.post("/product/api/create-product", offer, seller))["product"])

    async def all_are_shown() -> bool:
        return len(await town.items(f"/product/api/get-all-products?category={word}")) == 5

    await until(all_are_shown, "all five are shown")
    for sort, order in (("price-low", sorted), ("price-high", lambda prices: sorted(prices, reverse=True))):
        found, cursor, pages = [], "", 0
        while True:
            page = await town.get(f"/product/api/get-all-products?category={word}&sort={sort}&limit=2{cursor}")
            has(page, items=list)
            assert len(page["items"]) <= 2
            found += [product["price"]["amount"] for product in page["items"]]
            pages += 1
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert (found, pages) == (order([100, 300, 500, 700, 900]), 3)
    latest = await town.items(f"/product/api/get-all-products?category={word}&sort=latest")
    assert [product["id"] for product in latest] == [product["id"] for product in reversed(made)]
    hits = await town.items(f"/product/api/search-products?q={word}")
    assert {product["id"] for product in hits} == {product["id"] for product in made}
    for product in hits:
        is_product(product, "active")
        assert is_money(product["price"])
    is_problem(await town.ask("GET", "/product/api/get-all-products?cursor=nonsense"), 422, "bad-cursor")
    is_problem(await town.ask("GET", "/product/api/get-all-products?limit=0"), 422)


async def test_the_documents_health_and_browser_are_there(town: Town) -> None:
    assert (await town.get("/openapi.json"))["openapi"].startswith("3.1")
    assert (await town.get("/asyncapi.json"))["asyncapi"].startswith("3")
    assert (await town.ask("GET", "/docs")).status == 200
    assert (await town.ask("GET", "/health/live")).status == 200
    checks = (await town.get("/health/ready"))["checks"]
    assert checks.keys() >= {"auth", "product", "seller", "order", "admin", "kafka", "postgres", "redis"}
    assert ("apache-kafka" in checks) == ("NEXTBUY_KAFKA_SERVERS" in town.market.settings)
    assert set(checks.values()) == {"up"}
