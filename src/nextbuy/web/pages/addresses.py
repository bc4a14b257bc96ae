"""Postal addresses: the fields of forms, and the saved ones of an account."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from nextbuy.contracts.values import Page, PostalAddress
from nextbuy.web.api import secondary
from nextbuy.web.visit import Visit

FIELDS: Final = PostalAddress.__struct_fields__
"""The fields of a postal address, as forms name them."""
MISSING: Final = "missing"
"""The code of an empty field; `address_fields.html` has the texts."""


class SavedAddress(PostalAddress, frozen=True, kw_only=True):
    """A saved postal address."""

    id: UUID

    def fields(self) -> dict[str, str]:
        """Return the fields as a form sends them."""
        return {name: getattr(self, name) for name in FIELDS}


def missing_fields(typed: Mapping[str, str]) -> dict[str, str]:
    """Return an error for each field that is empty: the API would name the first one only."""
    return {name: MISSING for name in FIELDS if not typed.get(name)}


async def saved_addresses(visit: Visit) -> list[SavedAddress] | None:
    """Return the visitor's saved addresses, newest first; none for a guest, None if they are unavailable."""
    if await visit.account() is None:
        return []
    found = await secondary(visit.api.get("/auth/api/addresses", Page[SavedAddress]))
    return None if found is None else found.items
