"""Access tokens (JWT, RFC 7519, signed with ES256): signed by auth, verified by every service.

A token is verified with auth's public keys alone and cached until it expires. Whether the account has been suspended or
the login session has ended since, only auth knows (`ValidateUser`).
"""

import hmac
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol
from msgspec import Struct

from nextbuy.contracts.errors import Forbidden, Unauthenticated
from nextbuy.contracts.values import Role

ISSUER: Final = "nextbuy"
ALGORITHM: Final = "ES256"
ACCESS_COOKIE: Final = "nextbuy_access"
REFRESH_COOKIE: Final = "nextbuy_refresh"
CSRF_COOKIE: Final = "nextbuy_csrf"
BASKET_COOKIE: Final = "nextbuy_basket"
"""The token of a guest's basket."""
CSRF_HEADER: Final = "x-csrf-token"
_OWN_COOKIES: Final = "nextbuy_"
"""The beginning of the names of all cookies above."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_VERIFIED: Final = 16
"""The number of tokens of one request that are verified; a browser sends at most one per parent domain before ours."""
_CACHE_SIZE: Final = 20_000
_TOKEN_LIMIT: Final = 2_048
_TOKEN: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]{86}", re.ASCII)
"""The form of a token; a signature of ES256 has 64 bytes."""
_RELOAD_INTERVAL: Final = 5.0
"""Seconds between two requests for the public keys, so that forged key ids cause no request each."""


InvalidToken: Final = Unauthenticated.of("token-invalid", "Invalid access token. Sign in again.")
ExpiredToken: Final = Unauthenticated.of("token-expired", "The access token has expired. Refresh it, or sign in again.")
CsrfTokenRequired: Final = Forbidden.of(
    "csrf", "The CSRF token is missing or wrong. Send the value of its cookie in its header."
)


class Identity(Struct, frozen=True):
    """The claims of an access token; `expires` is in seconds since the epoch."""

    account_id: UUID
    role: Role
    session_id: UUID
    expires: float


KeyLoader = Callable[[], Awaitable[Mapping[str, str]]]
"""A function that returns auth's public keys in PEM, by key id."""


def sign_token(identity: Identity, *, kid: str, key: ECKey) -> str:
    """Return an access token with the claims of an identity."""
    claims = {
        "iss": ISSUER,
        "sub": str(identity.account_id),
        "role": identity.role.value,
        "sid": str(identity.session_id),
        "exp": int(identity.expires),
    }
    return jwt.encode({"alg": ALGORITHM, "kid": kid}, claims, key, algorithms=[ALGORITHM])


def read_token(token: str, keys: Mapping[str, ECKey], *, now: float) -> Identity:
    """Verify a token at `now` (seconds since the epoch) and return its claims.

    Raises:
        InvalidToken: the signature or the form is wrong.
        ExpiredToken: it has expired.
    """

    def select_key(header: GuestProtocol) -> ECKey:
        return keys[str(header.headers().get("kid"))]

    try:
        claims = jwt.decode(token, select_key, algorithms=[ALGORITHM]).claims
        identity = Identity(UUID(claims["sub"]), Role(claims["role"]), UUID(claims["sid"]), float(claims["exp"]))
        issued_by_auth = claims["iss"] == ISSUER
    except (JoseError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidToken from error
    if not issued_by_auth:
        raise InvalidToken
    if identity.expires <= now:
        raise ExpiredToken
    return identity


class TokenVerifier:
    """Verifies access tokens with auth's public keys, and caches the verified ones until they expire."""

    def __init__(self, load: KeyLoader) -> None:
        self._load = load
        self._keys: dict[str, ECKey] = {}
        self._loaded_at = -_RELOAD_INTERVAL
        self._verified: dict[str, Identity] = {}

    async def verify_first(self, tokens: Sequence[str]) -> tuple[str, Identity]:
        """Return the first valid one of the tokens, with its claims.

        Raises:
            InvalidToken: all are invalid.
            ExpiredToken: none is valid, and one has expired.
            Unauthenticated: the list is empty, or so long that some tokens were not verified.
            Unavailable: the keys cannot be loaded now.
        """
        if not tokens:
            raise Unauthenticated("Sign in first, and send the access token.")
        candidates = [token for token in tokens if _is_well_formed(token)]
        refusal: Unauthenticated = InvalidToken()
        if len(candidates) > _MAX_VERIFIED:
            refusal = Unauthenticated("Too many access tokens. Delete the cookies of this site, and sign in again.")
        for token in candidates[:_MAX_VERIFIED]:
            try:
                return token, await self.verify(token)
            except ExpiredToken as error:
                refusal = error
            except InvalidToken:
                continue
        raise refusal

    async def verify(self, token: str) -> Identity:
        """Verify a token and return its claims.

        Raises:
            InvalidToken, ExpiredToken: it is not valid.
            Unavailable: the keys cannot be loaded now.
        """
        cached = self._verified.get(token)
        now = time.time()
        if cached is not None:
            if cached.expires > now:
                return cached
            del self._verified[token]
        if not _is_well_formed(token):
            raise InvalidToken
        try:
            identity = read_token(token, self._keys, now=now)
        except Unauthenticated as error:
            if isinstance(error, ExpiredToken) or time.monotonic() - self._loaded_at < _RELOAD_INTERVAL:
                raise
            pems = await self._load()
            self._keys = {kid: ECKey.import_key(pem) for kid, pem in pems.items()}
            self._loaded_at = time.monotonic()
            identity = read_token(token, self._keys, now=now)
        if len(self._verified) >= _CACHE_SIZE:
            self._verified.clear()
        self._verified[token] = identity
        return identity


def _is_well_formed(token: str) -> bool:
    return len(token) <= _TOKEN_LIMIT and _TOKEN.fullmatch(token) is not None


def _bearer_token(headers: Mapping[str, str]) -> str | None:
    """Return the token of `Authorization: Bearer`; None with another scheme, which is for a proxy in front of us."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def access_tokens(headers: Mapping[str, str]) -> list[str]:
    """Return the access token of the Authorization header or, without one, the tokens in cookies. Verifies nothing.

    Our cookie has the path `/`, so that a browser sends it behind those that were planted for other paths: last first.
    """
    bearer = _bearer_token(headers)
    if bearer is None:
        return cookies_of(headers, ACCESS_COOKIE)[::-1]
    return [bearer] if bearer else []


def tokens_of(method: str, headers: Mapping[str, str]) -> list[str]:
    """Return the access tokens of a request.

    For a mutation, a token in the cookie counts only with the CSRF token beside it (double submit): a page of another
    origin can send the cookie but cannot read it.

    Raises:
        CsrfTokenRequired: a mutation by cookie without the right CSRF token.
    """
    tokens = access_tokens(headers)
    if tokens and method not in _SAFE and sent_by_cookie(headers):
        sent = _bytes(headers.get(CSRF_HEADER, ""))
        if not any(hmac.compare_digest(_bytes(expected), sent) for expected in cookies_of(headers, CSRF_COOKIE)):
            raise CsrfTokenRequired(f"Send the value of the {CSRF_COOKIE} cookie in the {CSRF_HEADER} header.")
    return tokens


def cookies_of(headers: Mapping[str, str], name: str) -> list[str]:
    """Return the different values of a cookie; malformed cookies in the same header are skipped.

    A browser sends several if they were set for several paths or domains (RFC 6265, 5.4), the longest path first.
    """
    cookies = headers.get("cookie")
    if cookies is None or name not in cookies:
        return []
    pairs = (pair.partition("=") for pair in cookies.split(";"))
    values = (value.strip() for cookie, _, value in pairs if cookie.strip() == name)
    return list(dict.fromkeys(value for value in values if value))


def is_stranger(headers: Mapping[str, str]) -> bool:
    """Return whether a request carries nothing that names a person: no access token and none of our cookies."""
    return "authorization" not in headers and _OWN_COOKIES not in headers.get("cookie", "")


def sent_by_cookie(headers: Mapping[str, str]) -> bool:
    """Return whether cookies carry the access tokens of a request."""
    return _bearer_token(headers) is None


def basket_cookie(public_url: str, value: str, max_age: int) -> str:
    """Return the Set-Cookie header of a guest's basket, which lives `max_age` seconds; 0 deletes it."""
    secure = "; Secure" if public_url.startswith("https://") else ""
    return f"{BASKET_COOKIE}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}"


def expired_cookies(name: str, path: str, *, ours: bool) -> list[tuple[str, str]]:
    """Return headers that delete a cookie at `path` and the paths above it; at `/`, its own path, only if `ours`."""
    parts = path.split("/")
    paths = ["/".join(parts[:length]) for length in range(2, len(parts) + 1)]
    if ours:
        paths.append("/")
    return [("set-cookie", f"{name}=; Path={one}; Max-Age=0; HttpOnly; SameSite=Lax") for one in paths]


def _bytes(text: str) -> bytes:
    """Return the bytes of a header, which may contain lone surrogates."""
    return text.encode(errors="surrogatepass")
