"""Parts that the commands share: settings, access to a database, and errors as messages."""

import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from msgspec.structs import replace

from nextbuy.contracts.errors import AppError
from nextbuy.kit.config import Settings, from_environment
from nextbuy.kit.config_values import ConfigError
from nextbuy.kit.storage.database import Database

T = TypeVar("T")
Command = Callable[..., Any]

with_data: Callable[[Command], Command] = click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Data folder of the marketplace. Default: NEXTBUY_DATA, or `var`.",
)
"""The option `--data` as a decorator."""


def fail(message: str) -> NoReturn:
    """Print an error message and exit with status 1."""
    click.echo(f"nextbuy: {message}", err=True)
    sys.exit(1)


def settings_of(*, port: int | None = None, data: Path | None = None) -> Settings:
    """Return the settings of the environment, overridden by options."""
    environment = dict(os.environ)
    if port is not None:
        environment["NEXTBUY_PORT"] = str(port)
    if data is not None:
        environment["NEXTBUY_DATA"] = str(data)
    try:
        settings = from_environment(environment)
    except ConfigError as error:
        fail(str(error))
    return replace(settings, data=settings.data.absolute())


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn an error that the operator can fix into a message and exit status 1."""
    from nextbuy.host.running import CannotRun, user_facing_errors

    try:
        with user_facing_errors():
            yield
    except (CannotRun, AppError) as error:
        fail(str(error))


def with_database(data: Path | None, service: str, act: Callable[[Database], Awaitable[T]]) -> T:
    """Return the result of `act` on a service's database, whether or not the marketplace runs; exit on an error."""
    from nextbuy.host.attach import on_database

    settings = settings_of(data=data)
    if not settings.postgres_url and not (settings.data / "secret").exists():
        fail(f"No marketplace in {settings.data}. Name its data folder with --data.")
    with exit_on_error():
        return on_database(settings, service, act)


def parse_time(value: str) -> datetime:
    """Return the time of an option, in UTC unless it has an offset."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a time. Use YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS (UTC).") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
