"""Dependencies of the kafka service for tests."""

from redis.asyncio import Redis

from nextbuy.contracts.admin import AdminClient
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.message import Send
from nextbuy.contracts.order import OrderClient
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.analytics.best_sellers_cache import BestSellersCache
from nextbuy.kafka.deps import Deps
from nextbuy.notification.mailer import Mailer, StoredMailer
from nextbuy.kit.observability.interactions import Interactions
from nextbuy.kit.storage.database import Database


def sample_deps(database: Database, redis: Redis, send: Send, *, mailer: Mailer | None = None) -> Deps:
    """Return dependencies whose calls are sent by `send`."""
    return Deps(
        auth=AuthClient(send),
        admin=AdminClient(send),
        product=ProductClient(send),
        seller=SellerClient(send),
        order=OrderClient(send),
        database=database,
        interactions=Interactions(redis),
        mailer=mailer or StoredMailer(),
        public_url="http://127.0.0.1:8080",
        best_sellers=BestSellersCache(),
    )
