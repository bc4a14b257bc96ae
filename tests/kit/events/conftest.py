"""A consumer of a sample service on a real Redis and a real database."""

import pytest

from nextbuy.kit.events import retry_policy
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.storage.database import Database
from tests.kit.events.sample import ConsumerHarness, LogFile


@pytest.fixture
def harness(subscriber: Database, bus: RedisBus, log_file: LogFile) -> ConsumerHarness:
    """Consumers of the sample service."""
    return ConsumerHarness(subscriber, bus, log_file)


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries of handlers without noticeable waits."""
    monkeypatch.setattr(retry_policy, "RETRY_BASE", 0.001)
