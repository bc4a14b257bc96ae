"""The pages as one small ASGI application: every answer is made once, at start, and given as it is.

What a page shows comes from the gateway's public API, asked by the page's own script; so a page is the same bytes for
everybody, and nothing here can show one person another's data.
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
from nextbuy.web.assets import PREFIX, TYPES, Asset, addressed, read_folder
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
"""Address (`*` is one name of any kind), the module under `static/pages/` that fills the page, and its first title."""

_NOT_FOUND: Final = ("not-found", "Not found · NextBuy")
_SECURITY: Final = [
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]
_FOR_EVER: Final = b"public, max-age=31536000, immutable"
_ASK_EACH_TIME: Final = b"no-cache"

Headers = list[tuple[bytes, bytes]]


class _Ready(NamedTuple):
    """An answer in both of its forms; the headers of a form are complete."""

    status: int
    etag: bytes
    plain: tuple[Headers, bytes]
    packed: tuple[Headers, bytes]
    unchanged: Headers


def pages(*, demo: bool) -> App:
    """Return the application that serves the pages; with `demo` the sign-in page offers the demo logins as buttons."""
    folder = resources.files(__package__)
    assets = addressed(read_folder(folder / "static"))
    shell = Template((folder / "shell.html").read_text(encoding="utf-8"))
    logins = msgspec.json.encode(DEMO_LOGINS).decode() if demo else ""

    def document(module: str, title: str, status: int = 200) -> _Ready:
        text = _filled(shell, assets, module, title, logins)
        return _ready(status, text.encode(), "text/html", _ASK_EACH_TIME)

    answers = {pattern: document(*page) for pattern, page in PAGES.items()}
    for asset in assets.values():
        answers[asset.path] = _ready(200, asset.body, TYPES[asset.name.rpartition(".")[2]], _FOR_EVER)
    absent = document(*_NOT_FOUND, status=404)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 (a page has no body to read)
        if scope["type"] == "http":
            await _give(answers.get(page_of(scope["path"]), absent), scope, send)

    return app


def page_of(path: str) -> str:
    """Return the address in `PAGES` that a path is one of, or the path itself."""
    first, _, name = path[1:].partition("/")
    return f"/{first}/*" if name and "/" not in name and not path.startswith(PREFIX) else path


def _filled(shell: Template, assets: dict[str, Asset], module: str, title: str, logins: str) -> str:
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


def _ready(status: int, body: bytes, media_type: str, caching: bytes) -> _Ready:
    etag = b'W/"%s"' % sha256(body).hexdigest()[:16].encode()
    packed = gzip.compress(body, mtime=0)
    always = [*_SECURITY, (b"cache-control", caching), (b"etag", etag), (b"vary", b"accept-encoding")]
    kind = (b"content-type", f"{media_type}; charset=utf-8".encode())

    def form(content: bytes, *more: tuple[bytes, bytes]) -> tuple[Headers, bytes]:
        return [*always, kind, (b"content-length", b"%d" % len(content)), *more], content

    return _Ready(status, etag, form(body), form(packed, (b"content-encoding", b"gzip")), always)


async def _give(ready: _Ready, scope: Scope, send: Send) -> None:
    if scope["method"] not in {"GET", "HEAD"}:
        # Most often this is a program that has misspelt an address of the API: it is told as the API tells.
        refusal = MethodNotAllowed("Pages are read with GET; the API is at /<service>/api/, and /docs lists it.")
        body = problem_response(refusal, telemetry.current_span().correlation_id).body
        kind = (b"content-type", PROBLEM.encode())
        length = (b"content-length", b"%d" % len(body))
        return await _send(send, 405, [*_SECURITY, (b"allow", b"GET, HEAD"), kind, length], body)
    asked = {name.lower(): value for name, value in scope["headers"]}
    if ready.status == 200 and knows(asked.get(b"if-none-match", b""), ready.etag):  # noqa: PLR2004
        return await _send(send, 304, ready.unchanged, b"")
    headers, body = ready.packed if takes_gzip(asked.get(b"accept-encoding", b"")) else ready.plain
    return await _send(send, ready.status, headers, b"" if scope["method"] == "HEAD" else body)


def knows(if_none_match: bytes, etag: bytes) -> bool:
    """Whether a client has this version already (RFC 9110, 13.1.2; compared weakly)."""
    known = {tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")}
    return b"*" in known or etag.removeprefix(b"W/") in known


def takes_gzip(accept_encoding: bytes) -> bool:
    """Whether a client takes gzip (RFC 9110, 12.5.3): named, and not with a weight of nothing."""
    for entry in accept_encoding.lower().split(b","):
        name, _, weight = entry.partition(b";")
        if name.strip() == b"gzip":
            return weight.replace(b" ", b"").rstrip(b"0") not in {b"q=", b"q=0."}
    return False


async def _send(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
