"""A server with caching_sha2_password, as MySQL's documentation has it: no MariaDB that Debian packages has this plugin.

It keeps to the protocol where it matters: the fast path with a scrambled hash for whom it has seen before, else the full
one, which over TCP takes nothing but the password encrypted for its RSA key, and over a unix socket the password
itself. Behind the login it answers just enough for drivers to come up.

    server = Sha2Server({"anna": "secret"}); server.port, server.socket
    server.clear          passwords that came over TCP in clear: must stay empty
    server.logins         "fast", "rsa" or "socket" of each good one
    server.counted        what a server counts against the address (max_connect_errors): logins over TCP that broke off
    server.nothing        logins that ended with one byte in place of a password, which it does not count
    server.holds          is called before the key is sent
"""
import hashlib
import os
import re
import socket
import struct
import threading

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lib import ports, starttls

PLUGIN = b"caching_sha2_password"
# LONG_PASSWORD, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, MULTI_*, PLUGIN_AUTH, CONNECT_ATTRS, LENENC
CAPS = 1 | 1 << 3 | 1 << 9 | 1 << 13 | 1 << 15 | 7 << 16 | 1 << 19 | 1 << 20 | 1 << 21
CONNECT_WITH_DB, LENENC, ATTRS = 1 << 3, 1 << 21, 1 << 20
OK = b"\x00\x00\x00\x02\x00\x00\x00"
EOF_PACKET = b"\xfe\x00\x00\x02\x00"
VALUES = {"max_allowed_packet": "67108864", "wait_timeout": "28800", "system_time_zone": "UTC", "time_zone": "SYSTEM",
          "auto_increment_increment": "1", "version_comment": "caching_sha2", "sql_mode": "", "tx_isolation": "REPEATABLE-READ"}


def error(code, state, text):
    return b"\xff" + struct.pack("<H", code) + b"#" + state + text


def text(value):
    data = value.encode()
    return bytes([len(data)]) + data


class _Connection:
    """One client: packets with their numbers."""

    def __init__(self, sock, server, secure):
        self.sock, self.server, self.secure, self.seq, self.user = sock, server, secure, 0, ""

    def send(self, payload):
        self.sock.sendall(starttls.packet(payload, self.seq))
        self.seq = (self.seq + 1) % 256

    def receive(self, first=False):
        seq, payload = starttls.read_packet(self.sock)
        assert first or seq == self.seq, f"packet {seq} instead of {self.seq}"
        self.seq = (seq + 1) % 256
        return payload

    def login(self):
        self.scramble = os.urandom(20).replace(b"\0", b"x")
        plugin = b"mysql_native_password" if self.server.switch else PLUGIN
        self.send(bytes([10]) + b"8.0.36\0" + struct.pack("<I", 77) + self.scramble[:8] + b"\0" + struct.pack("<H", CAPS & 0xffff)
                  + bytes([45]) + struct.pack("<HH", 2, CAPS >> 16) + bytes([21]) + bytes(10) + self.scramble[8:] + b"\0" + plugin + b"\0")
        answer = self.receive()
        caps = struct.unpack("<I", answer[:4])[0]
        self.user, rest = answer[32:].split(b"\0", 1)
        length = rest[0]
        proof, rest = rest[1:1 + length], rest[1 + length:]
        if caps & CONNECT_WITH_DB:
            rest = rest.split(b"\0", 1)[1]
        named = rest.split(b"\0", 1)[0]
        return self.authenticate(self.user.decode(), None if named != PLUGIN or self.server.switch else proof)

    def authenticate(self, user, proof):
        """Sends the last packet. True: let in."""
        if proof is None:
            self.scramble = os.urandom(20).replace(b"\0", b"y")
            self.send(b"\xfe" + PLUGIN + b"\0" + self.scramble + b"\0")
            proof = self.receive()
        password = self.server.users.get(user, "").encode()
        how = self.check(user, password, proof)
        if not how:
            self.send(error(1045, b"28000", f"Access denied for user '{user}' (using password: YES)".encode()))
            return False
        self.server.logins.append(how)
        self.server.cache.add(user)
        self.send(OK)
        return True

    def check(self, user, password, proof):
        if user in self.server.cache:
            inner = hashlib.sha256(password).digest()
            wanted = hashlib.sha256(hashlib.sha256(inner).digest() + self.scramble).digest()
            if proof == bytes(a ^ b for a, b in zip(inner, wanted)):
                self.send(b"\x01\x03")
                return "fast"
        self.send(b"\x01\x04")
        answer = self.receive()
        if not answer:
            raise EOFError("an empty packet, which MySQL takes for one that could not be read")
        if self.secure:
            return "socket" if answer == password + b"\0" else None
        if answer == b"\x02":
            key = self.server.key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            self.server.holds()
            self.send(b"\x01" + (self.server.key_text or key))
            answer = self.receive()
        if answer == b"\0":
            self.server.nothing.append(self.user)
            return None
        try:
            clear = self.server.key.decrypt(answer, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))
        except ValueError:
            self.server.clear.append(answer)
            return None
        clear = bytes(b ^ self.scramble[i % 20] for i, b in enumerate(clear))
        return "rsa" if clear == password + b"\0" else None

    def result(self, values):
        self.send(bytes([len(values)]))
        for i in range(len(values)):
            self.send(text("def") + text("") + text("") + text("") + text(f"c{i}") + text("") + b"\x0c" + struct.pack("<HIBHB", 45, 1000, 253, 0, 0) + b"\0\0")
        self.send(EOF_PACKET)
        self.send(b"".join(text(v) for v in values))
        self.send(EOF_PACKET)

    def query(self, sql):
        if not re.match(r"\s*select", sql, re.I):
            return self.send(OK)
        values = []
        for item in re.sub(r"^\s*select\s+|\s+limit.*$", "", sql, flags=re.I | re.S).split(","):
            name = re.sub(r".*@@(session\.|global\.)?", "", item.strip().split()[0]).lower()
            values.append(f"{self.user.decode()}@%" if "user" in name else VALUES.get(name, "0"))
        return self.result(values)

    def commands(self):
        while True:
            payload = self.receive(first=True)
            if payload[:1] == b"\x01":
                return
            if payload[:1] == b"\x03":
                self.query(payload[1:].decode(errors="replace"))
            elif payload[:1] == b"\x11":
                self.user = payload[1:].split(b"\0", 1)[0]
                if not self.authenticate(self.user.decode(), None):
                    return
            else:
                self.send(OK)


class Sha2Server:
    def __init__(self, users, folder):
        self.users, self.switch, self.key_text = users, False, None
        self.key = rsa.generate_private_key(65537, 2048)
        self.cache, self.clear, self.logins, self.faults, self.counted, self.nothing = set(), [], [], [], [], []
        self.holds = lambda: None
        self.port, self.socket = ports.free_port(), str(folder / "sha2.sock")
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(self.socket)
        unix.listen(16)
        self._listeners = [socket.create_server(("127.0.0.1", self.port)), unix]
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener, listener is unix), daemon=True).start()

    def close(self):
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _accept(self, listener, secure):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock, secure), daemon=True).start()

    def _serve(self, sock, secure):
        sock.settimeout(30)
        connection = _Connection(sock, self, secure)
        entered = None
        try:
            entered = connection.login()
            if entered:
                connection.commands()
        except (OSError, EOFError) as cut:
            if entered is None and not secure:
                self.counted.append(repr(cut))
        except Exception as fault:  # the test asks for them
            self.faults.append(repr(fault))
        finally:
            sock.close()
