"""Answers with its colour: `python target.py PORT COLOUR`. Port 0: any free one; it prints which."""

import asyncio
import sys

COLOUR = sys.argv[2].encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (
    len(COLOUR),
    COLOUR,
)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        close = False
        while not close:
            close = b"connection: close" in (await reader.readuntil(b"\r\n\r\n")).lower()
            writer.write(ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]), backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
