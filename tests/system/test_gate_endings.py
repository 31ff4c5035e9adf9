"""Whatever a client does, in whatever pieces: at most its own session ends, and it hears why."""
import os
import signal
import socket
import struct
import threading
import time

import pytest

from lib import process, rawclient, starttls
from lib.fakeserver import OK, FakeServer, greeting
from lib.starttls import read_exactly, read_packet

pytestmark = pytest.mark.sanitize
PING = b"\1\0\0\0\x0e"
PLAIN = {"inner": {"tls": "off"}}


def frame(payload, sequence=0):
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


def login(user=b"root", rest=b"mysql_native_password\0", caps=rawclient.USUAL):
    return struct.pack("<IIB23x", caps, 1 << 24, 45) + user + b"\0\0" + rest


def connect(gate, timeout=30):
    sock = socket.create_connection(("127.0.0.1", gate.ports["inner"]), timeout)
    read_packet(sock)
    return sock


@pytest.mark.parametrize("tls", [False, True])
def test_many_commands_ahead_of_a_slow_login(make_gate, tls):
    """More than the pipeline holds (1,024), and as many bytes as are taken before a login ends: all are answered."""
    slow, pings = threading.Event(), 60000

    def server(sock):
        sock.sendall(greeting())
        starttls.read_packet(sock)
        slow.wait(60)
        answered, data = 0, OK
        while True:
            sock.sendall(data)
            got = read_exactly(sock, 5000) if answered < pings else sock.recv(5000)
            if not got:
                return
            data = frame(OK[4:], 1) * (len(got) // 5)
            answered += len(got) // 5

    with FakeServer() as fake:
        fake.script = server
        gate = make_gate(None, listeners={"elexis": {}} if tls else PLAIN, options={"database": {"host": "127.0.0.1", "port": fake.port}})
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        sock.settimeout(60)
        sock.connect(("127.0.0.1", gate.port))
        read_packet(sock)
        if tls:
            sock.sendall(starttls.ssl_request())
            sock = starttls.context(gate.pki.ca_file).wrap_socket(sock, server_hostname="localhost")
        sock.sendall(frame(login(), 1 + tls) + PING * 26000)
        process.wait_until(lambda: gate.status()["logins_pending"] == 1, what="the login is under way")
        os.kill(gate.pid, signal.SIGSTOP)
        threading.Timer(0.3, os.kill, (gate.pid, signal.SIGCONT)).start()
        threading.Timer(0.6, slow.set).start()
        sock.sendall(PING * (pings - 26000))  # into this side's buffer, as far as the gate does not take it
        answers, want = b"", len(OK) + pings * len(OK)
        while len(answers) < want:
            more = sock.recv(65536)
            assert more, f"closed after {len(answers)} of {want} bytes"
            answers += more
        sock.close()
        process.wait_until(lambda: gate.sessions() == [], what="nobody left")
        assert gate.alive()


@pytest.mark.parametrize("cut", [1, 4, 5])
def test_the_reason_however_the_command_is_cut(make_gate, server, cut):
    """A block between two commands, then a command in two pieces; or half a command, then a block."""
    gate = make_gate(server, listeners=PLAIN)
    c = rawclient.RawClient("127.0.0.1", gate.port)
    gate.control({"cmd": "block", "reason": "Wiederherstellung"})
    command = frame(b"\x03SELECT 2")
    c.sock.sendall(command[:cut])
    process.wait_until(lambda: gate.control("sessions") is not None, what="a turn of the loop")
    c.sock.sendall(command[cut:])
    sequence, payload = read_packet(c.sock)
    assert sequence == 1 and payload[1:3] == b"\x1d\x04" and b"Wiederherstellung" in payload
    gate.control("open")

    c = rawclient.RawClient("127.0.0.1", gate.port)
    c.sock.sendall(command[:cut])
    process.wait_until(lambda: gate.idle()["in_flight"] == 1, what="the beginning is there")
    gate.control({"cmd": "block", "grace_ms": 0, "reason": "Wiederherstellung"})
    sequence, payload = read_packet(c.sock)
    assert sequence == 1 and payload[1:3] == b"\x1d\x04" and b"Wiederherstellung" in payload


def test_the_reason_behind_a_statement_that_takes_long_to_send(make_gate, server):
    """The error is there before the statement is: it must outlast the rest, which comes slowly."""
    gate = make_gate(server, listeners=PLAIN)
    c = rawclient.RawClient("127.0.0.1", gate.port)
    gate.control({"cmd": "block", "reason": "Wiederherstellung"})
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32768)
    data = frame(b"\x03SELECT '" + b"x" * 2_000_000 + b"'")
    for at in range(0, len(data), 400_000):
        c.sock.sendall(data[at:at + 400_000])
        time.sleep(0.7)  # the client's own pace: longer in all than a quick close would wait
    assert b"Wiederherstellung" in read_packet(c.sock)[1]


def test_attributes_beyond_all_measure(make_gate, server):
    gate = make_gate(server, listeners={**PLAIN, "elexis": {}})
    for tls in (False, True):
        sock = socket.create_connection(("127.0.0.1", gate.ports["elexis" if tls else "inner"]), 30)
        read_packet(sock)
        if tls:
            sock.sendall(starttls.ssl_request())
            sock = starttls.context(gate.pki.ca_file).wrap_socket(sock, server_hostname="localhost")
        sock.sendall(frame(login(rest=b"x" * 200_000), 1 + tls))
        head = sock.recv(4)
        assert head[3] == 2 + tls
        assert sock.recv(100)[:3] == b"\xff\x13\x04", "1043, as the server says"


def test_a_name_that_is_no_utf8_is_told(make_gate):
    """A client of before UTF-8 has its name in latin1: no watcher loses an event for it, no list a session."""
    with FakeServer() as fake:
        gate = make_gate(None, listeners={"inner": {"tls": "off"}}, options={"database": {"host": "127.0.0.1", "port": fake.port}})
        with gate.watch(events=["session"]) as w:
            assert w.receive() == {"ok": True}
            with socket.create_connection(("127.0.0.1", gate.port), 30) as sock:
                read_packet(sock)
                sock.sendall(frame(login(b"m\xfcller"), 1))
                assert read_packet(sock)[1][:1] == b"\0"
                assert [s["user"] for s in gate.sessions()] == ["m?ller"]
            told = [w.receive() for _ in range(2)]
        assert [(t["event"], t["user"]) for t in told] == [("connect", "m?ller"), ("disconnect", "m?ller")]


@pytest.mark.parametrize("asked", [True, False])
def test_sha256_password_is_told_in_words(make_gate, asked):
    """Asked for by the server, or begun with by the client and refused as if the password were wrong."""
    with FakeServer() as fake:
        fake.script = [greeting(), frame(b"\xfesha256_password\0" + b"s" * 20 + b"\0", 2) if asked else frame(b"\xff\x15\x04#28000no", 2)]
        gate = make_gate(None, options={"database": {"host": "127.0.0.1", "port": fake.port}})
        sock = socket.create_connection(("127.0.0.1", gate.port), 30)
        read_packet(sock)
        sock.sendall(starttls.ssl_request())
        sock = starttls.context(gate.pki.ca_file).wrap_socket(sock, server_hostname="localhost")
        sock.sendall(frame(login(rest=b"mysql_native_password\0" if asked else b"sha256_password\0"), 2))
        assert sock.recv(4)[3] == 3 and b"caching_sha2_password" in sock.recv(1000)


def test_a_hold_keeps_what_was_sent_behind_the_login(make_gate, server):
    gate = make_gate(server, listeners=PLAIN)
    with gate.watch() as w:
        w.send({"cmd": "hold", "timeout_ms": 20000, "max_ms": 20000})
        while "held" not in (answer := w.receive()):
            pass
        sock = connect(gate)
        sock.sendall(frame(login(), 1) + frame(b"\x03DO 1"))
        assert read_packet(sock)[1][:1] == b"\0"
        process.wait_until(lambda: len(gate.sessions()) == 1, what="logged in")
        assert gate.sessions()[0]["reads"] == 0 and gate.idle()["in_flight"] == 0
        w.send({"cmd": "release"})
        assert read_packet(sock)[1][:1] == b"\0"


def test_a_command_that_a_hold_keeps_is_answered_when_a_block_comes(make_gate, server):
    gate = make_gate(server, listeners=PLAIN)
    with gate.watch() as w:
        w.send({"cmd": "hold", "timeout_ms": 20000, "max_ms": 20000})
        while "held" not in (answer := w.receive()):
            pass
        sock = connect(gate)
        sock.sendall(frame(login(), 1) + frame(b"\x03DO 1"))
        assert read_packet(sock)[1][:1] == b"\0"
        process.wait_until(lambda: len(gate.sessions()) == 1, what="logged in")
        gate.control({"cmd": "block", "reason": "Wiederherstellung"})
        assert read_packet(sock)[1][:1] in (b"\0", b"\xff"), "done before the block, or refused: never silence"


def test_a_half_closed_client_that_is_reset(make_gate):
    """With an answer that waits for it. Behind a FIN a socket's error is seen by nobody who only reads."""
    with FakeServer() as fake:
        stop = threading.Event()

        def script(sock):
            sock.sendall(greeting())
            starttls.read_packet(sock)
            sock.sendall(OK)
            starttls.read_packet(sock)
            sock.sendall(frame(b"\1", 1) + frame(b"\3def\0\0\0\1a\0\x0c\x3f\0\1\0\0\0\x08\x81\0\0\0\0", 2) + frame(b"\xfe\0\0\2\0", 3))
            while not stop.is_set():
                sock.sendall(frame(b"\xfa" + b"x" * 250, 4) * 100)

        fake.script = script
        gate = make_gate(None, listeners=PLAIN, options={"database": {"host": "127.0.0.1", "port": fake.port}})
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.connect(("127.0.0.1", gate.port))
        read_packet(sock)
        sock.sendall(frame(login(), 1))
        read_packet(sock)
        sock.sendall(frame(b"\x03SELECT 1"))
        process.wait_until(lambda: gate.sessions()[0]["bytes_out"] > 100000, what="the client's buffer is full")
        sock.shutdown(socket.SHUT_WR)
        process.wait_until(lambda: gate.control("sessions") is not None, what="a turn of the loop")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        process.wait_until(lambda: not [s for s in gate.sessions() if s["state"] == "relay"], what="it is gone")
        stop.set()


def test_a_server_that_gives_up_a_login_is_told_to_the_client(make_gate):
    """connect_timeout: the server closes before the driver has logged in."""
    with FakeServer() as fake:
        fake.script = [greeting()]  # and closes
        gate = make_gate(None, listeners={**PLAIN, "elexis": {}}, options={"database": {"host": "127.0.0.1", "port": fake.port}})
        sock = connect(gate)
        gate.wait_log("given-up")
        sock.sendall(frame(login(), 1))
        sequence, payload = read_packet(sock)
        assert sequence == 2 and b"connect_timeout" in payload
        sock = socket.create_connection(("127.0.0.1", gate.ports["elexis"]), 30)
        read_packet(sock)
        gate.wait_log("given-up", count=2)
        sock.sendall(starttls.ssl_request())
        sock = starttls.context(gate.pki.ca_file).wrap_socket(sock, server_hostname="localhost")
        sock.sendall(frame(login(), 2))
        head = sock.recv(4)
        assert head[3] == 3 and b"connect_timeout" in sock.recv(1000)
