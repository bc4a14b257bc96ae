"""The calls that auth answers, and the events that it publishes."""

from functools import partial
from typing import Annotated, ClassVar, Final, Literal, Protocol
from uuid import UUID

from msgspec import Meta, Struct

from nextbuy.contracts.checks import require_distinct, require_each, require_equal, require_events, require_subset
from nextbuy.contracts.message import Call, Check, Client, Event, EventsRead
from nextbuy.contracts.values import (
    AccountId,
    AdminId,
    BatchLimit,
    Email,
    LogPosition,
    PersonName,
    ReasonText,
    Role,
    Topics,
)

MAX_ACCOUNTS: Final = 100
"""Accounts per call."""
AccessToken = Annotated[str, Meta(max_length=4_096)]
AccountIds = Annotated[list[UUID], Meta(max_length=MAX_ACCOUNTS)]
MAX_LINKS: Final = 100
"""Links per call."""
LinkIds = Annotated[list[UUID], Meta(max_length=MAX_LINKS)]
LinkId = Annotated[UUID, Meta(description="The link that the mail carries; only its mail has the token.")]


class Account(Struct, frozen=True):
    """A registered account; its e-mail address is confirmed once its owner has used a link that was sent there."""

    id: UUID
    email: Email
    name: Annotated[PersonName, Meta(min_length=1)]
    role: Role
    email_confirmed: bool = False


class PublicKey(Struct, frozen=True):
    """The public key (PEM) of a signing key, with its id."""

    kid: Annotated[str, Meta(min_length=1, max_length=200)]
    pem: Annotated[str, Meta(min_length=1, max_length=10_000)]


class PublicKeys(Struct, frozen=True):
    """All keys that verify access tokens now."""

    keys: Annotated[list[PublicKey], Meta(max_length=1_000)]


class GetPublicKeys(Call[PublicKeys], to="auth", name="get-public-keys", callers=("gateway",), idempotent=True):
    """Return the public keys that verify access tokens."""


class ValidateUser(
    Call[Account],
    to="auth",
    name="validate-user",
    callers=("analytics", "notification", "order", "product", "seller"),
    idempotent=True,
):
    """Return the account of an access token, if its login session is active and the account not suspended."""

    token: AccessToken


class ValidateSeller(Call[Account], to="auth", name="validate-seller", callers=("product", "seller"), idempotent=True):
    """Return the account of a seller's access token, under the conditions of `ValidateUser`."""

    token: AccessToken


class ValidateAdmin(
    Call[Account],
    to="auth",
    name="validate-admin",
    callers=("admin", "analytics", "kafka", "notification", "simulator"),
    idempotent=True,
):
    """Return the account of an admin's access token, under the conditions of `ValidateUser`."""

    token: AccessToken


class Accounts(Struct, frozen=True):
    """The accounts that exist, in no particular order, and the ids of those that do not."""

    accounts: Annotated[list[Account], Meta(max_length=MAX_ACCOUNTS)]
    missing: AccountIds = []


class GetAccounts(Call[Accounts], to="auth", name="get-accounts", callers=("admin", "notification"), idempotent=True):
    """Return up to 100 accounts with their e-mail addresses."""

    account_ids: AccountIds


MAX_FOUND: Final = 10
"""Accounts that a search returns."""


class FoundAccount(Account, frozen=True):
    """An account as operators see it."""

    suspended: bool = False


class FoundAccounts(Struct, frozen=True):
    """The accounts that match, by e-mail address; an account with exactly this address is the first."""

    accounts: Annotated[list[FoundAccount], Meta(max_length=MAX_FOUND)]


class FindAccounts(Call[FoundAccounts], to="auth", name="find-accounts", callers=("admin",), idempotent=True):
    """Find up to 10 accounts: by id, or by the beginning of an e-mail address, of a name or of its last word."""

    text: Annotated[str, Meta(min_length=1, max_length=254)]


class ChangedAccount(Account, frozen=True):
    """An account, and the position of its last suspension or reinstatement in auth's event log, 0 without one."""

    position: LogPosition = 0


class SetAccountStatus(Call[ChangedAccount], to="auth", name="set-account-status", callers=("admin",), idempotent=True):
    """Suspend an account, which ends all its login sessions, or reinstate it."""

    account_id: UUID
    status: Literal["active", "suspended"]
    reason: ReasonText
    by: UUID


class ReadAuthEvents(Call[EventsRead], to="auth", name="read-auth-events", callers=("analytics",), idempotent=True):
    """Read up to 1,000 events of auth's event log after a position, of all topics or those named."""

    after: LogPosition
    limit: BatchLimit
    topics: Topics | None = None


class IssuedLink(Struct, frozen=True):
    """A link for one mail: the recipient, and a new token; auth stores only its hash."""

    id: UUID
    email: Email
    token: Annotated[str, Meta(min_length=43, max_length=43)]


class IssuedLinks(Struct, frozen=True):
    """The links that are valid now, in no particular order, and the ids of the others."""

    links: Annotated[list[IssuedLink], Meta(max_length=MAX_LINKS)]
    missing: LinkIds = []


class IssueLinks(Call[IssuedLinks], to="auth", name="issue-links", callers=("notification",), idempotent=False):
    """Create a token for each of up to 100 links that mails are about to carry.

    A link is missing if it has expired or was used, or if its account is suspended.
    """

    link_ids: LinkIds


class AccountRegistered(Event, topic="account.registered", key="account_id", schema_version=2):
    """An account was registered."""

    account_id: AccountId
    role: Annotated[Role, Meta(description="The role.")]
    link_id: Annotated[
        UUID | None, Meta(description="The link that confirms the e-mail address; null if an operator vouches for it.")
    ] = None


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


class LoginsSlowed(Event, topic="account.logins-slowed", key="account_id"):
    """Logins to an account are slowed down after many wrong passwords; published at most once a day."""

    account_id: AccountId


class EmailConfirmationRequested(Event, topic="email-confirmation.requested", key="account_id"):
    """The owner of an account has requested another link that confirms its e-mail address."""

    account_id: AccountId
    link_id: LinkId


class EmailChangeRequested(Event, topic="email-change.requested", key="account_id"):
    """Another e-mail address was requested for an account; a link goes to the old one, and one to the new one."""

    account_id: AccountId
    old_link_id: Annotated[UUID, Meta(description="The link for the old address; only its mail has the token.")]
    new_link_id: Annotated[UUID, Meta(description="The link for the new address; only its mail has the token.")]


class EmailChanged(Event, topic="account.email-changed", key="account_id"):
    """An account has a new e-mail address, confirmed at both addresses."""

    account_id: AccountId


class PasswordResetRequested(Event, topic="password-reset.requested", key="account_id"):
    """A link to set a new password was requested for an account; the token of the link is in no event."""

    account_id: AccountId
    link_id: LinkId


class PasswordChanged(Event, topic="account.password-changed", key="account_id"):
    """An account has a new password."""

    account_id: AccountId
    how: Annotated[
        Literal["reset", "changed"],
        Meta(description="By a link that was sent by mail, or by its owner with the old password."),
    ]


class LoggedIn(Protocol):
    """A caller with an access token whose signature was verified, and the account and role that it names."""

    @property
    def token(self) -> str: ...  # noqa: D102
    @property
    def account_id(self) -> UUID: ...  # noqa: D102
    @property
    def role(self) -> Role | None: ...  # noqa: D102


def _account_check(account_id: UUID, role: Role | None = None) -> Check[Account]:
    def check(account: Account) -> None:
        require_equal("id", account.id, account_id)
        if role is not None:
            require_equal("role", account.role, role)

    return check


class AuthClient(Client):
    """A client of auth."""

    service: ClassVar[str] = "auth"

    async def get_public_keys(self) -> PublicKeys:
        """Return the public keys that verify access tokens."""

        def check(reply: PublicKeys) -> None:
            require_distinct("keys[{}].kid", (key.kid for key in reply.keys))

        return await self._send(GetPublicKeys(), check)

    async def validate_user(self, caller: LoggedIn) -> Account:
        """Return the account of a caller's access token, which is the one that the token names.

        Raises:
            Unauthenticated: the token is invalid or its login session has ended.
            Forbidden: the account is suspended.
        """
        return await self._send(ValidateUser(token=caller.token), _account_check(caller.account_id, caller.role))

    async def validate_seller(self, caller: LoggedIn) -> Account:
        """Return the account of a seller, like `validate_user`; `Forbidden` for another role."""
        return await self._send(ValidateSeller(token=caller.token), _account_check(caller.account_id, Role.SELLER))

    async def validate_admin(self, caller: LoggedIn) -> Account:
        """Return the account of an admin, like `validate_user`; `Forbidden` for another role."""
        return await self._send(ValidateAdmin(token=caller.token), _account_check(caller.account_id, Role.ADMIN))

    async def get_accounts(self, account_ids: list[UUID]) -> list[Account]:
        """Return the accounts that exist, of up to 100 ids."""

        def check(reply: Accounts) -> None:
            require_each("accounts[{}].id", [account.id for account in reply.accounts], reply.missing, account_ids)

        return (await self._send(GetAccounts(account_ids=account_ids), check)).accounts

    async def find_accounts(self, text: str) -> list[FoundAccount]:
        """Return up to 10 accounts whose id is `text`, or whose e-mail address or name begins with it."""

        def check(reply: FoundAccounts) -> None:
            require_distinct("accounts[{}].id", (account.id for account in reply.accounts))

        return (await self._send(FindAccounts(text=text), check)).accounts

    async def find_account(self, account_id: UUID) -> FoundAccount | None:
        """Return an account, or None if it does not exist."""

        def check(reply: FoundAccounts) -> None:
            require_subset("accounts[{}].id", (account.id for account in reply.accounts), [account_id])

        accounts = (await self._send(FindAccounts(text=str(account_id)), check)).accounts
        return accounts[0] if accounts else None

    async def issue_links(self, link_ids: list[UUID]) -> list[IssuedLink]:
        """Return a new token for each of up to 100 links that are still valid."""

        def check(reply: IssuedLinks) -> None:
            require_each("links[{}].id", [link.id for link in reply.links], reply.missing, link_ids)
            require_distinct("links[{}].token", (link.token for link in reply.links))

        return (await self._send(IssueLinks(link_ids=link_ids), check)).links

    async def suspend_account(self, account_id: UUID, *, reason: str, by: UUID) -> ChangedAccount:
        """Suspend an account; `NotFound` if it does not exist."""
        return await self._send(
            SetAccountStatus(account_id=account_id, status="suspended", reason=reason, by=by),
            _account_check(account_id),
        )

    async def reinstate_account(self, account_id: UUID, *, reason: str, by: UUID) -> ChangedAccount:
        """Reinstate an account; `NotFound` if it does not exist."""
        return await self._send(
            SetAccountStatus(account_id=account_id, status="active", reason=reason, by=by), _account_check(account_id)
        )

    async def read_events(self, after: int, *, limit: int, topics: list[str] | None = None) -> EventsRead:
        """Return a part of auth's event log, in order."""
        check = partial(require_events, service=self.service, after=after, limit=limit, topics=topics)
        return await self._send(ReadAuthEvents(after=after, limit=limit, topics=topics), check)
