"""A wire to a server, which a test may cut and mend."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from urllib.parse import urlsplit

from tests.support.servers import free_port


class Wire:
    """Listens on a port of its own and passes on what it is sent, both ways, while it is whole."""

    def __init__(self, url: str) -> None:
        there = urlsplit(url)
        assert there.hostname is not None
        assert there.port is not None
        self._target = (there.hostname, there.port)
        self.port = free_port()
        self.url = url.replace(f"{there.hostname}:{there.port}", f"127.0.0.1:{self.port}", 1)
        """The server's address, by way of the wire."""
        self._listener: socket.socket | None = None
        self._ends: list[socket.socket] = []

    def mend(self) -> None:
        """From now on it takes connections."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Every connection ends, and none can be made."""
        if self._listener is not None:
            _close(self._listener)
            self._listener = None
        while self._ends:
            _close(self._ends.pop())

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self._ends += [near, far]
                for one, other in ((near, far), (far, near)):
                    Thread(target=_pass_on, args=(one, other), daemon=True).start()


@contextmanager
def a_wire(url: str) -> Iterator[Wire]:
    """A wire to the server at this address, whole at first."""
    wire = Wire(url)
    wire.mend()
    try:
        yield wire
    finally:
        wire.cut()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    _close(other)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
