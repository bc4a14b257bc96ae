from bench.ceiling import app_of, job_of
from bench.shoppers import webhook_body
from nextbuy.kit.http.asgi import Message, Scope
from nextbuy.order.provider_webhook import WebhookKind, decode_webhook

HEAD = b"HTTP/1.1 200 OK\r\ndate: now\r\nx-request-id: 1\r\ncontent-length: 2\r\n\r\n"


async def test_ceiling_repeats_response_without_headers_of_server() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    scope: Scope = {}
    await app_of(job_of(HEAD, b"{}"))(scope, receive, send)
    assert sent[0]["headers"] == [(b"x-request-id", b"1"), (b"content-length", b"2")]
    assert sent[1]["body"] == b"{}"


def test_webhook_of_shopper_is_decoded_as_payment() -> None:
    read = decode_webhook(webhook_body("01890000-0000-7000-8000-000000000001", "pay_1", 1_234, "USD"))
    assert read.kind is WebhookKind.PAID
    assert read.money is not None
    assert read.money.amount == 1_234
