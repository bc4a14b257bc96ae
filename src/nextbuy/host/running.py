"""How a process runs until it is told to stop, and what each way of failing says to a person."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import asyncpg
import uvloop

from nextbuy.demo.seed import SeedError
from nextbuy.embedded import EngineError
from nextbuy.kit.config import ConfigError

_LAST_WORD: Final = 130
"""The exit status of a process that a person interrupted twice."""


class CannotRun(Exception):
    """The marketplace cannot run; the message is one sentence for a person."""


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `main` on a new event loop; its event is set by Ctrl-C or SIGTERM, and a second Ctrl-C ends it at once."""

    async def whole() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def interrupted() -> None:
            if stop.is_set():
                os._exit(_LAST_WORD)
            stop.set()

        loop.add_signal_handler(signal.SIGINT, interrupted)
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        await main(stop)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(whole())


@contextlib.contextmanager
def user_facing_errors() -> Iterator[None]:
    """Turn what a person can do something about into one sentence.

    Raises:
        CannotRun: with that sentence.
    """
    try:
        yield
    except (ConfigError, EngineError) as error:
        raise CannotRun(str(error)) from error
    except SeedError as error:
        message = f"The demo market could not be filled: {error} Start again: it goes on where it stopped."
        raise CannotRun(message) from error
    except asyncpg.InvalidPasswordError as error:
        message = f"PostgreSQL refuses the login: {error}. Check NEXTBUY_POSTGRES_URL."
        raise CannotRun(message) from error
    except (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, ConnectionError, TimeoutError) as error:
        message = f"PostgreSQL cannot be reached ({type(error).__name__}: {error}). Check NEXTBUY_POSTGRES_URL."
        raise CannotRun(message) from error


def busy_port(host: str, port: int, error: OSError) -> CannotRun:
    """Return what to say where a port cannot be listened on."""
    why = "is in use" if error.errno in {48, 98} else f"cannot be used ({error.strerror})"
    return CannotRun(f"Port {port} on {host} {why}: choose another, like `make up PORT={port + 1}`.")
