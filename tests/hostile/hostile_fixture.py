"""The whole marketplace in this process, with people in it who have something to hide from each other."""

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
from tests.waiting import until

PASSWORD: Final = "seven-locks-and-a-key"
ADDRESS: Final = {
    "full_name": "Ottilie Verschwiegen",
    "line1": "Hinterhof 13",
    "city": "Kleinhausen",
    "postal_code": "98765",
    "country": "Germany",
}
Json = dict[str, Any]


def email_of(name: str) -> str:
    """Somebody's e-mail; none is a part of another."""
    return f"a.{name}@hidden.test"


@dataclass
class Person:
    """Somebody with an account, and what of it nobody else may read."""

    id: str
    email: str
    token: str
    private: set[str] = field(default_factory=set)

    @property
    def session_id(self) -> UUID:
        """The session that the token belongs to."""
        payload = self.token.split(".")[1]
        return UUID(json.loads(_unbased(payload))["sid"])


def _unbased(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Bazaar:
    """The marketplace and its people."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self.port = port
        self.people: dict[str, Person] = {}
        self.ids: dict[str, str] = {}
        """What stands in an address for each of its parameters: of things that are there, and are nobody's to miss."""
        self.to_buy: dict[str, str] = {}
        """The same, with a product that stays for sale."""
        self.of_others: dict[str, str] = {}
        """The same of things that belong to `buyer` and `seller`, who mind."""
        self.orders: dict[str, Json] = {}

    # ── asking ──

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        who: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request to the service that its path names, as the gateway would."""
        handle = self.process.handler(path.split("/")[1])
        assert handle is not None
        sent = {CLIENT: "203.0.113.9", "content-type": "application/json"}
        if who is not None:
            sent["authorization"] = f"Bearer {self.people[who].token}"
        return await handle(Request(method, path, query, {**sent, **(headers or {})}, body))

    async def done(self, method: str, path: str, body: object = None, who: str | None = None) -> Any:  # noqa: ANN401
        """Send a request that succeeds, and return what it is answered."""
        answer = await self.ask(method, path, body=b"" if body is None else json.dumps(body).encode(), who=who)
        assert answer.status < 300, answer.body
        return json.loads(answer.body)

    # ── people ──

    async def register(self, name: str, role: str) -> Person:
        """Let somebody come in."""
        asked = {"email": email_of(name), "password": PASSWORD, "name": f"Person {name}", "role": role}
        return self._came(name, await self.done("POST", "/auth/api/register", asked))

    async def log_in(self, name: str, email: str) -> Person:
        """Let somebody come in again."""
        return self._came(name, await self.done("POST", "/auth/api/login", {"email": email, "password": PASSWORD}))

    def _came(self, name: str, said: Json) -> Person:
        user = said["user"]
        person = Person(user["id"], user["email"], said["access_token"])
        person.private = {user["email"], said["refresh_token"], said["access_token"]}
        self.people[name] = person
        return person

    async def stay(self, name: str) -> None:
        """Take back that somebody has logged out."""
        await self.process.databases["auth"].execute(
            "UPDATE sessions SET ended_at = NULL, reason = NULL WHERE id = $1", self.people[name].session_id
        )

    async def seller(self, name: str, *, approved: bool) -> Json:
        """Let somebody open a shop."""
        person = await self.register(name, "seller")
        asked = {"name": f"Stall of {name}", "bio": "", "category": "ceramics"}
        shop: Json = (await self.done("POST", "/seller/api/create-shop", asked, name))["shop"]
        if approved:
            await self.done("POST", f"/admin/api/approve-seller/{person.id}", who="admin")
        return shop

    async def offer(self, name: str, title: str, description: str = "Thrown by hand, and fired twice.") -> Json:
        """Let a seller offer something."""
        asked = {
            "title": title,
            "description": description,
            "category": "ceramics",
            "price": {"amount": 2_800},
            "stock": 1_000,
        }
        made: Json = (await self.done("POST", "/product/api/create-product", asked, name))["product"]
        if made["status"] != "active":
            self.people[name].private |= {made["id"], made["title"]}
        return made

    # ── buying ──

    async def session(self, name: str, product: Json) -> Json:
        """Let somebody go to the checkout."""
        asked = {"lines": [{"product_id": product["id"], "quantity": 2}], "address": ADDRESS}
        made: Json = await self.done("POST", "/order/api/create-payment-session", asked, name)
        payment_id = made["payment_url"].rpartition("/")[2]
        self.people[name].private |= {made["session_id"], payment_id, self.people[name].id, *ADDRESS.values()}
        return {**made, "payment_id": payment_id}

    def notice(self, session: Json) -> bytes:
        """What the payment provider says of a session that was paid."""
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
        """The header that lets the shop believe it."""
        secrets = self.process.settings.signing_secrets()
        return {webhook_signature.HEADER: webhook_signature.sign(body, secrets, at=int(time.time()))}

    async def order(self, name: str, product: Json) -> Json:
        """Let somebody buy something; returns the order as lists show it."""
        session = await self.session(name, product)
        body = self.notice(session)
        told = await self.ask("POST", "/order/api/payment-webhook", body=body, headers=self.signature(body))
        assert told.status == 200, told.body
        made: Json = (await self.done("GET", "/order/api/user-orders", who=name))["items"][0]
        self.people[name].private |= {made["id"], made["number"]}
        return {**made, "session_id": session["session_id"], "payment_id": session["payment_id"]}

    # ── the day ──

    async def open(self) -> None:
        """Let everybody come, offer, buy, and be sent away."""
        await store_admin(self.process.settings, email_of("admin"), PASSWORD)
        await self.log_in("admin", email_of("admin"))
        for name in ("buyer", "other_buyer", "suspended", "logged_out", "nobody_else"):
            await self.register(name, "buyer")
        await self.seller("seller", approved=True)
        await self.seller("other_seller", approved=True)
        await self.seller("pending_seller", approved=False)
        goat = await self.seller("scapegoat", approved=True)
        await self.seller("wretch", approved=True)
        await self.seller("left_seller", approved=True)
        bowl, vase = await self.offer("seller", "Speckled bowl"), await self.offer("other_seller", "Tall vase")
        waiting = await self.offer("seller", "Blue bowl", "Contact me directly on Whatsapp for a weapon discount")
        assert waiting["status"] != "active", waiting["moderation"]
        await self.offer("pending_seller", "Green bowl")
        spare = await self.offer("scapegoat", "Plain bowl")
        mine, theirs = await self.order("buyer", bowl), await self.order("other_buyer", vase)
        another = await self.order("nobody_else", bowl)
        for name in ("suspended", "logged_out"):
            self.orders[name] = await self.order(name, vase)
        unpaid = await self.session("nobody_else", bowl)
        await self._send_away()
        letter = await self._dead_letter()
        await until(self._notified, "the admins hear of the orders")
        note = (await self.done("GET", "/admin/api/notifications", who="admin"))["items"][0]
        self.ids = {
            "user_id": self.people["wretch"].id,
            "product_id": spare["id"],
            "key": spare["slug"],
            "shop_id": goat["id"],
            "session_id": another["session_id"],
            "order_id": another["id"],
            "notification_id": note["id"],
            "mail_id": await self._mail(),
            "id": letter,
            "name": "daily-figures",
            "replay_id": await self._replay(),
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "payment_id": unpaid["payment_id"],
        }
        self.to_buy = {**self.ids, "product_id": bowl["id"], "key": bowl["slug"]}
        self.of_others = {
            **self.ids,
            "user_id": self.people["pending_seller"].id,
            "product_id": waiting["id"],
            "key": waiting["id"],
            "session_id": mine["session_id"],
            "order_id": mine["id"],
            "notification_id": await self._told("buyer"),
        }
        self.orders |= {"buyer": mine, "other_buyer": theirs, "nobody_else": another}

    async def _send_away(self) -> None:
        await self.done(
            "POST", f"/admin/api/suspend-account/{self.people['suspended'].id}", {"reason": "a test"}, "admin"
        )
        for name in ("logged_out", "left_seller"):
            left = await self.ask("POST", "/auth/api/logout", who=name)
            assert left.status == 204

    async def _notified(self) -> bool:
        said = await self.done("GET", "/admin/api/notifications", who="admin")
        return any(note["kind"] == "order-created" for note in said["items"])

    async def _mail(self) -> str:
        """A mail to somebody; there is one as soon as the orders are heard of."""
        find = "SELECT id FROM mails ORDER BY id LIMIT 1"

        async def there() -> bool:
            return await self.process.databases["kafka"].fetchval(find) is not None

        await until(there, "somebody is written to")
        return str(await self.process.databases["kafka"].fetchval(find))

    async def _told(self, name: str) -> str:
        """What somebody was told, which is nobody else's to read."""

        async def told() -> bool:
            return bool((await self.done("GET", "/kafka/api/notifications", who=name))["items"])

        await until(told, f"{name} is told")
        note = (await self.done("GET", "/kafka/api/notifications", who=name))["items"][0]
        self.people[name].private |= {note["id"], note["message"]}
        return str(note["id"])

    async def _dead_letter(self) -> str:
        letter = new_id()
        await self.process.databases["kafka"].execute(
            """
            INSERT INTO dead_letters
                (id, delivery_key, topic, event_type, handler, reason, error_chain, attempts, envelope)
            VALUES ($1, 'hostile', 'order.created', 'order.created', 'notify-admins', 'poison', '{}', 1, '\\xff00')
            """,
            letter,
        )
        return str(letter)

    async def _replay(self) -> str:
        replay = new_id()
        await self.process.databases["kafka"].execute(
            "INSERT INTO replays (id, asked_by, filter, total, over_limit) VALUES ($1, 'hostile', '{}', 1, 0)", replay
        )
        return str(replay)


@asynccontextmanager
async def bazaar(engines: Engines, data: Path) -> AsyncIterator[Bazaar]:
    """Open the marketplace for as long as the context lasts, and leave nothing behind."""
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
                made = Bazaar(process, port)
                await made.open()
                yield made
        finally:
            await process.stop()
            await clear(engines)


async def clear(engines: Engines) -> None:
    """Take away every service's database and role, and what Redis holds."""
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
