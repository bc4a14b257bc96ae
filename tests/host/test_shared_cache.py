"""The Redis of the shared cache is checked at the start, and its password is never shown."""

import pytest
from msgspec.structs import replace

from nextbuy.host.shared_cache import require_cache
from nextbuy.kit.config import Settings
from nextbuy.kit.config_values import ConfigError
from tests.kit.conftest import OwnRedis, own_redis

__all__ = ["own_redis"]


@pytest.fixture
def settings(redis_url: str, own_redis: OwnRedis) -> Settings:
    """A marketplace with two servers."""
    return Settings(secret=b"", redis_url=redis_url, cache_url=own_redis.url)


async def test_second_server_is_accepted(settings: Settings) -> None:
    assert await require_cache(settings) == []


async def test_start_without_a_cache_says_so(settings: Settings) -> None:
    (sentence,) = await require_cache(replace(settings, cache_url=""))

    assert sentence.startswith("The shared cache is off. Set NEXTBUY_CACHE_URL")


async def test_server_of_the_events_is_refused(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="name the same server"):
        await require_cache(replace(settings, cache_url=settings.redis_url.replace("db=1", "db=2")))


async def test_server_that_does_not_answer_does_not_stop_the_start(settings: Settings) -> None:
    (sentence,) = await require_cache(replace(settings, cache_url="redis://:hush@127.0.0.1:1"))

    assert "does not answer" in sentence
    assert "hush" not in sentence


async def test_frozen_server_does_not_stop_the_start(settings: Settings, own_redis: OwnRedis) -> None:
    own_redis.freeze()

    (sentence,) = await require_cache(settings)

    own_redis.thaw()
    assert "does not answer" in sentence


async def test_invalid_url_is_refused_without_its_password(settings: Settings) -> None:
    with pytest.raises(ConfigError) as error:
        await require_cache(replace(settings, cache_url="redis://:hu/sh@cache"))

    assert str(error.value).startswith("NEXTBUY_CACHE_URL is invalid.")
    assert error.value.__cause__ is None
    assert "hu" not in str(error.value)
