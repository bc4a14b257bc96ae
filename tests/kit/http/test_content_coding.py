"""Content codings that clients accept."""

import pytest

from nextbuy.kit.http.content_coding import accepts_gzip


@pytest.mark.parametrize(
    ("sent", "accepted"),
    [
        ("", False),
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0.001", True),
        ("identity", False),
    ],
)
def test_accept_encoding_is_read_with_its_weights(sent: str, *, accepted: bool) -> None:
    assert accepts_gzip(sent) is accepted
