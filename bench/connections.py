"""Connections of many people at once, at the cost that each person's own browser has."""

from __future__ import annotations

import ssl

import httpx


class OwnConnections(httpx.AsyncBaseTransport):
    """Lends each request connections that no other request uses meanwhile.

    A client of httpx looks through all its connections several times for each request, and for each idle one through
    all of them again. With 200 people in one client that takes more time than their requests, on the cores under
    measurement.
    """

    def __init__(self) -> None:
        # Loading certificates takes longer than a booking, and nothing here is encrypted.
        self._unencrypted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._idle: list[httpx.AsyncHTTPTransport] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read the whole answer."""
        own = self._idle.pop() if self._idle else httpx.AsyncHTTPTransport(verify=self._unencrypted)
        try:
            response = await own.handle_async_request(request)
            await response.aread()
        finally:
            self._idle.append(own)
        return response

    async def aclose(self) -> None:
        """Close all connections; no request may be under way."""
        for own in self._idle:
            await own.aclose()
