"""The public URL: by default that of the host and port, in a form that a browser understands."""

import pytest

from nextbuy.kit.config import from_environment


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:8080"),
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("192.0.2.7", "http://192.0.2.7:8080"),
        ("localhost", "http://localhost:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),  # noqa: S104
        ("::1", "http://[::1]:8080"),
        ("2001:db8::7", "http://[2001:db8::7]:8080"),
        ("::", "http://[::1]:8080"),
        ("[::1]", "http://[::1]:8080"),
    ],
)
def test_public_url_follows_host_and_port(host: str, url: str) -> None:
    assert from_environment({"NEXTBUY_HOST": host}).public_url == url


def test_brackets_of_a_host_are_left_out() -> None:
    assert from_environment({"NEXTBUY_HOST": "[::1]"}).host == "::1"


def test_configured_public_url_is_used() -> None:
    settings = from_environment({"NEXTBUY_HOST": "::1", "NEXTBUY_PUBLIC_URL": "https://shop.example/"})
    assert settings.public_url == "https://shop.example"
