"""Requests of the demo: traces, rate limits, and errors in one sentence."""

import io
import re
import socket
import subprocess
import sys

import pytest

from nextbuy.demo.client import Client, Trace
from nextbuy.demo.run_demo import run_demo
from nextbuy.demo.screen import Screen
from nextbuy.demo.walkthrough import DemoError, Person, Walkthrough
from tests.demo.conftest import FakeServer
from tests.demo.recorded_examples import ORDER, purchase, without

ADA = Person("User", "token-of-ada")


class FakeClock:
    """A clock that advances only by sleeping."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def now(self) -> float:
        return sum(self.slept)


def walkthrough_of(server: FakeServer, clock: FakeClock | None = None) -> tuple[Walkthrough, io.StringIO]:
    """Return a walkthrough against the server, and its output."""
    output = io.StringIO()
    clock = clock or FakeClock()
    return Walkthrough(Client(server.url), Screen(output), sleep=clock.sleep, now=clock.now), output


async def test_requests_of_an_example_share_a_trace_and_have_their_own_spans(server: FakeServer) -> None:
    walkthrough, _ = walkthrough_of(server)
    trace = Trace("demo-1-order")

    for _ in range(2):
        await walkthrough.do(ADA, "asks", "POST", "/order/api/x", {"a": 1}, trace=trace)

    (method, path, body, first), (*_, second) = server.requests
    assert (method, path, body) == ("POST", "/order/api/x", b'{"a": 1}')
    assert (first["Authorization"], first["X-Request-ID"]) == ("Bearer token-of-ada", "demo-1-order")
    assert re.fullmatch(rf"00-{trace.trace_id}-[0-9a-f]{{16}}-01", first["traceparent"])
    assert first["traceparent"] != second["traceparent"]
    assert first["Idempotency-Key"] != second["Idempotency-Key"]


async def test_request_outside_the_examples_has_no_trace(server: FakeServer) -> None:
    walkthrough, output = walkthrough_of(server)

    await walkthrough.do(Person("Visitor"), "looks", "GET", "/health/ready")

    headers = server.requests[0][3]
    assert not {"traceparent", "Authorization", "Idempotency-Key", "Content-Type"} & headers.keys()
    assert re.search(r"Visitor +looks +200 +[0-9.]+ ms$", output.getvalue().rstrip())


async def test_rate_limited_request_is_repeated_after_the_wait(server: FakeServer) -> None:
    clock = FakeClock()
    walkthrough, output = walkthrough_of(server, clock)
    server.responses = [(429, {}, {"Retry-After": "7"}), (429, {}, {}), (201, {"id": 5}, {})]

    reply = await walkthrough.do(ADA, "registers", "POST", "/auth/api/register", {})

    assert reply == {"id": 5}
    assert clock.slept == [7.0, 1.0]
    assert "waiting 7 s" in output.getvalue()
    assert len({headers["Idempotency-Key"] for *_, headers in server.requests}) == 1


@pytest.mark.parametrize("wait", ["0", "121", "soon"])
async def test_long_or_repeated_waits_end_the_demo(server: FakeServer, wait: str) -> None:
    walkthrough, _ = walkthrough_of(server)
    server.responses = [(429, {}, {"Retry-After": wait})]

    with pytest.raises(DemoError, match="too many requests"):
        await walkthrough.do(ADA, "registers", "POST", "/auth/api/register", {})
    assert len(server.requests) <= 5


async def test_refusal_is_reported_with_its_reason(server: FakeServer) -> None:
    walkthrough, _ = walkthrough_of(server)
    server.responses = [(409, {"detail": "It is sold out.", "correlation_id": "abc"}, {})]

    with pytest.raises(DemoError, match=r"User buys: POST /x returned 409: It is sold out\. \(logged as abc\)"):
        await walkthrough.do(ADA, "buys", "POST", "/x", {})


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000, b"[1]"])
async def test_response_that_is_not_json_has_no_reason(server: FakeServer, body: bytes) -> None:
    walkthrough, _ = walkthrough_of(server)
    server.responses = [(502, body, {})]

    response = await walkthrough.request(ADA, "GET", "/x")

    assert (response.status, response.reason) == (502, "no reason given")


async def test_list_is_read_to_its_last_page(server: FakeServer) -> None:
    walkthrough, _ = walkthrough_of(server)
    server.responses = [
        (200, {"items": [{"n": 1}, {"n": 2}], "next_cursor": "a+b/="}, {}),
        (200, {"items": [{"n": 3}], "next_cursor": None}, {}),
    ]

    assert [item["n"] async for item in walkthrough.items(ADA, "/l")] == [1, 2, 3]
    assert [path for _, path, *_ in server.requests] == ["/l?limit=100", "/l?limit=100&cursor=a%2Bb/%3D"]


async def test_timeout_is_reported(server: FakeServer) -> None:
    clock = FakeClock()
    walkthrough, _ = walkthrough_of(server, clock)

    async def nothing() -> None:
        return None

    with pytest.raises(DemoError, match="Admin is notified: not within 2 s"):
        await walkthrough.until(Person("Admin"), "is notified", nothing, timeout=2.0)
    assert 2.0 < clock.now() < 2.5


async def test_unreachable_url_is_reported_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        code = await run_demo(f"http://127.0.0.1:{taken.getsockname()[1]}", "a@b.test", "x")

    output = " ".join(capsys.readouterr().out.split())
    assert code == 1
    assert "Connection refused. Start the marketplace with `make up`" in output
    assert "Traceback" not in output


async def test_server_that_is_not_a_marketplace_is_reported_in_one_sentence(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run_demo(server.url, "a@b.test", "x") == 1
    assert "Unexpected response from" in " ".join(capsys.readouterr().out.split())


async def test_failed_login_of_the_admin_explains_what_to_do(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.responses = [(200, {}, {}), (401, {"detail": "Wrong e-mail address or password."}, {})]

    assert await run_demo(server.url, "noor@b.test", "x") == 1
    output = " ".join(capsys.readouterr().out.split())
    assert "cannot sign in as the admin noor@b.test: Wrong e-mail address or password." in output
    assert "nextbuy create-admin EMAIL" in output


async def test_plain_output_has_no_control_characters_and_fits_80_columns(server: FakeServer) -> None:
    walkthrough, output = walkthrough_of(server)
    server.responses = [(200, {}, {})]

    await walkthrough.do(ADA, "offers “\x1b[31mred\x07 \u202elamp”, " + "very " * 30 + "late", "GET", "/x")
    walkthrough.screen.note("A note that is long " * 10)
    walkthrough.screen.heading("Proofs")
    walkthrough.screen.proofs(ORDER.proofs(without(purchase(), "call", "update-stock")))

    text = output.getvalue()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert max(map(len, text.splitlines())) <= 80
    assert len(re.findall("MISSING", text)) == 1


async def test_terminal_without_unicode_is_supported(server: FakeServer) -> None:
    written = io.BytesIO()
    output = io.TextIOWrapper(written, encoding="ascii")
    walkthrough = Walkthrough(Client(server.url), Screen(output))

    await walkthrough.do(ADA, "offers “lamp”", "GET", "/x")
    output.flush()

    assert written.getvalue().startswith(b"+ User      offers ?lamp?")


def test_demo_imports_no_services() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, nextbuy.demo.run_demo; print(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    ours = {name for name in loaded if name.startswith("nextbuy.") and not name.startswith("nextbuy.demo")}
    assert ours == set()
