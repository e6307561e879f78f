"""Where the API listens: one socket, made by the first process and shared by those below it."""

import errno
import socket
from ipaddress import ip_address
from pathlib import Path

from duly.cli.child import Part, duly_part
from duly.domain.errors import DulyError
from duly.settings import Settings

BACKLOG = 2048
IPV4 = 4


class AddressTaken(DulyError):
    """The address cannot be listened on."""

    code = "address-taken"


def parts(app: str, app_dir: Path, listener: socket.socket, processes: int) -> list[Part]:
    """The API's processes, each with the shared socket."""
    descriptor = listener.fileno()
    arguments = ("api", app, "--app-dir", str(app_dir), "--socket-fd", str(descriptor))
    return [duly_part(f"api-{number}", *arguments, descriptors=(descriptor,)) for number in range(1, processes + 1)]


def listen(settings: Settings) -> socket.socket:
    """A listening socket. Raises AddressTaken, saying what to do."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise AddressTaken(
                f"{place} is taken by another program. Choose another port: --port {settings.port + 1}"
            ) from None
        raise AddressTaken(f"{place} cannot be listened on: {error.strerror or error}.") from None


def url_of(listener: socket.socket) -> str:
    """Where a browser on this machine finds it."""
    host, port = listener.getsockname()[:2]
    address = ip_address(host)
    if address.is_unspecified:
        return f"http://127.0.0.1:{port}" if address.version == IPV4 else f"http://[::1]:{port}"
    name = host if address.version == IPV4 else f"[{host}]"
    return f"http://{name}:{port}"
