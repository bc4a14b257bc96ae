import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from nextbuy.contracts.errors import Forbidden, Unauthenticated, Unavailable
from nextbuy.contracts.values import Role, new_id
from nextbuy.kit.http.tokens import (
    Identity,
    InvalidToken,
    TokenVerifier,
    access_tokens,
    cookies_of,
    read_token,
    sign_token,
    tokens_of,
)

KEY = ECKey.generate_key("P-256")
OTHER = ECKey.generate_key("P-256")
KEYS = {"k1": KEY}
PEM = KEY.as_pem(private=False).decode()
NOW = 1_800_000_000.0
SURROGATE = "\ud800"


def identity_until(*, expires: float = NOW + 60) -> Identity:
    return Identity(new_id(), Role.BUYER, new_id(), expires)


def part(what: object) -> str:
    raw = what if isinstance(what, bytes) else json.dumps(what).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**other: object) -> dict[str, object]:
    valid = {"iss": "nextbuy", "sub": str(new_id()), "role": "admin", "sid": str(new_id()), "exp": int(NOW) + 60}
    return {**valid, **other}


def by_hmac(header: dict[str, object], secret: bytes) -> str:
    signed = f"{part(header)}.{part(claims())}"
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def signed(what: dict[str, object], *, key: ECKey = KEY) -> str:
    """Sign any claims with the private key."""
    from joserfc import jwt  # noqa: PLC0415

    return jwt.encode({"alg": "ES256", "kid": "k1"}, what, key, algorithms=["ES256"])


def test_signed_token_is_decoded() -> None:
    identity = identity_until()
    assert read_token(sign_token(identity, kid="k1", key=KEY), KEYS, now=NOW) == identity


def forgeries() -> dict[str, str]:
    good = sign_token(identity_until(), kid="k1", key=KEY)
    header, body, proof = good.split(".")
    deep = b"[" * 100_000
    return {
        "empty": "",
        "no algorithm": f"{part({'alg': 'none', 'kid': 'k1'})}.{part(claims())}.",
        "no algorithm, upper case": f"{part({'alg': 'NONE', 'kid': 'k1'})}.{part(claims())}.{proof}",
        "HS256 with the public key": by_hmac({"alg": "HS256", "kid": "k1"}, PEM.encode()),
        "HS256 with the public key, stripped": by_hmac({"alg": "HS256", "kid": "k1"}, PEM.strip().encode()),
        "ES256 said, HS256 done": by_hmac({"alg": "ES256", "kid": "k1"}, PEM.encode()),
        "a key of its own": f"{part({'alg': 'ES256', 'jwk': OTHER.as_dict(private=False)})}.{body}.{proof}",
        "another key under the right name": sign_token(identity_until(), kid="k1", key=OTHER),
        "an unknown key": sign_token(identity_until(), kid="k2", key=KEY),
        "the key's name is a list": f"{part({'alg': 'ES256', 'kid': ['k1']})}.{body}.{proof}",
        "the algorithm is an object": f"{part({'alg': {}, 'kid': 'k1'})}.{body}.{proof}",
        "no header": f".{body}.{proof}",
        "the header is a list": f"{part([1])}.{body}.{proof}",
        "the header is deep": f"{part(deep)}.{body}.{proof}",
        "the body is deep": f"{header}.{part(deep)}.{proof}",
        "critical words": f"{part({'alg': 'ES256', 'kid': 'k1', 'crit': ['b64'], 'b64': False})}.{body}.{proof}",
        "claims changed": f"{header}.{part(claims())}.{proof}",
        "signature cut": good[:-10],
        "signature gone": f"{header}.{body}.",
        "signature doubled": f"{header}.{body}.{proof}{proof}",
        "padding": f"{good}==",
        "expired": sign_token(identity_until(expires=NOW - 1), kid="k1", key=KEY),
        "expires now": sign_token(identity_until(expires=NOW), kid="k1", key=KEY),
        "another issuer": signed(claims(iss="elsewhere")),
        "no issuer": signed({name: value for name, value in claims().items() if name != "iss"}),
        "no expiry": signed({name: value for name, value in claims().items() if name != "exp"}),
        "an unknown role": signed(claims(role="owner")),
        "the subject is not an id": signed(claims(sub=1)),
        "an expiry beyond all numbers": signed(claims(exp="1e999x")),
        "an expiry of a list": signed(claims(exp=[])),
        "huge": "a" * 2_000_000,
        "many dots": "." * 2_000,
        "not ASCII": f"{header}.{body}.\u00e9",
        "a lone surrogate": SURROGATE,
        "a lone surrogate within": f"{header}{SURROGATE}.{body}.{proof}",
        "a NUL": f"{header}\0.{body}.{proof}",
    }


@pytest.mark.parametrize("kind", forgeries())
async def test_forged_token_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    token = forgeries()[kind]
    with pytest.raises(Unauthenticated):
        read_token(token, KEYS, now=NOW)

    async def load() -> Mapping[str, str]:
        return {"k1": PEM}

    monkeypatch.setattr(time, "time", lambda: NOW)
    with pytest.raises(Unauthenticated):
        await TokenVerifier(load).verify(token)


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=200)


@given(ANY_TEXT | st.lists(ANY_TEXT, min_size=3, max_size=3).map(".".join))
@example("..")
def test_random_text_is_refused_as_token(text: str) -> None:
    with pytest.raises(Unauthenticated):
        read_token(text, KEYS, now=NOW)


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=4)


@given(
    st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "zip", "jwk", "jku"]), JSON | st.just("ES256")
    ),
    st.dictionaries(st.sampled_from(["iss", "sub", "exp"]), JSON),
    st.binary(max_size=70),
)
def test_unsigned_header_and_claims_are_refused(
    header: dict[str, object], body: dict[str, object], proof: bytes
) -> None:
    with pytest.raises(Unauthenticated):
        read_token(f"{part(header)}.{part(body)}.{part(proof)}", KEYS, now=NOW)


@given(st.dictionaries(st.sampled_from(["iss", "sub", "exp", "role", "sid"]), JSON))
def test_invalid_claims_with_valid_signature_are_refused(changed: dict[str, object]) -> None:
    if not changed:
        return
    with pytest.raises(Unauthenticated):
        read_token(signed({**claims(role="buyer"), **changed, "iss": changed.get("iss", "x")}), KEYS, now=NOW)


class Loader:
    """A loader of the keys of auth, which counts its calls."""

    def __init__(self) -> None:
        self.loads = 0
        self.unavailable = False
        self.keys = {"k1": PEM}

    async def __call__(self) -> Mapping[str, str]:
        self.loads += 1
        if self.unavailable:
            raise Unavailable("Auth is unavailable.")
        return self.keys


async def test_keys_are_loaded_once_and_verified_token_is_cached() -> None:
    load = Loader()
    verifier = TokenVerifier(load)
    token = sign_token(identity_until(expires=time.time() + 60), kid="k1", key=KEY)
    first = await verifier.verify(token)
    assert await verifier.verify(token) is first
    assert load.loads == 1


async def test_unknown_key_ids_do_not_load_keys_each_time() -> None:
    load = Loader()
    verifier = TokenVerifier(load)
    for n in range(20):
        with pytest.raises(Unauthenticated):
            await verifier.verify(sign_token(identity_until(expires=time.time() + 60), kid=f"x{n}", key=OTHER))
    assert load.loads == 1


async def test_cached_token_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = TokenVerifier(Loader())
    token = sign_token(identity_until(expires=NOW + 60), kid="k1", key=KEY)
    monkeypatch.setattr(time, "time", lambda: NOW)
    await verifier.verify(token)
    monkeypatch.setattr(time, "time", lambda: NOW + 61)
    with pytest.raises(Unauthenticated) as caught:
        await verifier.verify(token)
    assert caught.value.slug == "token-expired"


async def test_failed_load_of_keys_is_unavailable_not_unauthenticated() -> None:
    load = Loader()
    verifier = TokenVerifier(load)
    token = sign_token(identity_until(expires=time.time() + 60), kid="k1", key=KEY)
    load.unavailable = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await verifier.verify(token)
    load.unavailable = False
    await verifier.verify(token)


@pytest.mark.parametrize(
    ("headers", "tokens"),
    [
        ({}, []),
        ({"authorization": "Bearer abc"}, ["abc"]),
        ({"authorization": "bearer  abc "}, ["abc"]),
        ({"authorization": "Bearer "}, []),
        ({"authorization": "Bearer"}, []),
        ({"authorization": ""}, []),
        ({"authorization": "Bearer abc", "cookie": "nextbuy_access=c"}, ["abc"]),
        ({"authorization": "Bearer ", "cookie": "nextbuy_access=c"}, []),
        ({"authorization": "Basic abc"}, []),
        ({"authorization": "Basic abc", "cookie": "nextbuy_access=c"}, ["c"]),
        ({"authorization": "Negotiate", "cookie": "nextbuy_access=c"}, ["c"]),
        ({"authorization": "Bearerx abc", "cookie": "nextbuy_access=c"}, ["c"]),
        ({"cookie": "nextbuy_access=c"}, ["c"]),
        ({"cookie": "a=1; nextbuy_access=abc; b=2"}, ["abc"]),
        ({"cookie": 'a={"b"}; x; =; nextbuy_access=c; d=[]'}, ["c"]),
        ({"cookie": "nextbuy_access=a; b=1;nextbuy_access=; nextbuy_access = c"}, ["c", "a"]),
        ({"cookie": "nextbuy_access=a; nextbuy_access=c; nextbuy_access=a"}, ["c", "a"]),
        ({"cookie": ";".join(f"nextbuy_access={n}" for n in range(9))}, list("876543210")),
        ({"cookie": "not_nextbuy_access=c"}, []),
        ({"cookie": "nextbuy_access="}, []),
        ({"cookie": SURROGATE}, []),
    ],
)
def test_tokens_are_read_from_header_or_cookies(headers: dict[str, str], tokens: list[str]) -> None:
    assert tokens_of("GET", headers) == access_tokens(headers) == tokens


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize(
    ("cookie", "given_token"),
    [("nextbuy_csrf=s", None), ("nextbuy_csrf=s", "t"), ("", ""), ("nextbuy_csrf=", ""), ("nextbuy_csrf=s", SURROGATE)],
)
def test_mutation_by_cookie_without_csrf_token_is_refused(method: str, cookie: str, given_token: str | None) -> None:
    headers = {"cookie": f"nextbuy_access=c; {cookie}"} | ({} if given_token is None else {"x-csrf-token": given_token})
    with pytest.raises(Forbidden) as caught:
        tokens_of(method, headers)
    assert caught.value.slug == "csrf"
    with pytest.raises(Forbidden):
        tokens_of(method, {**headers, "authorization": "Basic abc"})


def test_mutation_by_cookie_with_csrf_token_is_accepted() -> None:
    for cookie in ("nextbuy_access=c;nextbuy_csrf=s", "nextbuy_csrf=old; nextbuy_access=c; nextbuy_csrf=s"):
        for other in ({}, {"authorization": "Basic dXNlcjpwYXNz"}):
            assert tokens_of("POST", {"cookie": cookie, "x-csrf-token": "s", **other}) == ["c"]


async def test_first_valid_token_is_used() -> None:
    verifier = TokenVerifier(Loader())
    identity = identity_until(expires=int(time.time()) + 60)
    good = sign_token(identity, kid="k1", key=KEY)
    old = sign_token(identity_until(expires=time.time() - 60), kid="k1", key=KEY)

    for tokens in ([good], ["x", good], [old, good, "x"], [*["x"] * 500, good]):
        assert await verifier.verify_first(tokens) == (good, identity)
    for tokens, slug in (
        ([], "unauthenticated"),
        (["x"], "token-invalid"),
        (["x", old], "token-expired"),
        ([old, "x"], "token-expired"),
    ):
        with pytest.raises(Unauthenticated) as caught:
            await verifier.verify_first(tokens)
        assert caught.value.slug == slug


async def test_verified_signatures_of_a_request_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    forged = [sign_token(identity_until(expires=time.time() + 60), kid="k1", key=OTHER) for _ in range(40)]
    verified: list[str] = []

    async def verify(_verifier: TokenVerifier, token: str) -> Identity:
        verified.append(token)
        raise InvalidToken

    monkeypatch.setattr(TokenVerifier, "verify", verify)
    for tokens, slug in ((forged[:16], "token-invalid"), (forged, "unauthenticated")):
        verified.clear()
        with pytest.raises(Unauthenticated) as caught:
            await TokenVerifier(Loader()).verify_first(["x", *tokens])
        assert (verified, caught.value.slug) == (forged[:16], slug)


async def test_malformed_token_loads_no_keys() -> None:
    load = Loader()
    for token in ("", "x", "a.b.c", "a" * 3_000):
        with pytest.raises(Unauthenticated):
            await TokenVerifier(load).verify(token)
    assert load.loads == 0


@given(ANY_TEXT, ANY_TEXT, st.sampled_from(["GET", "POST"]))
def test_random_cookies_and_headers_raise_no_other_error(cookie: str, header: str, method: str) -> None:
    headers = {"cookie": f"{cookie};nextbuy_access=c;nextbuy_csrf={cookie}", "x-csrf-token": header}
    assert cookies_of(headers, "nextbuy_access")
    try:
        tokens_of(method, headers)
    except Forbidden:
        assert method == "POST"
