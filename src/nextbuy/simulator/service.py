"""The payment simulator: a payment provider with a hosted page, signed webhooks and redelivery."""

from nextbuy.contracts.operator import operator_acted_of
from nextbuy.contracts.simulator import ClosePayment, OpenPayment, RefundPayment
from nextbuy.contracts.values import Role
from nextbuy.kit.service import RawContent, Service, answers, get, job, post
from nextbuy.simulator.audit import audit
from nextbuy.simulator.close_payment import close_payment
from nextbuy.simulator.deliver_webhooks import deliver_webhooks
from nextbuy.simulator.deps import Deps, close
from nextbuy.simulator.expire_payments import expire_payments
from nextbuy.simulator.give_up_stuck import give_up_stuck
from nextbuy.simulator.open_payment import open_payment
from nextbuy.simulator.pay import Card, Paid, pay
from nextbuy.simulator.payment_page import payment_page
from nextbuy.simulator.refund_payment import refund_payment
from nextbuy.simulator.retry_stuck import retry_stuck
from nextbuy.simulator.store import STUCK
from nextbuy.simulator.stuck import stuck

_ADMINS = [Role.ADMIN]
_PAY = RawContent(
    produces=("application/json", "text/html"),
    accepts=("application/json", "application/x-www-form-urlencoded"),
    body=Card,
    reply=Paid,
    redirects=True,
)

SERVICE = Service(
    name="simulator",
    deps=Deps,
    routes=[
        get("pay/{payment_id}", payment_page, raw=RawContent(("text/html",))),
        post("pay/{payment_id}", pay, raw=_PAY, body_limit=4_096),
        get("stuck", stuck, who=_ADMINS),
        post("stuck/{id}/retry", retry_stuck, who=_ADMINS, status=202),
        post("stuck/{id}/give-up", give_up_stuck, who=_ADMINS),
        get("audit", audit, who=_ADMINS),
    ],
    calls=[
        answers(OpenPayment, open_payment),
        answers(ClosePayment, close_payment),
        answers(RefundPayment, refund_payment),
    ],
    publishes=[operator_acted_of("simulator")],
    jobs=[
        job("deliver-webhooks", deliver_webhooks, every=1.0),
        job("expire-payments", expire_payments, every=1.0, idle=5.0),
    ],
    shutdown=close,
    status=[STUCK.status],
)
