"""The demo speaks as any client would, waits when it is told to, and says in one sentence why it cannot go on."""

import io
import re
import socket
import subprocess
import sys

import pytest

from nextbuy.demo.acts import run
from nextbuy.demo.client import Client, Trace
from nextbuy.demo.screen import Screen
from nextbuy.demo.stage import DemoError, Person, Stage
from tests.demo.conftest import Shop
from tests.demo.told import ORDER, purchase, without

ADA = Person("User", "token-of-ada")


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def now(self) -> float:
        return sum(self.slept)


def stage(shop: Shop, clock: Clock | None = None) -> tuple[Stage, io.StringIO]:
    """Return a stage before the shop, and what is written on its screen."""
    paper = io.StringIO()
    clock = clock or Clock()
    return Stage(Client(shop.url), Screen(paper), sleep=clock.sleep, now=clock.now), paper


async def test_a_request_of_an_example_carries_its_trace_and_each_has_a_span_of_its_own(shop: Shop) -> None:
    acting, _ = stage(shop)
    trace = Trace("demo-1-order")

    for _ in range(2):
        await acting.do(ADA, "asks", "POST", "/order/api/x", {"a": 1}, trace=trace)

    (method, path, body, first), (*_, second) = shop.asked
    assert (method, path, body) == ("POST", "/order/api/x", b'{"a": 1}')
    assert (first["Authorization"], first["X-Request-ID"]) == ("Bearer token-of-ada", "demo-1-order")
    assert re.fullmatch(rf"00-{trace.trace_id}-[0-9a-f]{{16}}-01", first["traceparent"])
    assert first["traceparent"] != second["traceparent"]
    assert first["Idempotency-Key"] != second["Idempotency-Key"]


async def test_a_request_outside_of_the_examples_is_in_no_trace(shop: Shop) -> None:
    acting, paper = stage(shop)

    await acting.do(Person("Visitor"), "looks", "GET", "/health/ready")

    headers = shop.asked[0][3]
    assert not {"traceparent", "Authorization", "Idempotency-Key", "Content-Type"} & headers.keys()
    assert re.search(r"Visitor +looks +200 +[0-9.]+ ms$", paper.getvalue().rstrip())


async def test_who_is_told_to_wait_waits_and_says_so(shop: Shop) -> None:
    clock = Clock()
    acting, paper = stage(shop, clock)
    shop.answers = [(429, {}, {"Retry-After": "7"}), (429, {}, {}), (201, {"id": 5}, {})]

    said = await acting.do(ADA, "registers", "POST", "/auth/api/register", {})

    assert said == {"id": 5}
    assert clock.slept == [7.0, 1.0]
    assert "waiting 7 s" in paper.getvalue()
    assert len({headers["Idempotency-Key"] for *_, headers in shop.asked}) == 1


@pytest.mark.parametrize("wait", ["0", "121", "soon"])
async def test_waiting_has_an_end(shop: Shop, wait: str) -> None:
    acting, _ = stage(shop)
    shop.answers = [(429, {}, {"Retry-After": wait})]

    with pytest.raises(DemoError, match="too many requests"):
        await acting.do(ADA, "registers", "POST", "/auth/api/register", {})
    assert len(shop.asked) <= 5


async def test_a_refusal_is_told_with_its_reason(shop: Shop) -> None:
    acting, _ = stage(shop)
    shop.answers = [(409, {"detail": "It is sold out.", "correlation_id": "abc"}, {})]

    with pytest.raises(
        DemoError, match=r"User buys: POST /x was answered with 409: It is sold out\. \(logged as abc\)"
    ):
        await acting.do(ADA, "buys", "POST", "/x", {})


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000, b"[1]"])
async def test_an_answer_that_is_no_json_is_an_answer(shop: Shop, body: bytes) -> None:
    acting, _ = stage(shop)
    shop.answers = [(502, body, {})]

    answer = await acting.ask(ADA, "GET", "/x")

    assert (answer.status, answer.why) == (502, "no reason was given")


async def test_a_list_is_read_to_its_end(shop: Shop) -> None:
    acting, _ = stage(shop)
    shop.answers = [
        (200, {"items": [{"n": 1}, {"n": 2}], "next_cursor": "a+b/="}, {}),
        (200, {"items": [{"n": 3}], "next_cursor": None}, {}),
    ]

    assert [item["n"] async for item in acting.items(ADA, "/l")] == [1, 2, 3]
    assert [path for _, path, *_ in shop.asked] == ["/l?limit=100", "/l?limit=100&cursor=a%2Bb/%3D"]


async def test_what_does_not_come_in_time_is_told(shop: Shop) -> None:
    clock = Clock()
    acting, _ = stage(shop, clock)

    async def nothing() -> None:
        return None

    with pytest.raises(DemoError, match="Admin is notified: not within 2 s"):
        await acting.until(Person("Admin"), "is notified", nothing, within=2.0)
    assert 2.0 < clock.now() < 2.5


async def test_an_address_where_nothing_answers_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        code = await run(f"http://127.0.0.1:{taken.getsockname()[1]}", "a@b.test", "x")

    said = " ".join(capsys.readouterr().out.split())
    assert code == 1
    assert "Connection refused. Start the marketplace with `make up`" in said
    assert "Traceback" not in said


async def test_something_that_is_no_marketplace_is_one_sentence(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run(shop.url, "a@b.test", "x") == 1
    assert "was not as the API describes it" in " ".join(capsys.readouterr().out.split())


async def test_an_admin_who_cannot_log_in_is_told_what_to_do(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.answers = [(200, {}, {}), (401, {"detail": "Wrong e-mail or password."}, {})]

    assert await run(shop.url, "noor@b.test", "x") == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "cannot log in as the admin noor@b.test: Wrong e-mail or password." in said
    assert "nextbuy create-admin EMAIL" in said


async def test_plain_output_has_no_control_characters_and_fits_80_columns(shop: Shop) -> None:
    acting, paper = stage(shop)
    shop.answers = [(200, {}, {})]

    await acting.do(ADA, "offers “\x1b[31mred\x07 \u202elamp”, " + "very " * 30 + "late", "GET", "/x")
    acting.screen.note("A note that is long " * 10)
    acting.screen.heading("Proofs")
    acting.screen.proofs(ORDER.proven(without(purchase(), "call", "update-stock")))

    text = paper.getvalue()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert max(map(len, text.splitlines())) <= 80
    assert len(re.findall("MISSING", text)) == 1


async def test_a_terminal_without_unicode_is_written_to_all_the_same(shop: Shop) -> None:
    written = io.BytesIO()
    paper = io.TextIOWrapper(written, encoding="ascii")
    acting = Stage(Client(shop.url), Screen(paper))

    await acting.do(ADA, "offers “lamp”", "GET", "/x")
    paper.flush()

    assert written.getvalue().startswith(b"+ User      offers ?lamp?")


def test_the_demo_knows_nothing_of_the_services_it_acts_against() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, nextbuy.demo.acts; print(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    ours = {name for name in loaded if name.startswith("nextbuy.") and not name.startswith("nextbuy.demo")}
    assert ours == set()
