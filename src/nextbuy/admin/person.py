"""GET /admin/api/person/{user_id}: a person, and their orders, payments and shop."""

from typing import Final

from msgspec import Struct

from nextbuy.admin.deps import Deps
from nextbuy.admin.model import AccountRef
from nextbuy.admin.search_store import IndexedEntry, entries_of_person
from nextbuy.contracts.auth import FoundAccount
from nextbuy.contracts.errors import NotFound
from nextbuy.kit.http.caller import Caller

PersonNotFound: Final = NotFound.of("person-not-found", "Person not found. Search for the e-mail address again.")
_LIMIT: Final = 50
"""Orders and payments each, the newest."""


class PersonDetails(Struct, frozen=True, kw_only=True):
    """An account, and what belongs to it; the newest 50 orders and payments."""

    person: FoundAccount
    orders: list[IndexedEntry]
    payments: list[IndexedEntry]
    shop: IndexedEntry | None


async def person(deps: Deps, caller: Caller, request: AccountRef) -> PersonDetails:
    """Return a person with their newest orders and payments.

    Raises:
        PersonNotFound: the account does not exist.
    """
    await deps.auth.validate_admin(caller)
    account = await deps.auth.find_account(request.user_id)
    if account is None:
        raise PersonNotFound
    shops = await entries_of_person(deps.database, account.id, "shop", 1)
    return PersonDetails(
        person=account,
        orders=await entries_of_person(deps.database, account.id, "order", _LIMIT),
        payments=await entries_of_person(deps.database, account.id, "payment", _LIMIT),
        shop=shops[0] if shops else None,
    )
