"""A visit: one request for a page, its visitor, and the response."""

import asyncio
import re
from datetime import datetime
from secrets import token_urlsafe
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Match

from nextbuy.contracts.auth import Account
from nextbuy.contracts.errors import AppError, Conflict, Forbidden, Unauthenticated
from nextbuy.contracts.order import LastDecline
from nextbuy.contracts.values import Money, Role
from nextbuy.kit.http.tokens import BASKET_COOKIE, is_stranger
from nextbuy.kit.wire import READS, Handler
from nextbuy.kit.wire import Request as WireRequest
from nextbuy.web.api import Api, secondary
from nextbuy.web.asgi import WIRE_REQUEST
from nextbuy.web.site import Site

SECURITY: Final = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
ACCOUNT_FIELD: Final = "account"
"""The hidden field of each form that names the account that its page shows."""
SIGN_IN_PATHS: Final = frozenset({"/sign-in", "/sign-up", "/forgot-password", "/reset-password", "/confirm-email"})
"""The pages and forms of signing in. Their forms work for any account, and their links pass `next` on."""
AccountChanged: Final = Conflict.of(
    "account-changed", "Another account has signed in since this page was opened. Open the page again."
)
STRANGER_LAYOUT: Final[dict[str, Any]] = {
    "account": None,
    "unread": 0,
    "units": 0,
    "attention": {},
    "open_checkout": None,
    "here": "",
    "is_read": True,
}
"""The values of the layout that are the same for all strangers."""
_SIGN_IN_PLACEHOLDER: Final = token_urlsafe(24)
"""Stands for the path of the sign-in page in HTML that strangers share. Random, so that no other text contains it."""
_SELLER_PAGE: Final = re.compile(r"/(?:sell|figures)(?:[/?]|\Z)")
_FORM: Final = re.compile(r'<form [^>]*method="post"[^>]*>')
_HEADERS: Final = {"cache-control": "private, no-cache", **SECURITY}
_MAX_FIELDS: Final = 200
_MAX_NEXT: Final = 2_000
"""Characters of the query of a path to sign in; a much longer one makes a URL that is refused."""


class Me(Struct):
    """The account that is signed in."""

    user: Account


class Unread(Struct):
    """The number of unread notifications."""

    unread: int


class _Status(Struct):
    """The part of the marketplace's status that an admin should act on; numbers that are unavailable are missing."""

    reviews: dict[str, int] = {}
    dead_letters: int | None = None
    stuck: dict[str, dict[str, int]] = {}


class _Line(Struct):
    quantity: int


class OpenCheckout(Struct):
    """The checkout that the visitor can pay or cancel now."""

    session_id: UUID
    total: Money
    units: int
    expires_at: datetime
    payment_url: str
    last_decline: LastDecline | None = None


class _Basket(Struct):
    lines: list[_Line]
    open_checkout: OpenCheckout | None = None


class View(Struct):
    """The content of the template of a page, besides the layout."""


class Visit:
    """One request of a visitor."""

    def __init__(self, request: Request, site: Site, send: Handler) -> None:
        """Answer `request`, with the API behind `send`."""
        self.request = request
        self.site = site
        self.api = Api(send, request.scope[WIRE_REQUEST])
        self.units: int | None = None
        """Units in the basket, for the layout; a page that has read the basket sets it."""
        self.open_checkout: OpenCheckout | None = None
        """The visitor's open checkout, for the layout, from the reply that has the basket."""
        self._fields: dict[str, str] = {}
        """The fields of the form that was sent, once it is read."""
        self._no_account: AppError | None = None
        """The error of a suspended account, which `require_account` raises."""
        self._account = asyncio.create_task(self._load_account()) if self.api.has_session else None

    @property
    def here(self) -> str:
        """The path of this page with its query; for a form, the path and the query of its page."""
        if self.request.method != "POST":
            sent: WireRequest = self.request.scope[WIRE_REQUEST]
            return sent.target
        path, query = _place(self.request.headers.get("referer", ""))
        if self._is_page(path):
            return f"{path}?{query}" if query else path
        # A page that shows what is wrong with its form has the path of the form, below that of the page.
        while not self._is_page(path):
            path = path.rpartition("/")[0] or "/"
        return path

    @property
    def next_path(self) -> str:
        """The page to open after a sign-in: this one, or the `next` of a page of signing in; read its form first."""
        if self.request.scope["path"] not in SIGN_IN_PATHS:
            return self.here
        sent = self.request.query_params if self.request.method in READS else self._fields
        return local_path(sent.get("next", ""), "")

    async def account(self) -> Account | None:
        """Return the account that is signed in, or None."""
        return None if self._account is None else await asyncio.shield(self._account)

    async def require_account(self) -> Account:
        """Return the account that is signed in; raises Unauthenticated if none is, Forbidden if it is suspended."""
        account = await self.account()
        if account is None:
            raise self._no_account or Unauthenticated
        return account

    async def require_shown_account(self) -> None:
        """Refuse a form whose page shows another account than the one that is signed in now.

        Raises:
            AccountChanged: another tab has signed in with another account.
        """
        account, shown = await self.account(), (await self.form()).get(ACCOUNT_FIELD)
        if account is not None and shown not in {None, str(account.id)}:
            raise AccountChanged

    async def form(self) -> dict[str, str]:
        """Return the fields of the form that was sent; files and repeated names are left out."""
        form = await self.request.form(max_files=0, max_fields=_MAX_FIELDS)
        self._fields = {name: value for name, value in form.items() if isinstance(value, str)}
        return self._fields

    async def page(self, name: str, view: View, *, status: int = 200) -> Response:
        """Return a page: the template `pages/{name}.html` with the fields of `view`, in the layout."""
        account = None if self._account is None else await secondary(self.account())
        layout = {**await self._counts(account), "account": account, "here": self.here, "demo": self.site.demo}
        layout |= {"open_checkout": self.open_checkout, "is_read": self.request.method in READS}
        layout["sign_in_path"] = sign_in_path(self.next_path)
        html = self.site.render(f"pages/{name}.html", {**asdict(view), **layout})
        if account is not None:
            html = _FORM.sub(rf'\g<0><input type="hidden" name="{ACCOUNT_FIELD}" value="{account.id}">', html)
        return HTMLResponse(html, status, headers=_HEADERS)

    async def public_page(self, name: str, view: View) -> Response:
        """Return a page whose HTML all strangers share, except for its link to sign in; all else must be in `view`."""
        if not is_stranger(self.request.headers):
            return await self.page(name, view)
        layout = {**STRANGER_LAYOUT, "demo": self.site.demo, "sign_in_path": _SIGN_IN_PLACEHOLDER}
        html = self.site.render_public(f"pages/{name}.html", view, layout)
        html = html.replace(_SIGN_IN_PLACEHOLDER.encode(), sign_in_path(self.here).encode())
        return HTMLResponse(html, headers=_HEADERS)

    def redirect(self, path: str, *, status: int = 303) -> Response:
        """Send the browser to another page of this site."""
        return RedirectResponse(path, status)

    def sign_in(self) -> Response:
        """Send the browser to the sign-in page, and back here afterwards; from a form, back to its page."""
        return self.redirect(sign_in_path(self.here))

    def close(self, response: Response) -> None:
        """Pass the cookies that the API has set on to the browser."""
        if self._account is not None:
            self._account.cancel()
        for name, value in self.api.cookies.changes:
            response.headers.append(name, value)

    def _is_page(self, path: str) -> bool:
        scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
        routes = self.request.app.routes
        return path == "/" or any(route.matches(scope)[0] is Match.FULL for route in routes)

    async def _load_account(self) -> Account | None:
        try:
            return (await self.api.get("/auth/api/me", Me)).user
        except Unauthenticated:
            return None
        except Forbidden as error:
            # The account is suspended, which has ended its sessions: other pages and the sign-out work without it.
            self._no_account = error
            self.api.cookies.end_session()
            return None

    async def _counts(self, account: Account | None) -> dict[str, Any]:
        """Return the numbers in the header, by their names in the layout."""
        if account is None:
            return {"unread": 0, "units": await self._units(account), "attention": {}}
        unread, units, attention = await asyncio.gather(
            self._unread(account), self._units(account), self._attention(account)
        )
        return {"unread": unread, "units": units, "attention": attention}

    async def _unread(self, account: Account) -> int:
        if account.role is Role.ADMIN:
            found = await secondary(self.api.get("/admin/api/unread-notifications", Unread))
        else:
            found = await secondary(self.api.get("/notification/api/notifications", Unread, limit=1))
        return 0 if found is None else found.unread

    async def _attention(self, account: Account) -> dict[str, int]:
        """Return the number of things that wait for an admin, by the path of the page that lists them."""
        if account.role is not Role.ADMIN:
            return {}
        found = await secondary(self.api.get("/health/status", _Status)) or _Status()
        stuck = sum(number for kinds in found.stuck.values() for number in kinds.values())
        return {"/admin/queue": sum(found.reviews.values()), "/dead-letters": (found.dead_letters or 0) + stuck}

    async def _units(self, account: Account | None) -> int:
        if self.units is not None:
            return self.units
        if account is None and not self.api.cookies.get(BASKET_COOKIE):
            return 0
        found = await secondary(self.api.get("/order/api/basket", _Basket))
        if found is None:
            return 0
        self.open_checkout = found.open_checkout
        return sum(line.quantity for line in found.lines)


def _place(url: str) -> tuple[str, str]:
    """Return the path of a URL that a client sent, and its query without what was done; "/" for an invalid one."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, max_num_fields=_MAX_FIELDS)
    except ValueError:
        return "/", ""
    return parts.path or "/", urlencode([pair for pair in pairs if pair[0] != "done"])


def sign_in_path(next_path: str, **query: str) -> str:
    """Return the path of the sign-in page; `next_path` is the page to open afterwards."""
    return with_next("/sign-in", next_path, **query, **({"as": "seller"} if _SELLER_PAGE.match(next_path) else {}))


def with_next(path: str, next_path: str, **query: str) -> str:
    """Return `path` with `query` and the page to open after a sign-in, which is left out if it is too long."""
    pairs = urlencode({**query, "next": next_path} if next_path else query, quote_via=quote, safe="")
    if len(pairs) > _MAX_NEXT:
        pairs = urlencode(query)
    return f"{path}?{pairs}" if pairs else path


def local_path(path: str, default: str) -> str:
    """Return `path` if it is a page of this site, else `default`: a link must not lead to another site."""
    place = path.partition("?")[0].partition("#")[0]
    own = place.startswith("/") and "//" not in place and path.isprintable() and not {"\\", " "} & set(path)
    return path if own else default
