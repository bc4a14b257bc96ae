"""A relay or receiver that kills itself before it can store or answer what it did.

Usage: `crashing_process.py relay DATABASE_URL REDIS_URL`, or with the envelope of an event to receive,
`crashing_process.py before-commit|after-commit DATABASE_URL ENVELOPE`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis

from nextbuy.contracts.delivery import EventEntry
from nextbuy.kit.events import relay
from nextbuy.kit.events.bus.interface import BusMessage
from nextbuy.kit.events.bus.redis import RedisBus
from nextbuy.kit.events.receiver import Receiver
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service import Service, subscribe
from nextbuy.kit.storage.database import Database, Transaction
from tests.kit.events.sample import RECORD_EFFECTS, Counted, Inbound, deliver, record_effects


def kill_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class CrashingBus(RedisBus):
    """A bus that kills the process once Redis has stored the messages."""

    async def publish(self, messages: Sequence[BusMessage]) -> None:
        await super().publish(messages)
        kill_process()


class CrashingJournal(Journal):
    """A journal that kills the process before the receiver answers."""

    def consumed(self, *_arguments: object, **_options: object) -> None:
        kill_process()


async def record_and_kill(deps: object, tx: Transaction, events: Inbound) -> None:
    """Handle events, and kill the process before the commit."""
    await record_effects(deps, tx, events)
    kill_process()


async def run_relay(database: Database, redis_url: str) -> None:
    # Short leases, so that the leases of the killed process expire soon.
    relay._READ_PENDING = relay._READ_PENDING.replace("15 seconds", "0.5 seconds")  # type: ignore[misc]
    await relay.Relay(database, CrashingBus(Redis.from_url(redis_url)), Journal()).run()


async def receive(database: Database, envelope: str, *, in_handler: bool) -> None:
    subscription = subscribe(RECORD_EFFECTS.name, Counted, record_and_kill) if in_handler else RECORD_EFFECTS
    service = Service(name="sample", deps=object, subscriptions=[subscription])
    receiver = Receiver(service, None, database, CrashingJournal())
    await receiver.start()
    await deliver(receiver, EventEntry(msgspec.Raw(envelope.encode()), [subscription.name], 1))


async def main(role: str, database_url: str, argument: str) -> None:
    database = await Database.connect(database_url, role)
    if role == "relay":
        await run_relay(database, argument)
    else:
        await receive(database, argument, in_handler=role == "before-commit")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
