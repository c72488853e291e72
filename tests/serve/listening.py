"""A listener on loopback that shows whether anybody was made to call it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Listener(threading.Thread):
    """Listens on loopback and counts who connects."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.called = self.socket.getsockname()[1], 0
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.called += 1
            connection.close()


@contextmanager
def listening() -> Iterator[Listener]:
    """A listener that has shown that it hears, and that must hear nothing more."""
    listener = Listener()
    socket.create_connection(("127.0.0.1", listener.port)).close()
    while listener.called < 1:
        pass
    yield listener
    listener.socket.close()
    assert listener.called == 1
