"""The chaos proxy passes everything on, until it is told to cut, swallow, delay or lose answers."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from rapport_devkit.chaos import ChaosProxy, is_commit, is_produce


class Shouter:
    """A server that answers each piece with itself in capitals and remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = self._socket.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client:
            try:
                while data := client.recv(65536):
                    self.heard.append(data)
                    client.sendall(data.upper())
            except ConnectionError:
                return

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes who waits in `accept`
        self._socket.close()


@pytest.fixture
def server() -> Iterator[Shouter]:
    with closing(Shouter()) as shouter:
        yield shouter


@pytest.fixture
def proxy(server: Shouter) -> Iterator[ChaosProxy]:
    with ChaosProxy(server.address) as started:
        yield started


def connect(proxy: ChaosProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=20)


def ask(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(65536)


def is_reset(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def is_turned_away(proxy: ChaosProxy) -> bool:
    try:
        with connect(proxy) as client:
            return is_reset(client)
    except ConnectionError:
        return True  # refused, or reset so soon that even `connect` sees it


def is_silent(client: socket.socket) -> bool:
    client.settimeout(0.3)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(20)
    return False


def test_what_is_said_and_answered_passes(proxy: ChaosProxy) -> None:
    with connect(proxy) as client:
        assert ask(client, b"heron") == b"HERON"
        client.sendall(b"x" * 1_000_000)
        left = 1_000_000
        while left:
            left -= len(client.recv(65536))
        assert proxy.connections == 1


def test_a_cut_resets_who_is_there_and_nobody_else(proxy: ChaosProxy) -> None:
    with connect(proxy) as first, connect(proxy) as second:
        assert ask(first, b"a") + ask(second, b"b") == b"AB"
        assert proxy.cut() == 2
        assert is_reset(first)
        assert is_reset(second)
    with connect(proxy) as third:
        assert ask(third, b"c") == b"C"


def test_nobody_comes_through_while_it_refuses(proxy: ChaosProxy) -> None:
    proxy.refuse()
    assert is_turned_away(proxy)
    proxy.heal()
    with connect(proxy) as client:
        assert ask(client, b"a") == b"A"


def test_a_black_hole_is_silent_and_closes_nothing(proxy: ChaosProxy, server: Shouter) -> None:
    with connect(proxy) as old:
        assert ask(old, b"before") == b"BEFORE"
        proxy.blackhole()
        old.sendall(b"lost")
        with connect(proxy) as new:
            new.sendall(b"lost too")
            assert is_silent(old)
            assert is_silent(new)
            proxy.heal()
            assert is_reset(old)
            assert is_reset(new)
    assert server.heard == [b"before"]


def test_half_open_connections_are_silent_while_new_ones_work(proxy: ChaosProxy) -> None:
    with connect(proxy) as old:
        assert ask(old, b"a") == b"A"
        proxy.half_open()
        old.sendall(b"lost")
        with connect(proxy) as new:
            assert ask(new, b"b") == b"B"
        assert is_silent(old)


@pytest.mark.parametrize("slow", [lambda p: p.delay(0.2), lambda p: p.throttle(25)])
def test_what_is_slow_arrives_late_and_whole(proxy: ChaosProxy, slow: object) -> None:
    assert callable(slow)
    slow(proxy)
    with connect(proxy) as client:
        began = time.monotonic()
        assert ask(client, b"patience") == b"PATIENCE"
        assert time.monotonic() - began >= 0.4  # there and back
    proxy.heal()


def test_a_lost_answer_was_a_request_that_the_server_heard(
    proxy: ChaosProxy, server: Shouter
) -> None:
    proxy.lose_answers(lambda data: data == b"commit")
    with connect(proxy) as client:
        assert ask(client, b"insert") == b"INSERT"
        client.sendall(b"commit")
        assert is_reset(client)
    assert server.heard == [b"insert", b"commit"]
    assert proxy.lost_answers == 1
    with connect(proxy) as client:
        assert ask(client, b"commit") == b"COMMIT"  # one was enough


def test_a_server_that_is_away_resets_its_clients(proxy: ChaosProxy, server: Shouter) -> None:
    server.close()
    assert is_turned_away(proxy)


def test_requests_are_known_by_their_first_bytes() -> None:
    assert is_commit(b"Q\x00\x00\x00\x0bCOMMIT\x00")
    assert not is_commit(b"Q\x00\x00\x00\x0aBEGIN\x00")
    assert is_produce(b"\x00\x00\x00\x20\x00\x00\x00\x09")
    assert not is_produce(b"\x00\x00\x00\x20\x00\x01\x00\x09")
