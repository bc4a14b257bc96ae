"""`nextbuy serve SERVICE…`: some services, or the gateway, here; everything else is where the settings say."""

import asyncio
import contextlib
import os

from nextbuy.contracts.errors import NotFound
from nextbuy.host.gateway_server import serving_gateway
from nextbuy.host.log import open_journal
from nextbuy.host.process import Process
from nextbuy.host.running import busy_port, run, user_facing_errors
from nextbuy.host.table import BEHIND, ENTRIES
from nextbuy.kit.config import ConfigError, Settings
from nextbuy.kit.http.asgi import service_app
from nextbuy.kit.http.server import listen, serving
from nextbuy.kit.service import BODY_LIMIT
from nextbuy.kit.wire import Handler, Request, Response, problem_response

GATEWAY = "gateway"


def serve(settings: Settings, names: tuple[str, ...], *, log_to_file: bool) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        CannotRun: something stands in the way; the message says what to do.
    """
    with user_facing_errors():
        _check(settings, names)
        try:
            door = listen(settings.host, settings.port)
        except OSError as error:
            raise busy_port(settings.host, settings.port, error) from error
        with contextlib.closing(door):

            async def main(stop: asyncio.Event) -> None:
                journal = open_journal(settings.data if log_to_file else None, settings.log_level)
                process = Process(settings, [name for name in names if name != GATEWAY], journal)
                try:
                    await process.start()
                    if GATEWAY in names:
                        demo = bool(os.environ.get("NEXTBUY_DEMO"))
                        async with serving_gateway(settings, process, door, demo=demo):
                            await stop.wait()
                    else:
                        async with serving(service_app(_together(process), body_limit=4 * BODY_LIMIT), door):
                            await stop.wait()
                finally:
                    await process.stop()

            run(main)


def _check(settings: Settings, names: tuple[str, ...]) -> None:
    if not (settings.postgres_url and settings.redis_url):
        message = "`serve` needs NEXTBUY_POSTGRES_URL and NEXTBUY_REDIS_URL; `up` brings engines of its own."
        raise ConfigError(message)
    if not settings.secret:
        message = "`serve` needs NEXTBUY_SECRET, the same for all services."
        raise ConfigError(message)
    unknown = set(names) - {*ENTRIES, GATEWAY}
    if unknown or not names:
        message = f"Serve any of {', '.join((GATEWAY, *ENTRIES))}, not {', '.join(sorted(unknown)) or 'nothing'}."
        raise ConfigError(message)
    absent = [name for name in BEHIND if name not in names and name not in settings.service_urls]
    if absent:
        wanted = ", ".join(f"NEXTBUY_{name.upper()}_URL" for name in absent)
        message = f"Say where the other services are: set {wanted}."
        raise ConfigError(message)


def _together(process: Process) -> Handler:
    async def handle(request: Request) -> Response:
        answers = process.handler(request.path.split("/", 2)[1] if request.path.count("/") > 1 else "")
        if answers is None:
            return problem_response(NotFound("No such service is here.", slug="no-such-address"), "none")
        return await answers(request)

    return handle
