"""Between a client and the gateway: passes questions on whole, and counts what was refused."""

import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_PER_CONNECTION = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "host"})


class CountingProxy:
    """Runs in threads of its own for as long as the `with` lasts. `refused`: path and status, in order."""

    def __init__(self, url: str) -> None:
        self.refused: list[tuple[str, int]] = []
        self._to = urlsplit(url).netloc

    def __enter__(self) -> Self:
        counting = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                counting.pass_on(self)

            do_GET = do_HEAD = do_POST  # noqa: N815  as HTTP has them

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002  its name there
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def pass_on(self, asked: BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("content-length", 0)))
        headers = {name: value for name, value in asked.headers.items() if name.lower() not in _PER_CONNECTION}
        connection = HTTPConnection(self._to, timeout=60)
        try:
            connection.request(asked.command, asked.path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            self.refused.append((asked.path, answer.status))
        asked.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _PER_CONNECTION:
                asked.send_header(name, value)
        asked.send_header("content-length", str(len(said)))
        asked.end_headers()
        asked.wfile.write(said)
