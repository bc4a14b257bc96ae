"""Checks of the bus, at start and every minute: it must not lose events or belong to another marketplace."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from redis.asyncio import Redis

from nextbuy.kit.config import BUS_RISKS, Settings
from nextbuy.kit.config_values import ConfigError
from nextbuy.kit.events.bus.interface import Bus, BusUnavailable, Risk
from nextbuy.kit.events.bus.redis_connection import TIMEOUT
from nextbuy.kit.events.bus.redis_failures import report
from nextbuy.kit.events.bus.redis_risks import claim_prefix

log: Final = logging.getLogger(__name__)

INTERVAL: Final = 60.0
"""Seconds between checks: an operator changes the settings of an engine rarely."""
_TIMEOUT: Final = 6.0
"""Seconds per check. Longer than the timeout of either engine."""
_PURPOSE: Final = "marketplace-marker"
"""The label under which the fingerprint is derived from the secret."""


class BusWatch:
    """The checks of one process."""

    def __init__(self, settings: Settings, redis: Redis, bus: Bus, topics: Sequence[str]) -> None:
        """Check `bus` for events of `topics`; on Kafka, check the prefix in `redis` too."""
        self._settings = settings
        fingerprint = settings.derive(_PURPOSE)[:32]
        self._checks: dict[str, Callable[[], Awaitable[list[Risk]]]] = {
            "prefix": lambda: bus.claim_prefix(fingerprint),
            "configuration": lambda: bus.risks(topics),
        }
        if settings.kafka.servers:  # traces and rate limits are in Redis on either bus
            self._checks["prefix in Redis"] = lambda: report(
                claim_prefix(redis, settings.redis_prefix, fingerprint), TIMEOUT
            )
        self._known: dict[str, list[Risk]] = {}
        """By check: the risks it returned when the engine last answered."""
        self.risks: list[Risk] = []
        """The risks found by the last check, without accepted ones."""

    async def require_safe(self) -> list[str]:
        """Check before anything is published; return sentences about the risks that do not prevent the start.

        An engine that does not answer does not prevent the start: events wait for it, and `run` checks it later.

        Raises:
            ConfigError: events may be lost, or another marketplace uses the same prefix.
        """
        risks = await self._find()
        accepted = [risk for risk in risks if risk.name in self._settings.accepted_bus_risks]
        self.risks = [risk for risk in risks if risk not in accepted]
        if refused := [risk for risk in self.risks if risk.severity == "critical"]:
            message = " ".join(risk.problem for risk in refused)
            if acceptable := [risk.name for risk in refused if risk.name in BUS_RISKS]:
                message += f" Or accept this with NEXTBUY_ACCEPT_BUS_RISKS={','.join(acceptable)}."
            raise ConfigError(message)
        return [risk.problem for risk in self.risks] + [f"Accepted: {risk.problem}" for risk in accepted]

    async def run(self) -> None:
        """Check every `INTERVAL` until cancelled; log each risk when it begins and when it ends."""
        while True:
            await self.check()
            await asyncio.sleep(INTERVAL)

    async def check(self) -> None:
        """Check once and log what has changed."""
        before = {risk.name: risk for risk in self.risks}
        now = {risk.name: risk for risk in await self._find() if risk.name not in self._settings.accepted_bus_risks}
        for name in now.keys() - before.keys():
            log.warning("bus risk detected; an operator must act", extra={"risk": name, "problem": now[name].problem})
        for name in before.keys() - now.keys():
            log.info("bus risk ended", extra={"risk": name})
        self.risks = list(now.values())

    async def is_safe(self) -> bool:
        """Return whether the last check found no risk, except for properties that cannot be read."""
        return all(risk.severity == "unknown" for risk in self.risks)

    async def _find(self) -> list[Risk]:
        """Return all risks; if an engine does not answer, its risks are from its last answer."""
        await asyncio.gather(*(self._run(name) for name in self._checks))
        return [risk for name in self._checks for risk in self._known.get(name, [])]

    async def _run(self, name: str) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT):
                self._known[name] = await self._checks[name]()
        except (BusUnavailable, TimeoutError) as error:
            log.debug("%s of the bus not checked; the next check tries again: %r", name, error)
