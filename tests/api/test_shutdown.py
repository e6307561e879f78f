"""A service that is told to end does not wait for those who wait."""

import time
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from tests.support.processes import eventually
from tests.support.servers import free_port
from tests.support.service import a_place, answers


@pytest.mark.system
def test_open_streams_and_long_waits_do_not_hold_up_the_end(tmp_path: Path):
    place = a_place(tmp_path)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    place.migrate()
    with place.duly("api", "app:duly", "--port", str(port)) as running:
        eventually(lambda: answers(url))
        body = {"type": "text.reverse", "payload": {"text": "hello"}}
        task = httpx.post(f"{url}/v1/tasks", json=body, trust_env=False).headers["location"]
        waiting = HTTPConnection("127.0.0.1", port, timeout=90)
        waiting.request("GET", task, headers={"prefer": "wait=60"})  # on its way before the stream is asked for
        with httpx.stream(
            "GET", f"{url}{task}/events", headers={"accept": "text/event-stream"}, timeout=60, trust_env=False
        ) as stream:
            lines = stream.iter_lines()
            assert "event: pending" in [next(lines) for _ in range(4)]
            began = time.monotonic()
            running.process.terminate()
            rest = list(lines)
        code = running.process.wait(60)
        waited = waiting.getresponse().status
        waiting.close()

    assert code == 0
    assert time.monotonic() - began < 20
    assert waited == 200
    assert not [line for line in rest if line.startswith("event")]
