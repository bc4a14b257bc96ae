from bench.ceiling import app_of, job_of
from bench.shoppers import notice
from nextbuy.kit.http.asgi import Message, Scope
from nextbuy.order.provider_webhook import WebhookKind, decode_webhook

HEAD = b"HTTP/1.1 200 OK\r\ndate: now\r\nx-request-id: 1\r\ncontent-length: 2\r\n\r\n"


async def test_the_ceiling_says_the_same_bytes_but_for_what_the_server_adds() -> None:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope: Scope = {}
    await app_of(job_of(HEAD, b"{}"))(scope, receive, send)
    assert said[0]["headers"] == [(b"x-request-id", b"1"), (b"content-length", b"2")]
    assert said[1]["body"] == b"{}"


def test_a_shoppers_notice_is_one_that_the_shop_believes() -> None:
    read = decode_webhook(notice("01890000-0000-7000-8000-000000000001", "pay_1", 1_234, "USD"))
    assert read.kind is WebhookKind.PAID
    assert read.money.amount == 1_234
