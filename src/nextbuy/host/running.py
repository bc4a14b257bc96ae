"""The main loop of a process, which a signal stops, and error messages for the operator at the terminal."""

import asyncio
import contextlib
import errno
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from socket import gaierror, socket
from typing import Final

import asyncpg
import uvloop

from nextbuy.demo.seed import SeedError
from nextbuy.embedded import EngineError
from nextbuy.kit.config import Settings
from nextbuy.kit.config_values import ConfigError
from nextbuy.kit.http.server import listen
from nextbuy.kit.storage.migrations import MigrationError

_EXIT_INTERRUPTED: Final = 130


class CannotRun(Exception):
    """The marketplace cannot run; the message names the cause and the remedy."""


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `main` with an event that Ctrl-C or SIGTERM sets; a second Ctrl-C exits at once."""

    async def main_with_signals() -> None:
        stop = asyncio.Event()
        interrupted = False
        loop = asyncio.get_running_loop()

        def interrupt() -> None:
            # A first Ctrl-C after SIGTERM does not count: a terminal and a parent process may each send theirs.
            nonlocal interrupted
            if interrupted:
                os._exit(_EXIT_INTERRUPTED)
            interrupted = True
            stop.set()

        loop.add_signal_handler(signal.SIGINT, interrupt)
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        await main(stop)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main_with_signals())


@contextlib.contextmanager
def user_facing_errors() -> Iterator[None]:
    """Turn errors that the operator can fix into `CannotRun`."""
    try:
        yield
    except (ConfigError, EngineError, MigrationError) as error:
        raise CannotRun(str(error)) from error
    except SeedError as error:
        message = f"The demo market is incomplete: {error} Start again to continue."
        raise CannotRun(message) from error
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        message = f"PostgreSQL refuses the login: {error}. Check NEXTBUY_POSTGRES_URL."
        raise CannotRun(message) from error
    except asyncpg.InsufficientResourcesError as error:
        message = f"PostgreSQL lacks resources: {error}. Free disk space, memory or connections, and start again."
        raise CannotRun(message) from error
    except (
        asyncpg.PostgresConnectionError,
        asyncpg.CannotConnectNowError,
        ConnectionError,
        TimeoutError,
        gaierror,
    ) as error:
        message = f"Cannot reach PostgreSQL ({type(error).__name__}: {error}). Check NEXTBUY_POSTGRES_URL."
        raise CannotRun(message) from error


def bind(settings: Settings, *, reuse_port: bool = False) -> socket:
    """Return a socket that listens on the configured host and port; raise ConfigError if the port cannot be used."""
    try:
        return listen(settings.host, settings.port, reuse_port=reuse_port)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        message = (
            f"Port {settings.port} on {settings.host} {reason}. "
            f"Choose another with --port (or `make up PORT={settings.port + 1}`)."
        )
        raise ConfigError(message) from error
