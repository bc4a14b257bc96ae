"""The admin service as a process that a test may kill: `admin_process.py DATABASE_URL PORT SECRET`."""

import asyncio
import sys

from nextbuy.admin.changes import CHANGES
from nextbuy.admin.deps import Deps
from nextbuy.admin.service import SERVICE
from nextbuy.contracts.auth import AuthClient
from nextbuy.contracts.delivery import receive_events_of
from nextbuy.contracts.message import Call, Check, Reply
from nextbuy.contracts.product import ProductClient
from nextbuy.contracts.seller import SellerClient
from nextbuy.kit.events.receiver import Receiver
from nextbuy.kit.http.app import App
from nextbuy.kit.http.asgi import service_app
from nextbuy.kit.http.change_streams import ChangeStreams
from nextbuy.kit.http.server import listen, serving
from nextbuy.kit.observability.telemetry import Journal
from nextbuy.kit.service import BODY_LIMIT, answers
from nextbuy.kit.service_identity import ServiceIdentity
from nextbuy.kit.storage.database import Database


async def refuse(call: Call[Reply], _check: Check[Reply] | None = None) -> Reply:
    message = f"storing a notification causes no calls, but {call.name} was sent"
    raise RuntimeError(message)


async def main(database_url: str, port: str, secret: str) -> None:
    database = await Database.connect(database_url, "admin")
    deps = Deps(
        auth=AuthClient(refuse),
        product=ProductClient(refuse),
        seller=SellerClient(refuse),
        database=database,
        streams=ChangeStreams(database, CHANGES),
    )
    receiver = Receiver(SERVICE, deps, database, Journal())
    await receiver.start()
    app = App(
        SERVICE,
        deps,
        identity=ServiceIdentity(secret.encode(), "admin"),
        database=database,
        calls=[answers(receive_events_of("admin"), receiver.receive)],
    )
    async with serving(service_app(app.handle, body_limit=4 * BODY_LIMIT), listen("127.0.0.1", int(port))):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
