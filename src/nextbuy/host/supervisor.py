"""One process per service, kept running: `nextbuy up --processes`.

A service that ends is started again, more slowly each time it ends soon after; what needs it answers 503 meanwhile.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable
from typing import Final

import aiohttp

from nextbuy.embedded.parent_watch import watch_parent
from nextbuy.kit.config import Settings

log: Final = logging.getLogger(__name__)
_READY_LIMIT: Final = 30.0
_GRACE: Final = 6.0
"""Seconds that a service is given to stop by itself."""
_STEADY: Final = 30.0
"""Seconds after which a process that ends is taken for one that ran well."""


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment that gives another process these settings."""
    return os.environ | {
        "NEXTBUY_POSTGRES_URL": settings.postgres_url,
        "NEXTBUY_REDIS_URL": settings.redis_url,
        "NEXTBUY_SECRET": settings.secret.decode(),
        "NEXTBUY_DATA": str(settings.data),
        "NEXTBUY_PUBLIC_URL": settings.public_url,
        "NEXTBUY_WEBHOOK_SECRETS": ",".join(settings.webhook_secrets),
        "NEXTBUY_SESSION_MINUTES": str(settings.session_minutes),
        "NEXTBUY_RATE_LIMITS": "on" if settings.rate_limits else "off",
        "NEXTBUY_LOG_LEVEL": settings.log_level,
        **{f"NEXTBUY_{name.upper()}_URL": url for name, url in settings.service_urls.items()},
    }


class Supervisor:
    """The processes of a marketplace."""

    def __init__(self, settings: Settings, *, demo: bool) -> None:
        """Run `gateway` where the settings say, and each service on the port of its URL in the settings."""
        self._settings = settings
        self._demo = demo
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._watching: list[asyncio.Task[None]] = []

    def _port(self, name: str) -> int:
        if name == "gateway":
            return self._settings.port
        return int(self._settings.service_urls[name].rpartition(":")[2])

    async def start(self, names: Iterable[str]) -> None:
        """Start some, and wait until each answers.

        Raises:
            TimeoutError: one did not within half a minute.
        """
        starting = tuple(names)
        for name in starting:
            await self._spawn(name)
            self._watching.append(asyncio.create_task(self._watch(name)))
        async with asyncio.timeout(_READY_LIMIT), aiohttp.ClientSession() as session:
            for name in starting:
                await _until_it_answers(session, f"http://127.0.0.1:{self._port(name)}/health/live")

    async def _spawn(self, name: str) -> None:
        environment = environment_of(self._settings) | {
            "NEXTBUY_HOST": self._settings.host if name == "gateway" else "127.0.0.1",
            "NEXTBUY_PORT": str(self._port(name)),
            "NEXTBUY_DEMO": "1" if self._demo else "",
        }
        self._children[name] = await asyncio.create_subprocess_exec(
            *watch_parent(signal.SIGTERM),
            sys.executable,
            "-m",
            "nextbuy",
            "serve",
            name,
            "--log",
            "file",
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        log.info("%s runs as process %d", name, self._children[name].pid)

    async def _watch(self, name: str) -> None:
        pause = 0.2
        while True:
            began = time.monotonic()
            status = await self._children[name].wait()
            pause = 0.2 if time.monotonic() - began > _STEADY else min(pause * 2, 10.0)
            log.error("%s ended with status %d; it is started again in %.1f s", name, status, pause)
            await asyncio.sleep(pause)
            await self._spawn(name)

    async def stop(self) -> None:
        """Stop all: the gateway first, then the others together."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await self._end(["gateway"])
        await self._end([name for name in self._children if name != "gateway"])

    async def _end(self, names: list[str]) -> None:
        ending = [self._children[name] for name in names if name in self._children]
        for child in ending:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        if not ending:
            return
        _, late = await asyncio.wait([asyncio.ensure_future(child.wait()) for child in ending], timeout=_GRACE)
        for child in ending if late else ():
            with contextlib.suppress(ProcessLookupError):
                child.kill()


async def _until_it_answers(session: aiohttp.ClientSession, url: str) -> None:
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.get(url, timeout=aiohttp.ClientTimeout(total=1)) as answer:
                if answer.status == 200:  # noqa: PLR2004
                    return
        await asyncio.sleep(0.05)
