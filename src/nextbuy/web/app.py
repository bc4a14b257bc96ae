"""The pages as an ASGI application that serves prepared responses.

A page's script loads its data from the gateway's public API, so a page is the same bytes for every visitor and cannot
show one account's data to another.
"""

import gzip
from hashlib import sha256
from html import escape
from importlib import resources
from string import Template
from typing import Final, NamedTuple

import msgspec

from nextbuy.contracts.errors import MethodNotAllowed
from nextbuy.kit.http.asgi import App, Receive, Scope, Send
from nextbuy.kit.observability import telemetry
from nextbuy.kit.wire import PROBLEM, problem_response
from nextbuy.web.assets import PREFIX, TYPES, Asset, hash_assets, read_folder
from nextbuy.web.demo_logins import DEMO_LOGINS

PAGES: Final = {
    "/": ("shop", "NextBuy"),
    "/product/*": ("product", "Product · NextBuy"),
    "/basket": ("basket", "Basket · NextBuy"),
    "/sign-in": ("sign-in", "Sign in · NextBuy"),
    "/session/*": ("session", "Payment · NextBuy"),
    "/orders": ("orders", "Your orders · NextBuy"),
    "/order/*": ("order", "Order · NextBuy"),
    "/notifications": ("notifications", "Notifications · NextBuy"),
    "/sell": ("sell", "Your shop · NextBuy"),
    "/figures": ("figures", "Figures · NextBuy"),
    "/admin": ("admin", "Admin · NextBuy"),
    "/mails": ("mails", "Mail · NextBuy"),
    "/dead-letters": ("dead-letters", "Dead letters · NextBuy"),
}
"""Path (`*` is one segment), the module under `static/pages/` that renders the page, and the initial title."""

_NOT_FOUND: Final = ("not-found", "Not found · NextBuy")
_SECURITY: Final = [
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]
_IMMUTABLE: Final = b"public, max-age=31536000, immutable"
_REVALIDATE: Final = b"no-cache"

Headers = list[tuple[bytes, bytes]]


class _Prepared(NamedTuple):
    """A response, plain and compressed, each with complete headers."""

    status: int
    etag: bytes
    plain: tuple[Headers, bytes]
    compressed: tuple[Headers, bytes]
    not_modified: Headers


def pages(*, demo: bool) -> App:
    """Return the application that serves the pages; with `demo`, the sign-in page has buttons for the demo logins."""
    folder = resources.files(__package__)
    assets = hash_assets(read_folder(folder / "static"))
    shell = Template((folder / "shell.html").read_text(encoding="utf-8"))
    logins = msgspec.json.encode(DEMO_LOGINS).decode() if demo else ""

    def document(module: str, title: str, status: int = 200) -> _Prepared:
        text = _render(shell, assets, module, title, logins)
        return _prepare(status, text.encode(), "text/html", _REVALIDATE)

    responses = {pattern: document(*page) for pattern, page in PAGES.items()}
    for asset in assets.values():
        responses[asset.path] = _prepare(200, asset.body, TYPES[asset.name.rpartition(".")[2]], _IMMUTABLE)
    not_found = document(*_NOT_FOUND, status=404)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001  a page reads no body
        if scope["type"] == "http":
            await _respond(responses.get(page_of(scope["path"]), not_found), scope, send)

    return app


def page_of(path: str) -> str:
    """Return the pattern in `PAGES` that a path matches, or the path itself."""
    first, _, name = path[1:].partition("/")
    return f"/{first}/*" if name and "/" not in name and not path.startswith(PREFIX) else path


def _render(shell: Template, assets: dict[str, Asset], module: str, title: str, logins: str) -> str:
    script = assets[f"pages/{module}.js"]
    preloads = "".join(f'<link rel="modulepreload" href="{assets[name].path}">' for name in script.imports)
    return shell.substitute(
        title=escape(title),
        icon=assets["icon.svg"].path,
        style=assets["shop.css"].path,
        script=script.path,
        preloads=preloads,
        page=module,
        demo=f' data-demo="{escape(logins)}"' if logins else "",
    )


def _prepare(status: int, body: bytes, media_type: str, caching: bytes) -> _Prepared:
    etag = b'W/"%s"' % sha256(body).hexdigest()[:16].encode()
    compressed = gzip.compress(body, mtime=0)
    common = [*_SECURITY, (b"cache-control", caching), (b"etag", etag), (b"vary", b"accept-encoding")]
    kind = (b"content-type", f"{media_type}; charset=utf-8".encode())

    def form(content: bytes, *more: tuple[bytes, bytes]) -> tuple[Headers, bytes]:
        return [*common, kind, (b"content-length", b"%d" % len(content)), *more], content

    return _Prepared(status, etag, form(body), form(compressed, (b"content-encoding", b"gzip")), common)


async def _respond(prepared: _Prepared, scope: Scope, send: Send) -> None:
    if scope["method"] not in {"GET", "HEAD"}:
        # Usually a program with a misspelt path of the API, so it gets a problem document.
        refusal = MethodNotAllowed("Pages support GET only. The API is under /<service>/api/; see /docs.")
        body = problem_response(refusal, telemetry.current_span().correlation_id).body
        kind = (b"content-type", PROBLEM.encode())
        length = (b"content-length", b"%d" % len(body))
        return await _send(send, 405, [*_SECURITY, (b"allow", b"GET, HEAD"), kind, length], body)
    headers_in = {name.lower(): value for name, value in scope["headers"]}
    if prepared.status == 200 and matches(headers_in.get(b"if-none-match", b""), prepared.etag):  # noqa: PLR2004
        return await _send(send, 304, prepared.not_modified, b"")
    headers, body = prepared.compressed if accepts_gzip(headers_in.get(b"accept-encoding", b"")) else prepared.plain
    return await _send(send, prepared.status, headers, b"" if scope["method"] == "HEAD" else body)


def matches(if_none_match: bytes, etag: bytes) -> bool:
    """Return whether If-None-Match names this version (RFC 9110, 13.1.2; compared weakly)."""
    known = {tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")}
    return b"*" in known or etag.removeprefix(b"W/") in known


def accepts_gzip(accept_encoding: bytes) -> bool:
    """Return whether Accept-Encoding names gzip with a weight above 0 (RFC 9110, 12.5.3)."""
    for entry in accept_encoding.lower().split(b","):
        name, _, weight = entry.partition(b";")
        if name.strip() == b"gzip":
            return weight.replace(b" ", b"").rstrip(b"0") not in {b"q=", b"q=0."}
    return False


async def _send(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
