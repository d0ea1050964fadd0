"""An HTTP server whose answers are written byte by byte."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias


class Then(Enum):
    """Stands in place of a piece of an answer: the fate of the connection."""

    HANG = auto()
    CLOSE = auto()


Piece: TypeAlias = bytes | Then
HANG, CLOSE = Then.HANG, Then.CLOSE
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass
class Server:
    """Sends its answers one after the other; the last one repeats."""

    answers: Sequence[Sequence[Piece]]
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Head and body of each."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    connections: list[asyncio.Task[None]] = field(default_factory=list)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one more connection."""
        self.connections.append(asyncio.get_running_loop().create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        self.requests.append((head, await reader.readexactly(int(length.split(b":")[1]))))
        self.asked.set()
        for piece in self.answers[min(len(self.requests), len(self.answers)) - 1]:
            if piece is HANG:
                await reader.read()  # until the client goes
            if isinstance(piece, Then):
                return False
            writer.write(piece)
            await writer.drain()
        return True

    def header(self, name: str, request: int = -1) -> str | None:
        """Return a header of a request, as it was sent."""
        lines = self.requests[request][0].decode().split("\r\n")
        return next((line.split(": ", 1)[1] for line in lines if line.lower().startswith(name.lower() + ":")), None)


@asynccontextmanager
async def serving(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Let the server listen."""
    listener = await asyncio.start_server(server.connected, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await asyncio.gather(*server.connections)


def answer(body: bytes, *headers: str, status: str = "200 OK") -> list[Piece]:
    """Return a whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return ["\r\n".join(lines).encode() + body]
