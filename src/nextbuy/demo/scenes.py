"""What the demo acts, in order: people and shops, products and their moderation, a purchase from two shops."""

from dataclasses import dataclass
from secrets import token_hex, token_urlsafe
from typing import Any, Final
from urllib.parse import urlsplit

from nextbuy.demo.client import Trace
from nextbuy.demo.stage import DemoError, Person, Stage

CARD: Final = "4242424242424242"
"""The simulator's card that always pays."""
_NOT_LOGGED_IN: Final = frozenset({401, 403, 404, 422})
_NOT_ENDED: Final = "open"


@dataclass(frozen=True)
class Cast:
    """Who takes part; `run` tells this run's people, shops and products from those of any other."""

    run: str
    admin: Person
    user: Person
    sellers: tuple[Person, Person]


@dataclass(frozen=True)
class Goods:
    """A product that can be bought, with the quantity that will be."""

    id: str
    title: str
    quantity: int


@dataclass(frozen=True)
class Moderated:
    """The moderation example, acted: its trace, and what may be bought now."""

    trace: Trace
    goods: tuple[Goods, ...]


@dataclass(frozen=True)
class Bought:
    """The order example, acted: its trace, the request by which it was paid, and its orders."""

    trace: Trace
    payment: str
    order_ids: tuple[str, ...]


async def people(stage: Stage, email: str, password: str) -> Cast:
    """Log the admin in, and register a buyer and two sellers.

    Raises:
        DemoError: this is no admin of the marketplace, or somebody could not be registered.
    """
    run = token_hex(3)
    stage.screen.heading("People")
    visitor = Person("Admin")
    answer = await stage.ask(visitor, "POST", "/auth/api/login", {"email": email, "password": password})
    if answer.status in _NOT_LOGGED_IN:
        message = (
            f"The demo cannot log in as the admin {email}: {answer.why}. Where the marketplace was started without "
            "its demo accounts, make an admin with `nextbuy create-admin EMAIL` and name it here with --admin-email "
            "and --admin-password, or NEXTBUY_ADMIN_EMAIL and NEXTBUY_ADMIN_PASSWORD."
        )
        raise DemoError(message)
    if not answer.good:
        message = f"The login of the admin {email} was answered with {answer.status}: {answer.why}"
        raise DemoError(message)
    if answer.said["user"]["role"] != "admin":
        message = f"{email} is no admin but a {answer.said['user']['role']}; the demo needs an admin."
        raise DemoError(message)
    stage.screen.step("Admin", f"logs in as {email}", answer.status, answer.ms)
    admin = Person("Admin", answer.said["access_token"], answer.said["user"]["id"])
    user = await _registered(stage, "User", "buyer", run)
    sellers = await _registered(stage, "Seller", "seller", run), await _registered(stage, "Seller 2", "seller", run)
    return Cast(run, admin, user, sellers)


async def _registered(stage: Stage, name: str, role: str, run: str) -> Person:
    email = f"{name.lower().replace(' ', '-')}-{run}@demo.nextbuy.test"
    asked = {"email": email, "password": token_urlsafe(18), "name": f"Demo {name} {run}", "role": role}
    said = await stage.do(Person(name), f"registers as {email}", "POST", "/auth/api/register", asked)
    return Person(name, said["access_token"], said["user"]["id"])


async def shops(stage: Stage, cast: Cast) -> None:
    """Open two shops and have them approved.

    Raises:
        DemoError: it could not be done.
    """
    stage.screen.heading("Shops")
    for seller, name, category in zip(
        cast.sellers, ("Kiln & Wheel", "Paper Lantern"), ("ceramics", "books"), strict=True
    ):
        asked = {"name": f"{name} {cast.run}", "bio": "A shop that the demo has opened.", "category": category}
        what = f"opens the shop “{asked['name']}”"
        said = await stage.do(seller, what, "POST", "/seller/api/create-shop", asked)
        stage.screen.note(f"It is {said['shop']['status']}: an admin decides who may sell.")
    waiting = {seller["user_id"] async for seller in stage.items(cast.admin, "/admin/api/get-pending-sellers")}
    for seller in cast.sellers:
        if seller.id not in waiting:
            message = f"{seller.name} has opened a shop, and it is not among the sellers that wait for approval."
            raise DemoError(message)
        what = f"approves {seller.name}, from the list of those who wait"
        await stage.do(cast.admin, what, "POST", f"/admin/api/approve-seller/{seller.id}", {})


async def products(stage: Stage, cast: Cast) -> Moderated:
    """Offer products: two that moderation lets through, one that waits for the admin, one that is refused.

    Raises:
        DemoError: it could not be done, or moderation has decided otherwise.
    """
    stage.screen.heading("Products and their moderation")
    first, second = cast.sellers
    trace = Trace(f"demo-{cast.run}-moderation")
    bowl = await _offered(stage, first, _product(f"Speckled bowl {cast.run}", "ceramics", 2_800, 12), "active")
    lamp = await _offered(stage, first, _product(f"Desk lamp {cast.run}", "electronics", 6_450, 5), "pending", trace)
    copy = _product(f"Vase {cast.run}", "ceramics", 9_900, 3) | {"description": "A replica of a famous museum vase."}
    await _offered(stage, first, copy, "rejected")
    book = await _offered(stage, second, _product(f"Night walks {cast.run}", "books", 1_995, 8), "active")

    async def notified() -> str | None:
        async for note in stage.items(cast.admin, "/admin/api/notifications"):
            if note["kind"] == "product-pending" and lamp["title"] in f"{note['title']} {note['message']}":
                return f"{note['title']}: {note['message']}"
        return None

    stage.screen.note(await stage.until(cast.admin, "is notified of the product that waits", notified))
    if not await _is_waiting(stage, cast.admin, lamp["id"], trace):
        message = f"{lamp['title']} waits for a decision, and it is not among the products that do."
        raise DemoError(message)
    what = f"approves “{lamp['title']}”"
    await stage.do(cast.admin, what, "POST", f"/admin/api/approve-product/{lamp['id']}", {})
    bought = (bowl, 2), (lamp, 1), (book, 3)
    return Moderated(trace, tuple(Goods(product["id"], product["title"], units) for product, units in bought))


def _product(title: str, category: str, cents: int, stock: int) -> dict[str, Any]:
    return {
        "title": title,
        "description": "Made by hand in small numbers, and offered by the demo.",
        "category": category,
        "price": {"amount": cents, "currency": "USD"},
        "stock": stock,
        "tags": ["demo", "handmade"],
    }


async def _offered(
    stage: Stage, seller: Person, product: dict[str, Any], expected: str, trace: Trace | None = None
) -> dict[str, Any]:
    what = f"offers “{product['title']}” ({product['category']}, {_money(product['price'])})"
    said = await stage.do(seller, what, "POST", "/product/api/create-product", product, trace=trace)
    made: dict[str, Any] = said["product"]
    judged = made["moderation"]
    stage.screen.note(f"Moderation: {made['status']}, with {judged['score']} of 100 points.")
    for reason in judged["reasons"]:
        if reason["points"] < 0:
            found = f"{reason['rule']} ({reason['points']}) in the {reason['field']}"
            stage.screen.note(f"{found}: “{reason['excerpt']}”")
    if made["status"] != expected:
        message = f"Moderation has made “{made['title']}” {made['status']}; it should be {expected}."
        raise DemoError(message)
    return made


async def _is_waiting(stage: Stage, admin: Person, product_id: str, trace: Trace) -> bool:
    """Look through the waiting products as the example does: the first page with its trace, the others without."""
    path = "/admin/api/get-pending-products"
    page = await stage.do(admin, "reads which products wait for a decision", "GET", f"{path}?limit=100", trace=trace)
    if any(product["id"] == product_id for product in page["items"]):
        return True
    return any([product["id"] == product_id async for product in stage.items(admin, path)])


async def purchase(stage: Stage, cast: Cast, goods: tuple[Goods, ...]) -> Bought:
    """Buy from both shops in one basket, pay, and see what has come of it.

    Raises:
        DemoError: it could not be done.
    """
    stage.screen.heading("One basket from two shops")
    before = {one.id: await _stock(stage, cast.user, one) for one in goods}
    trace = Trace(f"demo-{cast.run}-order")
    asked = {"lines": [{"product_id": one.id, "quantity": one.quantity} for one in goods]}
    basket = ", ".join(f"{one.quantity} of “{one.title}”" for one in goods)
    path = "/order/api/create-payment-session"
    session = await stage.do(cast.user, f"opens a payment session for {basket}", "POST", path, asked, trace=trace)
    stage.screen.note(
        f"{_money(session['total'])} in all, to be paid by {session['expires_at'][:16].replace('T', ' ')} UTC."
    )
    payment = urlsplit(stage.client.address(session["payment_url"]))
    if payment.hostname and payment.hostname.endswith("stripe.com"):
        message = "This marketplace takes real payments; the demo can only pay where the payment simulator is."
        raise DemoError(message)
    what = f"pays with the card {CARD[:4]}…{CARD[-4:]}"
    await stage.do(cast.user, what, "POST", session["payment_url"], {"card_number": CARD}, trace=trace)
    order_ids = await _paid(stage, cast.user, session["session_id"])
    await _outcome(stage, cast, goods, before)
    await _orders(stage, cast, order_ids)
    return Bought(trace, f"POST {payment.path}", order_ids)


async def _stock(stage: Stage, user: Person, one: Goods) -> int:
    """Return the stock of a product as a buyer sees it, once the shop shows it."""

    async def shown() -> int | None:
        answer = await stage.ask(user, "GET", f"/product/api/get-product/{one.id}")
        return int(answer.said["product"]["stock"]) if answer.good else None

    stock = await stage.until(user, f"finds “{one.title}”", shown)
    stage.screen.note(f"{stock} in stock.")
    return stock


async def _paid(stage: Stage, user: Person, session_id: str) -> tuple[str, ...]:
    async def ended() -> dict[str, Any] | None:
        answer = await stage.ask(user, "GET", f"/order/api/payment-session/{session_id}")
        return answer.said if answer.good and answer.said["status"] != _NOT_ENDED else None

    session = await stage.until(user, "waits for the payment to arrive", ended, within=20.0)
    if session["status"] != "paid":
        message = f"The payment session is {session['status']} instead of paid."
        raise DemoError(message)
    stage.screen.note(f"The session is paid, and became {len(session['order_ids'])} orders.")
    return tuple(session["order_ids"])


async def _outcome(stage: Stage, cast: Cast, goods: tuple[Goods, ...], before: dict[str, int]) -> None:
    """Show the stock before and after; a kept answer may be behind for a moment."""
    left = {one.id: before[one.id] - one.quantity for one in goods}

    async def taken() -> dict[str, int] | None:
        now: dict[str, int] = {}
        for one in goods:
            answer = await stage.ask(cast.user, "GET", f"/product/api/get-product/{one.id}")
            now[one.id] = answer.said["product"]["stock"] if answer.good else -1
        return now if now == left else None

    after = await stage.until(cast.user, "sees that the stock has gone down", taken)
    for one in goods:
        stage.screen.note(f"“{one.title}”: {before[one.id]} before, {after[one.id]} after {one.quantity} were bought.")


async def _orders(stage: Stage, cast: Cast, order_ids: tuple[str, ...]) -> None:
    numbers = {}
    for order_id in order_ids:
        what = "reads an order, one of each shop"
        order = (await stage.do(cast.user, what, "GET", f"/order/api/order-details/{order_id}"))["order"]
        numbers[order_id] = order["number"]
        units = sum(line["quantity"] for line in order["lines"])
        stage.screen.note(f"{order['number']}: {units} units, {_money(order['total'])}, {order['status']}.")
    life = await stage.do(cast.user, "reads how it came about", "GET", f"/order/api/order-timeline/{order_ids[0]}")
    stage.screen.note(", ".join(item["title"].lower() for item in life["items"]).capitalize() + ".")
    listed = {order["id"] async for order in stage.items(cast.user, "/order/api/user-orders")}
    if len(numbers) != len(cast.sellers) or listed != {*numbers}:
        message = f"There should be one order for each of {len(cast.sellers)} shops, and the user should see them all."
        raise DemoError(message)

    await _told(stage, cast.admin, "/admin/api/notifications", "order-created", numbers)
    await _told(stage, cast.user, "/kafka/api/notifications", "order-placed", numbers)


async def _told(stage: Stage, who: Person, path: str, kind: str, numbers: dict[str, str]) -> None:
    """Show what somebody was told of orders, once he was told of them all; `numbers` by order id."""

    async def told() -> list[str] | None:
        found = {}
        async for note in stage.items(who, path):
            for order_id, number in numbers.items():
                if note["kind"] == kind and (number in note["message"] or order_id in (note["link"] or "")):
                    found[order_id] = f"{note['title']}: {note['message']}"
            if len(found) == len(numbers):
                return list(found.values())
        return None

    for note in await stage.until(who, "is notified of every order", told):
        stage.screen.note(note)


def _money(money: dict[str, Any]) -> str:
    return f"{money['amount'] / 100:,.2f} {money['currency']}"
