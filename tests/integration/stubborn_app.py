"""An app that hears SIGTERM, prints when, and goes on: only SIGKILL ends it. Answers as `lasting_app.py`."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from lasting_app import App


class Stubborn(App):
    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self.connected, "127.0.0.1", port, backlog=512)
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGTERM, lambda: print("SIGTERM", time.time(), flush=True)
        )
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(Stubborn(sys.argv[2]).serve(int(sys.argv[1])))
