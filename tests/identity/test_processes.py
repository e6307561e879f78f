"""Identity in real processes: keys, tokens and public keys fetched over HTTP, on an address that is not loopback."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from duly.links.jwks import LARGEST, HttpJwks
from duly.ports.identity import KeysUnavailable
from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import a_place, answers

ED = ed25519.Ed25519PrivateKey.generate()


@contextmanager
def publishing(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """The address of a web server that answers everything with this."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/keys"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _document() -> bytes:
    key = jwt.algorithms.OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True)
    return json.dumps({"keys": [key | {"kid": "one"}]}).encode()


async def test_a_key_set_is_fetched():
    with publishing(200, _document()) as url:
        assert await HttpJwks(url).fetch() == _document()


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [(500, b"", {}), (302, b"", {"location": "http://127.0.0.1:1/"}), (200, b" " * (LARGEST + 1), {})],
)
async def test_an_error_a_redirect_and_a_flood_are_no_key_set(status, body, headers):
    with publishing(status, body, **headers) as url, pytest.raises(KeysUnavailable):
        await HttpJwks(url).fetch()


async def test_an_issuer_that_is_away_has_no_keys():
    with pytest.raises(KeysUnavailable):
        await HttpJwks(f"http://127.0.0.1:{free_port()}/").fetch()


async def test_an_issuer_that_answers_without_an_end_is_given_up(monkeypatch):
    """Each byte began its time limit anew, and all who came with tokens waited."""
    monkeypatch.setattr("duly.links.jwks.PATIENCE", timedelta(milliseconds=500))

    left = asyncio.Event()

    async def drip(_, send):
        send.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                send.write(b" ")
                await send.drain()
                await asyncio.sleep(0.1)
        send.close()
        left.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server, asyncio.timeout(10):
        with pytest.raises(KeysUnavailable):
            await HttpJwks(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/").fetch()
        await left.wait()


@pytest.mark.system
@pytest.mark.mistake(47, 48)
def test_two_api_processes_ask_everybody_and_tell_no_secret(tmp_path):
    place = a_place(tmp_path)
    place.migrate()
    key = place.run("keys", "create", "shop", "--scope", "admin").stdout.strip()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with publishing(200, _document()) as keys:
        env = {
            "DULY_HOST": "0.0.0.0",  # noqa: S104  # what the test is about
            "DULY_PORT": str(port),
            "DULY_AUTH": "required",
            "DULY_JWT_JWKS_URL": keys,
            "DULY_JWT_ISSUER": "https://issuer",
            "DULY_JWT_AUDIENCE": "duly",
            "DULY_LOG_LEVEL": "debug",
        }
        with place.duly("api", "app:duly", "--processes", "2", **env) as running:
            eventually(lambda: answers(url))
            form = {"grant_type": "client_credentials", "client_id": key.rpartition("_")[0], "client_secret": key}
            token = httpx.post(f"{url}/v1/token", data=form, trust_env=False).json()["access_token"]
            given = {"key": key, "token": token, "jwt": _signed(), "wrong": key[:-1] + "!", "none": None}
            # Each on a connection of its own, so that both processes are asked.
            statuses = {name: {_status(url, one) for _ in range(8)} for name, one in given.items()}
            listed = place.run("list", "--url", url, DULY_KEY=key)
            refused = place.run("list", "--url", url)
            running.stop()

    assert statuses == {"key": {200}, "token": {200}, "jwt": {200}, "wrong": {401}, "none": {401}}
    assert listed.returncode == 0
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
    assert "API key" in refused.stderr
    log = running.log.read_text()
    assert "identity.refused" in log
    for secret in (key.rpartition("_")[2], token.rpartition(".")[2], given["jwt"].rpartition(".")[2]):
        assert secret not in log
        assert secret[:-1] not in log
    assert re.search(r"jwks\.fetched", log)


def _status(url: str, credential: str | None) -> int:
    headers = {} if credential is None else {"authorization": f"Bearer {credential}"}
    return httpx.get(f"{url}/v1/tasks", headers=headers, trust_env=False).status_code


def _signed() -> str:
    claims = {
        "iss": "https://issuer",
        "aud": "duly",
        "sub": "somebody",
        "scope": "tasks:read",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
    }
    return jwt.encode(claims, ED, algorithm="EdDSA", headers={"kid": "one"})
