"""Auth: registration, login sessions, and the status of accounts."""

from typing import Final

from nextbuy.auth.change_email import change_email
from nextbuy.auth.change_name import change_name
from nextbuy.auth.change_password import change_password
from nextbuy.auth.confirm_email import confirm_email
from nextbuy.auth.convert_emails import convert_emails
from nextbuy.auth.delete_address import delete_address
from nextbuy.auth.deps import Deps
from nextbuy.auth.end_session import end_session
from nextbuy.auth.find_accounts import find_accounts
from nextbuy.auth.get_accounts import get_accounts
from nextbuy.auth.get_public_keys import get_public_keys
from nextbuy.auth.issue_links import issue_links
from nextbuy.auth.list_addresses import list_addresses
from nextbuy.auth.list_sessions import list_sessions
from nextbuy.auth.login import login
from nextbuy.auth.logout import logout
from nextbuy.auth.me import me
from nextbuy.auth.purge_expired import purge_expired
from nextbuy.auth.refresh_session import refresh_session
from nextbuy.auth.register import register
from nextbuy.auth.request_password_reset import request_password_reset
from nextbuy.auth.reset_password import reset_password
from nextbuy.auth.save_address import save_address
from nextbuy.auth.send_confirmation import send_confirmation
from nextbuy.auth.set_account_status import set_account_status
from nextbuy.auth.start_password_resets import start_password_resets
from nextbuy.auth.validate_admin import validate_admin
from nextbuy.auth.validate_seller import validate_seller
from nextbuy.auth.validate_user import validate_user
from nextbuy.auth.warn_owners import warn_owners
from nextbuy.contracts.auth import (
    AccountRegistered,
    AccountReinstated,
    AccountSuspended,
    EmailChanged,
    EmailChangeRequested,
    EmailConfirmationRequested,
    FindAccounts,
    GetAccounts,
    GetPublicKeys,
    IssueLinks,
    LoginsSlowed,
    PasswordChanged,
    PasswordResetRequested,
    ReadAuthEvents,
    SetAccountStatus,
    ValidateAdmin,
    ValidateSeller,
    ValidateUser,
)
from nextbuy.contracts.operator import operator_acted_of
from nextbuy.kit.events.event_log import read_events
from nextbuy.kit.service import ANYONE_LOGGED_IN, Service, answers, delete, get, job, post, put

SERVICE: Final = Service(
    name="auth",
    deps=Deps,
    routes=[
        post("register", register, status=201),
        post("login", login),
        post("refresh-session", refresh_session),
        post("logout", logout, who=ANYONE_LOGGED_IN, status=204),
        get("me", me, who=ANYONE_LOGGED_IN),
        put("me", change_name, who=ANYONE_LOGGED_IN),
        get("sessions", list_sessions, who=ANYONE_LOGGED_IN),
        delete("sessions/{id}", end_session, who=ANYONE_LOGGED_IN),
        get("addresses", list_addresses, who=ANYONE_LOGGED_IN),
        post("addresses", save_address, who=ANYONE_LOGGED_IN, status=201),
        delete("addresses/{id}", delete_address, who=ANYONE_LOGGED_IN),
        post("change-password", change_password, who=ANYONE_LOGGED_IN, status=204),
        post("change-email", change_email, who=ANYONE_LOGGED_IN, status=202),
        post("request-password-reset", request_password_reset, status=202),
        post("reset-password", reset_password, status=204),
        post("confirm-email", confirm_email, status=204),
        post("send-confirmation", send_confirmation, who=ANYONE_LOGGED_IN, status=202),
    ],
    calls=[
        answers(GetPublicKeys, get_public_keys),
        answers(ValidateUser, validate_user),
        answers(ValidateSeller, validate_seller),
        answers(ValidateAdmin, validate_admin),
        answers(GetAccounts, get_accounts),
        answers(FindAccounts, find_accounts),
        answers(SetAccountStatus, set_account_status),
        answers(IssueLinks, issue_links),
        answers(ReadAuthEvents, read_events),
    ],
    publishes=[
        operator_acted_of("auth"),
        AccountRegistered,
        AccountSuspended,
        AccountReinstated,
        LoginsSlowed,
        EmailConfirmationRequested,
        EmailChangeRequested,
        EmailChanged,
        PasswordResetRequested,
        PasswordChanged,
    ],
    jobs=[
        job("convert-emails", convert_emails, every=86_400),
        job("purge-expired", purge_expired, every=60),
        job("start-password-resets", start_password_resets, every=1.0, idle=5.0),
        job("warn-owners", warn_owners, every=60),
    ],
    startup=Deps.start,
    shutdown=Deps.stop,
)
