import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.auth.common_passwords import COMMON
from nextbuy.auth.model import normal_email, normal_name
from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.values import Email


@given(st.text(max_size=40) | st.from_regex(r"\A[^@\s]{1,8}@[^@\s]{1,8}\.[^@\s]{1,4}\Z"))
def test_normal_email_is_idempotent_and_valid_or_refused(given_email: str) -> None:
    try:
        email = normal_email(given_email)
    except Unprocessable:
        return
    assert normal_email(email) == email
    assert msgspec.convert(email, Email).isprintable()


@pytest.mark.parametrize(
    "email", ["", "x", "a@b", "a@b.", "@b.cd", "a\u200b@b.cd", "a\x00@b.cd", "\ud800@b.cd", "a b@c.de"]
)
def test_invalid_email_is_refused(email: str) -> None:
    with pytest.raises(Unprocessable):
        normal_email(email)


@given(st.text(max_size=250))
def test_normal_name_is_one_visible_line_or_refused(given_name: str) -> None:
    try:
        name = normal_name(given_name)
    except Unprocessable:
        return
    assert name.isprintable()
    assert 0 < len(name) <= 200
    assert name == name.strip()
    name.encode()


def test_common_passwords_are_in_lookup_form() -> None:
    assert len(COMMON) > 100
    assert all(len(word) >= 8 and word == word.lower() for word in COMMON)
