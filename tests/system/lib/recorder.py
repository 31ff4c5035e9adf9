"""A forwarder that records the dialogues of real clients with a real server, in plaintext.

    with Recorder(server.socket, folder) as recorder:
        ... clients connect to 127.0.0.1:recorder.port without TLS ...
    recorder.recordings    -> [Recording]: .path .caps .user .greeting .login, in the order of their connects

A recording begins behind the login; its format stands in tests/fuzz/proxy/recording.h. Every byte is written down
before it is passed on, in one thread, so that an answer never stands before its question.
"""
import collections
import pathlib
import select
import socket
import struct
import threading

from lib import ports

CLIENT, SERVER = 0, 1
PIECE = 32768
Recording = collections.namedtuple("Recording", "path caps user greeting login")


def _receive(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise ConnectionError("closed during the login")
        data += more
    return data


def _packet(sock):
    head = _receive(sock, 4)
    return head + _receive(sock, int.from_bytes(head[:3], "little"))


def _greeting_caps(payload):
    at = payload.index(b"\0", 1) + 1 + 13
    low, high = struct.unpack_from("<H", payload, at)[0], struct.unpack_from("<H", payload, at + 5)[0]
    caps = low | high << 16
    return caps if caps & 1 else caps | struct.unpack_from("<I", payload, at + 14)[0] << 32


def _login_caps(payload):
    caps = struct.unpack_from("<I", payload, 0)[0]
    return caps if caps & 1 else caps | struct.unpack_from("<I", payload, 28)[0] << 32


def _ok_status(payload):
    at = 1
    for _ in range(2):
        at += {0xfc: 3, 0xfd: 4, 0xfe: 9}.get(payload[at], 1)
    return payload[at:at + 2]


class Recorder:
    def __init__(self, server_socket, folder, port=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.recordings = []
        self.errors = []
        self._server_socket = str(server_socket)
        self._threads = []
        self._listener = socket.create_server(("127.0.0.1", port or ports.free_port()))
        self._listener.settimeout(0.2)
        self.port = self._listener.getsockname()[1]
        self._end = threading.Event()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._end.set()
        self._accepting.join()
        for thread in self._threads:
            thread.join(timeout=20)
        self._listener.close()
        if self.errors and exc[0] is None:
            raise self.errors[0]

    def _accept(self):
        while not self._end.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._run, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            try:
                server.connect(self._server_socket)
                login = self._login(client, server)
                if login:
                    self._record(client, server, *login)
            except (ConnectionError, BrokenPipeError):
                pass
            except Exception as error:  # shown by __exit__
                self.errors.append(error)

    def _login(self, client, server):
        greeting = _packet(server)
        client.sendall(greeting)
        if greeting[4] == 0xff:
            return None
        response = _packet(client)
        server.sendall(response)
        caps = _greeting_caps(greeting[4:]) & _login_caps(response[4:])
        user = response[36:response.index(b"\0", 36)].decode(errors="replace")
        while True:
            answer = _packet(server)
            client.sendall(answer)
            if answer[4] == 0xff:
                return None
            if answer[4] == 0x00:
                return caps, user, _ok_status(answer[4:]), greeting, response
            server.sendall(_packet(client))

    def _record(self, client, server, caps, user, status, greeting, login):
        path = self.folder / f"{len(self.recordings):03}.dialogue"
        self.recordings.append(Recording(path, caps, user, greeting, login))
        sides = {client: (CLIENT, server), server: (SERVER, client)}
        with open(path, "wb") as out:
            out.write(struct.pack("<Q", caps) + status)
            while True:
                for side in select.select([client, server], [], [])[0]:
                    kind, other = sides[side]
                    data = side.recv(PIECE)
                    if not data:
                        return
                    out.write(struct.pack("<BH", kind, len(data)) + data)
                    out.flush()
                    other.sendall(data)
