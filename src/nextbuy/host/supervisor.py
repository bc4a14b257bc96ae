"""One process per service, kept running: `nextbuy up --processes`.

A process that ends is restarted with backoff. Meanwhile requests that need its service get 503.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Collection
from typing import Final

import aiohttp

from nextbuy.embedded.parent_watch import watch_parent
from nextbuy.host.log import LOG_NAME
from nextbuy.host.running import CannotRun
from nextbuy.kit.config import Settings
from nextbuy.kit.local_urls import url_of
from nextbuy.kit.restart import RestartDelay

log: Final = logging.getLogger(__name__)
_START_TIMEOUT: Final = 90.0
"""Seconds until all started processes must answer. A slow machine under load needs most of it."""
_STOP_TIMEOUT: Final = 6.0
"""Seconds between SIGTERM and SIGKILL. Longer than a service takes to finish its requests and close."""


def reserve_port() -> socket.socket:
    """Return a socket that keeps a free port of the loopback interface reserved until it is closed.

    It does not listen, so connections are refused; a process that listens with `reuse_port` may share the port. No
    other program is assigned the port, not even while its service is down.
    """
    placeholder = socket.socket()
    placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    placeholder.bind(("127.0.0.1", 0))
    return placeholder


def _environment(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "NEXTBUY_POSTGRES_URL": settings.postgres_url,
        "NEXTBUY_REDIS_URL": settings.redis_url,
        "NEXTBUY_CACHE_URL": settings.cache_url,
        "NEXTBUY_SECRET": settings.secret.decode(),
        "NEXTBUY_DATA": str(settings.data),
        "NEXTBUY_PUBLIC_URL": settings.public_url,
        "NEXTBUY_WEBHOOK_SECRETS": ",".join(settings.webhook_secrets),
        "NEXTBUY_SESSION_MINUTES": str(settings.session_minutes),
        "NEXTBUY_CHECKOUT_UNITS": str(settings.checkout_units),
        "NEXTBUY_OPEN_CHECKOUTS": str(settings.open_checkouts),
        "NEXTBUY_RATE_LIMITS": "on" if settings.rate_limits else "off",
        "NEXTBUY_LOG_LEVEL": settings.log_level,
        "NEXTBUY_GATEWAY_URL": url_of(settings.host, settings.port),
        **{f"NEXTBUY_{name.upper()}_URL": url for name, url in settings.service_urls.items()},
    }


class Supervisor:
    """The processes of a marketplace: the gateway on its port, each service on the port of its URL."""

    def __init__(self, settings: Settings, *, demo: bool) -> None:
        self._settings = settings
        self._demo = demo
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._watchers: list[asyncio.Task[None]] = []

    def _url(self, name: str) -> str:
        if name == "gateway":
            return url_of(self._settings.host, self._settings.port)
        return self._settings.service_urls[name]

    async def start(self, names: Collection[str]) -> None:
        """Start processes and wait until each answers; raise CannotRun if one does not."""
        for name in names:
            await self._spawn(name)
            self._watchers.append(asyncio.create_task(self._watch(name)))
        try:
            async with asyncio.timeout(_START_TIMEOUT), aiohttp.ClientSession() as session:
                for name in names:
                    await _wait_until_live(session, f"{self._url(name)}/health/live")
        except TimeoutError as error:
            log_file = self._settings.data / LOG_NAME
            message = (
                f"The process {name} did not start within {_START_TIMEOUT:.0f} s. "
                f"Read {log_file} for the cause, then start again."
            )
            raise CannotRun(message) from error

    async def _spawn(self, name: str) -> None:
        environment = _environment(self._settings) | {
            "NEXTBUY_HOST": self._settings.host if name == "gateway" else "127.0.0.1",
            "NEXTBUY_PORT": self._url(name).rpartition(":")[2],
            "NEXTBUY_DEMO": "1" if self._demo else "",
            "NEXTBUY_REUSE_PORT": "" if name == "gateway" else "1",
        }
        if name == "gateway" and self._settings.follow_loopback:
            environment["NEXTBUY_PUBLIC_URL"] = ""
        command = (sys.executable, "-m", "nextbuy", "serve", name, "--log", "file")
        self._processes[name] = await asyncio.create_subprocess_exec(
            *watch_parent(signal.SIGTERM),
            *command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        log.info("%s started as process %d", name, self._processes[name].pid)

    async def _watch(self, name: str) -> None:
        delay = RestartDelay(base=0.2)
        while True:
            started = time.monotonic()
            status = await self._processes[name].wait()
            pause = delay.after(time.monotonic() - started)
            log.error("%s exited with status %d; restarting in %.1f s", name, status, pause)
            await asyncio.sleep(pause)
            await self._spawn(name)

    async def stop(self) -> None:
        """Stop the gateway, then all services at once."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await self._terminate(["gateway"])
        await self._terminate([name for name in self._processes if name != "gateway"])

    async def _terminate(self, names: list[str]) -> None:
        processes = [self._processes[name] for name in names if name in self._processes]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        if not processes:
            return
        _, still_running = await asyncio.wait(
            [asyncio.ensure_future(process.wait()) for process in processes], timeout=_STOP_TIMEOUT
        )
        for process in processes if still_running else ():
            with contextlib.suppress(ProcessLookupError):
                process.kill()


async def _wait_until_live(session: aiohttp.ClientSession, url: str) -> None:
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.get(url, timeout=aiohttp.ClientTimeout(total=1)) as response:
                if response.status == 200:  # noqa: PLR2004
                    return
        await asyncio.sleep(0.05)
