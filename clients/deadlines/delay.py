"""A TCP proxy that delays both directions: `delay.py SERVER MILLISECONDS`. It says first where it listens."""

from __future__ import annotations

import asyncio
import socket
import sys


class _Direction(asyncio.Protocol):
    """One end of a connection. What it receives leaves at the other end later, in the same order."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.transport: asyncio.Transport | None = None
        self.other: _Direction | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        # What is delayed here must not be delayed again by the kernel.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self._seconds, self._pass_on, data)

    def connection_lost(self, error: Exception | None) -> None:
        asyncio.get_running_loop().call_later(self._seconds, self._close_other)

    def _pass_on(self, data: bytes) -> None:
        if self.other and self.other.transport and not self.other.transport.is_closing():
            self.other.transport.write(data)

    def _close_other(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.close()


class _FromCaller(_Direction):
    """The end at the caller; it opens the one at the server."""

    def __init__(self, seconds: float, host: str, port: int) -> None:
        super().__init__(seconds)
        self._server = (host, port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._opening = asyncio.ensure_future(self._open())

    async def _open(self) -> None:
        host, port = self._server
        other = _Direction(self._seconds)
        other.other = self
        await asyncio.get_running_loop().create_connection(lambda: other, host, port)
        self.other = other
        assert self.transport
        self.transport.resume_reading()


async def _serve(server: str, milliseconds: float) -> None:
    host, port = server.rsplit(":", 1)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: _FromCaller(milliseconds / 1000, host, int(port)), "127.0.0.1", 0
    )
    address, port_here = listener.sockets[0].getsockname()
    print(f"{address}:{port_here}", flush=True)
    await listener.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], float(sys.argv[2])))
