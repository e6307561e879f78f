"""The client of a running Duly service, over HTTP: ``Client`` and ``AsyncClient``.

This package is what users import, so it shows its names here; nothing of the server is imported.
"""

from duly.client.aio import AsyncClient
from duly.client.blocking import Client
from duly.client.errors import RemoteError, ServiceUnreachable
from duly.wire.redrive import RedriveFilter
from duly.wire.submit import Submit

__all__ = ["AsyncClient", "Client", "RedriveFilter", "RemoteError", "ServiceUnreachable", "Submit"]
