"""Kafka: notifications and mails, figures from events, dead letters, and the audit log of operators."""

from nextbuy.contracts.order import OrderCreated
from nextbuy.contracts.product import ProductViewed
from nextbuy.contracts.seller import SellerApproved, SellerRegistered, SellerRejected, SellerSuspended
from nextbuy.contracts.values import Role
from nextbuy.kafka.audit import audit
from nextbuy.kafka.dead_letters.dead_letter import dead_letter
from nextbuy.kafka.dead_letters.dead_letters import dead_letters
from nextbuy.kafka.dead_letters.discard_dead_letter import discard_dead_letter
from nextbuy.kafka.dead_letters.replay import replay
from nextbuy.kafka.dead_letters.replay_dead_letter import replay_dead_letter
from nextbuy.kafka.dead_letters.replay_dead_letters import replay_dead_letters
from nextbuy.kafka.dead_letters.replays import replays
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.drafts import ACCOUNT_EVENTS, ADMIN_EVENTS
from nextbuy.kafka.forward_activity import forward_activity
from nextbuy.kafka.interactions import interactions
from nextbuy.kafka.mails.mail import mail
from nextbuy.kafka.mails.mails import mails
from nextbuy.kafka.mails.purge_mails import purge_mails
from nextbuy.kafka.mails.send_mails import send_mails
from nextbuy.kafka.notifications.notifications import notifications
from nextbuy.kafka.notifications.notify_accounts import notify_accounts
from nextbuy.kafka.notifications.notify_admins import notify_admins
from nextbuy.kafka.notifications.read_all_notifications import read_all_notifications
from nextbuy.kafka.notifications.read_notification import read_notification
from nextbuy.kafka.projections.best_sellers import best_sellers
from nextbuy.kafka.projections.daily_figures import daily_figures
from nextbuy.kafka.projections.product_figures import product_figures
from nextbuy.kafka.projections.projection import (
    BEST_SELLERS,
    DAILY_FIGURES,
    PRODUCT_VIEWS,
    SELLER_FIGURES,
    on_projection,
)
from nextbuy.kafka.projections.projections import projections
from nextbuy.kafka.projections.rebuild_projection import rebuild_projection
from nextbuy.kafka.projections.rebuild_projections import rebuild_projections
from nextbuy.kafka.projections.seller_figures import seller_figures
from nextbuy.kafka.sync_shops import sync_shops
from nextbuy.kit.events.dead_letters.store import purge_dead_letters
from nextbuy.kit.service import ANYONE_LOGGED_IN, Service, get, job, on, on_batch, on_many, post

_ADMINS = [Role.ADMIN]

SERVICE = Service(
    name="kafka",
    deps=Deps,
    routes=[
        get("dead-letters", dead_letters, who=_ADMINS),
        get("dead-letters/{id}", dead_letter, who=_ADMINS),
        post("dead-letters/replay", replay_dead_letters, who=_ADMINS, status=202),
        post("dead-letters/{id}/replay", replay_dead_letter, who=_ADMINS, status=202),
        post("dead-letters/{id}/discard", discard_dead_letter, who=_ADMINS),
        get("replays", replays, who=_ADMINS),
        get("replays/{replay_id}", replay, who=_ADMINS),
        get("audit", audit, who=_ADMINS),
        get("daily-figures", daily_figures, who=_ADMINS),
        get("best-sellers", best_sellers),
        get("seller-figures", seller_figures, who=[Role.SELLER]),
        get("product-figures/{product_id}", product_figures, who=[Role.SELLER, Role.ADMIN]),
        get("projections", projections, who=_ADMINS),
        post("projections/{name}/rebuild", rebuild_projection, who=_ADMINS, status=202),
        get("interactions/{trace_id}", interactions, who=_ADMINS),
        get("notifications", notifications, who=ANYONE_LOGGED_IN),
        post("read-notification/{notification_id}", read_notification, who=ANYONE_LOGGED_IN),
        post("read-all-notifications", read_all_notifications, who=ANYONE_LOGGED_IN),
        get("mails", mails, who=_ADMINS),
        get("mails/{mail_id}", mail, who=_ADMINS),
    ],
    listens=[
        # First: an event's handlers run in this order, and an unavailable callee must not delay what may be sold.
        on("sync-shops", [SellerRegistered, SellerApproved, SellerRejected, SellerSuspended], sync_shops),
        on_batch("notify-accounts", ACCOUNT_EVENTS, notify_accounts),
        on("notify-admins", ADMIN_EVENTS, notify_admins),
        on_projection("project-daily-figures", DAILY_FIGURES),
        on_projection("project-product-views", PRODUCT_VIEWS),
        on_projection("project-best-sellers", BEST_SELLERS),
        on_projection("project-seller-figures", SELLER_FIGURES),
        on_many("forward-activity", [ProductViewed, OrderCreated], forward_activity),
    ],
    jobs=[
        job("send-mails", send_mails, every=1.0),
        job("purge-mails", purge_mails, every=600.0),
        job("purge-dead-letters", lambda deps: purge_dead_letters(deps.database), every=600.0),
        job("rebuild-projections", rebuild_projections, every=1.0),
    ],
)
