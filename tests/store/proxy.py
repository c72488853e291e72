"""A network between a client and a PostgreSQL server that can be slow, hang, or break."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from typing import Self

from sqlalchemy import make_url


class Proxy:
    """Passes connections on 127.0.0.1 to a server's socket. url: the database as it is reached through it.

    delay: seconds that every piece takes on its way to the server. hangs: nothing passes any more, nobody is told.
    """

    def __init__(self, url: str) -> None:
        to = make_url(url)
        self._target = f"{to.query['host']}/.s.PGSQL.5432"
        self.delay, self.hangs = 0.0, False
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        through = to.set(host="127.0.0.1", port=self._port, query={})
        self.url = through.render_as_string(hide_password=False)

    def __enter__(self) -> Self:
        self.restore()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def restore(self) -> None:
        """Take connections again."""
        self.hangs = False
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for end in self._open:
            _close(end)
        self._open = []

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # cut
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._target)
            self._open += [client, server]
            for source, to in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, to), daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                time.sleep(self.delay)
                while self.hangs:
                    time.sleep(0.01)
                to.sendall(piece)
        _close(source)
        _close(to)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
