"""Each request that a service handles has a line of the service's own: ids, outcome, and why it failed."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest
from msgspec import Meta, Struct

from nextbuy.contracts.errors import Conflict, Unavailable
from nextbuy.contracts.values import LINES, Nothing, new_id
from nextbuy.kit.http.app import App
from nextbuy.kit.http.caller import Caller
from nextbuy.kit.observability.telemetry import Journal, start_span
from nextbuy.kit.service import Service, get, post
from nextbuy.kit.service_identity import GATEWAY, ServiceIdentity
from nextbuy.kit.wire import Request
from tests.log_lines import decode_line

SECRET = b"the secret of every service"
TooFew = Conflict.of("too-few-units", "Only 2 are left.")


class Reserve(Struct, frozen=True):
    """A request for units."""

    product_id: UUID
    text: Annotated[str, Meta(max_length=500), LINES] = ""


class Deps:
    """The error that the route raises."""

    error: Exception | None = None


async def reserve(deps: Deps, _caller: Caller, request: Reserve) -> Nothing:
    """Reserve units."""
    if deps.error is not None:
        try:
            raise OSError(28, f"No space left {request.text}")
        except OSError as error:
            raise deps.error from error
    return Nothing()


async def look(_deps: Deps, _caller: Caller, _request: Reserve) -> Nothing:
    """Look at units."""
    return Nothing()


async def list_units(_deps: Deps, _caller: Caller) -> Nothing:
    """List units."""
    return Nothing()


ROUTES = [post("reserve", reserve), get("look/{product_id}", look), get("list", list_units)]


class Served:
    """A service and its log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.deps = Deps()
        service = Service(name="shop", deps=Deps, routes=ROUTES)
        self.journal = Journal(self.fd)
        self.app = App(service, self.deps, identity=ServiceIdentity(SECRET, "shop"), journal=self.journal)

    async def send(self, method: str, path: str, body: object = None, **headers: str) -> dict[str, Any]:
        """Send a request and return its line."""
        raw = b"" if body is None else json.dumps(body).encode()
        await self.app.handle(Request(method, path, "", headers, raw, sender=ServiceIdentity(SECRET, GATEWAY)))
        self.flush()
        return decode_line(self._path.read_bytes().splitlines()[-1])

    def flush(self) -> None:
        """Write what waits for the gateway's line."""
        self.journal.write(b"")

    def raw(self) -> list[bytes]:
        """Return the lines as they are in the log."""
        return self._path.read_bytes().splitlines()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Served]:
    """A service with a route that fails with `deps.error`."""
    served = Served(tmp_path / "log")
    yield served
    os.close(served.fd)


async def test_request_has_a_line_with_its_ids_in_the_span_of_its_sender(shop: Served) -> None:
    product, sender = new_id(), start_span(request_id="request-1")

    line = await shop.send(
        "POST", "/shop/api/reserve", {"product_id": str(product)},
        **{"traceparent": sender.traceparent, "x-request-id": "request-1"},
    )  # fmt: skip

    assert (line["kind"], line["caller"], line["callee"], line["name"]) == ("serve", "gateway", "shop", "POST reserve")
    assert (line["outcome"], line["status"], line["ids"]) == ("ok", 200, {"product": [str(product)]})
    assert (line["trace_id"], line["span_id"]) == (sender.trace_id, sender.span_id)


async def test_refusal_has_slug_detail_causes_and_ids(shop: Served) -> None:
    product, shop.deps.error = new_id(), TooFew()

    line = await shop.send("POST", "/shop/api/reserve", {"product_id": str(product)})

    assert (line["outcome"], line["status"], line["ids"]) == ("too-few-units", 409, {"product": [str(product)]})
    assert line["reason"] == "Only 2 are left. <- OSError: [Errno 28] No space left "


async def test_unforeseen_error_has_its_class_and_text(shop: Served) -> None:
    shop.deps.error = KeyError("total")

    line = await shop.send("POST", "/shop/api/reserve", {"product_id": str(new_id())})

    assert (line["outcome"], line["status"]) == ("internal-error", 500)
    assert "KeyError: 'total' <- OSError: [Errno 28]" in line["reason"]


async def test_unknown_path_and_invalid_request_have_lines_without_what_was_sent(shop: Served) -> None:
    unknown = await shop.send("GET", "/shop/api/eyJhbGciOiJFUzI1NiJ9.secret.part")
    invalid = await shop.send("GET", "/shop/api/look/aB3defGhiJklMnoPqrStuVwxYz0123456789-_aBcDe")

    assert (unknown["name"], unknown["outcome"]) == ("GET (unknown path)", "endpoint-not-found")
    assert (invalid["name"], invalid["outcome"], invalid["ids"]) == ("GET look/{product_id}", "endpoint-not-found", {})
    assert all(b"secret" not in line and b"aB3def" not in line for line in shop.raw())


async def test_line_break_in_an_error_forges_no_line(shop: Served) -> None:
    shop.deps.error = Unavailable("gone")
    forged = 'x\n{"at":1,"kind":"serve","to":"bank","name":"forged"}\r\n'

    line = await shop.send("POST", "/shop/api/reserve", {"product_id": str(new_id()), "text": forged})

    assert len(shop.raw()) == 1
    assert (line["callee"], line["outcome"]) == ("shop", "unavailable")
    assert "forged" in line["reason"]


async def test_read_about_no_id_leaves_its_line_to_the_gateway_of_the_same_process(shop: Served) -> None:
    listing = Request("GET", "/shop/api/list", "", {}, sender=ServiceIdentity(SECRET, GATEWAY))
    await shop.app.handle(listing)
    assert shop.raw() == []

    await shop.send("GET", f"/shop/api/look/{new_id()}")
    sampled = Request("GET", "/shop/api/list", "", {}, sender=listing.sender, trace=start_span(sampled=True))
    await shop.app.handle(sampled)
    shop.flush()

    assert [decode_line(line)["name"] for line in shop.raw()] == ["GET look/{product_id}", "GET list"]
