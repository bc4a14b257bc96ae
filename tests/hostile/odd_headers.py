"""Malformed and unusual request headers."""

from typing import Final

TOKEN: Final = "TOKEN"
"""The placeholder of a valid token in a header."""
_LONG: Final = "x" * 5_000
_ODD: Final[dict[str, tuple[str, ...]]] = {
    "authorization": (
        *("", " ", "Bearer", "Bearer ", "bearer  ", "Bearer null", "Basic Og==", f"Basic {TOKEN}", TOKEN),
        *("Bearer a.b.c", "Bearer ..", f"Bearer {_LONG}", "Bearer \xff\xfe", "Bearer \0", f"\tBearer\t{TOKEN}"),
        *(f"Bearer {TOKEN}x", f"Bearer {TOKEN} {TOKEN}", f"Bearer {TOKEN}, Bearer {TOKEN}"),
        "Bearer eyJhbGciOiJub25lIn0.e30.",
        "Bearer eyJhbGciOiJIUzI1NiIsImtpZCI6IngifQ.e30.AAAA",
        "Bearer eyJraWQiOltbXV0sImFsZyI6IkVTMjU2In0.W10.AAAA",
    ),
    "idempotency-key": ("", " ", "a", "x" * 255, "x" * 256, "\xff", "\0", "a\tb", "''--", "a, b"),
    "cookie": (
        *("", ";", "=", "nextbuy_access", "nextbuy_access=", f"nextbuy_access={TOKEN}", "nextbuy_access=\xff"),
        *("nextbuy_refresh=\xff", f"nextbuy_refresh={_LONG}", "a=" * 2_000, "nextbuy_csrf=a; nextbuy_csrf=b"),
        *(f"nextbuy_access={TOKEN}; nextbuy_csrf=\xff", 'nextbuy_access="\\"'),
    ),
    "x-request-id": ("", "a b", "x" * 129, "\xff", "\r\nx: y", "../..", "\0", '"}'),
    "traceparent": (
        *("", "00", "\xff", "-" * 5_000, f"00-{'0' * 32}-{'0' * 16}-00", f"ff-{'a' * 32}-{'b' * 16}-01"),
        *(f"00-{'A' * 32}-{'B' * 16}-01", f"00-{'a' * 32}-{'b' * 16}-zz"),
    ),
    "content-length": ("-1", "0", "9" * 30, "abc", "1, 2", "\xff"),
    "stripe-signature": ("", "t=,v1=", "t=1,v1=\xff", "v1=" * 900, f"t={'9' * 400},v1=a", "t=NaN"),
    "x-nextbuy-cookies": ("yes", "\xff"),
    "x-csrf-token": ("\xff",),
    "accept": ("\0", _LONG),
    "if-none-match": ("\xff", "*", '"1.1"', '"', f'"{_LONG}"', "," * 5_000),
    "if-match": (
        *("", " ", "*", "*, *", "1.1", '"1.1"', 'W/"1.1"', '"1.1", "1.1"', '"', '""', "\xff", '"\xff"', '"\0"', "\0"),
        *(f'"{_LONG}"', f'"{"9" * 5_000}.1"', "," * 5_000, '"1.1",' * 800, '"1.1" ' * 800, '"1.-1"', '"\xb3.\xb9"'),
    ),
    "range": ("bytes=-1",),
    "expect": ("100-continue",),
}
HEADERS: Final[tuple[dict[str, str | None], ...]] = tuple(
    # A token in a header has precedence over cookies.
    {name: value, "authorization": None} if name == "cookie" else {name: value}
    for name, values in _ODD.items()
    for value in values
)
