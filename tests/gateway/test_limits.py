"""Rate limits with Redis, without it, and with one that hangs."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from joserfc.jwk import ECKey
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from nextbuy.contracts.values import Role
from nextbuy.gateway.limiter import Limiter, RateLimited
from nextbuy.gateway.limits import DEFAULT, PAGE, PAYMENT, STRICT, Limit, limit_for
from nextbuy.kit.http.server import listen
from nextbuy.kit.http.tokens import Identity, KeyLoader, TokenVerifier, sign_token
from nextbuy.kit.wire import PROBLEM, Request, Response
from tests.gateway.conftest import OpenShop, no_keys

LOGIN = ("POST", "/auth/api/login")
READ = ("GET", "/product/api/x")
_NO_REDIS = Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))


@pytest.fixture(autouse=True)
def long_store_timeout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, a healthy Redis may take longer than the timeout of a gateway."""
    if "redis" in request.fixturenames:
        monkeypatch.setattr("nextbuy.gateway.limiter.STORE_TIMEOUT", 5.0)


async def admitted(
    limiter: Limiter, request: tuple[str, str], tries: int, *, token: str = "", address: str = "10.0.0.1"
) -> int:
    """Return how many of `tries` requests are admitted."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    count = 0
    for _ in range(tries):
        try:
            await limiter.admit(*request, headers, address)
            count += 1
        except RateLimited:
            pass
    return count


@pytest.fixture
async def silent() -> AsyncIterator[Redis]:
    """A client of a Redis that accepts connections and never responds."""
    with listen("127.0.0.1", 0) as listener:
        client = Redis(host="127.0.0.1", port=listener.getsockname()[1], socket_timeout=0.5)
        yield client
        await client.aclose()


async def test_ten_logins_are_admitted_at_once(redis: Redis) -> None:
    limiter = Limiter(redis, TokenVerifier(no_keys))
    assert await admitted(limiter, LOGIN, 15) == 10
    assert await admitted(limiter, LOGIN, 5, address="10.0.0.2") == 5
    assert await admitted(limiter, READ, 5) == 5


async def test_two_gateways_share_one_limit(redis: Redis) -> None:
    first, second = (Limiter(redis, TokenVerifier(no_keys)) for _ in range(2))
    assert await admitted(first, LOGIN, 7) + await admitted(second, LOGIN, 7) == 10
    began = time.monotonic()
    through = await admitted(first, READ, 100) + await admitted(second, READ, 100)
    assert DEFAULT.burst <= through <= DEFAULT.burst + DEFAULT.rate * (time.monotonic() - began) + 1


async def test_concurrent_requests_take_one_batch_from_redis(redis: Redis) -> None:
    await redis.config_resetstat()
    limiter = Limiter(redis, TokenVerifier(no_keys))
    await asyncio.gather(*(limiter.admit(*READ, {}, "10.0.0.1") for _ in range(20)))
    calls = (await redis.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0)
    assert calls <= 4


async def test_account_is_counted_across_addresses() -> None:
    key = ECKey.generate_key("P-256", private=True)
    limiter = Limiter(_NO_REDIS, TokenVerifier(_keys(key)), now=lambda: 0.0)
    mine, other = (_token(uuid4(), key) for _ in range(2))
    assert await admitted(limiter, READ, 130, token=mine) == DEFAULT.burst
    assert await admitted(limiter, READ, 1, token=mine, address="10.0.0.9") == 0
    assert await admitted(limiter, READ, 1, token=other) == 1
    assert await admitted(limiter, READ, 1) == 1


async def test_forged_token_counts_for_address() -> None:
    limiter = Limiter(_NO_REDIS, TokenVerifier(no_keys), now=lambda: 0.0)
    through = 0
    for n in range(130):
        through += await admitted(limiter, READ, 1, token=f"forged{n}")
    assert through == DEFAULT.burst


async def test_outage_of_redis_grants_no_second_burst(redis: Redis) -> None:
    limiter = Limiter(redis, TokenVerifier(no_keys))
    assert await admitted(limiter, LOGIN, 10) == 10
    limiter._take = Limiter(_NO_REDIS, TokenVerifier(no_keys))._take
    assert await admitted(limiter, LOGIN, 5) == 0


async def test_gateway_without_redis_limits_alone() -> None:
    limiter = Limiter(_NO_REDIS, TokenVerifier(no_keys))
    assert await admitted(limiter, LOGIN, 15) == 10


async def test_hanging_redis_delays_nothing(silent: Redis) -> None:
    seconds = []
    for _ in range(3):
        limiter = Limiter(silent, TokenVerifier(no_keys))
        began = time.monotonic()
        assert await admitted(limiter, LOGIN, 15) == 10
        seconds.append(time.monotonic() - began)
        await limiter.close()

    # The quickest counts, because other processes may delay one.
    assert min(seconds) < 1


async def test_refusal_has_retry_after(open_shop: OpenShop, redis: Redis) -> None:
    shop = await open_shop(redis=redis)
    for _ in range(10):
        async with shop.session.post("/auth/api/login") as response:
            assert response.status == 200
    async with shop.session.post("/auth/api/login") as response:
        assert response.status == 429
        assert 1 <= int(response.headers["retry-after"]) <= 7
        assert response.headers["ratelimit-policy"] == '"login";q=10;w=60'
        assert response.headers["ratelimit"].startswith('"login";r=0;t=')
        assert (await response.json(content_type=PROBLEM))["slug"] == "too-many-requests"
    for path in ("/order/api/payment-webhook", "/simulator/api/pay/x", "/health/live"):
        for _ in range(3):
            async with shop.session.get(path) as response:
                assert response.status == 200
    assert len(shop.requests) == 10 + 6


async def test_limits_can_be_disabled(open_shop: OpenShop) -> None:
    shop = await open_shop()
    for _ in range(15):
        async with shop.session.post("/auth/api/login") as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [
        ("POST", "/auth/api/login", STRICT),
        ("POST", "/auth/api/register", STRICT),
        ("POST", "/sign-in", STRICT),
        ("GET", "/sign-in", PAGE),
        ("POST", "/forgot-password", STRICT),
        ("GET", "/auth/api/login", DEFAULT),
        ("POST", "/order/api/create-payment-session", DEFAULT),
        ("POST", "/order/api/payment-webhook", None),
        ("POST", "/order/api/payment-webhooks", DEFAULT),
        ("GET", "/simulator/api/pay/abc", PAYMENT),
        ("POST", "/simulator/api/pay/abc", PAYMENT),
        ("GET", "/simulator/api/payments", DEFAULT),
        ("GET", "/", PAGE),
        ("GET", "/product/api", PAGE),
        ("GET", "/openapi.json", PAGE),
    ],
)
def test_path_has_its_limit(method: str, path: str, limit: object) -> None:
    assert limit_for(method, path) is limit


@pytest.mark.parametrize(
    ("path", "limited"),
    [
        ("/", True),
        ("/basket", True),
        ("/docs", True),
        ("/openapi.json", True),
        ("/simulator/api/pay/pay_1", True),
        ("/health/live", False),
        ("/health/ready", False),
        ("/health/status", False),
        ("/order/api/payment-webhook", False),
    ],
)
async def test_expensive_public_path_is_limited_by_ip(
    open_shop: OpenShop,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    limited: bool,  # noqa: FBT001
) -> None:
    small = Limit("small", burst=3, rate=0.01, batch=1, by_ip=True)
    for name in ("PAYMENT", "PAGE"):
        monkeypatch.setattr(f"nextbuy.gateway.limits.{name}", small)

    async def page(_: Request) -> Response:
        return Response(200, b"<p>", "text/html")

    shop = await open_shop(redis=redis, pages=page)
    statuses = []
    for _ in range(5):
        async with shop.session.get(path) as response:
            statuses.append(response.status)

    assert statuses == ([200, 200, 200, 429, 429] if limited else [200] * 5)


def _token(account: UUID, key: ECKey) -> str:
    return sign_token(Identity(account, Role.BUYER, uuid4(), time.time() + 60), kid="1", key=key)


def _keys(key: ECKey) -> KeyLoader:
    async def load() -> dict[str, str]:
        return {"1": key.as_pem(private=False).decode()}

    return load
