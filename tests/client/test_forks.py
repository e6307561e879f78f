"""A client that was made, and used, before its process forked."""

import subprocess
import sys
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from duly.domain.state import State
from tests.client.test_waiting import ID, a_task

PROGRAM = """
import os, sys
from duly.client import Client

client = Client(sys.argv[1])
client.get(sys.argv[2])
if os.fork() == 0:
    client.get(sys.argv[2])
    os._exit(0)
assert os.wait()[1] == 0
client.get(sys.argv[2])
"""


@contextmanager
def serving():
    """The address of a service, and the ports that it was asked from."""
    ports = []

    class Service(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            ports.append(self.client_address[1])
            body = a_task(State.PENDING).model_dump_json().encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", ports
        finally:
            server.shutdown()
            thread.join()


def test_a_forked_process_does_not_share_its_parents_connection():
    """Both read the answers of each other: `get` returned another task than the one that was asked for."""
    with serving() as (url, ports):
        subprocess.run([sys.executable, "-c", PROGRAM, url, str(ID)], check=True, timeout=60)

    first, of_the_child, last = ports
    assert first == last
    assert of_the_child != first
