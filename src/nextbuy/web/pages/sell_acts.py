"""The forms that take a product off sale and put it back, archive, restore and copy it."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from msgspec import Struct
from starlette.responses import Response

from nextbuy.contracts.errors import NotFound
from nextbuy.web.visit import Visit, local_path


class _Act(Struct, frozen=True):
    """The request of a form: its method, its endpoint, and its body."""

    method: str
    endpoint: str
    body: Mapping[str, bool] = {}


_DUPLICATE: Final = "duplicate"
_ACTS: Final = {
    "take-off-sale": _Act("PUT", "update-product", {"on_sale": False}),
    "put-on-sale": _Act("PUT", "update-product", {"on_sale": True}),
    "archive": _Act("POST", "archive-product"),
    "restore": _Act("POST", "restore-product"),
    _DUPLICATE: _Act("POST", "duplicate-product"),
}
_REVIEW_NOTICES: Final = frozenset({"put-on-sale-pending", "put-on-sale-rejected", "restore-rejected"})
"""Values of `done` for a product that is still in review, or rejected, after the act."""


class _Product(Struct):
    id: UUID
    status: str


class _Changed(Struct):
    product: _Product


async def act_on_product(visit: Visit) -> Response:
    """Do what a form says, and return to its page; a copy is shown itself."""
    await visit.require_account()
    name, form = visit.request.path_params["act"], await visit.form()
    act = _ACTS.get(name)
    if act is None:
        raise NotFound
    path = f"/product/api/{act.endpoint}/{visit.request.path_params['product_id']}"
    # Only a copy is made once per form; the other requests change nothing when they are repeated.
    key = form.get("key", "") if name == _DUPLICATE else ""
    changed = (await visit.api.send(act.method, path, act.body, _Changed, key=key)).product
    page = f"/sell/product/{changed.id}"
    if name != _DUPLICATE:
        page = local_path(form.get("next", ""), page)
    by_status = f"{name}-{changed.status}"
    done = by_status if by_status in _REVIEW_NOTICES else name
    return visit.redirect(f"{page}{'&' if '?' in page else '?'}done={done}")
