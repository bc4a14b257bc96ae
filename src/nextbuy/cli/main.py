"""The commands that run, fill and look at a marketplace."""

import asyncio
import os
import sys
from pathlib import Path

import click

from nextbuy.cli.common import fail, settings_of, with_data
from nextbuy.cli.events import events
from nextbuy.contracts.errors import AppError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nextbuy", message="%(prog)s %(version)s")
def main() -> None:
    """NextBuy: a multi-vendor marketplace, in one process or in many."""


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Listen on this port (NEXTBUY_PORT, 8080).")
@click.option("--data", type=click.Path(path_type=Path), help="Keep everything in this folder (NEXTBUY_DATA, var).")
@click.option("--empty", is_flag=True, help="Leave the demo catalogue and accounts out.")
@click.option("--processes", is_flag=True, help="Run one process per service.")
def up(port: int | None, data: Path | None, *, empty: bool, processes: bool) -> None:
    """Run the whole marketplace; engines that no setting names are started here. Ctrl-C stops everything."""
    from nextbuy.host.running import CannotRun
    from nextbuy.host.up import up as run_all

    try:
        run_all(settings_of(port=port, data=data), empty=empty, processes=processes)
    except CannotRun as error:
        fail(str(error))


@main.command()
@click.argument("services", nargs=-1, required=True)
@click.option("--log", type=click.Choice(["stdout", "file"]), default="stdout", help="Where log lines go.")
def serve(services: tuple[str, ...], log: str) -> None:
    """Serve the gateway or some SERVICES in this process; everything else is where the settings say."""
    from nextbuy.host.running import CannotRun
    from nextbuy.host.serve import serve as run_some

    try:
        run_some(settings_of(), services, log_to_file=log == "file")
    except CannotRun as error:
        fail(str(error))


@main.command()
def migrate() -> None:
    """Make the databases and roles of all services on NEXTBUY_POSTGRES_URL, and bring them up to date."""
    from nextbuy.host.composition import SERVICES
    from nextbuy.host.databases import prepare
    from nextbuy.host.running import CannotRun, user_facing_errors

    settings = settings_of()
    if not settings.postgres_url or not settings.secret:
        fail("`migrate` needs NEXTBUY_POSTGRES_URL and NEXTBUY_SECRET; `up` does this by itself.")
    try:
        with user_facing_errors():
            for name in asyncio.run(prepare(settings, SERVICES)):
                click.echo(name)
    except CannotRun as error:
        fail(str(error))


@main.command("create-admin")
@click.argument("email")
@with_data
def create_admin(email: str, data: Path | None) -> None:
    """Make EMAIL an admin, whether the marketplace runs or not; NEXTBUY_ADMIN_PASSWORD, or asks for a password."""
    from nextbuy.host.accounts import create_admin_offline
    from nextbuy.host.running import CannotRun, user_facing_errors

    settings = settings_of(data=data)
    password = os.environ.get("NEXTBUY_ADMIN_PASSWORD") or click.prompt(
        "Password", hide_input=True, confirmation_prompt=True
    )
    try:
        with user_facing_errors():
            account = create_admin_offline(settings, email, password)
        click.echo(f"{account.email} is an admin.")
    except (CannotRun, AppError) as error:
        fail(str(error))


@main.command()
@click.option("--url", default=None, help="The marketplace (NEXTBUY_PUBLIC_URL, http://127.0.0.1:8080).")
@click.option("--admin-email", envvar="NEXTBUY_ADMIN_EMAIL", default=None, help="An admin (the demo's).")
@click.option("--admin-password", envvar="NEXTBUY_ADMIN_PASSWORD", default=None, help="The admin's password.")
def demo(url: str | None, admin_email: str | None, admin_password: str | None) -> None:
    """Act both examples of the specification against a running marketplace, and draw what really happened."""
    from nextbuy.demo.acts import run
    from nextbuy.demo.catalogue import PASSWORD

    where = url or settings_of().public_url
    sys.exit(asyncio.run(run(where, admin_email or "admin@demo.nextbuy.test", admin_password or PASSWORD)))


@main.command()
def api() -> None:
    """List all calls with their callers, and all events with their publishers and subscribers."""
    from nextbuy.host.api_index import index_lines
    from nextbuy.host.composition import SERVICES

    for line in index_lines([hosted.service for hosted in SERVICES.values()]):
        click.echo(line)


main.add_command(events)
