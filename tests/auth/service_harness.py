"""The auth service on a real database, called over bytes like by the gateway and other services."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any, TypeVar

import msgspec

from nextbuy.auth.deps import Deps
from nextbuy.auth.keys import Keys
from nextbuy.auth.passwords import Passwords
from nextbuy.auth.service import SERVICE
from nextbuy.contracts.errors import Problem, from_problem
from nextbuy.contracts.message import Call
from nextbuy.kit.config import Settings
from nextbuy.kit.http.app import App
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import CLIENT, Request
from tests.callers import GATEWAY

Reply = TypeVar("Reply")
SECRET = b"a secret of tests only"
SETTINGS = Settings(secret=SECRET)
PASSWORD = "correct horse battery"
HOME = "203.0.113.7"


class MutableClock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class HttpResponse:
    """A decoded response."""

    status: int
    headers: list[tuple[str, str]]
    text: bytes
    json: Any = None

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known == name), None)

    @property
    def cookies(self) -> SimpleCookie:
        jar = SimpleCookie()
        for name, value in self.headers:
            if name == "set-cookie":
                jar.load(value)
        return jar


@dataclass
class ServiceHarness:
    """A process of auth, with the requests of clients and the calls of other services."""

    deps: Deps
    clock: MutableClock
    app: App[Deps]
    people: int = 0
    caller: ServiceIdentity = field(default_factory=lambda: ServiceIdentity(SECRET, "product"))

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,  # bytes are sent as they are
        *,
        token: str = "",
        address: str = HOME,
        **headers: str,
    ) -> HttpResponse:
        sent = {CLIENT: address, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if token:
            sent["authorization"] = f"Bearer {token}"
        content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        response = await self.app.handle(Request(method, f"/auth/api/{path}", "", sent, content, sender=GATEWAY))
        return HttpResponse(
            response.status, response.headers, response.body, msgspec.json.decode(response.body or b"null")
        )

    async def register(
        self,
        email: str = "",
        *,
        role: str = "buyer",
        password: str = PASSWORD,
        name: str = "Ada Lovelace",
        **headers: str,
    ) -> HttpResponse:
        self.people += 1
        email = email or f"person{self.people}@example.com"
        body = {"email": email, "password": password, "name": name, "role": role}
        return await self.request("POST", "register", body, **headers)

    async def login(self, email: str, password: str = PASSWORD, *, address: str = HOME, **headers: str) -> HttpResponse:
        return await self.request("POST", "login", {"email": email, "password": password}, address=address, **headers)

    async def refresh(self, token: str, **headers: str) -> HttpResponse:
        return await self.request("POST", "refresh-session", {"refresh_token": token}, **headers)

    async def call(self, call: Call[Reply], *, by: str = "") -> Reply:
        """Make a call as its first allowed caller, or as the service `by`."""
        sender = ServiceIdentity(SECRET, by or call.callers[0])
        response = await self.app.handle(Request("POST", call.path, "", {}, msgspec.json.encode(call), sender=sender))
        if response.status != 200:
            raise from_problem(msgspec.json.decode(response.body, type=Problem))
        reply: Reply = msgspec.json.decode(response.body, type=call.reply)
        return reply

    async def events(self) -> list[tuple[str, Any]]:
        rows = await self.deps.database.fetch(
            "SELECT topic, envelope FROM event_log WHERE topic NOT LIKE 'operator.%' ORDER BY id"
        )
        return [(row["topic"], msgspec.json.decode(row["envelope"])["data"]) for row in rows]


async def start_service(
    database: Database,
    *,
    settings: Settings = SETTINGS,
    clock: MutableClock | None = None,
) -> ServiceHarness:
    """Start a process of auth."""
    clock = clock or MutableClock()
    keys = Keys(database, settings, clock)
    deps = Deps(
        database=database,
        clock=clock,
        settings=settings,
        passwords=Passwords(),
        keys=keys,
    )
    assert SERVICE.startup is not None
    await SERVICE.startup(deps)
    app = App(
        SERVICE, deps, identity=ServiceIdentity(settings.secret, "auth"), verifier=keys.verifier, database=database
    )
    return ServiceHarness(deps, clock, app)
