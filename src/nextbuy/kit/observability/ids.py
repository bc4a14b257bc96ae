"""The ids that an interaction names, taken from its messages by the names of their fields.

The fields of a class that hold ids are looked up once per class, so that a request costs no reflection.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar, Token
from typing import Any, Final, TypeVar, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct

from nextbuy.kit.observability.redaction import redact

Ids = dict[str, list[UUID | str]]
"""Ids by kind: session, order, number, payment, product, account, shop and event."""

MAX_IDS: Final = 10
"""Ids of one kind in an interaction; the further products of a large basket are left out."""
PURCHASE_KINDS: Final = frozenset({"session", "order", "number", "payment"})
"""Kinds that each belong to a single purchase, unlike a product or an account."""

_KINDS: Final = {
    "session_id": "session",
    "reference": "session",
    "order_id": "order",
    "order_ids": "order",
    "payment_id": "payment",
    "product_id": "product",
    "product_ids": "product",
    "account_id": "account",
    "account_ids": "account",
    "buyer_id": "account",
    "user_id": "account",
    "seller_id": "account",
    "shop_id": "shop",
    "event_id": "event",
}
_OF_PURCHASE: Final = frozenset({"session", "order", "payment"})
_OF_LINE: Final = frozenset({"session", "order", "payment", "product"})
"""Kinds that are taken from the items of a list. Sellers and shops are not: a basket repeats them in each line."""
_OWN: Final = {"Account": "account", "User": "account", "Product": "product", "Order": "order", "OrderDraft": "order"}
"""Classes whose `id` is of this kind."""
_NUMBER: Final = "number"
"""The field with an order's number, which people use instead of its id."""
_MAX_DEPTH: Final = 3
_MAX_LENGTH: Final = 64
"""Characters of an id in a path."""


def kind_of(field: str) -> str:
    """Return the kind of the ids in a field of this name, or an empty string."""
    return _KINDS.get(field, "")


class _Plan(Struct, frozen=True):
    """The fields of a class with ids, and the fields with structs, or lists of structs, that have ids."""

    fields: tuple[tuple[str, str], ...]
    nested: tuple[tuple[str, "_Plan"], ...]


_EMPTY: Final = _Plan((), ())
_plans: dict[type, _Plan] = {}


def collect_ids(ids: Ids, message: object) -> None:
    """Add the ids in a message to `ids`; a message that is not a struct has none."""
    kind = type(message)
    plan = _plans.get(kind)
    if plan is None:
        plan = _plans[kind] = _plan_of(kind, in_list=False, depth=0)
    if plan is not _EMPTY:
        _collect(ids, message, plan)


def add_id(ids: Ids, kind: str, value: UUID | str) -> None:
    """Add one id, unless it is there or `MAX_IDS` are."""
    known = ids.get(kind)
    if known is None:
        ids[kind] = [value]
    elif len(known) < MAX_IDS and value not in known:
        known.append(value)


def _collect(ids: Ids, message: object, plan: _Plan) -> None:
    for name, kind in plan.fields:
        value = getattr(message, name)
        if isinstance(value, UUID) or (type(value) is str and value):
            add_id(ids, kind, value)
        elif isinstance(value, list):
            for item in value[:MAX_IDS]:
                add_id(ids, kind, item)
    for name, inner in plan.nested:
        value = getattr(message, name)
        if isinstance(value, list):
            for item in value[:MAX_IDS]:
                _collect(ids, item, inner)
        elif value is not None and value is not UNSET:
            _collect(ids, value, inner)


def _plan_of(kind: type, *, in_list: bool, depth: int) -> _Plan:
    if not isinstance(kind, msgspec.StructMeta):
        return _EMPTY
    fields: list[tuple[str, str]] = []
    nested: list[tuple[str, _Plan]] = []
    own = _OWN.get(kind.__name__, "")
    infos = msgspec.structs.fields(kind)  # type: ignore[arg-type]
    names = {info.name for info in infos}
    for info in infos:
        found = own if info.name == "id" else _KINDS.get(info.name, "")
        if found and (not in_list or found in _OF_LINE):
            # An order counts as its buyer's only; its seller follows from its shop.
            if info.name != "seller_id" or "buyer_id" not in names:
                fields.append((info.name, found))
        elif info.name == _NUMBER and (own == "order" or "order_id" in names):
            fields.append((info.name, _NUMBER))
        elif depth < _MAX_DEPTH:
            for struct, is_list in _structs_in(info.type):
                inner = _plan_of(struct, in_list=in_list or is_list, depth=depth + 1)
                if inner is not _EMPTY:
                    nested.append((info.name, inner))
    if own or _OF_PURCHASE & {found for _, found in fields}:
        fields = [(name, found) for name, found in fields if found != "shop"]
    return _Plan(tuple(fields), tuple(nested)) if fields or nested else _EMPTY


def _structs_in(kind: Any) -> Iterator[tuple[type, bool]]:  # noqa: ANN401  types are of any type
    """Yield the only struct in a type, and whether it is the item of a list; nothing if it could be of two classes."""
    if isinstance(kind, msgspec.StructMeta):
        yield kind, False
        return
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is None or isinstance(kind, TypeVar):
        return
    is_list = origin is list or (isinstance(origin, type) and issubclass(origin, Sequence))
    found = [(struct, is_list or inner) for argument in arguments for struct, inner in _structs_in(argument)]
    if len(found) == 1:
        yield found[0]


_noted: ContextVar[Ids | None] = ContextVar("ids", default=None)


def noted_ids() -> Ids | None:
    """Return the ids of the request being handled, or None outside of one."""
    return _noted.get()


def note_ids(message: object) -> None:
    """Add the ids in a message to the ids of the request being handled."""
    ids = _noted.get()
    if ids is not None:
        collect_ids(ids, message)


def note_id(kind: str, value: UUID | str | None) -> None:
    """Add an id, unless it is empty, to the ids of the request being handled."""
    ids = _noted.get()
    if ids is not None and value:
        add_id(ids, kind, value)


def note_path(parameters: Mapping[str, str]) -> None:
    """Note the parameters of a path that have the form of an id; another may be anything, even a token."""
    for field, value in parameters.items():
        if (kind := _KINDS.get(field)) and len(value) <= _MAX_LENGTH and value == value.lower():
            try:
                note_id(kind, UUID(value))
            except ValueError:
                if redact(value) == value:
                    note_id(kind, value)


class note_into:  # noqa: N801  used as a function
    """Collect the ids that are noted in a `with` block."""

    __slots__ = ("_ids", "_token")
    _token: Token[Ids | None]

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def __enter__(self) -> Ids:
        self._token = _noted.set(self._ids)
        return self._ids

    def __exit__(self, *_error: object) -> None:
        _noted.reset(self._token)
