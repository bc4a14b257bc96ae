"""The pages: a Starlette application that calls the public API with the rights of its visitor."""

import gzip
import logging
import math
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, compile_path

from nextbuy.contracts.errors import AppError, BadRequest, InternalError, MethodNotAllowed, NotFound, Unauthenticated
from nextbuy.kit.config import Settings
from nextbuy.kit.http.asgi import encode_json
from nextbuy.kit.http.content_coding import accepts_gzip
from nextbuy.kit.http.cross_site import refuse_cross_site
from nextbuy.kit.http.tokens import is_stranger
from nextbuy.kit.wire import AGE, PROBLEM, READS, REQUEST_ID, TOO_MANY_REQUESTS, Handler
from nextbuy.web.asgi import handler_of
from nextbuy.web.assets import PREFIX, TYPES, Asset
from nextbuy.web.pages.account import CHANGES, account
from nextbuy.web.pages.admin import admin, rebuild_projection
from nextbuy.web.pages.audit import audit
from nextbuy.web.pages.basket import add_to_basket, basket, change_basket, check_out
from nextbuy.web.pages.by_status import by_status
from nextbuy.web.pages.category import category
from nextbuy.web.pages.dead_letters import ACTS, dead_letters
from nextbuy.web.pages.decided import UNDO_FORMS, decided
from nextbuy.web.pages.document import DOCUMENTS, document
from nextbuy.web.pages.error import error_page
from nextbuy.web.pages.favicon import favicon
from nextbuy.web.pages.figures import figures
from nextbuy.web.pages.home import home
from nextbuy.web.pages.links import (
    accept_email,
    confirm_email,
    forgot_password,
    request_password,
    reset_password,
    set_password,
)
from nextbuy.web.pages.mails import mail, mails
from nextbuy.web.pages.notifications import notifications, open_notification, read_all_notifications
from nextbuy.web.pages.operator_search import operator_search
from nextbuy.web.pages.orders import order, orders
from nextbuy.web.pages.payment import cancel_checkout, payment
from nextbuy.web.pages.person import PERSON_ACTS, person
from nextbuy.web.pages.product import product
from nextbuy.web.pages.queue import DECISIONS, queue
from nextbuy.web.pages.robots import robots
from nextbuy.web.pages.search import search
from nextbuy.web.pages.sell import open_shop, sell
from nextbuy.web.pages.sell_acts import act_on_product
from nextbuy.web.pages.sell_orders import sell_orders
from nextbuy.web.pages.sell_product import add_product, change_product, edit_product, new_product
from nextbuy.web.pages.sell_products import sell_products
from nextbuy.web.pages.sell_shop import change_shop, sell_shop
from nextbuy.web.pages.shop import shop
from nextbuy.web.pages.sign_in import enter, sign_in, sign_out, sign_up
from nextbuy.web.pages.sitemap import sitemap, sitemap_pages, sitemap_products, sitemap_shops
from nextbuy.web.pages.styleguide import styleguide
from nextbuy.web.pages.too_many_requests import too_many_requests
from nextbuy.web.pages.trace import trace
from nextbuy.web.public_cache import PublicCache
from nextbuy.web.site import Site
from nextbuy.web.visit import SECURITY, SIGN_IN_PATHS, Visit

log: Final = logging.getLogger(__name__)

Page = Callable[[Visit], Awaitable[Response]]
Visiting = Callable[[Page, Request], Awaitable[Response]]

PUBLIC: Final[dict[str, Page]] = {
    "/": home,
    "/category/{slug}": category,
    "/search": search,
    "/shop/{key}": shop,
    "/product/{key}": product,
    **{f"/{name}": document for name in DOCUMENTS},
    "/sitemap.xml": sitemap,
    "/sitemap/pages.xml": sitemap_pages,
    "/sitemap/products.xml": sitemap_products,
    "/sitemap/shops.xml": sitemap_shops,
    TOO_MANY_REQUESTS: too_many_requests,
}
"""The pages that are the same for all strangers."""
PAGES: Final[dict[str, Page]] = {
    **PUBLIC,
    "/basket": basket,
    "/account": account,
    "/orders": orders,
    "/order/{order_id}": order,
    "/session/{session_id}": payment,
    "/notifications": notifications,
    "/sell": sell,
    "/sell/products": sell_products,
    "/sell/product/new": new_product,
    "/sell/product/{product_id:uuid}": edit_product,
    "/sell/orders": sell_orders,
    "/sell/shop": sell_shop,
    "/figures": figures,
    "/sign-in": sign_in,
    "/forgot-password": forgot_password,
    "/reset-password": reset_password,
    "/confirm-email": confirm_email,
    "/admin": admin,
    "/admin/queue": queue,
    "/admin/queue/decided": decided,
    "/admin/orders": by_status,
    "/admin/search": operator_search,
    "/admin/audit": audit,
    "/admin/person/{user_id:uuid}": person,
    "/dead-letters": dead_letters,
    "/mails": mails,
    "/mails/{mail_id}": mail,
    "/trace": trace,
    "/styleguide": styleguide,
    "/robots.txt": robots,
    "/favicon.ico": favicon,
}
"""The pages that are read."""
FORMS: Final[dict[str, Page]] = {
    "/basket/add": add_to_basket,
    "/basket/change": change_basket,
    "/check-out": check_out,
    "/session/{session_id}/cancel": cancel_checkout,
    "/notifications/open": open_notification,
    "/notifications/read-all": read_all_notifications,
    "/sell/open": open_shop,
    "/sell/shop": change_shop,
    "/sell/product/new": add_product,
    "/sell/product/{product_id:uuid}": change_product,
    "/sell/product/{product_id:uuid}/{act}": act_on_product,
    "/sign-in": enter,
    "/forgot-password": request_password,
    "/reset-password": set_password,
    "/confirm-email": accept_email,
    "/sign-up": sign_up,
    "/sign-out": sign_out,
    **CHANGES,
    "/admin/rebuild": rebuild_projection,
    **DECISIONS,
    **UNDO_FORMS,
    **PERSON_ACTS,
    **ACTS,
}
"""The pages that a form posts to; each answers with a redirect, or with the form and what is wrong with it."""
_PAGE_OF_FORM: Final = {"/sign-up": "/sign-in", "/sign-out": "/", "/check-out": "/basket"}
"""The pages of forms that do not post to a path below their page."""
_PAGE_PATTERNS: Final = [compile_path(path)[0] for path in PAGES]

_PUBLIC_PAGES: Final = frozenset(PUBLIC.values())
_IMMUTABLE: Final = "public, max-age=31536000, immutable"


def pages(send: Handler, *, settings: Settings, demo: bool) -> Handler:
    """Return the handler of the pages, which send their requests to the API through `send`."""
    site = Site(settings, demo=demo)
    # Pages with different URLs share their parts, such as a shop.
    visit = partial(_visit, site, PublicCache(send).answer)
    routes = [Route(path, partial(visit, page), methods=["GET"]) for path, page in PAGES.items()]
    routes += [Route(path, partial(visit, form), methods=["POST"]) for path, form in FORMS.items()]
    files = {asset.path: _File(asset) for asset in site.assets.values()}
    routes.append(Route(f"{PREFIX}{{name:path}}", partial(_send_file, files)))
    app = Starlette(routes=routes, exception_handlers={HTTPException: partial(_no_page, visit)})
    app.router.redirect_slashes = False
    return PublicCache(handler_of(app)).answer


async def _visit(site: Site, send: Handler, page: Page, request: Request) -> Response:
    visit = Visit(request, site, send)
    try:
        if request.method == "POST":
            refuse_cross_site(request.headers, site.settings)
            if request.scope["path"] not in SIGN_IN_PATHS:
                await visit.require_shown_account()
        response = await page(visit)
        is_public = page in _PUBLIC_PAGES and is_stranger(request.headers) and response.status_code == 200  # noqa: PLR2004
        # A page without one of its parts has no age, and is stored nowhere.
        if is_public and math.isfinite(visit.api.as_of):
            response.headers[AGE] = f"{time.monotonic() - visit.api.as_of:.3f}"
    except Unauthenticated:
        response = visit.sign_in()
    except HTTPException:
        response = await error_page(visit, BadRequest("The form could not be read. Open its page again."))
    except AppError as error:
        response = await error_page(visit, error)
    except Exception:
        log.exception("page failed; answered with status 500: %s", request.scope["path"])
        response = await error_page(visit, InternalError())
    visit.close(response)
    return response


async def _no_page(visit: Visiting, request: Request, error: Exception) -> Response:
    """Answer for a path or a method that no page has."""
    if isinstance(error, HTTPException) and error.status_code == MethodNotAllowed.status:
        if request.method in READS:
            # A form that was refused has this address; a visitor may reload it, or sign in and return to it.
            path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
            page = _PAGE_OF_FORM.get(path) or path
            while not any(pattern.match(page) for pattern in _PAGE_PATTERNS):
                page = page.rpartition("/")[0] or "/"
            return RedirectResponse(f"{page}?{query}" if query else page, 303)
        # Usually a program with a misspelt path of the API, so it gets a problem document.
        refusal = MethodNotAllowed(
            "This page does not support this method. The API is under /<service>/api/; see /docs."
        )
        body = encode_json(refusal.problem(request.headers.get(REQUEST_ID, "")))
        allow = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        return Response(body, refusal.status, {**SECURITY, "allow": allow}, PROBLEM)

    async def missing(_visit: Visit) -> Response:
        raise NotFound

    return await visit(missing, request)


class _File:
    """An asset as it is served: whole and compressed."""

    def __init__(self, asset: Asset) -> None:
        kind = TYPES[asset.name.rpartition(".")[2]]
        headers = {**SECURITY, "cache-control": _IMMUTABLE, "vary": "accept-encoding"}
        self.plain = partial(Response, asset.body, 200, headers, kind)
        compressed = gzip.compress(asset.body, mtime=0)
        self.compressed = partial(Response, compressed, 200, {**headers, "content-encoding": "gzip"}, kind)


async def _send_file(files: dict[str, _File], request: Request) -> Response:
    file = files.get(request.scope["path"])
    if file is None:
        raise HTTPException(404)
    return file.compressed() if accepts_gzip(request.headers.get("accept-encoding", "")) else file.plain()
