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
    """A mail with its body."""

    body: str
