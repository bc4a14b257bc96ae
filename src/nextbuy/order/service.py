"""Order: checkouts, payments, and the orders of buyers and shops."""

from nextbuy.contracts.operator import operator_acted_of
from nextbuy.contracts.order import ReadOrderEvents, UnmatchedRefundReported
from nextbuy.contracts.values import Role
from nextbuy.kit.events.event_log import read_events
from nextbuy.kit.service import ANYONE_LOGGED_IN, RawContent, Service, answers, get, job, post, put
from nextbuy.order.add_to_basket import add_to_basket
from nextbuy.order.audit import audit
from nextbuy.order.basket import basket
from nextbuy.order.cancel_payment_session import cancel_payment_session
from nextbuy.order.create_payment_session import create_payment_session
from nextbuy.order.deps import Deps
from nextbuy.order.expire_sessions import expire_sessions
from nextbuy.order.give_up_stuck import give_up_stuck
from nextbuy.order.history import EVENTS
from nextbuy.order.open_payment_session import open_payment_session
from nextbuy.order.order_details import order_details
from nextbuy.order.order_timeline import order_timeline
from nextbuy.order.payment_session import payment_session
from nextbuy.order.payment_webhook import payment_webhook
from nextbuy.order.recover_checkouts import recover_checkouts
from nextbuy.order.refund_unmatched_payments import refund_unmatched_payments
from nextbuy.order.release_due_holds import release_due_holds
from nextbuy.order.replace_basket import replace_basket
from nextbuy.order.retry_stuck import retry_stuck
from nextbuy.order.seller_orders import seller_orders
from nextbuy.order.store.baskets import purge_guest_baskets
from nextbuy.order.store.early_refunds import purge_early_refunds
from nextbuy.order.store.sessions import purge_webhook_events
from nextbuy.order.store.stuck import STUCK
from nextbuy.order.stuck import stuck
from nextbuy.order.unmatched_history import UNMATCHED_EVENTS
from nextbuy.order.user_orders import user_orders
from nextbuy.order.verify_history import verify_history

SERVICE = Service(
    name="order",
    deps=Deps,
    routes=[
        get("basket", basket, checks_token=True),
        put("basket", replace_basket, if_match=True, checks_token=True),
        post("add-to-basket", add_to_basket, checks_token=True),
        post("create-payment-session", create_payment_session, who=[Role.BUYER], status=201),
        get("payment-session/{session_id}", payment_session, who=[Role.BUYER]),
        get("open-payment-session", open_payment_session, who=[Role.BUYER]),
        post("cancel-payment-session/{session_id}", cancel_payment_session, who=[Role.BUYER]),
        post("payment-webhook", payment_webhook, raw=RawContent(("application/json",), ("application/json",))),
        get("user-orders", user_orders, who=[Role.BUYER]),
        get("order-details/{order_id}", order_details, who=ANYONE_LOGGED_IN),
        get("order-timeline/{order_id}", order_timeline, who=ANYONE_LOGGED_IN),
        get("seller-orders", seller_orders, who=[Role.SELLER]),
        get("verify-history", verify_history, who=[Role.ADMIN]),
        get("stuck", stuck, who=[Role.ADMIN]),
        post("stuck/{id}/retry", retry_stuck, who=[Role.ADMIN], status=202),
        post("stuck/{id}/give-up", give_up_stuck, who=[Role.ADMIN]),
        get("audit", audit, who=[Role.ADMIN]),
    ],
    calls=[answers(ReadOrderEvents, read_events)],
    publishes=[*EVENTS, *UNMATCHED_EVENTS, UnmatchedRefundReported, operator_acted_of("order")],
    jobs=[
        job("expire-sessions", expire_sessions, every=1.0, idle=5.0),
        job("release-due-holds", release_due_holds, every=1.0, idle=5.0),
        job("recover-checkouts", recover_checkouts, every=1.0, idle=5.0),
        job("refund-unmatched-payments", refund_unmatched_payments, every=1.0, idle=5.0),
        job("purge-early-refunds", lambda deps: purge_early_refunds(deps.database), every=600.0),
        job("purge-webhook-events", lambda deps: purge_webhook_events(deps.database), every=600.0),
        job("purge-guest-baskets", lambda deps: purge_guest_baskets(deps.database), every=600.0),
    ],
    status=[STUCK.status],
)
