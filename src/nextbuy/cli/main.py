"""The commands that run and set up a marketplace."""

import asyncio
import os
import sys
from pathlib import Path

import click

from nextbuy.cli.common import exit_on_error, fail, settings_of, with_data
from nextbuy.cli.events import events
from nextbuy.cli.settings import settings
from nextbuy.cli.trace import trace


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="nextbuy", message="%(prog)s %(version)s")
def main() -> None:
    """NextBuy, a multi-vendor marketplace. Start with `nextbuy up`."""


@main.command()
@click.option(
    "--port", metavar="PORT", type=click.IntRange(1, 65535), help="Port to listen on. Default: NEXTBUY_PORT, or 8080."
)
@with_data
@click.option("--empty", is_flag=True, help="Start without the demo market. Applies to a new data folder only.")
@click.option("--processes", is_flag=True, help="Run one process per service.")
def up(port: int | None, data: Path | None, *, empty: bool, processes: bool) -> None:
    """Run the whole marketplace until Ctrl-C.

    PostgreSQL and Redis are started as well, unless NEXTBUY_POSTGRES_URL and NEXTBUY_REDIS_URL name servers.
    """
    from nextbuy.host.up import up as run_all

    with exit_on_error():
        run_all(settings_of(port=port, data=data), empty=empty, processes=processes)


@main.command()
@click.argument("services", metavar="SERVICE...", nargs=-1, required=True)
@click.option("--log", type=click.Choice(["stdout", "file"]), default="stdout", help="Destination of log lines.")
def serve(services: tuple[str, ...], log: str) -> None:
    """Run some services, `gateway` among them, or the pages (`web`) alone, in this process.

    The other services are called at NEXTBUY_<SERVICE>_URL.
    """
    from nextbuy.host.serve import serve as run_some

    with exit_on_error():
        run_some(settings_of(), services, log_to_file=log == "file")


@main.command()
def migrate() -> None:
    """Create and migrate the databases of all services.

    They are on the server at NEXTBUY_POSTGRES_URL. Prints the migrations that ran.
    """
    from nextbuy.host.composition import SERVICES
    from nextbuy.host.databases import prepare

    settings = settings_of()
    if not settings.postgres_url or not settings.secret:
        fail("`nextbuy migrate` needs NEXTBUY_POSTGRES_URL and NEXTBUY_SECRET. `nextbuy up` migrates by itself.")
    with exit_on_error():
        migrations = asyncio.run(prepare(settings, SERVICES))
    for name in migrations:
        click.echo(name)
    if not migrations:
        click.echo("All databases are up to date.")


@main.command("create-admin")
@click.argument("email")
@with_data
def create_admin(email: str, data: Path | None) -> None:
    """Create an admin, or reset an admin's password.

    Works whether or not the marketplace runs. Reads the password from NEXTBUY_ADMIN_PASSWORD, or asks for it.
    """
    from nextbuy.host.accounts import create_admin_offline

    settings = settings_of(data=data)
    password = os.environ.get("NEXTBUY_ADMIN_PASSWORD") or click.prompt(
        "Password", hide_input=True, confirmation_prompt=True
    )
    with exit_on_error():
        account = create_admin_offline(settings, email, password)
    click.echo(f"{account.email} is an admin.")


@main.command()
@click.option("--url", help="URL of the marketplace. Default: NEXTBUY_PUBLIC_URL, or http://127.0.0.1:8080.")
@click.option("--admin-email", envvar="NEXTBUY_ADMIN_EMAIL", help="Login of an admin. Default: the demo admin.")
@click.option("--admin-password", envvar="NEXTBUY_ADMIN_PASSWORD", help="Password of that admin.")
def demo(url: str | None, admin_email: str | None, admin_password: str | None) -> None:
    """Run the specification's five examples and draw their messages.

    A product is moderated and approved, then bought, as in the specification, through the public API.
    """
    from nextbuy.demo.catalogue import PASSWORD
    from nextbuy.demo.run_demo import run_demo

    url = url or settings_of().public_url
    sys.exit(asyncio.run(run_demo(url, admin_email or "admin@demo.nextbuy.test", admin_password or PASSWORD)))


@main.command()
def api() -> None:
    """List all calls and events.

    One line each: a call with its callers, an event with its publishers and subscribers.
    """
    from nextbuy.host.api_index import index_lines
    from nextbuy.host.composition import SERVICES

    for line in index_lines([hosted.service for hosted in SERVICES.values()]):
        click.echo(line)


main.add_command(events)
main.add_command(settings)
main.add_command(trace)
