"""One grammar of e-mail addresses: atoms and dots, domains as A-labels, and no second reading by an SMTP client."""

import pytest
from aiosmtplib.email import quote_address
from hypothesis import given
from hypothesis import strategies as st

from nextbuy.contracts.email_address import normal_email


@pytest.mark.parametrize(
    ("given_email", "email"),
    [
        ("Ada@Example.com", "ada@example.com"),
        (" \u00a0\t ada@example.com \r\n", "ada@example.com"),
        ("\u200b\u2066ada@example.com\ufeff\u200e", "ada@example.com"),
        ("\uff41\uff44\uff41\uff20example\uff0ecom", "ada@example.com"),
        ("o'neil+tag=1/x!#$%&*?^_`{|}~-@sub.example.co.uk", "o'neil+tag=1/x!#$%&*?^_`{|}~-@sub.example.co.uk"),
        ("ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
        ("ada@CAFE\u0301.example", "ada@xn--caf-dma.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example"),
        ("ada@fa\u00df.example", "ada@xn--fa-hia.example"),
        ("ada@example\u3002com", "ada@example.com"),
        ("ada@\u4f8b\u3048.test", "ada@xn--r8jz45g.test"),
        ("shop@mail.local", "shop@mail.local"),
    ],
)
def test_spellings_of_one_address_have_one_form(given_email: str, email: str) -> None:
    assert normal_email(given_email) == email
    assert normal_email(email) == email


@pytest.mark.parametrize(
    "given_email",
    [
        *("", "x", "@", "a@b", "a@b.", "@b.cd", "a@@b.cd", "a b@c.de", "a@b c.de", "a@b.cd, c@d.ef"),
        *("x:victim@example.com", "x;victim@example.com", "x,victim@example.com", "x\\victim@example.com"),
        *("(x)victim@example.com", "victim@example.com(x)", "x[1]@example.com", "<victim@example.com>"),
        *("Ada <victim@example.com>", '"x:y"@example.com', '"ada"@example.com', '"@x.y"@example.com'),
        *("x\uff1avictim@example.com", "x\ufe55victim@example.com", "\uff02a\uff02@example.com"),
        *("dot.@example.com", ".dot@example.com", "dot..dot@example.com"),
        *("a\u200bb@example.com", "a\x00@b.cd", "a\x7f@b.cd", "a\r\nb@c.de", "\ud800@b.cd", "a\u2028b@c.de"),
        *("\u7528\u6237@example.com", "\u0430da@example.com", "a@ex_ample.com", "a@-b.cd", "a@b-.cd", "a@.b.cd"),
        *("a@[127.0.0.1]", "a@127.0.0.1", "a@xn--a.com", "a@xn--.com", "a@b\u200dc.de", "a@b..cd", "a@b.cd."),
        *(f"{'a' * 65}@example.com", f"a@{'b' * 64}.com", f"a@{'b.' * 130}com", "a@" + "\u00fc" * 60 + ".de"),
    ],
)
def test_invalid_address_is_refused(given_email: str) -> None:
    with pytest.raises(ValueError, match="e-mail address"):
        normal_email(given_email)


_LOCALS = st.text(st.sampled_from("aB1.:;,@<>()[]\\\"'+ !\t\uff1a\u200b\u00fc"), max_size=12)


@given(st.text(max_size=40) | st.builds("{}@{}.com".format, _LOCALS, st.text(min_size=1, max_size=8)))
def test_smtp_client_reads_an_accepted_address_as_it_is(given_email: str) -> None:
    try:
        email = normal_email(given_email)
    except ValueError:
        return
    assert quote_address(email) == f"<{email}>"
    assert normal_email(email) == email
    assert email.isascii()
