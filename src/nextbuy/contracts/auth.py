"""The calls that auth answers, and the events that it publishes."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.message import Call, Client, Event, EventsRead
from nextbuy.contracts.values import AccountId, AdminId, BatchLimit, EmailAddress, PersonName, ReasonText, Role


class Account(Struct, frozen=True):
    """A registered account."""

    id: UUID
    email: EmailAddress
    name: PersonName
    role: Role


class PublicKey(Struct, frozen=True):
    """The public key (PEM) of a signing key, with its id."""

    kid: str
    pem: str


class PublicKeys(Struct, frozen=True):
    """All keys that verify access tokens now."""

    keys: list[PublicKey]


class GetPublicKeys(Call[PublicKeys], to="auth", name="get-public-keys", callers=("gateway",), idempotent=True):
    """Return the public keys that verify access tokens."""


class ValidateUser(
    Call[Account], to="auth", name="validate-user", callers=("analytics", "notification", "order"), idempotent=True
):
    """Return the account of an access token, if its login session is active and the account not suspended."""

    token: str


class ValidateSeller(Call[Account], to="auth", name="validate-seller", callers=("product", "seller"), idempotent=True):
    """Return the account of a seller's access token, under the conditions of `ValidateUser`."""

    token: str


class ValidateAdmin(
    Call[Account],
    to="auth",
    name="validate-admin",
    callers=("admin", "analytics", "kafka", "notification"),
    idempotent=True,
):
    """Return the account of an admin's access token, under the conditions of `ValidateUser`."""

    token: str


class Accounts(Struct, frozen=True):
    """The accounts that exist, in no particular order."""

    accounts: list[Account]


class GetAccounts(Call[Accounts], to="auth", name="get-accounts", callers=("notification",), idempotent=True):
    """Return up to 100 accounts with their e-mail addresses."""

    account_ids: list[UUID]


class SetAccountStatus(Call[Account], to="auth", name="set-account-status", callers=("admin",), idempotent=True):
    """Suspend an account, which ends all its login sessions, or reinstate it."""

    account_id: UUID
    status: Literal["active", "suspended"]
    reason: ReasonText
    by: UUID


class ReadAuthEvents(Call[EventsRead], to="auth", name="read-auth-events", callers=("analytics",), idempotent=True):
    """Read up to 1,000 events of auth's event log after a position, of all topics or those named."""

    after: int
    limit: BatchLimit
    topics: list[str] | None = None


class AccountRegistered(Event, topic="account.registered", key="account_id"):
    """An account was registered."""

    account_id: AccountId
    role: Annotated[Role, Meta(description="The role.")]


class AccountSuspended(Event, topic="account.suspended", key="account_id"):
    """An admin suspended an account."""

    account_id: AccountId
    reason: Annotated[ReasonText, Meta(description="The reason, in the admin's words.")]
    by: AdminId


class AccountReinstated(Event, topic="account.reinstated", key="account_id"):
    """An admin reinstated a suspended account."""

    account_id: AccountId
    reason: Annotated[ReasonText, Meta(description="The reason, in the admin's words.")]
    by: AdminId


class AuthClient(Client):
    """A client of auth."""

    service: ClassVar[str] = "auth"

    async def get_public_keys(self) -> PublicKeys:
        """Return the public keys that verify access tokens."""
        return await self._send(GetPublicKeys())

    async def validate_user(self, token: str) -> Account:
        """Return the account of an access token.

        Raises:
            Unauthenticated: the token is invalid or its login session has ended.
            Forbidden: the account is suspended.
        """
        return await self._send(ValidateUser(token=token))

    async def validate_seller(self, token: str) -> Account:
        """Return the account of a seller's token, like `validate_user`; `Forbidden` for another role."""
        return await self._send(ValidateSeller(token=token))

    async def validate_admin(self, token: str) -> Account:
        """Return the account of an admin's token, like `validate_user`; `Forbidden` for another role."""
        return await self._send(ValidateAdmin(token=token))

    async def get_accounts(self, account_ids: list[UUID]) -> list[Account]:
        """Return the accounts that exist, of up to 100 ids."""
        return (await self._send(GetAccounts(account_ids=account_ids))).accounts

    async def suspend_account(self, account_id: UUID, *, reason: str, by: UUID) -> Account:
        """Suspend an account; `NotFound` if it does not exist."""
        return await self._send(SetAccountStatus(account_id=account_id, status="suspended", reason=reason, by=by))

    async def reinstate_account(self, account_id: UUID, *, reason: str, by: UUID) -> Account:
        """Reinstate an account; `NotFound` if it does not exist."""
        return await self._send(SetAccountStatus(account_id=account_id, status="active", reason=reason, by=by))

    async def read_events(self, after: int, *, limit: int, topics: list[str] | None = None) -> EventsRead:
        """Return a part of auth's event log, in order."""
        return await self._send(ReadAuthEvents(after=after, limit=limit, topics=topics))
