"""JWTs of an issuer: what is believed, and what is not."""

import asyncio
import base64
import json
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from duly.engine.identity_jwks import Jwks, keys_of
from duly.engine.identity_jwt import Trust
from duly.ports.identity import KeysUnavailable
from tests.identity.conftest import SECRET, Timer
from tests.support.builders import NOON

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
KEYS = {"RS256": RSA, "ES256": EC, "EdDSA": ED}


def claims(**given):
    defaults = {
        "iss": "https://issuer",
        "aud": "duly-api",
        "sub": "somebody",
        "scope": "openid tasks:read",
        "exp": int((NOON + timedelta(minutes=5)).timestamp()),
    }
    return {name: value for name, value in (defaults | given).items() if value is not None}


def hs256(secret=SECRET, **given):
    return jwt.encode(claims(**given), secret, algorithm="HS256")


def jwk(name, key, **given):
    algorithm = {"RS256": jwt.algorithms.RSAAlgorithm, "ES256": jwt.algorithms.ECAlgorithm}.get(
        name, jwt.algorithms.OKPAlgorithm
    )
    return algorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": name} | given


class Issuer:
    """A KeySource whose keys the test sets."""

    def __init__(self, *keys):
        self.document = json.dumps({"keys": list(keys)}).encode()
        self.asked = 0

    async def fetch(self):
        self.asked += 1
        if self.document is None:
            raise KeysUnavailable("away")
        return self.document


@pytest.fixture
def issuer():
    return Issuer(*(jwk(name, key) for name, key in KEYS.items()))


@pytest.fixture
async def public(open_guarded, issuer):
    """A service that believes an issuer's public keys, and no shared secret."""
    timer = Timer()
    trust = Trust(jwks=Jwks(issuer, timer, lambda *_: None), issuer="https://issuer", audience="duly-api")
    async for guarded in open_guarded(trust=trust, timer=timer):
        yield guarded


async def _status(api, token):
    return (await api.ask("GET", "/v1/tasks", token)).status_code


async def test_a_jwt_of_the_shared_secret_opens_its_scopes(api):
    assert await _status(api, hs256()) == 200
    assert await _status(api, hs256(scope=["tasks:read", 5])) == 200
    assert await _status(api, hs256(scope="tasks:submit")) == 403
    assert await _status(api, hs256(scope=None)) == 403


@pytest.mark.parametrize(
    "given",
    [
        {"iss": "https://other"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"sub": None},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": int((NOON - timedelta(seconds=31)).timestamp())},
        {"nbf": int((NOON + timedelta(seconds=32)).timestamp())},
        {"queues": "media"},
        {"queues": [1]},
        {"queues": None, "scope": 5},
        {"queues": {}},
    ],
)
async def test_claims_that_do_not_fit_are_401(api, given):
    assert await _status(api, hs256(**given)) == 401


@pytest.mark.parametrize(
    "given",
    [
        {"exp": int((NOON - timedelta(seconds=29)).timestamp())},
        {"nbf": int((NOON + timedelta(seconds=29)).timestamp())},
        {"aud": ["other", "duly-api"]},
    ],
)
async def test_clocks_may_be_a_little_apart_and_audiences_many(api, given):
    assert await _status(api, hs256(**given)) == 200


async def test_the_queues_claim_restricts(api):
    await api.submit(queue="default")
    own = await api.submit(queue="media")

    page = (await api.ask("GET", "/v1/tasks", hs256(queues=["media"]))).json()

    assert [task["id"] for task in page["tasks"]] == [own]


@pytest.mark.standard("RFC 8725", "3.1", "alg: none")
@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
async def test_an_unsigned_token_is_refused(api, public, algorithm):
    token = f"{_part({'alg': algorithm, 'typ': 'JWT'})}.{_part(claims(scope='admin'))}."

    assert await _status(api, token) == 401
    assert await _status(public, token) == 401


@pytest.mark.standard("RFC 8725", "2.1", "key confusion")
@pytest.mark.parametrize("name", list(KEYS))
async def test_a_public_key_is_never_taken_for_a_shared_secret(public, name):
    pem = KEYS[name].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{_part({'alg': 'HS256', 'kid': name})}.{_part(claims(scope='admin'))}"
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)

    token = f"{signed}.{_b64(signature.sign(signed.encode(), pem))}"

    assert await _status(public, token) == 401


@pytest.mark.parametrize("name", list(KEYS))
async def test_public_keys_of_each_algorithm_are_believed(public, name):
    token = jwt.encode(claims(), KEYS[name], algorithm=name, headers={"kid": name})

    assert await _status(public, token) == 200


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(OTHER_RSA, "RS256", "RS256"), (RSA, "RS512", "RS256"), (RSA, "RS256", "ES256"), (RSA, "RS256", None)],
)
async def test_another_key_algorithm_or_name_is_refused(public, key, algorithm, kid):
    token = jwt.encode(claims(), key, algorithm=algorithm, headers={} if kid is None else {"kid": kid})

    assert await _status(public, token) == 401


async def test_a_service_without_a_shared_secret_believes_none(public):
    assert await _status(public, hs256()) == 401
    assert await _status(public, hs256(secret="x" * 32)) == 401


async def test_a_service_without_public_keys_believes_none(api):
    assert await _status(api, jwt.encode(claims(), RSA, algorithm="RS256", headers={"kid": "RS256"})) == 401


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"b64": False}, {"kid": 5}])
async def test_headers_that_must_be_understood_and_are_not_are_refused(api, header):
    signed = f"{_part({'alg': 'HS256'} | header)}.{_part(claims())}"
    signer = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)

    assert await _status(api, f"{signed}.{_b64(signer.sign(signed.encode(), SECRET.encode()))}") == 401


async def test_a_name_of_our_own_kind_does_not_make_a_foreign_token_ours(api):
    forged = jwt.encode(claims(scope="admin"), SECRET, algorithm="HS256", headers={"kid": "duly"})

    assert await _status(api, forged) == 401


@pytest.mark.parametrize("token", ["a.b.c", "..", "x" * 9_000, "eyJ.eyJ.eyJ", "é.é.é"])
async def test_what_is_no_token_is_401(api, token):
    answer = await api.client.get("/v1/tasks", headers={"authorization": f"Bearer {token}".encode()})

    assert answer.status_code == 401


async def test_keys_are_fetched_once_and_kept(public, issuer):
    for _ in range(5):
        assert await _status(public, _rs256()) == 200

    assert issuer.asked == 1


async def test_a_new_key_is_found_when_a_token_names_it_and_the_issuer_is_not_flooded(public, issuer):
    assert await _status(public, _rs256()) == 200
    issuer.document = json.dumps({"keys": [jwk("RS256", OTHER_RSA, kid="new")]}).encode()
    rotated = jwt.encode(claims(), OTHER_RSA, algorithm="RS256", headers={"kid": "new"})

    at_once = await _status(public, rotated)
    public.timer.advance(timedelta(seconds=31))
    later = await _status(public, rotated)
    for number in range(5):
        await _status(public, jwt.encode(claims(), RSA, algorithm="RS256", headers={"kid": f"x{number}"}))

    assert (at_once, later) == (401, 200)
    assert issuer.asked == 2
    assert await _status(public, _rs256()) == 401


async def test_an_issuer_that_is_away_is_believed_for_ten_minutes(public, issuer):
    assert await _status(public, _rs256()) == 200
    issuer.document = None
    public.timer.advance(timedelta(minutes=9))
    soon = await _status(public, _rs256())
    public.timer.advance(timedelta(minutes=2))

    assert (soon, await _status(public, _rs256())) == (200, 401)


async def test_who_leaves_while_the_keys_are_fetched_does_not_keep_the_next_one_from_fetching_them():
    """A stream's reader who left in that moment had all tokens refused for half a minute."""
    issuer = Issuer(jwk("RS256", RSA))
    fetch = issuer.fetch
    issuer.fetch = asyncio.Event().wait
    jwks = Jwks(issuer, Timer(), lambda *_: None)
    leaving = asyncio.create_task(jwks.key("RS256"))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    issuer.fetch = fetch

    assert await jwks.key("RS256") is not None


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": 5}'])
def test_what_is_no_key_set_is_refused(document):
    with pytest.raises(ValueError, match=r".*"):
        keys_of(document)


def test_shared_secrets_encryption_keys_and_unknown_kinds_are_left_out():
    oct_key = {"kty": "oct", "kid": "a", "k": "c2VjcmV0"}
    odd = [{"kty": "RSA", "kid": "b"}, {"kty": "X", "kid": "c"}, 5, jwk("RS256", RSA, use="enc")]

    assert keys_of(json.dumps({"keys": [oct_key, *odd]}).encode()) == {}


def test_the_only_key_needs_no_name():
    assert set(keys_of(json.dumps({"keys": [jwk("RS256", RSA)]}).encode())) == {"RS256", None}


def _rs256():
    return jwt.encode(claims(), RSA, algorithm="RS256", headers={"kid": "RS256"})


def _part(value):
    return _b64(json.dumps(value).encode())


def _b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
