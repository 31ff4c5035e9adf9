"""A client that speaks the protocol packet by packet, for what drivers do not do.

    with RawClient("127.0.0.1", port, caps=PROTOCOL_41 | ...) as c:     # logs in as a user without password
        c.command(b"\\x03SELECT 1")
        packets = c.receive(5)                                          # payloads; c.sequence: the last number
"""
import socket
import struct

MYSQL, CONNECT_WITH_DB, LOCAL_FILES, PROTOCOL_41 = 1, 1 << 3, 1 << 7, 1 << 9
SECURE_CONNECTION, MULTI_STATEMENTS, PLUGIN_AUTH = 1 << 15, 1 << 16, 1 << 19
DEPRECATE_EOF, PROGRESS, CACHE_METADATA = 1 << 24, 1 << 32, 1 << 36
USUAL = PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH | MULTI_STATEMENTS


class RawClient:
    def __init__(self, host, port, caps=USUAL, user="root"):
        self.sock = socket.create_connection((host, port), timeout=20)
        self.caps = caps
        self.sequence = None
        self.greeting = self.packet()
        self.send(1, struct.pack("<IIB19xI", caps & 0xffffffff, 1 << 24, 45, caps >> 32) + user.encode() + b"\0\0"
                  + b"mysql_native_password\0")
        self.answer = self.packet()
        if self.answer[:1] == b"\xfe":
            self.send(self.sequence + 1, b"")
            self.answer = self.packet()
        assert self.answer[:1] == b"\0", self.answer

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.sock.close()

    def _exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise ConnectionError("closed by the server")
            data += more
        return data

    def packet(self):
        head = self._exactly(4)
        self.sequence = head[3]
        return self._exactly(int.from_bytes(head[:3], "little"))

    def receive(self, n):
        return [self.packet() for _ in range(n)]

    @staticmethod
    def _framed(sequence, payload):
        return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload

    def send(self, sequence, payload):
        self.sock.sendall(self._framed(sequence, payload))

    def command(self, *payloads):
        """Sends one command, or several at once."""
        self.sock.sendall(b"".join(self._framed(0, payload) for payload in payloads))
