"""No secret leaves in a log line, whatever text it is planted in."""

import json

import pytest

from nextbuy.contracts.errors import BadGateway, FieldError, ServiceUnavailable, Unprocessable
from nextbuy.kit.observability.redaction import excerpt, reason_of, redact

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIwMTkyIn0.c2lnbmF0dXJlLW9mLTY0LWJ5dGVz"
REFRESH = "aB3P8SsBiY_FmZoeFRnuF5HADeGqNkEOIjkR2zw1mD_k0"
"""In the form of `secrets.token_urlsafe(32)`."""

PLANTED = {
    f"Bearer {TOKEN}": TOKEN,
    f"GET /product/api/get-product/{TOKEN}": TOKEN,
    f"body begins {TOKEN[:40]}": TOKEN[:40],
    f"/auth/api/x/{REFRESH} not found": REFRESH,
    f'{{"refresh_token":"{REFRESH}","user":1}}': REFRESH,
    '{"email":"a@b.test","password":"correct horse \\"battery"}': "correct horse",
    "login failed: password=hunter2 for ada": "hunter2",
    "POST /x?access_token=abc123&page=2": "abc123",
    "Cookie: nextbuy_access=abc.def; nextbuy_csrf=ghi": "abc.def",
    "nextbuy_refresh=abcdef0123": "abcdef0123",
    "could not connect to postgres://nextbuy_order:s3cr3t@db:5432/nextbuy_order": "s3cr3t",
    "redis://:s3cr3t@cache:6379/0 refused": "s3cr3t",
    "smtps://mailer:p%40ss@mail.example.com": "p%40ss",
    f"Stripe-Signature: t=1700000000,v1={'0a1b2c3d' * 8}": "0a1b2c3d",
    "signed with whsec_0123456789abcdef": "0123456789abcdef",
    "Authorization: Basic bmV4dGJ1eTpzM2NyM3Q=": "bmV4dGJ1eTpzM2NyM3Q=",
    "sk_live_51H8abcdef was refused": "51H8abcdef",
    "card 5555 5555 5555 4444 declined": "5555 4444",
    '"email":"ada.l+x@bücher.example","name"': "ada.l",
    "550 <bob@example.com>: no such user": "bob@",
    '{"card_number": "4000000000000002"}': "4000000000000002",
    "hash $argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaA": "c29tZXNhbHQ",
}


@pytest.mark.parametrize(("text", "secret"), PLANTED.items())
def test_planted_secret_is_hidden(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert "[hidden]" in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "session 01a22377-0e8c-77b1-ac66-9084a6784c83 of order NB-XWV2-1",
        "pay_fd19e4614611a541ee031103fc862eeb in trace 3f15546eb8fec3391caf252d198165f0",
        "This is not a test card. Use 4242 4242 4242 4242.",
        'Only 2 of "Oak chopping board" are left. Reduce the quantity.',
        "The access token has expired. Refresh it, or sign in again.",
        "ClientConnectorError: Cannot connect to host 127.0.0.1:8080 [Connect call failed ('127.0.0.1', 8080)]",
    ],
)
def test_ids_and_sentences_stay(text: str) -> None:
    assert redact(text) == text


def test_secret_at_the_end_of_an_excerpt_is_not_shown_in_part() -> None:
    body = b"x" * 100 + b' {"password": "correct horse battery"}'

    assert "correct" not in excerpt(body)
    assert len(excerpt(b"y" * 10_000)) < 200


def test_excerpt_of_bytes_that_are_no_text_can_be_logged() -> None:
    assert json.dumps(excerpt(b"\xff\xfe<html>\r\n{}"))


def test_reason_names_each_cause_and_what_was_noted() -> None:
    def fail() -> None:
        try:
            try:
                raise ConnectionRefusedError(111, "Connection refused")
            except OSError as error:
                raise ServiceUnavailable("product") from error
        except ServiceUnavailable as error:
            broken = BadGateway("No answer.")
            broken.add_note("status 200, body begins: <html>")
            raise broken from error

    with pytest.raises(BadGateway) as caught:
        fail()

    assert reason_of(caught.value) == (
        "No answer. <- status 200, body begins: <html>"
        " <- product-unavailable: The product service cannot be reached. Try again in a moment."
        " <- connection refused"
    )


def test_invalid_field_is_named_and_its_value_is_not() -> None:
    errors = [FieldError("card_number", "Expected `str`, got `int`"), FieldError("password", "Too short")]

    assert reason_of(Unprocessable(f"card_number: {errors[0].message}", errors=errors[:1])) == (
        "Expected `str`, got `int` (field card_number)"
    )
    assert reason_of(Unprocessable("Two fields are invalid.", errors=errors)) == (
        "Two fields are invalid.; Expected `str`, got `int` (field card_number); Too short (field password)"
    )


def test_reason_is_bounded_and_hides_secrets_of_causes() -> None:
    def fail() -> None:
        try:
            raise ValueError("postgres://order:s3cr3t@db " + "long " * 1_000)
        except ValueError as error:
            raise BadGateway("failed") from error

    with pytest.raises(BadGateway) as caught:
        fail()

    assert "s3cr3t" not in reason_of(caught.value)
    assert len(reason_of(caught.value)) <= 400
