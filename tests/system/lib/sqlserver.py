"""A scripted database server that answers SQL, for products and series that no package here has: it says the version that it is
told to, and has the variables that it is given.

    with SqlServer(path, "13.0.1-MariaDB", {"innodb_log_archive": "ON"}) as fake: ...

`refuse`: {beginning of a statement: (number, words)}; `asked`: all statements.
"""
import pathlib
import re
import socket
import struct
import threading

from lib import fakeserver, starttls


def _lenenc(data):
    data = data if isinstance(data, bytes) else str(data).encode()
    return bytes([len(data)]) + data if len(data) < 251 else b"\xfc" + struct.pack("<H", len(data)) + data


def _rows(rows, columns):
    eof, seq, out = b"\xfe\x00\x00\x02\x00", 1, []
    for body in [bytes([columns]), *(_lenenc("def") + b"\0\0\0" + _lenenc(f"c{i}") + b"\0\x0c" + struct.pack("<HIBHB", 45, 1024, 0xfd, 0, 0) + b"\0\0"
                                     for i in range(columns)), eof, *(b"".join(_lenenc(v) for v in row) for row in rows), eof]:
        out.append(starttls.packet(body, seq))
        seq += 1
    return b"".join(out)


class SqlServer:
    def __init__(self, path, version, variables=(), refuse=()):
        self.path, self.version, self.variables, self.refuse = pathlib.Path(path), version, dict(variables), dict(refuse)
        self.socket, self.asked = str(path), []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.socket)
        self._listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                s, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        try:
            s.sendall(fakeserver.greeting(self.version.encode()))
            starttls.read_packet(s)
            s.sendall(fakeserver.OK)
            while True:
                packet = starttls.read_packet(s)
                body = packet[1] if isinstance(packet, tuple) else packet
                if body[:1] == b"\x01":
                    return
                s.sendall(self.answer(body[1:].decode(errors="replace")) if body[:1] == b"\x03" else self._ok())
        except (OSError, EOFError):
            pass
        finally:
            s.close()

    @staticmethod
    def _ok():
        return fakeserver.OK[:3] + b"\x01" + fakeserver.OK[4:]

    def answer(self, sql):
        self.asked.append(sql)
        for begins, (number, words) in self.refuse.items():
            if sql.startswith(begins):
                return fakeserver.error(number, words.encode(), 1, b"#HY000")
        named = re.match(r"SHOW GLOBAL VARIABLES WHERE Variable_name='(\w+)'", sql)
        if named:
            return _rows([(named[1], self.variables[named[1]])] if named[1] in self.variables else [], 2)
        if sql == "SELECT VERSION()":
            return _rows([(self.version,)], 1)
        if sql == "SELECT @@datadir":
            return _rows([(self.variables.get("datadir", "/var/lib/mysql/"),)], 1)
        if sql.startswith("SHOW GRANTS"):
            return _rows([("GRANT ALL PRIVILEGES ON *.* TO `elexgate`@`localhost`",)], 1)
        if sql.startswith("SELECT"):
            return _rows([], 1)
        return _rows([], 2) if sql.startswith("SHOW") else self._ok()
