"""The auth service on a real database, asked as the gateway and the other services ask it: by bytes."""

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
from nextbuy.kit.http.service_identity import ServiceIdentity
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.storage.database import Database
from nextbuy.kit.wire import CLIENT, IDENTITY, Request

Reply = TypeVar("Reply")
SECRET = b"a secret of tests only"
SETTINGS = Settings(secret=SECRET)
PASSWORD = "correct horse battery"
HOME = "203.0.113.7"


class Watch:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Told:
    """An answer, read."""

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
class Desk:
    """Where people and services ask auth."""

    deps: Deps
    watch: Watch
    app: App[Deps]
    people: int = 0
    caller: ServiceIdentity = field(default_factory=lambda: ServiceIdentity(SECRET, "product"))

    async def ask(
        self,
        method: str,
        what: str,
        body: object = None,  # bytes are sent as they are
        *,
        token: str = "",
        address: str = HOME,
        **headers: str,
    ) -> Told:
        sent = {CLIENT: address, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if token:
            sent["authorization"] = f"Bearer {token}"
        content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        answer = await self.app.handle(Request(method, f"/auth/api/{what}", "", sent, content))
        return Told(answer.status, answer.headers, answer.body, msgspec.json.decode(answer.body or b"null"))

    async def register(self, email: str = "", *, role: str = "buyer", password: str = PASSWORD, **headers: str) -> Told:
        self.people += 1
        email = email or f"person{self.people}@example.com"
        body = {"email": email, "password": password, "name": "Ada Lovelace", "role": role}
        return await self.ask("POST", "register", body, **headers)

    async def login(self, email: str, password: str = PASSWORD, *, address: str = HOME, **headers: str) -> Told:
        return await self.ask("POST", "login", {"email": email, "password": password}, address=address, **headers)

    async def refresh(self, token: str, **headers: str) -> Told:
        return await self.ask("POST", "refresh-session", {"refresh_token": token}, **headers)

    async def call(self, call: Call[Reply], *, by: str = "") -> Reply:
        """Make a call as one who may, or as somebody else."""
        signed = ServiceIdentity(SECRET, by or call.callers[0]).sign("auth")
        answer = await self.app.handle(Request("POST", call.path, "", {IDENTITY: signed}, msgspec.json.encode(call)))
        if answer.status != 200:
            raise from_problem(msgspec.json.decode(answer.body, type=Problem))
        reply: Reply = msgspec.json.decode(answer.body, type=call.reply)
        return reply

    async def events(self) -> list[tuple[str, Any]]:
        rows = await self.deps.database.fetch("SELECT topic, envelope FROM event_log ORDER BY id")
        return [(row["topic"], msgspec.json.decode(row["envelope"])["data"]) for row in rows]


async def open_desk(
    database: Database, *, settings: Settings = SETTINGS, watch: Watch | None = None, journal: Journal | None = None
) -> Desk:
    """Open auth, as a process of its own would."""
    watch = watch or Watch()
    keys = Keys(database, settings, watch)
    deps = Deps(
        database=database,
        clock=watch,
        settings=settings,
        journal=journal or Journal(),
        passwords=Passwords(),
        keys=keys,
    )
    assert SERVICE.startup is not None
    await SERVICE.startup(deps)
    app = App(
        SERVICE, deps, identity=ServiceIdentity(settings.secret, "auth"), verifier=keys.verifier, database=database
    )
    return Desk(deps, watch, app)
