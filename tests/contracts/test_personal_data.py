"""No event holds the name, the e-mail address or the postal address of a person: an event log is permanent.

Names of shops and titles of products are public.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from msgspec import Meta, Struct

from nextbuy.contracts.auth import Account
from nextbuy.contracts.message import Event
from nextbuy.contracts.order import Address, SoldLine
from nextbuy.contracts.registry import EVENTS
from nextbuy.contracts.seller import Seller
from nextbuy.contracts.values import CategoryName, Email, EmailAddress, PersonName, ProductTitle, ShopName

PRIVATE_WORDS = {
    *(
        "name",
        "names",
        "email",
        "emails",
        "mail",
        "address",
        "addresses",
        "phone",
        "telephone",
        "birthday",
        "recipient",
    ),
    *("street", "line1", "line2", "city", "postcode", "zip", "postal", "country", "latitude", "longitude"),
    *("username", "fullname", "firstname", "surname", "lastname", "nickname", "ip"),
}
"""Words that may not be part of a field's name, unless its type is the type of a public name."""
PUBLIC_METADATA = [marker for kind in (ShopName, ProductTitle, CategoryName) for marker in get_args(kind)[1:]]
PRIVATE_METADATA = [marker for kind in (PersonName, EmailAddress, Email) for marker in get_args(kind)[1:]]
PRIVATE_STRUCTS = (Account, Address, Seller)


def private_fields(kind: type[Struct]) -> list[str]:
    """Return the fields, also of nested structs, that are named or typed as personal data."""
    return sorted(set(_private_fields(kind, kind.__name__, ())))


def _private_fields(kind: type[Struct], path: str, outer: tuple[type, ...]) -> Iterator[str]:
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is ClassVar:
            continue
        field = f"{path}.{name}"
        words, parts = set(re.findall(r"[a-z]+[0-9]*", name.lower())), list(_parts(hint))
        if words & PRIVATE_WORDS and not any(part in PUBLIC_METADATA for part in parts if isinstance(part, Meta)):
            yield field
        for part in parts:
            if part in PRIVATE_METADATA if isinstance(part, Meta) else part in PRIVATE_STRUCTS:
                yield field
            if isinstance(part, type) and issubclass(part, Struct) and part not in outer:
                yield from _private_fields(part, field, (*outer, part))


def _parts(hint: Any) -> Iterator[Any]:  # noqa: ANN401
    """Return a type and everything that it consists of, including the metadata of annotations."""
    yield hint
    for argument in get_args(hint):
        yield from _parts(argument)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic)
def test_no_event_has_personal_data(event: type[Event]) -> None:
    assert private_fields(event) == []


class Buyer(Struct):
    """A person, as a part of an event."""

    id: UUID
    full_name: str


class Planted(Struct):
    """An event with personal data in every form."""

    email: str
    contact_email: str
    line1: str
    postal_code: str
    contact: EmailAddress
    alias: Annotated[PersonName, Meta(description="Her name.")]
    watchers: list[Email | None]
    seller: Seller | None
    buyers: dict[str, list[Buyer]]
    shop_name: ShopName
    lines: list[SoldLine]


def test_planted_personal_data_is_found() -> None:
    assert private_fields(Planted) == [
        "Planted.alias",
        "Planted.buyers.full_name",
        "Planted.contact",
        "Planted.contact_email",
        "Planted.email",
        "Planted.line1",
        "Planted.postal_code",
        "Planted.seller",
        "Planted.seller.email",
        "Planted.seller.name",
        "Planted.watchers",
    ]
