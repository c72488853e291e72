"""What a hostile client may write to the real server's socket, which no library would send."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .corpora import NEXT, SMUGGLED, WIRE
from .listening import listening


def told(address: str, sent: bytes, seconds: float = 2) -> bytes:
    """What a server says to these bytes until it closes the connection, or is silent."""
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        answer = b""
        try:
            connection.sendall(sent)
            while part := connection.recv(65536):
                answer += part
        except OSError:  # it has closed, or says nothing
            pass
    return answer


def test_no_bytes_are_more_than_a_request(shared_server: Any) -> None:
    with ThreadPoolExecutor(8) as pool:  # most end in silence, which takes its time
        answers = list(pool.map(lambda sent: told(shared_server.address, sent), WIRE))
    assert sum(map(bool, answers)) > len(WIRE) // 2
    for sent, answer in zip(WIRE, answers, strict=True):
        assert not answer or answer.startswith((b"HTTP/1.", b"\x00\x00")), sent[:80]
        assert b" 500 " not in answer.partition(b"\r\n")[0], sent[:80]
        assert b"root:x:0" not in answer, sent[:80]
        assert b"\nset-cookie: evil" not in answer.lower(), sent[:80]
        assert b"\nx-evil" not in answer.lower(), sent[:80]
        assert b"demo-ana" not in answer or b" 403 " in answer, sent[:80]
    assert b"alive" in told(
        shared_server.address, b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    )


def test_a_request_behind_another_would_be_seen(shared_server: Any) -> None:
    assert b"preferences" in told(shared_server.address, b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + NEXT)


@pytest.mark.parametrize("sent", SMUGGLED, ids=range(len(SMUGGLED)))
def test_no_request_hides_in_another(shared_server: Any, sent: bytes) -> None:
    body = sent.partition(b"\r\n\r\n")[2]
    answer = told(shared_server.address, sent.replace(b"%d", str(len(body)).encode()))
    assert b"preferences" not in answer  # the profile that the hidden request asks for
    assert answer.count(b"HTTP/1.1 ") <= 1


def test_the_server_is_no_proxy(shared_server: Any) -> None:
    with listening() as listener:
        place = f"127.0.0.1:{listener.port}".encode()
        for sent in (
            b"GET http://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n", b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n",
            b"GET /livez HTTP/1.1\r\nHost: %s\r\nX-Forwarded-Host: %s\r\n\r\n",
            b"GET //%s/ HTTP/1.1\r\nHost: %s\r\n\r\n",
        ):  # fmt: skip
            told(shared_server.address, sent % (place, place))
