from hypothesis import given
from hypothesis import strategies as st

from nextbuy.auth.common_passwords import COMMON
from nextbuy.auth.model import normal_name
from nextbuy.contracts.errors import Unprocessable
from nextbuy.contracts.text import clean_line


@given(st.text(max_size=250))
def test_normal_name_is_one_visible_line_or_refused(given_name: str) -> None:
    try:
        name = normal_name(given_name)
    except Unprocessable:
        return
    assert clean_line(name) == name
    assert 0 < len(name) <= 200
    assert name == name.strip()
    name.encode()


def test_common_passwords_are_in_lookup_form() -> None:
    assert len(COMMON) > 100
    assert all(len(word) >= 8 and word == word.lower() for word in COMMON)
