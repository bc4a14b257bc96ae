"""Notifications and mails as the API returns them."""

from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from nextbuy.contracts.values import Notification, Timestamp


class NotificationPage(Struct, frozen=True):
    """A page of an account's notifications, and the number of all unread ones, at most 1,000."""

    items: list[Notification]
    next_cursor: str | None
    unread: int


HIDDEN_TOKEN: Final = "[hidden]"  # noqa: S105  the absence of a secret
"""The text in a stored mail that stands for the token of its link."""
MailStatus = Literal["waiting", "sent", "stored", "failed", "superseded"]
"""`stored`: no mail server is configured. `superseded`: not sent, because a newer event has made it wrong."""


class Mail(Struct, frozen=True, kw_only=True):
    """A mail and the result of sending it; `recipient` is empty before the first attempt.

    The recipient of a stored mail is the present e-mail address of its account, or empty if the account was deleted.
    """

    id: UUID
    account_id: UUID
    kind: str
    recipient: str
    subject: str
    status: MailStatus
    reason: str
    attempts: int
    created_at: Timestamp
    done_at: Timestamp | None


class MailWithBody(Mail, frozen=True, kw_only=True):
    """A mail with its body as plain text, and as HTML, which is empty for mails of earlier releases."""

    body: str
    html: str


class MailLink(Struct, frozen=True):
    """A link with a token, which only the mail has: its id at auth, the path of its page, and what it does."""

    id: UUID
    page: str
    label: str


class NotificationDraft(Struct, frozen=True, kw_only=True):
    """A notification for one account; `link` is the path of a page, and `by_email` sends it as an e-mail too."""

    account_id: UUID
    kind: str
    about: str
    """The shop, product or payment session that it concerns, such as `shop:<id>`."""
    reports_state: bool
    """Whether a newer notification with the same `about` makes it wrong."""
    title: str
    message: str
    link: str
    by_email: bool = True
    mail_link: MailLink | None = None
    """The link of the mail, instead of `link`."""


class EmailText(Struct, frozen=True):
    """The text of an e-mail, with `HIDDEN_TOKEN` for the token of a link."""

    subject: str
    body: str
    html: str
