"""Rules of every request: idempotency keys, request ids, problem documents, access."""

import asyncio
from secrets import token_hex

from tests.journeys.assertions import assert_problem
from tests.journeys.journey_client import JourneyClient

STRANGE_BODIES = [
    b"",
    b"nonsense",
    b"[]",
    b"null",
    b'{"lines": []}',
    b'{"lines": [{"product_id": "x", "quantity": 1}]}',
    b'{"lines": [{"product_id": 7, "quantity": 1}]}',
    b'{"lines": [{"product_id": "01900000-0000-7000-8000-000000000000", "quantity": 0}]}',
    b'{"lines": [{"product_id": "01900000-0000-7000-8000-000000000000", "quantity": -1}]}',
    b'{"lines": [{"product_id": "01900000-0000-7000-8000-000000000000", "quantity": 1e400}]}',
    b'{"lines": [{"product_id": "01900000-0000-7000-8000-000000000000", "quantity": 99999999999999999999}]}',
    b'{"lines": [{"product_id": "01900000-0000-7000-8000-000000000000", "quantity": 1}], "x": "\\u0000"}',
    b'{"lines": "\\ud800"}',
    b"\xff\xfe",
    b"[" * 50_000,
]


async def test_repeated_key_buys_once_and_replays_response(client: JourneyClient) -> None:
    buyer, product = await client.new_buyer(), await client.new_product(stock=10)
    key = {"Idempotency-Key": token_hex(8)}
    first = await client.checkout(buyer, [(product, 2)], key)
    again = await client.checkout(buyer, [(product, 2)], key)
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert_problem(await client.checkout(buyer, [(product, 3)], key), 422, "idempotency-key-reused")
    other = await client.checkout(await client.new_buyer(), [(product, 3)], key)
    assert other.status == 201
    assert (await client.get(f"/product/api/get-product/{product['id']}"))["product"]["stock"] == 5


async def test_twenty_concurrent_requests_with_one_key_buy_once(client: JourneyClient) -> None:
    buyer, product = await client.new_buyer(), await client.new_product(stock=100)
    key = {"Idempotency-Key": token_hex(8)}
    responses = await asyncio.gather(*(client.checkout(buyer, [(product, 1)], key) for _ in range(20)))
    done = [response for response in responses if response.status == 201]
    assert len({response.body for response in done}) == 1
    assert len([response for response in done if "Idempotency-Replayed" not in response.headers]) == 1
    for response in responses:
        if response.status != 201:
            assert_problem(response, 409, "in-progress")
    rows = await client.market.rows("product", "SELECT stock, held FROM products WHERE id = $1", product["id"])
    assert rows == [{"stock": 99, "held": 1}]


async def test_refusal_is_replayed_under_its_key(client: JourneyClient) -> None:
    buyer, seller = await client.new_buyer(), await client.new_seller()
    product = await client.new_product(seller, stock=1)
    key = {"Idempotency-Key": token_hex(8)}
    assert_problem(await client.checkout(buyer, [(product, 2)], key), 409, "sold-out")
    more = await client.request("PUT", f"/product/api/update-product/{product['id']}", {"stock": 5}, who=seller)
    assert more.status == 200
    again = await client.checkout(buyer, [(product, 2)], key)
    assert_problem(again, 409, "sold-out")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await client.checkout(buyer, [(product, 2)])).status == 201


async def test_request_id_is_kept_or_assigned(client: JourneyClient) -> None:
    kept = await client.request("GET", "/order/api/user-orders", headers={"X-Request-ID": "mine-1"})
    assert_problem(kept, 401)
    assert kept.headers["X-Request-ID"] == kept.json["correlation_id"] == "mine-1"
    given = await client.request("GET", "/order/api/user-orders")
    assert given.headers["X-Request-ID"] == given.json["correlation_id"] != ""
    strange = await client.request("GET", "/order/api/user-orders", headers={"X-Request-ID": "a b{c}"})
    assert strange.headers["X-Request-ID"] != "a b{c}"


async def test_anonymous_and_forbidden_requests_are_refused(client: JourneyClient) -> None:
    buyer, seller = await client.new_buyer(), await client.new_seller(approved=False)
    assert_problem(await client.request("POST", "/order/api/create-payment-session", {"lines": []}), 401)
    assert_problem(
        await client.request("GET", "/order/api/user-orders", headers={"Authorization": "Bearer x.y.z"}), 401
    )
    assert_problem(await client.request("GET", "/order/api/user-orders", who=seller), 403)
    assert_problem(await client.request("GET", "/admin/api/notifications", who=buyer), 403)
    assert_problem(await client.request("POST", f"/admin/api/approve-seller/{seller.id}", {}, who=seller), 403)
    assert_problem(await client.request("GET", "/kafka/api/dead-letters", who=buyer), 403)
    assert_problem(await client.request("GET", "/order/api/nothing-here", who=buyer), 404)
    assert_problem(await client.request("DELETE", "/order/api/user-orders", who=buyer), 405)
    assert await client.list_all("/kafka/api/dead-letters", await client.admin()) == []


async def test_malformed_baskets_are_unprocessable(client: JourneyClient) -> None:
    buyer = await client.new_buyer()
    headers = {"Content-Type": "application/json"}
    for body in STRANGE_BODIES:
        response = await client.request(
            "POST", "/order/api/create-payment-session", raw=body, who=buyer, headers=headers
        )
        assert_problem(response, 422)
    large = b'{"lines": [' + b" " * 2_000_000 + b"]}"
    assert_problem(
        await client.request("POST", "/order/api/create-payment-session", raw=large, who=buyer, headers=headers), 413
    )
    text = await client.request(
        "POST", "/order/api/create-payment-session", raw=b"{}", who=buyer, headers={"Content-Type": "text/plain"}
    )
    assert_problem(text, 415)
