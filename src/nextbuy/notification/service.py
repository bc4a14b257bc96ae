"""The table of contents of notification."""

from nextbuy.contracts.operator import operator_acted_of
from nextbuy.contracts.values import Role
from nextbuy.kit.service import ANYONE_LOGGED_IN, RawContent, Service, get, job, post, subscribe
from nextbuy.kit.wire import EVENT_STREAM
from nextbuy.notification.audit import audit
from nextbuy.notification.deps import Deps
from nextbuy.notification.drafts import ACCOUNT_EVENTS
from nextbuy.notification.give_up_stuck import give_up_stuck
from nextbuy.notification.mail import mail
from nextbuy.notification.mail_problems import mail_problems
from nextbuy.notification.mails import mails
from nextbuy.notification.notifications import notifications
from nextbuy.notification.notify_accounts import notify_accounts
from nextbuy.notification.poll_changes import poll_changes
from nextbuy.notification.purge_mails import purge_mails
from nextbuy.notification.read_all_notifications import read_all_notifications
from nextbuy.notification.read_notification import read_notification
from nextbuy.notification.retry_stuck import retry_stuck
from nextbuy.notification.send_mails import send_mails
from nextbuy.notification.store.mails import STUCK
from nextbuy.notification.stream import stream
from nextbuy.notification.stuck import stuck

_ADMINS = [Role.ADMIN]

SERVICE = Service(
    name="notification",
    deps=Deps,
    routes=[
        get("notifications", notifications, who=ANYONE_LOGGED_IN),
        post("read-notification/{notification_id}", read_notification, who=ANYONE_LOGGED_IN),
        post("read-all-notifications", read_all_notifications, who=ANYONE_LOGGED_IN),
        get("stream", stream, who=ANYONE_LOGGED_IN, raw=RawContent(produces=(EVENT_STREAM,))),
        get("mails", mails, who=_ADMINS),
        get("mails/{mail_id}", mail, who=_ADMINS),
        get("stuck", stuck, who=_ADMINS),
        post("stuck/{id}/retry", retry_stuck, who=_ADMINS, status=202),
        post("stuck/{id}/give-up", give_up_stuck, who=_ADMINS),
        get("audit", audit, who=_ADMINS),
    ],
    publishes=[operator_acted_of("notification")],
    subscriptions=[subscribe("notify-accounts", ACCOUNT_EVENTS, notify_accounts)],
    jobs=[
        job("send-mails", send_mails, every=1.0, idle=5.0),
        job("poll-changes", poll_changes, every=1.0),
        job("purge-mails", purge_mails, every=600.0),
    ],
    status=[STUCK.status, mail_problems],
)
