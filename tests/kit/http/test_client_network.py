"""A client counts as one network, whichever of its addresses it uses."""

import pytest

from nextbuy.kit.http.client_network import client_network


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("no:address", "no:address"),
        ("unix", "unix"),
    ],
)
def test_ipv6_counts_as_its_64_bit_network(ip: str, network: str) -> None:
    assert client_network(ip) == network
