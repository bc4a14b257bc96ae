"""The route table of a service."""

from collections.abc import Iterable

from nextbuy.contracts.errors import EndpointNotFound, MethodNotAllowed
from nextbuy.kit.service import Route, Service


class RouteTable:
    """The routes of a service, by method and path."""

    def __init__(self, service: Service) -> None:
        """Index the routes for `find`: by whole path, by all parts but the last (the prefix), or part by part."""
        self._fixed: dict[tuple[str, str], Route] = {}
        self._fixed_paths: set[str] = set()
        self._by_prefix: dict[tuple[str, str], tuple[str, Route]] = {}
        """Parameter and route by method and prefix, for the many routes whose only parameter comes last."""
        self._patterns: dict[tuple[str, int], list[tuple[list[str], Route]]] = {}
        """By method and number of parts."""
        self._methods: dict[int, list[tuple[list[str], str]]] = {}
        """The parts and the method of every route, by number of parts."""
        for route in service.routes:
            path = f"/{service.name}/api/{route.path}"
            parts = path.split("/")
            self._methods.setdefault(len(parts), []).append((parts, route.method))
            prefix, _, last = path.rpartition("/")
            if last.startswith("{") and "{" not in prefix:
                self._by_prefix[route.method, prefix] = last[1:-1], route
            elif "{" in path:
                self._patterns.setdefault((route.method, len(parts)), []).append((parts, route))
            else:
                self._fixed[route.method, path] = route
                self._fixed_paths.add(path)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Return the route of a request, and the values of the parameters in its path.

        Raises:
            MethodNotAllowed: the path supports other methods.
            EndpointNotFound: no route has this path.
        """
        if method == "HEAD":
            method = "GET"
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            return fixed, {}
        if path in self._fixed_paths:
            # A route without parameters is the better match, even if it has another method.
            raise _not_allowed(supported for supported, fixed in self._fixed if fixed == path)
        prefix, _, last = path.rpartition("/")
        indexed = self._by_prefix.get((method, prefix))
        if indexed is not None and last:
            return indexed[1], {indexed[0]: last}
        parts = path.split("/")
        for pattern, route in self._patterns.get((method, len(parts)), ()):
            captured = _match(pattern, parts)
            if captured is not None:
                return route, captured
        methods = {
            supported for pattern, supported in self._methods.get(len(parts), ()) if _match(pattern, parts) is not None
        }
        if methods:
            raise _not_allowed(methods)
        raise EndpointNotFound


def _not_allowed(methods: Iterable[str]) -> MethodNotAllowed:
    supported = set(methods)
    return MethodNotAllowed.only(*sorted(supported | {"HEAD"} if "GET" in supported else supported))


def _match(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    captured: dict[str, str] = {}
    for expected, part in zip(pattern, parts, strict=True):
        if expected.startswith("{"):
            if not part:
                return None
            captured[expected[1:-1]] = part
        elif expected != part:
            return None
    return captured
