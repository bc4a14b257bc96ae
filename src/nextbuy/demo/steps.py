"""The steps of the walkthrough, in order: accounts and shops, products and their moderation, a purchase.

A refused request or an unexpected result raises `DemoError`.
"""

from dataclasses import dataclass
from secrets import token_hex, token_urlsafe
from typing import Any, Final
from urllib.parse import urlsplit

from nextbuy.demo.client import Trace
from nextbuy.demo.walkthrough import DemoError, Person, Walkthrough

CARD: Final = "4242424242424242"
"""The simulator's card that is always accepted."""
_CANNOT_LOG_IN: Final = frozenset({401, 403, 404, 422})
_OPEN: Final = "open"
_PAYMENT_TIMEOUT: Final = 20.0


@dataclass(frozen=True)
class Accounts:
    """The people of one run; `run` is in the names of its accounts, shops and products."""

    run: str
    admin: Person
    user: Person
    sellers: tuple[Person, Person]


@dataclass(frozen=True)
class BasketItem:
    """A product, and the quantity to buy."""

    id: str
    title: str
    quantity: int


@dataclass(frozen=True)
class ModerationResult:
    """The traces of an active and of a pending product, and the products that are for sale."""

    created: Trace
    trace: Trace
    basket: tuple[BasketItem, ...]


@dataclass(frozen=True)
class Purchase:
    """The trace of the order example, and the request that made the payment."""

    trace: Trace
    payment: str


async def prepare_accounts(demo: Walkthrough, email: str, password: str) -> Accounts:
    """Sign in as the admin, and register a buyer and two sellers."""
    run = token_hex(3)
    demo.screen.heading("Accounts")
    response = await demo.request(Person("Admin"), "POST", "/auth/api/login", {"email": email, "password": password})
    if response.status in _CANNOT_LOG_IN:
        message = (
            f"The demo cannot sign in as the admin {email}: {response.reason}. If the marketplace was started without"
            " demo accounts, create an admin with `nextbuy create-admin EMAIL` and name it with --admin-email and"
            " --admin-password, or NEXTBUY_ADMIN_EMAIL and NEXTBUY_ADMIN_PASSWORD."
        )
        raise DemoError(message)
    if not response.ok:
        raise DemoError(f"The login of the admin {email} returned {response.status}: {response.reason}")
    user = response.json["user"]
    if user["role"] != "admin":
        raise DemoError(f"{email} is not an admin but a {user['role']}. Name an admin with --admin-email.")
    demo.screen.step("Admin", f"signs in as {email}", response.status, response.ms)
    return Accounts(
        run,
        Person("Admin", response.json["access_token"], user["id"]),
        await _register(demo, "User", "buyer", run),
        (await _register(demo, "Seller", "seller", run), await _register(demo, "Seller 2", "seller", run)),
    )


async def _register(demo: Walkthrough, name: str, role: str, run: str) -> Person:
    email = f"{name.lower().replace(' ', '-')}-{run}@demo.nextbuy.test"
    body = {"email": email, "password": token_urlsafe(18), "name": f"Demo {name} {run}", "role": role}
    reply = await demo.do(Person(name), f"registers as {email}", "POST", "/auth/api/register", body)
    return Person(name, reply["access_token"], reply["user"]["id"])


async def open_shops(demo: Walkthrough, accounts: Accounts) -> None:
    """Open two shops and have the admin approve them."""
    demo.screen.heading("Shops")
    shops = ("Kiln & Wheel", "ceramics"), ("Paper Lantern", "books")
    for seller, (name, category) in zip(accounts.sellers, shops, strict=True):
        body = {"name": f"{name} {accounts.run}", "bio": "A shop that the demo has opened.", "category": category}
        what = f"opens the shop “{body['name']}”"
        reply = await demo.do(seller, what, "POST", "/seller/api/create-shop", body)
        demo.screen.note(f"Its status is {reply['shop']['status']}: an admin decides who may sell.")
    pending = demo.items(accounts.admin, "/admin/api/get-pending-sellers")
    pending_ids = {seller["user_id"] async for seller in pending}
    for seller in accounts.sellers:
        if seller.id not in pending_ids:
            raise DemoError(f"{seller.name} has opened a shop but is not in the list of pending sellers.")
        what = f"approves {seller.name} from the list of pending sellers"
        await demo.do(accounts.admin, what, "POST", f"/admin/api/approve-seller/{seller.id}", {})


async def offer_products(demo: Walkthrough, accounts: Accounts) -> ModerationResult:
    """Offer four products: two are accepted at once, one is pending until the admin approves it, one is rejected."""
    demo.screen.heading("Products and their moderation")
    run = accounts.run
    first, second = accounts.sellers
    created, trace = Trace(f"demo-{run}-created"), Trace(f"demo-{run}-moderation")
    bowl = await _offer(demo, first, _product(f"Speckled bowl {run}", "ceramics", 2_800, 12), "active", created)
    lamp = await _offer(demo, first, _product(f"Desk lamp {run}", "electronics", 6_450, 5), "pending", trace)
    forgery = _product(f"Vase {run}", "ceramics", 9_900, 3) | {"description": "A counterfeit of a famous museum vase."}
    await _offer(demo, first, forgery, "rejected")
    book = await _offer(demo, second, _product(f"Night walks {run}", "books", 1_995, 8), "active")

    async def find_notification() -> str | None:
        async for notification in demo.items(accounts.admin, "/admin/api/notifications"):
            text = f"{notification['title']}: {notification['message']}"
            if notification["kind"] == "product-pending" and lamp["title"] in text:
                return text
        return None

    what = "is notified of the pending product"
    demo.screen.note(await demo.until(accounts.admin, what, find_notification))
    if not await _is_pending(demo, accounts.admin, lamp["id"], trace):
        raise DemoError(f"{lamp['title']} is pending but not in the list of pending products.")
    what = f"approves “{lamp['title']}”"
    await demo.do(accounts.admin, what, "POST", f"/admin/api/approve-product/{lamp['id']}", {})
    basket = (bowl, 2), (lamp, 1), (book, 3)
    return ModerationResult(
        created, trace, tuple(BasketItem(item["id"], item["title"], quantity) for item, quantity in basket)
    )


def _product(title: str, category: str, cents: int, stock: int) -> dict[str, Any]:
    return {
        "title": title,
        "description": "Made by hand in small numbers, and offered by the demo.",
        "category": category,
        "price": {"amount": cents, "currency": "USD"},
        "stock": stock,
        "tags": ["demo", "handmade"],
    }


async def _offer(
    demo: Walkthrough, seller: Person, body: dict[str, Any], expected: str, trace: Trace | None = None
) -> dict[str, Any]:
    what = f"offers “{body['title']}” ({body['category']}, {_format_money(body['price'])})"
    reply = await demo.do(seller, what, "POST", "/product/api/create-product", body, trace=trace)
    product: dict[str, Any] = reply["product"]
    moderation = product["moderation"]
    demo.screen.note(f"Moderation: {product['status']}, with {moderation['score']} of 100 points.")
    for reason in moderation["reasons"]:
        if reason["points"] < 0:
            rule = f"{reason['rule']} ({reason['points']}) in the {reason['field']}"
            demo.screen.note(f"{rule}: “{reason['excerpt']}”")
    if product["status"] != expected:
        raise DemoError(f"“{product['title']}” is {product['status']} after moderation; expected {expected}.")
    return product


async def _is_pending(demo: Walkthrough, admin: Person, product_id: str, trace: Trace) -> bool:
    """Search the pending products as in the example: the first page with its trace, the others without."""
    path = "/admin/api/get-pending-products"
    page = await demo.do(admin, "reads the pending products", "GET", f"{path}?limit=100", trace=trace)
    if any(product["id"] == product_id for product in page["items"]):
        return True
    return any([product["id"] == product_id async for product in demo.items(admin, path)])


async def buy(demo: Walkthrough, accounts: Accounts, basket: tuple[BasketItem, ...]) -> Purchase:
    """Buy from both shops in one basket, pay, and show the stock, the orders and the notifications."""
    demo.screen.heading("One basket from two shops")
    before = {item.id: await _stock(demo, accounts.user, item) for item in basket}
    trace = Trace(f"demo-{accounts.run}-order")
    body = {"lines": [{"product_id": item.id, "quantity": item.quantity} for item in basket]}
    what = "checks out " + ", ".join(f"{item.quantity} of “{item.title}”" for item in basket)
    session = await demo.do(accounts.user, what, "POST", "/order/api/create-payment-session", body, trace=trace)
    expires_at = session["expires_at"][:16].replace("T", " ")
    demo.screen.note(f"The total is {_format_money(session['total'])}, to be paid by {expires_at} UTC.")

    payment = urlsplit(demo.client.absolute_url(session["payment_url"]))
    if payment.hostname and payment.hostname.endswith("stripe.com"):
        raise DemoError("This marketplace takes real payments. Run the demo against one with the payment simulator.")
    what = f"pays with the card {CARD[:4]}…{CARD[-4:]}"
    await demo.do(accounts.user, what, "POST", session["payment_url"], {"card_number": CARD})

    order_ids = await _wait_for_orders(demo, accounts.user, session["session_id"])
    await _show_stock(demo, accounts, basket, before)
    await _show_orders(demo, accounts, order_ids)
    return Purchase(trace, f"POST {payment.path}")


async def _stock(demo: Walkthrough, user: Person, item: BasketItem) -> int:
    """Return the stock of a product as a buyer sees it, once its page exists."""

    async def find() -> int | None:
        response = await demo.request(user, "GET", f"/product/api/get-product/{item.id}")
        return int(response.json["product"]["stock"]) if response.ok else None

    stock = await demo.until(user, f"finds “{item.title}”", find)
    demo.screen.note(f"{stock} in stock.")
    return stock


async def _wait_for_orders(demo: Walkthrough, user: Person, session_id: str) -> tuple[str, ...]:
    async def find_final_status() -> dict[str, Any] | None:
        response = await demo.request(user, "GET", f"/order/api/payment-session/{session_id}")
        return response.json if response.ok and response.json["status"] != _OPEN else None

    what = "waits for the payment to arrive"
    session = await demo.until(user, what, find_final_status, timeout=_PAYMENT_TIMEOUT)
    if session["status"] != "paid":
        raise DemoError(f"Payment session {session_id} is {session['status']}; expected paid.")
    demo.screen.note(f"The checkout is paid and has {len(session['order_ids'])} orders.")
    return tuple(session["order_ids"])


async def _show_stock(
    demo: Walkthrough, accounts: Accounts, basket: tuple[BasketItem, ...], before: dict[str, int]
) -> None:
    """Show the stock before and after the sale, once the cached products are up to date."""
    expected = {item.id: before[item.id] - item.quantity for item in basket}

    async def find_expected() -> dict[str, int] | None:
        stock: dict[str, int] = {}
        for item in basket:
            response = await demo.request(accounts.user, "GET", f"/product/api/get-product/{item.id}")
            stock[item.id] = response.json["product"]["stock"] if response.ok else -1
        return stock if stock == expected else None

    after = await demo.until(accounts.user, "sees the lower stock", find_expected)
    for item in basket:
        change = f"{before[item.id]} before, {after[item.id]} after the sale of {item.quantity}"
        demo.screen.note(f"“{item.title}”: {change}.")


async def _show_orders(demo: Walkthrough, accounts: Accounts, order_ids: tuple[str, ...]) -> None:
    user, numbers = accounts.user, {}
    for order_id in order_ids:
        path = f"/order/api/order-details/{order_id}"
        order = (await demo.do(user, "reads the order of a shop", "GET", path))["order"]
        numbers[order_id] = order["number"]
        units = sum(line["quantity"] for line in order["lines"])
        demo.screen.note(f"{order['number']}: {units} units, {_format_money(order['total'])}, {order['status']}.")
    path = f"/order/api/order-timeline/{order_ids[0]}"
    timeline = await demo.do(user, "reads the timeline of an order", "GET", path)
    demo.screen.note(", ".join(item["title"].lower() for item in timeline["items"]).capitalize() + ".")
    listed = {order["id"] async for order in demo.items(user, "/order/api/user-orders")}
    if len(numbers) != len(accounts.sellers) or listed != {*numbers}:
        raise DemoError(f"Expected an order from each of {len(accounts.sellers)} shops, all in the user's list.")

    await _show_notifications(demo, accounts.admin, "/admin/api/notifications", "order-created", numbers)
    await _show_notifications(demo, user, "/notification/api/notifications", "order-placed", numbers)


async def _show_notifications(demo: Walkthrough, who: Person, path: str, kind: str, numbers: dict[str, str]) -> None:
    """Wait for a notification about each order and show them; `numbers` maps order ids to order numbers."""

    async def find_all() -> list[str] | None:
        texts = {}
        async for item in demo.items(who, path):
            for order_id, number in numbers.items():
                if item["kind"] == kind and (number in item["message"] or order_id in (item["link"] or "")):
                    texts[order_id] = f"{item['title']}: {item['message']}"
            if len(texts) == len(numbers):
                return list(texts.values())
        return None

    for text in await demo.until(who, "is notified of every order", find_all):
        demo.screen.note(text)


def _format_money(money: dict[str, Any]) -> str:
    return f"{money['amount'] / 100:,.2f} {money['currency']}"
