"""Kafka: its table of contents."""

from typing import Final

from nextbuy.contracts.catalogue import EVENTS
from nextbuy.contracts.order import OrderCreated, PaymentRefunded
from nextbuy.contracts.product import ProductPending
from nextbuy.contracts.seller import SellerApproved, SellerRegistered, SellerRejected, SellerSuspended
from nextbuy.contracts.values import Role
from nextbuy.kafka.count_events import count_events
from nextbuy.kafka.daily_figures import daily_figures
from nextbuy.kafka.dead_letter import dead_letter
from nextbuy.kafka.dead_letters import dead_letters
from nextbuy.kafka.deps import Deps
from nextbuy.kafka.follow_shops import follow_shops
from nextbuy.kafka.interactions import interactions
from nextbuy.kafka.notify_admins import notify_admins
from nextbuy.kafka.replay_dead_letter import replay_dead_letter
from nextbuy.kit.service import Service, get, on, on_batch, post

_ADMINS: Final = [Role.ADMIN]

SERVICE = Service(
    name="kafka",
    deps=Deps,
    routes=[
        get("dead-letters", dead_letters, who=_ADMINS),
        get("dead-letters/{id}", dead_letter, who=_ADMINS),
        post("dead-letters/{id}/replay", replay_dead_letter, who=_ADMINS, status=202),
        get("daily-figures", daily_figures, who=_ADMINS),
        get("interactions/{trace_id}", interactions, who=_ADMINS),
    ],
    listens=[
        # The first, so that no other handler's callee holds up what can be bought.
        on([SellerRegistered, SellerApproved, SellerRejected, SellerSuspended], follow_shops),
        on([ProductPending, SellerRegistered, OrderCreated, PaymentRefunded], notify_admins),
        on_batch(EVENTS, count_events),
    ],
)
