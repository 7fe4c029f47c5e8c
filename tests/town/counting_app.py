"""A program that counts its own requests, shown at `/metrics`; a share of its answers may be 500."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

EDGES = (0.001, 0.005, 0.025, 0.1, 0.5)


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--port", type=int, required=True)
    asked.add_argument("--bad", type=float, default=0.0)
    given = asked.parse_args()
    lock, codes, below, started = threading.Lock(), Counter[int](), Counter[float](), time.time()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            begun = time.monotonic()
            if self.path == "/metrics":
                self._say(200, page())
                return
            status = 500 if self.path != "/healthz" and random.random() < given.bad else 200
            self._say(status, "ok\n")
            took = time.monotonic() - begun
            with lock:
                codes[status] += 1
                below.update(edge for edge in (*EDGES, float("inf")) if took <= edge)

        def _say(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    def page() -> str:
        with lock:
            lines = [f'http_requests_total{{code="{code}"}} {count}' for code, count in codes.items()]
            for edge in (*EDGES, float("inf")):
                le = "+Inf" if edge == float("inf") else str(edge)
                lines.append(f'http_request_duration_seconds_bucket{{le="{le}"}} {below[edge]}')
        return "\n".join([*lines, f"process_start_time_seconds {started}", ""])

    server = ThreadingHTTPServer(("127.0.0.1", given.port), Handler)
    server.daemon_threads = True
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server.serve_forever()


if __name__ == "__main__":
    main()
