"""What holds for every request: keys against doing twice, request ids, problems, who may."""

import asyncio
from secrets import token_hex

from tests.journeys.people import Town
from tests.journeys.shapes import is_problem

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


async def test_the_same_key_buys_once_and_gives_the_same_answer_again(town: Town) -> None:
    buyer, product = await town.buyer(), await town.product(stock=10)
    key = {"Idempotency-Key": token_hex(8)}
    first = await town.checkout(buyer, [(product, 2)], key)
    again = await town.checkout(buyer, [(product, 2)], key)
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    is_problem(await town.checkout(buyer, [(product, 3)], key), 422, "idempotency-key-reused")
    other = await town.checkout(await town.buyer(), [(product, 3)], key)
    assert other.status == 201
    assert (await town.get(f"/product/api/get-product/{product['id']}"))["product"]["stock"] == 5


async def test_the_same_key_twenty_times_at_once_buys_once(town: Town) -> None:
    buyer, product = await town.buyer(), await town.product(stock=100)
    key = {"Idempotency-Key": token_hex(8)}
    answers = await asyncio.gather(*(town.checkout(buyer, [(product, 1)], key) for _ in range(20)))
    done = [answer for answer in answers if answer.status == 201]
    assert len({answer.body for answer in done}) == 1
    assert len([answer for answer in done if "Idempotency-Replayed" not in answer.headers]) == 1
    for answer in answers:
        if answer.status != 201:
            is_problem(answer, 409, "in-progress")
    rows = await town.market.rows("product", "SELECT stock, held FROM products WHERE id = $1", product["id"])
    assert rows == [{"stock": 99, "held": 1}]


async def test_a_refusal_is_kept_under_its_key_as_well(town: Town) -> None:
    buyer, seller = await town.buyer(), await town.seller()
    product = await town.product(seller, stock=1)
    key = {"Idempotency-Key": token_hex(8)}
    is_problem(await town.checkout(buyer, [(product, 2)], key), 409, "sold-out")
    more = await town.ask("PUT", f"/product/api/update-product/{product['id']}", {"stock": 5}, who=seller)
    assert more.status == 200
    again = await town.checkout(buyer, [(product, 2)], key)
    is_problem(again, 409, "sold-out")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await town.checkout(buyer, [(product, 2)])).status == 201


async def test_a_request_id_is_kept_or_given(town: Town) -> None:
    kept = await town.ask("GET", "/order/api/user-orders", headers={"X-Request-ID": "mine-1"})
    is_problem(kept, 401)
    assert kept.headers["X-Request-ID"] == kept.said["correlation_id"] == "mine-1"
    given = await town.ask("GET", "/order/api/user-orders")
    assert given.headers["X-Request-ID"] == given.said["correlation_id"] != ""
    strange = await town.ask("GET", "/order/api/user-orders", headers={"X-Request-ID": "a b{c}"})
    assert strange.headers["X-Request-ID"] != "a b{c}"


async def test_who_is_not_known_or_not_allowed_is_told_so(town: Town) -> None:
    buyer, seller = await town.buyer(), await town.seller(approved=False)
    is_problem(await town.ask("POST", "/order/api/create-payment-session", {"lines": []}), 401)
    is_problem(await town.ask("GET", "/order/api/user-orders", headers={"Authorization": "Bearer x.y.z"}), 401)
    is_problem(await town.ask("GET", "/order/api/user-orders", who=seller), 403)
    is_problem(await town.ask("GET", "/admin/api/notifications", who=buyer), 403)
    is_problem(await town.ask("POST", f"/admin/api/approve-seller/{seller.id}", {}, who=seller), 403)
    is_problem(await town.ask("GET", "/kafka/api/dead-letters", who=buyer), 403)
    is_problem(await town.ask("GET", "/order/api/nothing-here", who=buyer), 404)
    is_problem(await town.ask("DELETE", "/order/api/user-orders", who=buyer), 405)
    assert await town.items("/kafka/api/dead-letters", await town.admin()) == []


async def test_strange_baskets_of_a_buyer_are_unreadable(town: Town) -> None:
    buyer = await town.buyer()
    headers = {"Content-Type": "application/json"}
    for body in STRANGE_BODIES:
        answer = await town.ask("POST", "/order/api/create-payment-session", raw=body, who=buyer, headers=headers)
        is_problem(answer, 422)
    large = b'{"lines": [' + b" " * 2_000_000 + b"]}"
    is_problem(await town.ask("POST", "/order/api/create-payment-session", raw=large, who=buyer, headers=headers), 413)
    text = await town.ask(
        "POST", "/order/api/create-payment-session", raw=b"{}", who=buyer, headers={"Content-Type": "text/plain"}
    )
    is_problem(text, 415)
