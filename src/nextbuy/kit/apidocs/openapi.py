"""OpenAPI 3.1 of all public endpoints, generated from the tables of contents of the services.

The order of everything is fixed, so that the same code gives the same bytes.
"""

import typing
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from nextbuy.contracts.errors import AppError, Problem, ServiceUnavailable
from nextbuy.contracts.values import Nothing, Tagged
from nextbuy.kit.apidocs.errors import error_responses, gateway_statuses, statuses_of
from nextbuy.kit.apidocs.examples import example
from nextbuy.kit.http.conditional import IF_MATCH, IF_NONE_MATCH
from nextbuy.kit.http.idempotency import HEADER as IDEMPOTENCY
from nextbuy.kit.http.tokens import ACCESS_COOKIE, CSRF_COOKIE, CSRF_HEADER
from nextbuy.kit.service import Route, Service
from nextbuy.kit.wire import PROBLEM, READS, Encoded, Response

Json = dict[str, Any]
REFERENCE: Final = "#/components/schemas/{name}"
_ABOUT: Final = (
    "Send all requests to the gateway. Money is in integer minor units with a currency; ids are UUIDv7; times are "
    "RFC 3339 in UTC; lists are paged by cursor. Errors are problem documents (RFC 9457). Send an Idempotency-Key with "
    "a mutation: the same key gets the same response again. Products have an ETag: send it as If-Match with a "
    "change, so that you do not overwrite a change that you have not read."
)
_LICENSE: Final[Json] = {"name": "Apache License 2.0", "identifier": "Apache-2.0"}
_SECURITY: Final[Json] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of login or register.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": ACCESS_COOKIE,
        "description": f"For browsers. With a mutation, send the value of the cookie {CSRF_COOKIE} as {CSRF_HEADER}.",
    },
}


def openapi(services: Sequence[Service], *, version: str) -> bytes:
    """Return the OpenAPI document as JSON; `x-problems` lists the error classes of all imported modules."""
    schemas = Schemas()
    for service in services:
        for route in service.routes:
            if route.raw is None:
                schemas.add(route.request)
                schemas.add(reply_of(route))
            else:
                schemas.add(route.raw.body)
                schemas.add(route.raw.reply)
    schemas.add(Problem)
    schemas.generate()
    paths: Json = {}
    for service in services:
        for route in service.routes:
            path = f"/{service.name}/api/{route.path}"
            paths.setdefault(path, {})[route.method.lower()] = _operation(service.name, route, schemas)
    paths.update(_GATEWAY_ENDPOINTS)
    responses = error_responses(_referred(paths, "responses"))
    return document(
        {
            "openapi": "3.1.0",
            "info": {"title": "NextBuy", "version": version, "description": _ABOUT, "license": _LICENSE},
            "servers": [{"url": "/"}],
            "tags": [{"name": service.name} for service in services if service.routes] + [{"name": "gateway"}],
            "paths": paths,
            "components": {
                "schemas": _used(schemas.components, [paths, responses]),
                "securitySchemes": _SECURITY,
                "responses": responses,
            },
            "x-problems": problems([service.name for service in services]),
        }
    )


def _referred(node: object, kind: str) -> Iterator[str]:
    """Yield the names of the components of a kind that a part of the document refers to."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref" and value.startswith(f"#/components/{kind}/"):
                yield value.rpartition("/")[2]
            yield from _referred(value, kind)
    elif isinstance(node, list):
        for value in node:
            yield from _referred(value, kind)


def _used(schemas: Json, parts: list[Json]) -> Json:
    """Return the schemas that parts of the document refer to, themselves or through other schemas."""
    used: set[str] = set()
    found = {name for part in parts for name in _referred(part, "schemas")}
    while found:
        used |= found
        found = {inner for name in found for inner in _referred(schemas[name], "schemas")} - used
    return {name: schema for name, schema in schemas.items() if name in used}


class Schemas:
    """JSON schemas of types, generated together, since their names depend on each other."""

    def __init__(self) -> None:
        self._schemas: dict[Any, Json] = {}
        self.components: Json = {}

    def add(self, kind: Any) -> None:  # noqa: ANN401  types are of any type
        """Add a type; None is ignored."""
        if kind is not None:
            self._schemas.setdefault(kind, {})

    def generate(self) -> None:
        """Generate the schemas of all added types."""
        generated, components = msgspec.json.schema_components(self._schemas, ref_template=REFERENCE)
        self._schemas = dict(zip(self._schemas, generated, strict=True))
        self.components = dict(sorted(components.items()))

    def of(self, kind: Any) -> Json:  # noqa: ANN401
        """Return the schema of an added type, which may be a reference."""
        return self._schemas[kind]

    def whole(self, kind: Any) -> Json:  # noqa: ANN401
        """Return the schema of an added struct, never a reference."""
        schema = self._schemas[kind]
        reference = schema.get("$ref")
        return schema if reference is None else typing.cast("Json", self.components[reference.rpartition("/")[2]])


def _with_ecma_patterns(schema: Any) -> Any:  # noqa: ANN401
    """Return a schema with patterns as in JSON Schema (ECMA 262), where `$` is the end of the text alone."""
    if isinstance(schema, list):
        return [_with_ecma_patterns(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {name: _with_ecma_patterns(value) for name, value in schema.items()}
    if isinstance(changed.get("pattern"), str):
        changed["pattern"] = changed["pattern"].replace(r"\Z", "$").replace(r"\"", '"')
    return changed


def first_line(documented: Any) -> str:  # noqa: ANN401  a class or a function
    """Return the first line of a docstring."""
    return (documented.__doc__ or "").split("\n", 1)[0]


def document(content: Json) -> bytes:
    """Return a document as indented JSON, with patterns as in JSON Schema."""
    return msgspec.json.format(msgspec.json.encode(_with_ecma_patterns(content)), indent=1) + b"\n"


def reply_of(route: Route) -> Any:  # noqa: ANN401
    """Return the reply type of a route; None if the reply has no JSON body of a fixed type."""
    reply = route.reply
    if typing.get_origin(reply) is Encoded:
        reply = typing.get_args(reply)[0]
    return None if reply in {None, type(None), Nothing, Response, Any} or route.status == 204 else reply  # noqa: PLR2004


def _operation(service: str, route: Route, schemas: Schemas) -> Json:
    captured = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    operation: Json = {
        "tags": [service],
        "operationId": route.operation_id(service),
        "summary": route.summary,
        "x-who": "anyone" if route.who is None else sorted(role.value for role in route.who),
    }
    operation["security"] = [] if route.who is None else [{"bearer": []}, {"cookie": []}]
    if route.checks_token:
        operation["security"] = [{}, {"bearer": []}, {"cookie": []}]
    fields: Json = {} if route.raw else schemas.whole(route.request).get("properties", {})
    required = [] if route.raw else schemas.whole(route.request).get("required", [])
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": fields.get(name, {"type": "string"})}
        for name in captured
    ]
    rest = {name: schema for name, schema in fields.items() if name not in captured}
    if route.method in READS:
        parameters += [
            {"name": name, "in": "query", "required": name in required, "schema": schema}
            for name, schema in rest.items()
        ]
        if _has_etag(route):
            parameters.append(_IF_NONE_MATCH)
    else:
        # A raw route handles duplicates itself.
        if not route.raw:
            parameters.append(_KEY)
        if route.takes_if_match:
            parameters.append(_IF_MATCH)
        if rest:
            operation["requestBody"] = _body(
                route, schemas, rest, [name for name in required if name in rest], captured
            )
    if route.raw is not None and route.raw.accepts:
        body = {} if route.raw.body is None else {"schema": schemas.of(route.raw.body)}
        operation["requestBody"] = {"required": True, "content": dict.fromkeys(route.raw.accepts, body)}
    if parameters:
        operation["parameters"] = parameters
    operation["responses"] = _responses(route, schemas)
    return operation


_KEY: Final[Json] = {
    "name": IDEMPOTENCY,
    "in": "header",
    "required": False,
    "description": "The same key with the same request gets the first response again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


_IF_MATCH: Final[Json] = {
    "name": IF_MATCH,
    "in": "header",
    "required": False,
    "description": "The ETag that was read: nothing is changed if there is a newer version (412).",
    "schema": {"type": "string", "examples": ['"3.1005"']},
}
_IF_NONE_MATCH: Final[Json] = {
    "name": IF_NONE_MATCH,
    "in": "header",
    "required": False,
    "description": "The ETag of the client's copy: if it is current, it is not sent again (304).",
    "schema": {"type": "string"},
}
_ETAG: Final[Json] = {
    "etag": {
        "description": "The version of the reply, also for If-Match.",
        "schema": {"type": "string"},
    }
}


def _has_etag(route: Route) -> bool:
    if route.raw is not None:
        return route.raw.has_etag
    reply = reply_of(route)
    # Of an encoded reply, the gateway makes the ETag.
    return typing.get_origin(route.reply) is Encoded or (isinstance(reply, type) and issubclass(reply, Tagged))


def _body(route: Route, schemas: Schemas, rest: Json, required: list[str], captured: list[str]) -> Json:
    schema = schemas.of(route.request) if not captured else {"type": "object", "properties": rest, "required": required}
    return {"required": bool(required), "content": _json(schema, schemas)}


def _responses(route: Route, schemas: Schemas) -> Json:
    reply = reply_of(route)
    success: Json = {"description": "Done."}
    if reply is not None:
        success["content"] = _json(schemas.of(reply), schemas)
    successes = {str(route.status): success}
    if _has_etag(route):
        success["headers"] = _ETAG
        if route.method in READS:
            successes["304"] = {"description": "The client has this version.", "headers": _ETAG}
    if route.raw is not None:
        described = {} if route.raw.reply is None else {"schema": schemas.of(route.raw.reply)}
        success["content"] = {media: described if media == _JSON else {} for media in route.raw.produces}
        if route.raw.redirects:
            successes["303"] = {"description": "Done. The page is at Location."}
    refused = {str(status): {"$ref": f"#/components/responses/{status}"} for status in statuses_of(route)}
    if route.raw is not None and _HTML in route.raw.produces:
        refused |= dict.fromkeys(("404", "409", "422"), _PAGE)
    return successes | refused


_HTML: Final = "text/html"
_PAGE: Final[Json] = {
    "description": "Refused, as a page or as a problem document.",
    "content": {_HTML: {}, PROBLEM: {"schema": {"$ref": REFERENCE.format(name="Problem")}}},
}


def _json(schema: Json, schemas: Schemas) -> Json:
    return {_JSON: {"schema": schema, "example": example(schema, schemas.components)}}


def problems(services: Sequence[str]) -> list[Json]:
    """Return a problem for each slug of an error class, by slug; `<service>-unavailable` once per service."""
    by_slug: dict[str, Json] = {}
    for kind in _subclasses(AppError):
        fields = {"status": kind.status, "title": kind.title, "detail": first_line(kind), "transient": kind.transient}
        for slug in [f"{name}-unavailable" for name in services] if kind is ServiceUnavailable else [kind.slug]:
            by_slug.setdefault(slug, {"slug": slug} | fields)
    return [by_slug[slug] for slug in sorted(by_slug)]


def _subclasses(kind: type[AppError]) -> Iterator[type[AppError]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from _subclasses(subclass)


def _gateway_endpoint(path: str, summary: str, kind: str) -> Json:
    responses: Json = {"200": {"description": "Done.", "content": {kind: {"schema": {}}}}}
    responses |= {str(status): {"$ref": f"#/components/responses/{status}"} for status in gateway_statuses()}
    if path == "/health/ready":
        responses["503"] = {
            "description": "A required service or engine is unavailable.",
            "content": {kind: {"schema": {}}},
        }
    return {
        "get": {
            "tags": ["gateway"],
            "operationId": "get" + path.replace("/", "_").replace(".", "_"),
            "summary": summary,
            "x-who": "anyone",
            "security": [],
            "responses": responses,
        }
    }


_JSON: Final = "application/json"
_GATEWAY_ENDPOINTS: Final[Json] = {
    path: _gateway_endpoint(path, summary, kind)
    for path, summary, kind in (
        ("/health/live", "Report that the process runs.", _JSON),
        ("/health/ready", "Report the state of each service and engine.", _JSON),
        (
            "/health/status",
            "Report whether the marketplace is up or degraded; admins also see services, backlogs and stuck work.",
            _JSON,
        ),
        ("/health/version", "Return the version of NextBuy.", _JSON),
        ("/openapi.json", "Return this document.", _JSON),
        ("/asyncapi.json", "Return the events and calls as an AsyncAPI 3.0 document.", _JSON),
        ("/docs", "Show the API browser.", _HTML),
        ("/docs/events", "Show the index of events and calls.", _HTML),
    )
}
