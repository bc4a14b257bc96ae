"""The web pages of the marketplace, prepared as responses at the start.

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
from nextbuy.kit.http.conditional import none_match
from nextbuy.kit.wire import READS, REQUEST_ID, Handler, Request, Response, problem_response
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
        "content-security-policy",
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
]
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_REVALIDATE: Final = "no-cache"


class _Prepared(NamedTuple):
    """All responses of one path: whole, compressed, and for a browser that has it."""

    etag: str
    plain: Response
    compressed: Response
    not_modified: Response


def pages(*, demo: bool) -> Handler:
    """Return the handler that serves the pages; with `demo`, the sign-in page has buttons for the demo logins."""
    folder = resources.files(__package__)
    assets = hash_assets(read_folder(folder / "static"))
    shell = Template((folder / "shell.html").read_text(encoding="utf-8"))
    logins = msgspec.json.encode(DEMO_LOGINS).decode() if demo else ""

    def document(module: str, title: str, status: int = 200) -> _Prepared:
        html = _render(shell, assets, module, title, logins)
        return _prepare(status, html.encode(), "text/html", _REVALIDATE)

    responses = {pattern: document(*page) for pattern, page in PAGES.items()}
    for asset in assets.values():
        responses[asset.path] = _prepare(200, asset.body, TYPES[asset.name.rpartition(".")[2]], _IMMUTABLE)
    not_found = document(*_NOT_FOUND, status=404)

    async def handle(request: Request) -> Response:
        return _respond(responses.get(page_of(request.path), not_found), request)

    return handle


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


def _prepare(status: int, body: bytes, media_type: str, caching: str) -> _Prepared:
    etag = f'W/"{sha256(body).hexdigest()[:16]}"'
    content_type = f"{media_type}; charset=utf-8"
    headers = [*_SECURITY, ("cache-control", caching), ("etag", etag), ("vary", "accept-encoding")]
    compressed = gzip.compress(body, mtime=0)
    return _Prepared(
        etag,
        plain=Response(status, body, content_type, headers),
        compressed=Response(status, compressed, content_type, [*headers, ("content-encoding", "gzip")]),
        not_modified=Response(304, b"", "", headers),
    )


def _respond(prepared: _Prepared, request: Request) -> Response:
    if request.method not in READS:
        # Usually a program with a misspelt path of the API, so it gets a problem document.
        error = MethodNotAllowed("Pages support GET only. The API is under /<service>/api/; see /docs.")
        error.headers = [("allow", ", ".join(READS))]
        response = problem_response(error, request.headers.get(REQUEST_ID, ""))
        response.headers.extend(_SECURITY)
        return response
    if prepared.plain.status == 200 and none_match(request.headers, prepared.etag):  # noqa: PLR2004
        return prepared.not_modified
    return prepared.compressed if accepts_gzip(request.headers.get("accept-encoding", "")) else prepared.plain


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether Accept-Encoding names gzip with a weight above 0 (RFC 9110, 12.5.3)."""
    for entry in accept_encoding.lower().split(","):
        name, _, weight = entry.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "").rstrip("0") not in {"q=", "q=0."}
    return False
