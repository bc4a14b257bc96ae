"""Signatures of requests between services: their sender, their destination, and their expiry."""

import time
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nextbuy.contracts.errors import Unauthenticated
from nextbuy.kit.service_identity import ServiceIdentity

SECRET = b"of this installation"
NOW = 1_700_000_000.0
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=[]), max_size=60)


class Signed(NamedTuple):
    """The signed parts of a request."""

    method: str = "POST"
    target: str = "/auth/internal/validate-user?x=1"
    body: bytes = b'{"token":"a"}'
    headers: Mapping[str, str] = {"x-nextbuy-client": "192.0.2.7", "authorization": "Bearer a", "accept": "*/*"}


REQUEST = Signed()


def test_signed_request_names_its_sender() -> None:
    value = ServiceIdentity(SECRET, "order").sign("auth", *REQUEST)
    auth = ServiceIdentity(SECRET, "auth")

    assert [auth.verify(value, *REQUEST), auth.verify(value, *REQUEST)] == ["order", "order"]


@pytest.mark.parametrize(
    "changed",
    [
        REQUEST._replace(method="PUT"),
        REQUEST._replace(target="/auth/internal/validate-user?x=2"),
        REQUEST._replace(target="/auth/internal/validate-user"),
        REQUEST._replace(body=b'{"token":"b"}'),
        REQUEST._replace(body=b""),
        REQUEST._replace(headers={**REQUEST.headers, "x-nextbuy-client": "192.0.2.8"}),
        REQUEST._replace(headers={**REQUEST.headers, "authorization": "Bearer b"}),
        REQUEST._replace(headers={**REQUEST.headers, "cookie": "a=b"}),
        REQUEST._replace(headers={**REQUEST.headers, "idempotency-key": "another"}),
        REQUEST._replace(headers={}),
    ],
)
def test_signature_covers_the_whole_request(changed: Signed) -> None:
    value = ServiceIdentity(SECRET, "order").sign("auth", *REQUEST)

    with pytest.raises(Unauthenticated):
        ServiceIdentity(SECRET, "auth").verify(value, *changed)


@pytest.mark.parametrize("kind", ["for another", "another secret", "another name", "renewed", "cut", "doubled"])
def test_forged_signature_is_refused(kind: str) -> None:
    order = ServiceIdentity(SECRET, "order")
    sender, expires, proof = order.sign("auth", *REQUEST).split(".")
    value = {
        "for another": order.sign("product", *REQUEST),
        "another secret": ServiceIdentity(b"of another", "order").sign("auth", *REQUEST),
        "another name": f"admin.{expires}.{proof}",
        "renewed": f"{sender}.{int(expires) + 1}.{proof}",
        "cut": f"{sender}.{expires}.{proof[:-1]}",
        "doubled": f"{sender}.{expires}.{proof}.{proof}",
    }[kind]

    with pytest.raises(Unauthenticated) as caught:
        ServiceIdentity(SECRET, "auth").verify(value, *REQUEST)

    assert caught.value.slug == "service-identity-required"


@pytest.mark.parametrize(("seconds", "valid"), [(-59, True), (0, True), (59, True), (61, False), (-61, False)])
def test_signature_is_short_lived(monkeypatch: pytest.MonkeyPatch, seconds: int, valid: bool) -> None:  # noqa: FBT001
    monkeypatch.setattr(time, "time", lambda: NOW)
    value = ServiceIdentity(SECRET, "order").sign("auth", *REQUEST)
    auth = ServiceIdentity(SECRET, "auth")

    monkeypatch.setattr(time, "time", lambda: NOW + seconds)

    if valid:
        assert auth.verify(value, *REQUEST) == "order"
    else:
        with pytest.raises(Unauthenticated):
            auth.verify(value, *REQUEST)


@given(st.none() | ANY_TEXT | st.lists(ANY_TEXT, min_size=3, max_size=3).map(".".join))
@example("order\ud800.1.x")
@example("order.\u0661\u0662.x")
@example("order." + "9" * 5_000 + ".x")
@example("order.\u00b2.x")
def test_random_text_is_refused_as_signature(text: str | None) -> None:
    with pytest.raises(Unauthenticated):
        ServiceIdentity(SECRET, "auth").verify(text, *REQUEST)
