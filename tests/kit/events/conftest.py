"""Receivers of a sample service on a real database."""

import pytest

from nextbuy.kit.storage.database import Database
from tests.kit.events.sample import LogFile, ReceiverHarness


@pytest.fixture
def harness(subscriber: Database, log_file: LogFile) -> ReceiverHarness:
    """Receivers of the sample service."""
    return ReceiverHarness(subscriber, log_file)
