"""The tokens of a login session, and the cookies that carry them for browsers."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from nextbuy.auth import store
from nextbuy.auth.deps import Deps
from nextbuy.auth.devices import device_name
from nextbuy.auth.keys import Signer
from nextbuy.auth.model import ACCESS_LIFE, REFRESH_LIFE
from nextbuy.contracts.auth import Account
from nextbuy.contracts.values import new_id
from nextbuy.kit.config import Settings
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.client_network import client_network
from nextbuy.kit.http.tokens import ACCESS_COOKIE, CSRF_COOKIE, REFRESH_COOKIE, basket_cookie
from nextbuy.kit.storage.database import Transaction
from nextbuy.kit.wire import JSON, Response, encode

DEVICE_COOKIE: Final = "nextbuy_device"
"""The ids of a browser, one for each account that has signed in there, newest first, joined by dots."""
_DEVICE_LIFE: Final = timedelta(days=365)
_WANTS_COOKIES: Final = "x-nextbuy-cookies"


class LoggedIn(Struct, frozen=True):
    """A login session: the account, an access token that expires in `expires_in` seconds, and a refresh token."""

    user: Account
    access_token: str
    refresh_token: str
    expires_in: int = int(ACCESS_LIFE.total_seconds())


class RefreshToken(Struct, frozen=True):
    """A new refresh token with its hash; only the hash is stored."""

    text: str
    hash: bytes
    at: datetime
    until: datetime


def new_refresh_token(deps: Deps) -> RefreshToken:
    """Create a refresh token."""
    text = new_token()
    now = deps.clock()
    return RefreshToken(text, hash_token(text), now, now + REFRESH_LIFE)


def new_token() -> str:
    """Return a secret of 256 random bits, which nothing needs to hash slowly."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """Return the hash under which a token of 256 random bits is stored."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


async def open_session(
    deps: Deps, tx: Transaction, caller: Caller, account: Account, password_hash: str, sign: Signer
) -> LoggedIn | None:
    """Open a login session of a caller after the password was verified against `password_hash`.

    Return None if the password or the status of the account has changed since.
    """
    session_id, token = new_id(), new_refresh_token(deps)
    opened = await store.open_session(
        tx,
        session_id,
        account.id,
        password_hash=password_hash,
        token_hash=token.hash,
        at=token.at,
        until=token.until,
        device=device_name(caller.headers.get("user-agent", "")),
        network=client_network(caller.ip_address),
    )
    return LoggedIn(account, sign(account, session_id), token.text) if opened else None


def wants_cookies(caller: Caller) -> bool:
    """Return whether the client requests cookies."""
    return caller.headers.get(_WANTS_COOKIES, "").lower() == "yes"


def with_cookies(settings: Settings, reply: LoggedIn, *, status: int, device: str | None = None) -> Response:
    """Return a response that sets the cookies, after a login also that of the device.

    Scripts can read only the CSRF token.
    """
    refresh_life = int(REFRESH_LIFE.total_seconds())
    return Response(
        status,
        encode(reply),
        JSON,
        _headers(
            settings,
            access=(reply.access_token, reply.expires_in),
            refresh=(reply.refresh_token, refresh_life),
            csrf=(secrets.token_urlsafe(32), refresh_life),
            device=None if device is None else (device, int(_DEVICE_LIFE.total_seconds())),
        ),
    )


def without_cookies(settings: Settings) -> Response:
    """Return an empty response that deletes the cookies, also of a basket, but not of the device, which stays known."""
    headers = _headers(settings, access=("", 0), refresh=("", 0), csrf=("", 0))
    return Response(204, headers=[*headers, ("set-cookie", basket_cookie(settings.public_url, "", 0))])


def _headers(
    settings: Settings,
    *,
    access: tuple[str, int],
    refresh: tuple[str, int],
    csrf: tuple[str, int],
    device: tuple[str, int] | None = None,
) -> list[tuple[str, str]]:
    secure = "; Secure" if settings.public_url.startswith("https://") else ""
    return [
        ("cache-control", "no-store"),
        *(
            ("set-cookie", f"{name}={cookie[0]}; Path=/; Max-Age={cookie[1]}; {rules}SameSite=Lax{secure}")
            for name, cookie, rules in (
                (ACCESS_COOKIE, access, "HttpOnly; "),
                (REFRESH_COOKIE, refresh, "HttpOnly; "),
                (CSRF_COOKIE, csrf, ""),
                (DEVICE_COOKIE, device, "HttpOnly; "),
            )
            if cookie is not None
        ),
    ]
