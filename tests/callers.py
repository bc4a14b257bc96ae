"""Callers and accounts for tests of use cases."""

import time
from typing import Final
from uuid import UUID

from nextbuy.contracts.auth import Account, ValidateAdmin, ValidateSeller, ValidateUser
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.http.tokens import Identity
from nextbuy.kit.service_identity import ServiceIdentity

GATEWAY: Final = ServiceIdentity(b"a secret of sixteen bytes or more", "gateway")
"""The sender of requests that come through the gateway, in the same process."""


def account(role: Role, *, account_id: UUID | None = None) -> Account:
    """Return an account with a role."""
    return Account(account_id or new_id(), f"{role}@example.test", f"A {role}", role)


def caller(who: Account | None, *, if_match: str | None = None) -> Caller:
    """Return the caller of a request: `who` with a valid token, or an anonymous visitor."""
    headers = {} if if_match is None else {"if-match": if_match}
    if who is None:
        return Caller("", None, "127.0.0.1", headers)
    identity = Identity(who.id, who.role, new_id(), time.time() + 900)
    return Caller(f"token-of-{who.role}-{who.id}", identity, "127.0.0.1", headers)


def confirm(call: ValidateUser | ValidateSeller | ValidateAdmin) -> Account:
    """Answer as auth does: return the account that a token of `caller` names."""
    role, _, account_id = call.token.removeprefix("token-of-").partition("-")
    return account(Role(role), account_id=UUID(account_id))
