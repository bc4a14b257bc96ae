"""The bus is checked at start and every minute: whether it may lose events, and whether another marketplace uses it."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from nextbuy.kit.config import ConfigError, Settings
from nextbuy.kit.events.bus.interface import Bus, BusUnavailable, Risk
from nextbuy.kit.events.bus.redis_risks import claim_prefix

log: Final = logging.getLogger(__name__)

INTERVAL: Final = 60.0
"""Seconds between checks: an operator changes the settings of an engine rarely."""
_TIMEOUT: Final = 6.0
"""Seconds per check. Longer than the timeout of either engine."""
_MARKER_TIMEOUT: Final = 2.0
_PURPOSE: Final = "marketplace-marker"
"""The label under which the fingerprint is derived from the secret."""


class BusWatch:
    """The checks of one process."""

    def __init__(self, settings: Settings, redis: Redis, bus: Bus, topics: Sequence[str]) -> None:
        """Check `bus` for events of `topics`, and the marker in `redis`."""
        self._settings = settings
        self._redis = redis
        self._bus = bus
        self._topics = topics
        self.risks: list[Risk] = []
        """The findings of the last check, without accepted risks."""

    async def require_safe(self) -> list[str]:
        """Check before anything is published; return sentences about risks that are harmless or accepted.

        An engine that does not answer stops nothing: events wait until it does, and `run` checks it then.

        Raises:
            ConfigError: events may be lost, or another marketplace uses the same keys.
        """
        risks = await self._find()
        accepted = [risk for risk in risks if risk.name in self._settings.accepted_bus_risks]
        self.risks = [risk for risk in risks if risk not in accepted]
        if refused := [risk for risk in self.risks if risk.level == "loss"]:
            message = " ".join(risk.problem for risk in refused)
            acceptable = [risk.name for risk in refused if risk.name != _foreign(self._settings).name]
            if acceptable:
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
            log.warning("the bus is at risk", extra={"risk": name, "problem": now[name].problem})
        for name in before.keys() - now.keys():
            log.info("a risk of the bus has ended", extra={"risk": name})
        self.risks = list(now.values())

    async def is_safe(self) -> bool:
        """Return whether the last check found nothing that an operator should change."""
        return all(risk.level == "unknown" for risk in self.risks)

    async def _find(self) -> list[Risk]:
        """Return all risks; of an engine that does not answer, those that are known."""
        foreign = _foreign(self._settings)
        try:
            async with asyncio.timeout(_MARKER_TIMEOUT):
                is_ours = await claim_prefix(
                    self._redis, self._settings.redis_prefix, self._settings.derive(_PURPOSE)[:32]
                )
        except (RedisError, OSError, TimeoutError) as error:
            log.debug("marker of the marketplace not checked: %r", error)
            is_ours = foreign not in self.risks
        found = [] if is_ours else [foreign]
        try:
            async with asyncio.timeout(_TIMEOUT):
                found += await self._bus.risks(self._topics)
        except (BusUnavailable, TimeoutError) as error:
            log.debug("bus not checked: %r", error)
            found += [risk for risk in self.risks if risk != foreign]
        return found


def _foreign(settings: Settings) -> Risk:
    return Risk(
        "foreign-marketplace",
        f"Another marketplace, or one with another NEXTBUY_SECRET, uses the keys {settings.redis_prefix}… in Redis. "
        "Set NEXTBUY_REDIS_PREFIX to a prefix that no other marketplace has or, if you have changed the secret, delete "
        f"the key {settings.redis_prefix}marketplace.",
    )
