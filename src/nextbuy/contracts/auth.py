"""What others may ask of auth, and what it tells."""

from typing import (
    Annotated,
    ClassVar,
    Literal,
)
from uuid import UUID

from msgspec import (
    Meta,
    Struct,
)

from nextbuy.contracts.message import Call, Client, Event, EventsRead
from nextbuy.contracts.values import (
    AccountId,
    AdminId,
    BatchLimit,
    EmailAddress,
    PersonName,
    ReasonText,
    Role,
)


class Account(Struct, frozen=True):
    """Somebody who has registered."""

    id: UUID
    email: EmailAddress
    name: PersonName
    role: Role


class PublicKey(Struct, frozen=True):
    """One key that access tokens may be signed with: its id and its public half (PEM)."""

    kid: str
    pem: str


class PublicKeys(Struct, frozen=True):
    """All keys that are good now."""

    keys: list[PublicKey]


class GetPublicKeys(Call[PublicKeys], to="auth", name="get-public-keys", callers=("gateway",), idempotent=True):
    """Which public keys verify an access token?"""


class ValidateUser(Call[Account], to="auth", name="validate-user", callers=("kafka", "order"), idempotent=True):
    """Whose token is this, and is it good now: session alive, account not suspended? Any role."""

    token: str


class ValidateSeller(Call[Account], to="auth", name="validate-seller", callers=("product", "seller"), idempotent=True):
    """The same, and it must be a seller's."""

    token: str


class ValidateAdmin(Call[Account], to="auth", name="validate-admin", callers=("admin", "kafka"), idempotent=True):
    """The same, and it must be an admin's."""

    token: str


class Accounts(Struct, frozen=True):
    """Accounts, in no order; one that does not exist is left out."""

    accounts: list[Account]


class GetAccounts(Call[Accounts], to="auth", name="get-accounts", callers=("kafka",), idempotent=True):
    """Who are these (at most 100), and how are they reached?"""

    account_ids: list[UUID]


class SetAccountStatus(Call[Account], to="auth", name="set-account-status", callers=("admin",), idempotent=True):
    """Suspend an account or take it back; all its sessions end with a suspension."""

    account_id: UUID
    status: Literal["active", "suspended"]
    reason: str
    by: UUID


class ReadAuthEvents(Call[EventsRead], to="auth", name="read-auth-events", callers=("kafka",), idempotent=True):
    """What has auth published behind a position of its log (at most 1,000 events, of these topics)?"""

    after: int
    limit: BatchLimit
    topics: list[str] | None = None


class AccountRegistered(Event, topic="account.registered", key="account_id"):
    """Somebody has made an account."""

    account_id: AccountId
    email: Annotated[EmailAddress, Meta(description="Where mail reaches them.")]
    name: Annotated[PersonName, Meta(description="What they call themselves.")]
    role: Annotated[Role, Meta(description="What they may do.")]


class AccountSuspended(Event, topic="account.suspended", key="account_id"):
    """An admin has suspended an account."""

    account_id: AccountId
    reason: Annotated[ReasonText, Meta(description="Why, in the admin's words.")]
    by: AdminId


class AccountReinstated(Event, topic="account.reinstated", key="account_id"):
    """An admin has taken a suspended account back."""

    account_id: AccountId
    reason: Annotated[ReasonText, Meta(description="Why, in the admin's words.")]
    by: AdminId


class AuthClient(Client):
    """Speaks to auth."""

    service: ClassVar[str] = "auth"

    async def get_public_keys(self) -> PublicKeys:
        """Return the keys that verify access tokens."""
        return await self._send(GetPublicKeys())

    async def validate_user(self, token: str) -> Account:
        """Return whose token it is.

        Raises:
            Unauthenticated: the token is no good, or its session has ended.
            Forbidden: the account is suspended.
        """
        return await self._send(ValidateUser(token=token))

    async def validate_seller(self, token: str) -> Account:
        """Return whose token it is; as `validate_user`, and `Forbidden` where it is no seller's."""
        return await self._send(ValidateSeller(token=token))

    async def validate_admin(self, token: str) -> Account:
        """Return whose token it is; as `validate_user`, and `Forbidden` where it is no admin's."""
        return await self._send(ValidateAdmin(token=token))

    async def get_accounts(self, account_ids: list[UUID]) -> list[Account]:
        """Return those of these accounts that exist; at most 100 at once."""
        return (await self._send(GetAccounts(account_ids=account_ids))).accounts

    async def suspend_account(self, account_id: UUID, *, reason: str, by: UUID) -> Account:
        """Suspend an account; `NotFound` where there is none."""
        return await self._send(SetAccountStatus(account_id=account_id, status="suspended", reason=reason, by=by))

    async def reinstate_account(self, account_id: UUID, *, reason: str, by: UUID) -> Account:
        """Take a suspended account back; `NotFound` where there is none."""
        return await self._send(SetAccountStatus(account_id=account_id, status="active", reason=reason, by=by))

    async def read_events(self, after: int, *, limit: int, topics: list[str] | None = None) -> EventsRead:
        """Return a part of auth's event log."""
        return await self._send(ReadAuthEvents(after=after, limit=limit, topics=topics))
