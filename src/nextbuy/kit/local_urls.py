"""URLs under which clients on this machine reach a server."""

from typing import Final

_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  not bound here
"""The IP address at which this machine reaches a server that listens on all IP addresses."""
_HTTP_PORT: Final = 80


def url_of(host: str, port: int) -> str:
    """Return the URL of a server that listens on `host`; an IPv6 address is in brackets (RFC 3986, 3.2.2)."""
    host = _LOOPBACK.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def loopback_origins(port: int) -> dict[str, str]:
    """Return the origins of a server at all names of this machine, by the Host header that clients send there."""
    suffix = "" if port == _HTTP_PORT else f":{port}"
    return {f"{name}{suffix}": f"http://{name}{suffix}" for name in ("localhost", "127.0.0.1", "[::1]")}
