"""How often who may ask: the pure part. Classes of requests, whom a request counts for, and what a refusal says."""

import math
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Final

from msgspec import Struct

from nextbuy.kit.http.tokens import ACCESS_COOKIE
from nextbuy.kit.rpc.retry import TokenBucket


class Limit(Struct, frozen=True):
    """So many at once (`burst`), and `rate` a second for ever; taken from the shared store `batch` at a time.

    `by_address` counts for the address even where the account is known.
    """

    name: str
    burst: int
    rate: float
    batch: int
    by_address: bool = False

    @property
    def policy(self) -> str:
        """The value of RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"{self.name}";q={self.burst};w={math.ceil(self.burst / self.rate)}'

    def refusal(self, wait: float) -> list[tuple[str, str]]:
        """Return the headers that tell of a refusal, beside Retry-After."""
        return [("ratelimit-policy", self.policy), ("ratelimit", f'"{self.name}";r=0;t={math.ceil(wait)}')]


DEFAULT: Final = Limit("default", burst=120, rate=40.0, batch=10)
STRICT: Final = Limit("login", burst=10, rate=10 / 60, batch=1, by_address=True)
"""For what a password can be guessed with: counted one by one, or ten would be nine too many."""
_STRICT: Final = frozenset({("POST", "/auth/api/register"), ("POST", "/auth/api/login")})
_EXEMPT: Final = frozenset({"/order/api/payment-webhook"})
_EXEMPT_BELOW: Final = "/simulator/api/pay"


def limit_for(method: str, path: str) -> Limit | None:
    """Return the limit that a request comes under; None for webhooks and the hosted payment page."""
    if path in _EXEMPT or path == _EXEMPT_BELOW or path.startswith(f"{_EXEMPT_BELOW}/"):
        return None
    return STRICT if (method, path) in _STRICT else DEFAULT


def subject_of(address: str) -> str:
    """Return whom an address stands for: an IPv6 network of 64 bits is one household, not 2^64 clients."""
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


def token_in(headers: Mapping[str, str]) -> str | None:
    """Return the access token that a request carries, for counting alone: what it allows is its service's to say."""
    authorization = headers.get("authorization")
    if authorization is not None:
        return authorization[7:].strip() if authorization[:7].lower() == "bearer " else None
    cookie = headers.get("cookie")
    if cookie is None or ACCESS_COOKIE not in cookie:
        return None
    for part in cookie.split(";"):
        name, _, value = part.strip().partition("=")
        if name == ACCESS_COOKIE:
            return value.strip('"')
    return None


class Tokens:
    """What one subject may still spend here.

    `left` is what was taken from the shared store; while there is none, a bucket of our own counts. It is kept in step
    all the time, so that a store that goes away gives nobody a second burst.
    """

    __slots__ = ("_bucket", "empty_until", "left")

    def __init__(self, limit: Limit) -> None:
        self._bucket = TokenBucket(limit.burst, limit.rate)
        self.left = 0
        self.empty_until = -math.inf

    def spend(self) -> bool:
        """Spend a token that was taken from the store, where there is one."""
        if self.left <= 0:
            return False
        self.left -= 1
        return True

    def taken(self, count: int, now: float) -> None:
        """Have so many more, taken from the store."""
        self.left += count
        self._bucket.take(min(count, self._bucket.available(now)), now)

    def spend_own(self, now: float) -> float:
        """Spend a token of our own bucket and return 0.0, or return the seconds until there is one."""
        return self._bucket.take(1, now)

    def wait(self, now: float) -> float:
        """Return the seconds until the store may have tokens again; 0.0 where it may have now."""
        return max(0.0, self.empty_until - now)
