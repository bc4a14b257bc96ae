"""Runs an ASGI application behind `Handler`, so that the gateway reaches the pages as it reaches a service."""

import asyncio
from typing import Final
from urllib.parse import unquote

from nextbuy.kit.http.asgi import App, Message
from nextbuy.kit.wire import CLIENT, Handler, Request, Response

WIRE_REQUEST: Final = "nextbuy.request"
"""The key in the scope under which an application finds the request as the gateway received it."""


def handler_of(app: App) -> Handler:
    """Return the handler of an application whose responses are short enough to be read whole."""

    async def handle(request: Request) -> Response:
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(request.path),
            "raw_path": request.path.encode("latin-1"),
            "root_path": "",
            "query_string": request.query.encode("latin-1"),
            "headers": headers,
            "client": (request.headers.get(CLIENT, ""), 0),
            "server": None,
            WIRE_REQUEST: request,
        }
        sent: list[Message] = []
        body: list[Message] = [{"type": "http.request", "body": request.body, "more_body": False}]

        async def receive() -> Message:
            if not body:
                # The client stays until it has its response.
                await asyncio.Event().wait()
            return body.pop()

        async def send(message: Message) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return _response(sent)

    return handle


def _response(sent: list[Message]) -> Response:
    start, *parts = sent
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
    content_type = next((value for name, value in headers if name == "content-type"), "")
    own = [pair for pair in headers if pair[0] not in {"content-type", "content-length"}]
    return Response(start["status"], b"".join(part.get("body", b"") for part in parts), content_type, own)
