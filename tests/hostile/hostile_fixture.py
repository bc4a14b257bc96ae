"""The whole marketplace in this process, with accounts that must not see each other's data."""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from redis.asyncio import Redis

from nextbuy.contracts.values import new_id
from nextbuy.embedded import Engines
from nextbuy.host.accounts import store_admin
from nextbuy.host.composition import SERVICES, make_process, serving_gateway
from nextbuy.host.databases import prepare
from nextbuy.host.process import Process
from nextbuy.kit.config import Settings
from nextbuy.kit.http import webhook_signature
from nextbuy.kit.http.server import listen
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.wire import CLIENT, Request, Response
from tests.callers import GATEWAY
from tests.waiting import until

PASSWORD: Final = "seven-locks-and-a-key"
ADDRESS: Final = {
    "full_name": "Ottilie Verschwiegen",
    "line1": "Hinterhof 13",
    "city": "Kleinhausen",
    "postal_code": "XK-98765-Q",
    "country": "Germany",
}
Json = dict[str, Any]


def email_of(name: str) -> str:
    """Return the e-mail address of an account; none is a substring of another."""
    return f"a.{name}@hidden.test"


@dataclass
class Person:
    """An account with its token, and the texts that no other account may read."""

    id: str
    email: str
    token: str
    private: set[str] = field(default_factory=set)

    @property
    def session_id(self) -> UUID:
        """The session of the token."""
        payload = self.token.split(".")[1]
        return UUID(json.loads(_decode(payload))["sid"])


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class HostileMarket:
    """The marketplace and its accounts."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self.port = port
        self.people: dict[str, Person] = {}
        self.ids: dict[str, str] = {}
        """A value for each path parameter: ids of things that exist and that tests may change."""
        self.ids_for_sale: dict[str, str] = {}
        """The same with a product that stays for sale."""
        self.foreign_ids: dict[str, str] = {}
        """The same with things of `buyer` and `seller`, which other accounts must not see or change."""
        self.orders: dict[str, Json] = {}

    # ── requests ──

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        who: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request to the service that its path names, as the gateway would; an internal one without a sender."""
        handle = self.process.handler(path.split("/")[1])
        assert handle is not None
        sent = {"content-type": "application/json"}
        sender = None
        if path.split("/")[2] != "internal":
            sent[CLIENT], sender = "203.0.113.9", GATEWAY
        if who is not None:
            sent["authorization"] = f"Bearer {self.people[who].token}"
        return await handle(Request(method, path, query, {**sent, **(headers or {})}, body, sender=sender))

    async def call(self, method: str, path: str, body: object = None, who: str | None = None) -> Any:  # noqa: ANN401
        """Send a request that must succeed, and return its decoded response."""
        answer = await self.request(method, path, body=b"" if body is None else json.dumps(body).encode(), who=who)
        assert answer.status < 300, answer.body
        return json.loads(answer.body)

    # ── accounts ──

    async def register(self, name: str, role: str) -> Person:
        """Register an account."""
        asked = {"email": email_of(name), "password": PASSWORD, "name": f"Person {name}", "role": role}
        return self._store(name, await self.call("POST", "/auth/api/register", asked))

    async def log_in(self, name: str, email: str) -> Person:
        """Log in to an existing account."""
        return self._store(name, await self.call("POST", "/auth/api/login", {"email": email, "password": PASSWORD}))

    def _store(self, name: str, session: Json) -> Person:
        user = session["user"]
        person = Person(user["id"], user["email"], session["access_token"])
        person.private = {user["email"], session["refresh_token"], session["access_token"]}
        self.people[name] = person
        return person

    async def restore_session(self, name: str) -> None:
        """Undo a logout."""
        await self.process.databases["auth"].execute(
            "UPDATE sessions SET ended_at = NULL, reason = NULL WHERE id = $1", self.people[name].session_id
        )

    async def seller(self, name: str, *, approved: bool) -> Json:
        """Register a seller with a shop."""
        person = await self.register(name, "seller")
        asked = {"name": f"Stall of {name}", "bio": "", "category": "ceramics"}
        shop: Json = (await self.call("POST", "/seller/api/create-shop", asked, name))["shop"]
        if approved:
            await self.call("POST", f"/admin/api/approve-seller/{person.id}", who="admin")
        return shop

    async def offer(self, name: str, title: str, description: str = "Thrown by hand, and fired twice.") -> Json:
        """Create a product of a seller."""
        asked = {
            "title": title,
            "description": description,
            "category": "ceramics",
            "price": {"amount": 2_800},
            "stock": 1_000,
        }
        made: Json = (await self.call("POST", "/product/api/create-product", asked, name))["product"]
        if made["status"] != "active":
            self.people[name].private |= {made["id"], made["title"]}
        return made

    # ── checkouts ──

    async def session(self, name: str, product: Json) -> Json:
        """Create a payment session of a buyer."""
        asked = {"lines": [{"product_id": product["id"], "quantity": 2}], "address": ADDRESS}
        made: Json = await self.call("POST", "/order/api/create-payment-session", asked, name)
        payment_id = made["payment_url"].rpartition("/")[2]
        self.people[name].private |= {made["session_id"], payment_id, self.people[name].id, *ADDRESS.values()}
        return {**made, "payment_id": payment_id}

    def webhook_body(self, session: Json) -> bytes:
        """Return the webhook of a completed payment."""
        about = {
            "id": session["payment_id"],
            "client_reference_id": session["session_id"],
            "amount_total": session["total"]["amount"],
            "currency": "usd",
            "payment_status": "paid",
        }
        event = {"id": f"evt_{new_id().hex}", "type": "checkout.session.completed", "data": {"object": about}}
        return json.dumps(event).encode()

    def signature(self, body: bytes) -> dict[str, str]:
        """Return the signature header of a webhook."""
        secrets = self.process.settings.signing_secrets()
        return {webhook_signature.HEADER: webhook_signature.sign(body, secrets, at=int(time.time()))}

    async def order(self, name: str, product: Json) -> Json:
        """Buy two units of a product; return the order from the list of orders."""
        session = await self.session(name, product)
        body = self.webhook_body(session)
        response = await self.request("POST", "/order/api/payment-webhook", body=body, headers=self.signature(body))
        assert response.status == 200, response.body
        made: Json = (await self.call("GET", "/order/api/user-orders", who=name))["items"][0]
        self.people[name].private |= {made["id"], made["number"]}
        return {**made, "session_id": session["session_id"], "payment_id": session["payment_id"]}

    # ── scenario ──

    async def open(self) -> None:
        """Register all accounts, create products and orders, and end some sessions."""
        await store_admin(self.process.settings, email_of("admin"), PASSWORD)
        await self.log_in("admin", email_of("admin"))
        for name in ("buyer", "other_buyer", "suspended", "logged_out", "third_buyer"):
            await self.register(name, "buyer")
        await self.seller("seller", approved=True)
        await self.seller("other_seller", approved=True)
        await self.seller("pending_seller", approved=False)
        spare_shop = await self.seller("spare_seller", approved=True)
        await self.seller("suspendable_seller", approved=True)
        await self.seller("left_seller", approved=True)
        bowl, vase = await self.offer("seller", "Speckled bowl"), await self.offer("other_seller", "Tall vase")
        waiting = await self.offer("seller", "Blue bowl", "Contact me directly on Whatsapp for a weapon discount")
        assert waiting["status"] != "active", waiting["moderation"]
        await self.offer("pending_seller", "Green bowl")
        spare = await self.offer("spare_seller", "Plain bowl")
        first, second = await self.order("buyer", bowl), await self.order("other_buyer", vase)
        third = await self.order("third_buyer", bowl)
        for name in ("suspended", "logged_out"):
            self.orders[name] = await self.order(name, vase)
        unpaid = await self.session("third_buyer", bowl)
        await self._end_sessions()
        letter = await self._dead_letter()
        await until(self._notified, "the admins are notified of the orders")
        note = (await self.call("GET", "/admin/api/notifications", who="admin"))["items"][0]
        self.ids = {
            "user_id": self.people["suspendable_seller"].id,
            "product_id": spare["id"],
            "key": spare["slug"],
            "shop_id": spare_shop["id"],
            "session_id": third["session_id"],
            "order_id": third["id"],
            "notification_id": note["id"],
            "mail_id": await self._mail(),
            "id": letter,
            "name": "daily-figures",
            "replay_id": await self._replay(),
            "payment_id": unpaid["payment_id"],
        }
        self.ids_for_sale = {**self.ids, "product_id": bowl["id"], "key": bowl["slug"]}
        self.foreign_ids = {
            **self.ids,
            "user_id": self.people["pending_seller"].id,
            "product_id": waiting["id"],
            "key": waiting["id"],
            "session_id": first["session_id"],
            "order_id": first["id"],
            "notification_id": await self._notification("buyer"),
        }
        self.orders |= {"buyer": first, "other_buyer": second, "third_buyer": third}

    async def _end_sessions(self) -> None:
        await self.call(
            "POST", f"/admin/api/suspend-account/{self.people['suspended'].id}", {"reason": "a test"}, "admin"
        )
        for name in ("logged_out", "left_seller"):
            left = await self.request("POST", "/auth/api/logout", who=name)
            assert left.status == 204

    async def _notified(self) -> bool:
        page = await self.call("GET", "/admin/api/notifications", who="admin")
        return any(note["kind"] == "order-created" for note in page["items"])

    async def _mail(self) -> str:
        """Return a mail; the first ones are written when the orders have been handled."""
        find = "SELECT id FROM mails ORDER BY id LIMIT 1"

        async def exists() -> bool:
            return await self.process.databases["notification"].fetchval(find) is not None

        await until(exists, "a mail is written")
        return str(await self.process.databases["notification"].fetchval(find))

    async def _notification(self, name: str) -> str:
        """Return a notification of an account, which no other account may read."""

        async def arrived() -> bool:
            notes = (await self.call("GET", "/notification/api/notifications", who=name))["items"]
            return bool(notes) and notes[0]["kind"] == "order-placed"

        await until(arrived, f"{name} is notified")
        note = (await self.call("GET", "/notification/api/notifications", who=name))["items"][0]
        self.people[name].private |= {note["id"], note["message"]}
        return str(note["id"])

    async def _dead_letter(self) -> str:
        letter = new_id()
        await self.process.databases["kafka"].execute(
            """
            INSERT INTO dead_letters
                (id, delivery_key, topic, event_type, destination, subscription, reason, error_chain, attempts,
                 envelope, position)
            VALUES ($1, 'hostile', 'order.created', 'order.created', 'admin', 'create-notification', 'poison',
                    '{}', 1, '\\xff00', 1)
            """,
            letter,
        )
        return str(letter)

    async def _replay(self) -> str:
        replay = new_id()
        await self.process.databases["kafka"].execute(
            "INSERT INTO replays (id, requested_by, filter, total, over_limit) VALUES ($1, 'hostile', '{}', 1, 0)",
            replay,
        )
        return str(replay)


@asynccontextmanager
async def hostile_market(engines: Engines, data: Path) -> AsyncIterator[HostileMarket]:
    """Run the marketplace while the context lasts, and delete its data."""
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    settings = Settings(
        secret=b"a secret of these tests alone",
        postgres_url=engines.postgres.url,
        redis_url=engines.redis.url,
        public_url=f"http://127.0.0.1:{port}",
        port=port,
        data=data,
        rate_limits=False,
    )
    await clear(engines)
    await prepare(settings, SERVICES)
    with (data / "journal").open("ab", buffering=0) as journal:
        process = make_process(settings, SERVICES, Journal(journal.fileno()))
        try:
            await process.start()
            async with serving_gateway(settings, process, listener, demo=False):
                market = HostileMarket(process, port)
                await market.open()
                yield market
        finally:
            await process.stop()
            await clear(engines)


async def clear(engines: Engines) -> None:
    """Delete the database and the role of every service, and all data of Redis."""
    async with Redis.from_url(engines.redis.url) as redis:
        await redis.flushall()
    connection = await asyncpg.connect(engines.postgres.url)
    try:
        for row in await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'nextbuy\\_%'"):
            await connection.execute(f"DROP DATABASE {row['datname']} WITH (FORCE)")
        for row in await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname LIKE 'nextbuy\\_%'"):
            await connection.execute(f"DROP ROLE {row['rolname']}")
    finally:
        await connection.close()
