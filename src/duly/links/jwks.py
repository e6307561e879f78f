"""Fetches a JWK Set (RFC 7517) over HTTP."""

import asyncio
from datetime import timedelta

import httpx

from duly.ports.identity import KeysUnavailable

PATIENCE = timedelta(seconds=5)
"""For all of it: httpx's own limits begin anew with each byte."""

LARGEST = 256 * 1024


class HttpJwks:
    """A KeySource."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def fetch(self) -> bytes:
        """See KeySource. Redirects are not followed: the address is the one that was configured."""
        try:
            async with (
                asyncio.timeout(PATIENCE.total_seconds()),
                httpx.AsyncClient(timeout=PATIENCE.total_seconds(), follow_redirects=False) as client,
                client.stream("GET", self._url, headers={"accept": "application/json"}) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise KeysUnavailable(f"answered {response.status_code}")
                return await _read(response)
        except (httpx.HTTPError, TimeoutError) as error:
            raise KeysUnavailable(type(error).__name__) from error


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > LARGEST:
            raise KeysUnavailable(f"more than {LARGEST} bytes")
    return bytes(body)
