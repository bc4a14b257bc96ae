"""The network that stands for one client wherever clients are counted by IP address."""

from ipaddress import IPv6Address


def client_network(ip: str) -> str:
    """Return a client's IPv4 address, or the /64 network of its IPv6 address.

    A subscriber is assigned a whole /64 (RFC 6177), so a client can change its IPv6 address at no cost. An IPv4-mapped
    address counts as IPv4. Other text is returned unchanged.
    """
    if ":" not in ip:
        return ip
    try:
        address = IPv6Address(ip.partition("%")[0])
    except ValueError:
        return ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
