"""A scripted MariaDB server, for faults that a real one will not make: garbage, early ends, absurd lengths.

    with FakeServer() as fake:
        fake.script = [GREETING, OK]      what it sends: one item at the start, one more after each packet it gets;
                                          after the last item it closes
        fake.script = function            it is called with the socket
Behaviours apply to connections that come later; `healthy()` ones serve for ever.
"""
import random
import socket
import struct
import threading

from lib import ports, starttls

_CAPS = 0x2ff7fe | 0x20 << 24  # as a 10.11 sends them, without TLS: PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, ...
OK = starttls.packet(b"\x00\x00\x00\x02\x00\x00\x00", 2)


def greeting(version=b"5.5.5-10.11.99-MariaDB-fake", seq=0, protocol=10):
    body = bytes([protocol]) + version + b"\0" + struct.pack("<I", 77) + b"12345678\0" + struct.pack("<H", _CAPS & 0xffff)
    body += bytes([45]) + struct.pack("<HH", 2, _CAPS >> 16 & 0xffff) + bytes([21]) + bytes(6) + struct.pack("<I", 0)
    return starttls.packet(body + b"abcdefghijkl\0mysql_native_password\0", seq)


def error(code, text, seq=0, state=b""):
    return starttls.packet(b"\xff" + struct.pack("<H", code) + state + text, seq)


class FakeServer:
    def __init__(self):
        self.port = ports.free_port()
        self.script = None  # None: healthy
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for s in self._sockets:
            s.close()

    def _accept(self):
        while True:
            try:
                s, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(s)
            threading.Thread(target=self._serve, args=(s, self.script), daemon=True).start()

    def _serve(self, s, script):
        try:
            s.settimeout(120)
            if script is None:
                self._healthy(s)
            if callable(script):
                script(s)
                return
            for i, item in enumerate(script):
                if i > 0:
                    starttls.read_packet(s)
                s.sendall(item)
            if len(script) > 1:
                # A close with unread bytes would be a reset, which could overtake what was sent.
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
        except (OSError, EOFError):
            pass
        finally:
            s.close()

    @staticmethod
    def _healthy(s):
        """Lets everyone in and answers OK to everything."""
        s.sendall(greeting())
        starttls.read_packet(s)
        s.sendall(OK)
        while True:
            starttls.read_packet(s)
            s.sendall(OK[:3] + b"\x01" + OK[4:])


def garbage(n, seed):
    """Bytes that are the same in every run."""
    return random.Random(seed).randbytes(n)
