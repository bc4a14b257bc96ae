"""Receivers of a sample service on a real database."""

import pytest

from nextbuy.kit.events import receiver
from nextbuy.kit.storage.database import Database
from tests.kit.events.sample import LogFile, ReceiverHarness


@pytest.fixture
def harness(subscriber: Database, log_file: LogFile, monkeypatch: pytest.MonkeyPatch) -> ReceiverHarness:
    """Receivers of the sample service, which a busy machine may slow down."""
    monkeypatch.setattr(receiver, "TIME_LIMIT", 60.0)
    return ReceiverHarness(subscriber, log_file)
