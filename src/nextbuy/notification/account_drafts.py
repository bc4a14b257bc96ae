"""The texts of notifications about an account: its e-mail address, its password, and sign-ins."""

from typing import Final
from uuid import UUID

from nextbuy.contracts.auth import (
    AccountRegistered,
    EmailChanged,
    EmailChangeRequested,
    EmailConfirmationRequested,
    LoginsSlowed,
    PasswordChanged,
    PasswordResetRequested,
)
from nextbuy.contracts.message import Event
from nextbuy.notification.model import MailLink, NotificationDraft

ABOUT_ACCOUNTS: Final[tuple[type[Event], ...]] = (
    LoginsSlowed,
    AccountRegistered,
    EmailConfirmationRequested,
    EmailChangeRequested,
    EmailChanged,
    PasswordResetRequested,
    PasswordChanged,
)
"""Events that notify the owner of an account of a change of it."""


def about_account(event: Event) -> list[NotificationDraft]:
    """Return the notifications about an event of an account, for its owner; none for other events."""
    match event:
        case LoginsSlowed():
            return [_login_draft(event)]
        case AccountRegistered(link_id=UUID() as link_id) | EmailConfirmationRequested(link_id=link_id):
            return [_confirmation_draft(event.account_id, link_id)]
        case EmailChangeRequested():
            return _change_drafts(event)
        case EmailChanged():
            return [_email_draft(event)]
        case PasswordResetRequested():
            return [_reset_draft(event)]
        case PasswordChanged():
            return [_password_draft(event)]
        case _:
            return []


def _login_draft(event: LoginsSlowed) -> NotificationDraft:
    return _account_draft(
        event.account_id,
        "logins-slowed",
        "Wrong passwords for your account",
        "Many wrong passwords were entered for your account, and none of them was accepted. We slow down such"
        " attempts. If it was not you, you do not need to do anything. You can still sign in on the devices that"
        " you have used before; on a new device you may have to wait a few minutes.",
    )


def _confirmation_draft(account_id: UUID, link_id: UUID) -> NotificationDraft:
    return _account_draft(
        account_id,
        "confirm-email",
        "Confirm your e-mail address",
        "Please confirm that this e-mail address is yours, so that you can get back into your account if you forget"
        " your password. Use the link in our e-mail; it is valid for a week. If you have no account here, ignore the"
        " e-mail.",
        MailLink(link_id, "/confirm-email", "Confirm your e-mail address"),
    )


def _change_drafts(event: EmailChangeRequested) -> list[NotificationDraft]:
    return [
        _account_draft(
            event.account_id,
            "change-email-old",
            "Confirm the change of your e-mail address",
            "Another e-mail address was requested for your account. It changes once you have used the links in two"
            " e-mails: this one, and the one that we sent to the new e-mail address. They are valid for a day. If it"
            " was not you, ignore this e-mail and change your password: the person who requested it knows it.",
            MailLink(event.old_link_id, "/confirm-email", "Confirm the change"),
        ),
        _account_draft(
            event.account_id,
            "change-email-new",
            "Confirm your new e-mail address",
            "This e-mail address was entered as the new one of an account. It changes once the links in two"
            " e-mails are used: this one, and the one that we sent to the old e-mail address. They are valid for a day."
            " If you have no account here, ignore this e-mail.",
            MailLink(event.new_link_id, "/confirm-email", "Confirm this e-mail address"),
        ),
    ]


def _email_draft(event: EmailChanged) -> NotificationDraft:
    return _account_draft(
        event.account_id,
        "email-changed",
        "Your e-mail address was changed",
        "Sign in with the new e-mail address from now on. We also send our e-mails to it.",
    )


def _reset_draft(event: PasswordResetRequested) -> NotificationDraft:
    return _account_draft(
        event.account_id,
        "password-reset",
        "Set a new password",
        "A new password was requested for your account. Use the link in our e-mail to set it. It is valid for 30"
        " minutes, and works once. If it was not you, ignore the e-mail: your password stays as it is.",
        MailLink(event.link_id, "/reset-password", "Set a new password"),
    )


def _password_draft(event: PasswordChanged) -> NotificationDraft:
    signed_out = "All devices were signed out." if event.how == "reset" else "All other devices were signed out."
    return _account_draft(
        event.account_id,
        "password-changed",
        "Your password was changed",
        f"Your account has a new password. {signed_out} If it was not you, request a new password at once: choose"
        " “Forgot your password?” where you sign in.",
    )


def _account_draft(
    account_id: UUID, kind: str, title: str, message: str, mail_link: MailLink | None = None
) -> NotificationDraft:
    return NotificationDraft(
        account_id=account_id,
        kind=kind,
        about=f"account:{account_id}",
        reports_state=False,
        title=title,
        message=message,
        link="/notifications",
        mail_link=mail_link,
    )
