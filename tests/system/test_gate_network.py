"""Networks that lose a packet or a peer, clients that only pause, and connections that break off before their login."""
import ctypes
import fcntl
import os
import signal
import socket
import struct
import termios
import threading
import time

import pytest

from lib import paths, process, rawclient, starttls
from lib.fakeserver import FakeServer, greeting
from test_gate_endings import frame, login, read_packet

PLAIN = {"inner": {"tls": "off"}}
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27


class _Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint)]


class _Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction))]


def network(sock, away):
    """A socket filter that drops what arrives: to the other side this machine is gone."""
    instruction = _Instruction(6, 0, 0, 0)
    program = bytes(_Program(1, ctypes.pointer(instruction))) if away else bytes(4)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER if away else SO_DETACH_FILTER, program)


class _Loading(threading.Thread):
    """LOAD DATA LOCAL of 24 MiB whose first row waits for a lock: meanwhile the server takes nothing."""

    def __init__(self, gate):
        super().__init__(daemon=True)
        self.client, self.answer = rawclient.RawClient("127.0.0.1", gate.port, caps=rawclient.USUAL | rawclient.LOCAL_FILES), None
        self.client.sock.settimeout(120)
        self.client.command(b"\x03SET innodb_lock_wait_timeout = 300")
        assert self.client.receive(1)[0][:1] == b"\0"
        self.start()

    def run(self):
        self.client.command(b"\x03LOAD DATA LOCAL INFILE 'rows' INTO TABLE pause.loaded")
        assert self.client.receive(1)[0] == b"\xfbrows"
        for i in range(24):
            self.client.send(2 + i, b"%d\t%s\n" % (i, b"x" * (1 << 20)))
        self.client.send(26, b"")
        self.answer = self.client.receive(1)[0]


def test_a_silent_peer_goes_and_a_pausing_one_stays(make_gate, server):
    """keepalive = 2s gives a silent peer up after 6 s, after 9 s one that owes an answer; a server that waits takes nothing."""
    gate = make_gate(server, listeners=PLAIN, backend="tcp", options={"proxy": {"keepalive": "2s"}})
    begun = time.monotonic()
    lost, paused, dead = (rawclient.RawClient("127.0.0.1", gate.port) for _ in range(3))
    with server.connect() as c, c.cursor() as cursor:
        cursor.execute("CREATE DATABASE IF NOT EXISTS pause; CREATE OR REPLACE TABLE pause.t (a LONGTEXT);"
                       "CREATE OR REPLACE TABLE pause.loaded (i INT PRIMARY KEY, a LONGTEXT)")
    holder = server.connect()
    holder.begin()
    holder.cursor().execute("INSERT INTO pause.loaded VALUES (0, '')")
    loading = _Loading(gate)
    paused.command(b"\x03SELECT REPEAT('x', 12000000)")
    dead.command(b"\x03SELECT SLEEP(2), REPEAT('y', 3000000)")
    network(dead.sock, away=True)
    time.sleep(1.5)  # the first two of four questions are lost
    network(lost.sock, away=True)
    time.sleep(2)
    network(lost.sock, away=False)
    process.wait_until(lambda: len(gate.sessions()) == 3, 60, "the one that is gone is ended")
    process.wait_until(lambda: time.monotonic() - begun > 19, what="more than twice as long")
    lost.command(b"\x03DO 1")
    assert lost.receive(1)[0][:1] == b"\0"
    assert sum(len(p) for p in paused.receive(3)) > 0
    assert paused._exactly(4)[3] == 4 and paused._exactly(12000000 - 8 + 8).count(b"x") > 11999000
    assert loading.is_alive(), "the server took all of it, or the gate gave the session up"
    holder.rollback()
    loading.join(60)
    assert loading.answer and loading.answer[:2] == b"\0\x18", loading.answer


def test_a_silent_server_is_given_up(make_gate):
    """A server whose machine is gone: by keepalive where nothing is under way (the client hears it at once), half as long again where something is."""
    with FakeServer() as fake:
        gate = make_gate(None, listeners=PLAIN, options={"database": {"host": "127.0.0.1", "port": fake.port},
                                                         "proxy": {"keepalive": "2s"}})
        idle, busy = (rawclient.RawClient("127.0.0.1", gate.port) for _ in range(2))
        # what it has sent is acknowledged, or it would be heard again and again
        process.wait_until(lambda: not any(struct.unpack("i", fcntl.ioctl(s, termios.TIOCOUTQ, bytes(4)))[0] for s in fake._sockets))
        for s in fake._sockets:
            network(s, away=True)
        busy.command(b"\x03DO 1")
        for client, reason in ((idle, "timed out"), (busy, "it has acknowledged nothing for too long")):
            client.sock.settimeout(60)
            assert client.sock.recv(1) == b""
            process.wait_until(lambda r=reason: r in gate.log, what=reason)
        assert gate.log.count("reason=\"server lost\"") == 2



# Where a client breaks off: what it does before it closes.
def _nothing(_sock):
    pass


def _half_a_login(sock):
    read_packet(sock)
    sock.sendall(frame(login(), 1)[:20])


def _tls_asked(sock):
    read_packet(sock)
    sock.sendall(starttls.ssl_request())


def _tls_begun(sock):
    _tls_asked(sock)
    sock.sendall(b"\x16\x03\x01\x02\x00\x01")


def _garbage(sock):
    read_packet(sock)
    sock.sendall(b"GET / HTTP/1.1\r\n\r\n")


def _in_the_middle(sock):
    read_packet(sock)
    sock.sendall(frame(login(), 1))
    read_packet(sock)  # the server asks for another proof


@pytest.mark.sanitize
@pytest.mark.parametrize("breaks_off", [_nothing, read_packet, _half_a_login, _tls_asked, _tls_begun, _garbage, _in_the_middle])
def test_no_login_breaks_off_at_the_server(make_gate, breaks_off):
    """A server counts those against the gate's address, and then refuses everybody (1129)."""
    seen, over = [], threading.Event()

    def server(sock):
        sock.sendall(greeting())
        seen.append(starttls.read_packet(sock))
        if b"root" in seen[-1][1]:
            sock.sendall(frame(b"\xfemysql_native_password\0" + b"s" * 20 + b"\0", 2))
            seen.append(starttls.read_packet(sock))
        sock.sendall(frame(b"\xff\x15\x04#28000no", 3))
        over.set()

    with FakeServer() as fake:
        fake.script = server
        gate = make_gate(None, listeners={"soft": {"tls": "preferred"}}, options={"database": {"host": "127.0.0.1", "port": fake.port}})
        sock = socket.create_connection(("127.0.0.1", gate.port), 30)
        breaks_off(sock)
        sock.close()
        assert over.wait(30), f"the server got {seen}"
        assert b"elexgate: no login" in seen[0][1] or seen[-1] == (3, b"")
        process.wait_until(lambda: gate.status()["logins_pending"] == 0, what="nobody pending")


def test_a_server_that_greets_late_is_told_as_well(make_gate):
    """It took the connection and gets to it after connect_timeout: the client has tried again by then, and nobody breaks off."""
    seen, wait = [], threading.Event()

    def late(sock):
        wait.wait(30)
        sock.sendall(greeting())
        seen.append(starttls.read_packet(sock)[1])
        sock.sendall(frame(b"\xff\x15\x04#28000no", 2))

    with FakeServer() as fake:
        fake.script = late
        gate = make_gate(None, listeners=PLAIN, options={"database": {"host": "127.0.0.1", "port": fake.port, "connect_timeout": "200ms",
                                                                      "connect_retry": "1s"}})
        with socket.create_connection(("127.0.0.1", gate.port), 30) as sock:
            assert read_packet(sock)[1][:3] == b"\xff\x1d\x04"
        connections = len(fake._sockets)
        assert connections > 1
        wait.set()
        process.wait_until(lambda: len(seen) == connections, what="a login on every connection")
        assert all(b"elexgate: no login" in login for login in seen)
        process.wait_until(lambda: sum(w["sessions"] for w in gate.status()["loops"]) == 0, what="all are over")
        assert gate.status()["totals"]["server_logins_cut"] == 0


def test_a_server_that_never_greets_is_left_and_counted(make_gate):
    """What the server may count against us is counted here too."""
    with FakeServer() as fake:
        seen = []

        def silent(sock):
            seen.append(sock.recv(1))

        fake.script = silent
        gate = make_gate(None, start=False, listeners=PLAIN, options={"database": {"host": "127.0.0.1", "port": fake.port}})
        gate.program = paths.PROXY.with_name("elexgate-proxy-small")  # which waits 3 s
        gate.start()
        socket.create_connection(("127.0.0.1", gate.port), 30).close()
        process.wait_until(lambda: seen == [b""], what="the server is left")
        process.wait_until(lambda: gate.status()["totals"]["server_logins_cut"] == 1, what="counted")
        assert "event=server-left" in gate.log


def test_a_pause_of_the_gate_is_no_silence_of_its_peers(make_gate, server):
    """A virtual machine that is stopped for a backup: what came meanwhile is read before anybody is given up."""
    gate = make_gate(server, listeners=PLAIN, options={"proxy": {"handshake_timeout": "500ms", "login_timeout": "500ms"}})
    with socket.create_connection(("127.0.0.1", gate.port), 30) as sock:
        read_packet(sock)
        os.kill(gate.process.pid, signal.SIGSTOP)
        sock.sendall(frame(login(), 1))
        time.sleep(1)
        os.kill(gate.process.pid, signal.SIGCONT)
        assert read_packet(sock)[1][:1] == b"\0"


@pytest.mark.sanitize
@pytest.mark.parametrize("plugin, farewell", [(b"client_ed25519", bytes(64)), (b"parsec", b"\0"), (b"caching_sha2_password", b"\0"), (b"dialog", b"")])
def test_a_proof_that_never_comes_is_made_up_for_each_plugin(make_gate, plugin, farewell):
    """An empty packet in its place is an error that the server counts with some, and none with others."""
    seen, over = [], threading.Event()

    def server(sock):
        sock.sendall(greeting())
        starttls.read_packet(sock)
        sock.sendall(frame(b"\xfe" + plugin + b"\0" + b"s" * 20 + b"\0", 2))
        seen.append(starttls.read_packet(sock)[1])
        sock.sendall(frame(b"\xff\x15\x04#28000no", 4))
        over.set()

    with FakeServer() as fake:
        fake.script = server
        gate = make_gate(None, listeners=PLAIN, options={"database": {"host": "127.0.0.1", "port": fake.port}})
        with socket.create_connection(("127.0.0.1", gate.port), 30) as sock:
            _in_the_middle(sock)
        assert over.wait(30) and seen == [farewell]


def _packet(rest, caps=rawclient.USUAL, user=b"named"):
    return frame(struct.pack("<IIB23x", caps, 1 << 24, 45) + user + b"\0" + rest, 1)


_NATIVE, _ATTRS = b"mysql_native_password\0", rawclient.USUAL | 1 << 20
GONE = object()
# What a server answers with an error that it counts: (the login, the answer to a switch)
COUNTED = {
    "before-4.1": (_packet(b"abcdefgh\0", 1 << 9), None),
    "old-plugin": (_packet(b"\0mysql_old_password\0"), None),
    "short-proof": (_packet(b"\x05abcde" + _NATIVE), None),
    "long-proof": (_packet(b"\xc8" + b"q" * 200 + _NATIVE), None),
    "no-attributes": (_packet(b"\0" + _NATIVE, _ATTRS), None),
    "attributes-too-short": (_packet(b"\0" + _NATIVE + b"\x09\x20abc", _ATTRS), None),
    "attributes-above-64K": (_packet(b"\0" + _NATIVE + b"\xfd\0\0\1" + (b"\1a\xfa" + b"x" * 250) * 400, _ATTRS), None),
    "switched-short": (_packet(b"\0client_ed25519\0"), b"\0"),
    "switched-long": (_packet(b"\0client_ed25519\0"), b"z" * 3000),
    "switched-and-gone": (_packet(b"\0client_ed25519\0"), b""),
    "ed25519-short": (_packet(b"\0" + _NATIVE, user=b"curve"), b"z" * 63),
    "ed25519-long": (_packet(b"\0" + _NATIVE, user=b"curve"), b"z" * 65),
    "ed25519-empty": (_packet(b"\0" + _NATIVE, user=b"curve"), b""),
    "ed25519-and-gone": (_packet(b"\0" + _NATIVE, user=b"curve"), GONE),
}


def test_what_clients_send_is_not_counted_against_the_gate(make_gate, make_server):
    """The server sees 127.0.0.7, for which it counts, other than for its own 127.0.0.1."""
    server = make_server(args=["--skip-name-resolve=OFF", "--performance-schema=ON", "--proxy-protocol-networks=127.0.0.1",
                               "--plugin-load-add=auth_ed25519"])
    server.sql("CREATE USER named@'%' IDENTIFIED BY 'secret'; CREATE USER free@'%'; CREATE USER curve@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x')")
    gate = make_gate(server, listeners=PLAIN, backend="tcp", options={"database": {"proxy_protocol": "yes"}})

    def attempt(login_packet, answer):
        with socket.socket() as sock:
            sock.settimeout(30)
            sock.bind(("127.0.0.7", 0))
            sock.connect(("127.0.0.1", gate.port))
            read_packet(sock)
            sock.sendall(login_packet)
            number, payload = read_packet(sock)
            if answer is not None:
                assert payload[:1] == b"\xfe"
                if answer is GONE:
                    return None
                sock.sendall(frame(answer, number + 1))
                payload = read_packet(sock)[1]
            return payload

    def errors():
        with server.connect() as c, c.cursor() as cursor:
            cursor.execute("SELECT SUM_CONNECT_ERRORS, COUNT_AUTHENTICATION_ERRORS + COUNT_AUTH_PLUGIN_ERRORS "
                           "FROM performance_schema.host_cache WHERE IP = '127.0.0.7'")
            return cursor.fetchone()

    assert attempt(_packet(b"\0" + _NATIVE, user=b"free"), None)[:1] == b"\0"
    for i, (name, (packet, answer)) in enumerate(COUNTED.items()):
        told = attempt(packet, answer)
        assert told is None or told[:3] in (b"\xff\x13\x04", b"\xff\x15\x04"), name
        process.wait_until(lambda: sum(errors()) == i + 1, what=f"{name}: the server has refused somebody")
        assert errors()[0] == 0, name


def test_a_server_that_blocks_the_gate_is_known(make_gate):
    with FakeServer() as fake:
        fake.script = [frame(b"\xff\x69\x04Host 'x' is blocked because of many connection errors")]
        gate = make_gate(None, listeners=PLAIN, options={"database": {"host": "127.0.0.1", "port": fake.port}})
        with socket.create_connection(("127.0.0.1", gate.port), 30) as sock:
            assert b"is blocked" in read_packet(sock)[1]
        status = gate.status()
        assert status["totals"]["server_blocked"] == 1
        assert [w["code"] for w in status["warnings"]] == ["server-blocks-gate"]
        assert "max_connect_errors" in gate.cli("status").stdout
        fake.script = None
        with rawclient.RawClient("127.0.0.1", gate.port):
            assert gate.status()["warnings"] == [], "somebody got in: it is over"


def test_many_logins_at_once(make_gate, make_server):
    """A burst is no flood: all are in. Who takes long gives way with words."""
    server = make_server(args=["--max-connections=1000"])
    gate = make_gate(server, listeners={"elexis": {}, **PLAIN}, options={"proxy": {"max_sessions_per_address": 1000}})
    clients = [socket.create_connection(("127.0.0.1", gate.ports["inner"]), 60) for _ in range(400)]
    for c in clients:
        read_packet(c)
    for c in clients:
        c.sendall(frame(login(), 1))
    assert [read_packet(c)[1][:1] for c in clients] == [b"\0"] * 400
    for c in clients:
        c.close()
    tight = make_gate(server, listeners=PLAIN, options={"proxy": {"max_logins_pending": 2, "workers": 1}})
    slow = [socket.create_connection(("127.0.0.1", tight.port), 60) for _ in range(4)]
    for c in slow:
        read_packet(c)
    process.wait_until(lambda: tight.status()["totals"]["refused_by"]["max_logins_pending"] == 2, what="two gave way")
    answers = []
    for c in slow:
        c.sendall(frame(login(), 1))
        answers.append(read_packet(c)[1][:3])
        c.close()
    assert answers[:2] == [b"\xff\x10\x04"] * 2 and all(a[:1] == b"\0" for a in answers[2:])
