"""`nextbuy serve SERVICE…`: some services, the gateway or the pages in this process; the others are at their URLs."""

import asyncio
import logging
import os
from typing import Final

from nextbuy.contracts.errors import EndpointNotFound
from nextbuy.host.composition import SERVICES, make_process, require_safe_bus, serving_gateway
from nextbuy.host.databases import check_databases
from nextbuy.host.log import open_journal
from nextbuy.host.process import Process
from nextbuy.host.running import bind, run
from nextbuy.host.serve_web import require_web_settings, web_app, web_transport
from nextbuy.host.shared_cache import require_cache
from nextbuy.kit.config import Settings
from nextbuy.kit.config_values import ConfigError
from nextbuy.kit.http.asgi import service_app
from nextbuy.kit.http.server import serving
from nextbuy.kit.service import BODY_LIMIT
from nextbuy.kit.service_identity import GATEWAY, WEB
from nextbuy.kit.wire import Handler, Request, Response, problem_response

log: Final = logging.getLogger(__name__)


def serve(settings: Settings, names: tuple[str, ...], *, log_to_file: bool) -> None:
    """Serve until Ctrl-C or SIGTERM. Call it inside `user_facing_errors`."""
    if names == (WEB,):
        _serve_web(settings, log_to_file=log_to_file)
        return
    _require_settings(settings, names)
    with bind(settings, reuse_port=bool(os.environ.get("NEXTBUY_REUSE_PORT"))) as listener:

        async def main(stop: asyncio.Event) -> None:
            await check_databases(settings, [name for name in names if name != GATEWAY])
            await require_safe_bus(settings)
            cache_problems = await require_cache(settings)
            journal = open_journal(settings.data if log_to_file else None, settings.log_level)
            for problem in cache_problems:
                log.warning(problem)
            process = make_process(settings, names, journal)
            try:
                await process.start()
                if GATEWAY in names:
                    server = serving_gateway(settings, process, listener, demo=_is_demo())
                else:
                    server = serving(service_app(_dispatcher(process), body_limit=4 * BODY_LIMIT), listener)
                async with server:
                    await stop.wait()
            finally:
                await process.stop()

        run(main)


def _serve_web(settings: Settings, *, log_to_file: bool) -> None:
    require_web_settings(settings)
    with bind(settings, reuse_port=bool(os.environ.get("NEXTBUY_REUSE_PORT"))) as listener:

        async def main(stop: asyncio.Event) -> None:
            open_journal(settings.data if log_to_file else None, settings.log_level)
            gateway = web_transport(settings)
            try:
                async with serving(web_app(settings, gateway, demo=_is_demo()), listener):
                    await stop.wait()
            finally:
                await gateway.close()

        run(main)


def _is_demo() -> bool:
    return bool(os.environ.get("NEXTBUY_DEMO"))


def _require_settings(settings: Settings, names: tuple[str, ...]) -> None:
    if not (settings.postgres_url and settings.redis_url):
        message = (
            "`nextbuy serve` needs NEXTBUY_POSTGRES_URL and NEXTBUY_REDIS_URL. "
            "Set both, or use `nextbuy up`, which starts its own PostgreSQL and Redis."
        )
        raise ConfigError(message)
    if not settings.secret:
        message = "`nextbuy serve` needs NEXTBUY_SECRET. Set it to the same value for all services."
        raise ConfigError(message)
    unknown = sorted(set(names) - {*SERVICES, GATEWAY})
    if unknown:
        message = (
            f"Unknown service {', '.join(unknown)}. Choose from {', '.join((GATEWAY, *SERVICES))}, or `web` alone."
        )
        raise ConfigError(message)
    missing = [name for name in SERVICES if name not in names and name not in settings.service_urls]
    if missing:
        variables = ", ".join(f"NEXTBUY_{name.upper()}_URL" for name in missing)
        message = f"The URLs of the other services are missing. Set {variables}."
        raise ConfigError(message)


def _dispatcher(process: Process) -> Handler:
    """Return a handler that passes each request to the service named in its path."""

    async def handle(request: Request) -> Response:
        handler = process.handler(request.path.split("/", 2)[1] if request.path.count("/") > 1 else "")
        if handler is None:
            return problem_response(EndpointNotFound("This service does not run here. Check the service URLs."), "none")
        return await handler(request)

    return handle
