"""Rate limits: the limit that applies to a request, and the remaining tokens of a client."""

import math
from typing import Final

from msgspec import Struct

from nextbuy.kit.rpc.retry import TokenBucket


class Limit(Struct, frozen=True):
    """A token bucket of `burst` requests, refilled with `rate` a second, and taken from Redis in batches.

    `by_ip` counts per IP address even if the account is known.
    """

    name: str
    burst: int
    rate: float
    batch: int
    by_ip: bool = False

    @property
    def policy(self) -> str:
        """The value of RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"{self.name}";q={self.burst};w={math.ceil(self.burst / self.rate)}'

    def refusal(self, wait: float) -> list[tuple[str, str]]:
        """Return the RateLimit headers of a refusal, `wait` seconds before the next token."""
        return [("ratelimit-policy", self.policy), ("ratelimit", f'"{self.name}";r=0;t={math.ceil(wait)}')]


DEFAULT: Final = Limit("default", burst=120, rate=40.0, batch=10)
STRICT: Final = Limit("login", burst=10, rate=10 / 60, batch=1, by_ip=True)
"""For requests that try a password or a token, or send a mail. No batches: a batch of ten would allow nine more."""
_STRICT: Final = frozenset(
    ("POST", path)
    for path in (
        *("/sign-in", "/sign-up", "/forgot-password", "/reset-password", "/confirm-email"),
        *(
            f"/auth/api/{name}"
            for name in (
                *("register", "login", "request-password-reset", "reset-password", "confirm-email"),
                *("change-password", "change-email", "send-confirmation"),
            )
        ),
    )
)
"""The routes, and the forms of pages that use them."""
PAYMENT: Final = Limit("payment", burst=120, rate=40.0, batch=10, by_ip=True)
"""For the hosted payment page, which reads the database for anyone. It takes no tokens of other limits."""
PAGE: Final = Limit("page", burst=1_200, rate=200.0, batch=100, by_ip=True)
"""For pages, their files, and documents. An office has one IP address."""
_WEBHOOK: Final = "/order/api/payment-webhook"
_PAYMENT_PREFIX: Final = "/simulator/api/pay/"


def limit_for(method: str, path: str) -> Limit | None:
    """Return the limit of a request.

    None for webhooks: the provider sends as many as there are payments, and one without a valid signature reads no
    database. Health is not limited either (`Route.rate_limited`): operators must see it under load, and all clients
    share one check at a time.
    """
    if path == _WEBHOOK:
        return None
    if path.startswith(_PAYMENT_PREFIX):
        return PAYMENT
    if (method, path) in _STRICT:
        return STRICT
    return DEFAULT if "/api/" in path else PAGE


class Tokens:
    """The remaining tokens of a client in this gateway.

    `remaining` were taken from Redis and are unspent. While Redis is unavailable, a local bucket counts instead. The
    bucket counts all the time, so an outage of Redis grants no second burst.
    """

    __slots__ = ("_bucket", "empty_until", "remaining")

    def __init__(self, limit: Limit) -> None:
        self._bucket = TokenBucket(limit.burst, limit.rate)
        self.remaining = 0
        self.empty_until = -math.inf
        """The time (on the gateway's clock) until which Redis has no tokens for this client."""

    def spend(self) -> bool:
        """Spend a token from Redis, and return whether there was one."""
        if self.remaining <= 0:
            return False
        self.remaining -= 1
        return True

    def add(self, count: int, now: float) -> None:
        """Add tokens that were taken from Redis."""
        self.remaining += count
        self._bucket.take(min(count, self._bucket.available(now)), now)

    def spend_local(self, now: float) -> float:
        """Spend a token of the local bucket and return 0.0, or return the seconds until there is one."""
        return self._bucket.take(1, now)

    def wait(self, now: float) -> float:
        """Return the seconds until Redis may have tokens; 0.0 if it may have some now."""
        return max(0.0, self.empty_until - now)
