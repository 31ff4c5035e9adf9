"""Odd, broken and hostile peers on both sides of the gate.

Whatever comes ends its own session, with one line in the log that says why; a witness that was logged in before works
on, and a new client gets in. Nobody is left without an answer or an end: every socket here has a timeout.
"""
import re
import socket
import ssl
import struct

import pytest

from lib import process, starttls
from lib.fakeserver import OK, FakeServer, error, garbage, greeting
from lib.gate import Gate

pytestmark = pytest.mark.sanitize

TIMEOUTS = {"proxy": {"handshake_timeout": "3s", "login_timeout": "3s"}, "database": {"connect_retry": "0s"}}


@pytest.fixture(scope="module")
def gate(session_folder, server, pki):
    gate = Gate(session_folder / "bad-clients", server, pki, options=TIMEOUTS).start()
    yield gate
    gate.stop()


@pytest.fixture(autouse=True)
def _others_go_on(request):
    """Around every test: a session of before works on, and a new one is let in."""
    gate = request.getfixturevalue("fake_gate" if "fake" in request.fixturenames else "gate")
    with starttls.login(gate.port, gate.pki.ca_file) as witness:
        assert starttls.query(witness, "DO 1")[0] == 0
        yield
        if "fake" in request.fixturenames:
            request.getfixturevalue("fake").script = None
        assert starttls.query(witness, "DO 1")[0] == 0
    starttls.login(gate.port, gate.pki.ca_file).close()
    assert gate.alive()


def connect(gate):
    """A socket that has had its greeting, and the function that gives this session's end."""
    s = starttls.connect(gate.port)
    return s, ending(gate, s)


def ending(gate, s):
    number = s.getsockname()[1]
    before = len(gate.log)

    def wait():
        """The one line about the end of the session on this socket."""
        mine = re.compile(rf"^.* event=end .*\bport={number}\b.*$", re.M)
        process.wait_until(lambda: mine.search(gate.log, before), what=f"the end of the session of port {number}")
        found = mine.findall(gate.log, before)
        assert len(found) == 1, found
        assert re.search(r'reason=("[^"]+"|\w+)', found[0]), found[0]
        return found[0]
    return wait


def rest(s):
    """Everything until the gate closes; a reset is an end as well. Then closes, for which the gate would wait a while."""
    data = b""
    try:
        while part := s.recv(65536):
            data += part
    except ConnectionResetError:
        pass
    s.close()
    return data


def error_in(data):
    """(code, text) of the ERR packet that data ends with; None if there is none."""
    found = re.search(rb"...[\x00-\xff]\xff([\x00-\xff]{2})(?:#.{5})?([\x20-\xff]+)$", data, re.S)
    return found and (struct.unpack("<H", found[1])[0], found[2].decode(errors="replace"))


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


# --- before TLS ---

FIRST_WORDS = {
    "http": (b"GET / HTTP/1.1\r\nHost: praxis\r\n\r\n", "HTTP request"),
    "http_post": (b"POST /x HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000, "HTTP request"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
    "tls_without_request": (client_hello(), "TLS ClientHello"),
    "absurd_length": (b"\xff\xff\xff\x01" + bytes(100), "absurd"),
    "empty_packet": (starttls.packet(b"", 1), "not understood|too short|bad login"),
    "old_protocol": (starttls.packet(struct.pack("<H", 0) + b"\0\0\0root\0", 1), "bad login"),
    "ssl_bit_in_a_long_packet": (starttls.packet(struct.pack("<IIB23x", starttls.CAPS | starttls.CLIENT_SSL, 1 << 24, 45) + b"root\0", 1),
                                 "bad login|TLS"),
    "request_seq_0": (starttls.ssl_request(seq=0), "sequence number 0"),
    "request_seq_2": (starttls.ssl_request(seq=2), "sequence number 2"),
    "request_seq_255": (starttls.ssl_request(seq=255), "sequence number 255"),
    "noise": (garbage(2000, 1), "reason="),
    "zeros": (bytes(2000), "reason="),
    "plaintext_login": (starttls.response("root", 1), "client refused TLS"),
}


@pytest.mark.parametrize("name", FIRST_WORDS)
@pytest.mark.parametrize("polite", [True, False], ids=["after_greeting", "at_once"])
def test_first_words(gate, name, polite):
    words, why = FIRST_WORDS[name]
    s, end = connect(gate)
    if polite:
        starttls.read_packet(s)
    try:
        s.sendall(words)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before all of it was sent
    rest(s)
    assert re.search(why, end())


def test_plaintext_behind_the_request_is_not_taken(gate, server):
    """A login in clear, smuggled behind the SSLRequest in one segment (the class of CVE-2021-3935), then TLS."""
    before = server.status("Connections"), gate.status()["totals"]["logins_ok"]
    s, end = connect(gate)
    starttls.read_packet(s)
    s.sendall(starttls.ssl_request() + starttls.response("root", 2) + starttls.packet(b"\x03DO 1", 0))
    try:
        starttls.context(gate.pki.ca_file).wrap_socket(s, server_hostname="localhost")
        pytest.fail("TLS was accepted behind plaintext")
    except (ssl.SSLError, OSError):
        pass
    assert "TLS handshake failed" in end()
    assert gate.status()["totals"]["logins_ok"] == before[1]


@pytest.mark.parametrize("what", ["request", "response", "query"])
def test_plaintext_behind_the_client_hello_is_not_taken(gate, what):
    """The same one step later: in clear between two TLS records of the handshake."""
    words = {"request": starttls.ssl_request(), "response": starttls.response("root", 2), "query": starttls.packet(b"\x03DO 1", 0)}
    before = gate.status()["totals"]["logins_ok"]
    s, end = connect(gate)
    starttls.read_packet(s)
    s.sendall(starttls.ssl_request() + client_hello() + words[what])
    rest(s)
    assert "TLS handshake failed" in end()
    assert gate.status()["totals"]["logins_ok"] == before


def test_request_cut_off_at_every_byte(gate):
    ends = []
    request = starttls.ssl_request()
    for n in range(len(request)):
        s, end = connect(gate)
        starttls.read_packet(s)
        s.sendall(request[:n])
        s.close()
        ends.append(end)
    for end in ends:
        assert "client closed" in end()


def test_client_hello_cut_off(gate):
    ends = []
    hello = client_hello()
    for n in range(0, len(hello), 11):
        s, end = connect(gate)
        starttls.read_packet(s)
        s.sendall(starttls.ssl_request() + hello[:n])
        s.close()
        ends.append(end)
    for end in ends:
        assert "reason=" in end()


def test_silence_is_bounded(gate):
    """Half a request, half a ClientHello, and TLS without a login: each ends by its own limit."""
    hello = client_hello()
    cases = [starttls.ssl_request()[:20], starttls.ssl_request() + hello[:100]]
    sockets = []
    for words in cases:
        s, end = connect(gate)
        starttls.read_packet(s)
        s.sendall(words)
        sockets.append((s, end))
    s, end = connect(gate)
    starttls.read_packet(s)
    s.sendall(starttls.ssl_request())
    sockets.append((starttls.context(gate.pki.ca_file).wrap_socket(s, server_hostname="localhost"), end))
    for s, end in sockets:
        rest(s)
        assert "in time" in end()


def test_one_byte_at_a_time(gate):
    """Slow is not wrong: a login of which every byte comes in a segment, and inside TLS in a record, of its own."""
    raw, _ = connect(gate)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    starttls.read_packet(raw)
    for byte in starttls.ssl_request():
        raw.sendall(bytes([byte]))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = starttls.context(gate.pki.ca_file).wrap_bio(incoming, outgoing, server_hostname="localhost")

    def pump(step):
        while True:
            try:
                result, done = step(), True
            except ssl.SSLWantReadError:
                result, done = None, False
            for byte in outgoing.read():
                raw.sendall(bytes([byte]))
            if done:
                return result
            incoming.write(raw.recv(65536))
    pump(tls.do_handshake)
    for byte in starttls.response("root", 2) + starttls.packet(b"\x03SELECT 4711", 0):
        pump(lambda byte=byte: tls.write(bytes([byte])))
    answer = b""
    while b"4711" not in answer or not answer.endswith(b"\xfe\0\0\2\0"):
        answer += pump(lambda: tls.read(65536))
    raw.close()


# --- inside TLS, before the login ---

def tls_socket(gate):
    s, end = connect(gate)
    starttls.read_packet(s)
    s.sendall(starttls.ssl_request())
    return starttls.context(gate.pki.ca_file).wrap_socket(s, server_hostname="localhost"), end


LOGINS = {
    "second_request": (starttls.ssl_request(seq=2), "second SSLRequest"),
    "seq_1": (starttls.response("root", 1), "sequence number 1"),
    "seq_0": (starttls.response("root", 0), "sequence number 0"),
    "seq_9": (starttls.response("root", 9), "sequence number 9"),
    "absurd_length": (b"\xff\xff\xff\x02" + bytes(1000), "absurd"),
    "empty": (starttls.packet(b"", 2), "bad login"),
    "noise": (starttls.packet(garbage(300, 2), 2), "bad login|client refused|compress|login failed"),
    "http": (b"GET / HTTP/1.1\r\nHost: praxis\r\n\r\n", "reason="),
    "no_end_of_name": (starttls.packet(struct.pack("<IIB23x", starttls.CAPS, 1 << 24, 45) + b"x" * 50, 2), "bad login"),
    "proof_beyond_the_end": (starttls.packet(struct.pack("<IIB23x", starttls.CAPS, 1 << 24, 45) + b"root\0\xfa", 2), "bad login"),
}


@pytest.mark.parametrize("name", LOGINS)
def test_bad_login(gate, name):
    words, why = LOGINS[name]
    s, end = tls_socket(gate)
    s.sendall(words)
    answer = rest(s)
    assert re.search(why, end())
    assert answer == b"" or error_in(answer), answer


def test_login_cut_off_at_every_byte(gate):
    login = starttls.response("root", 2, auth=bytes(20))
    ends = []
    for n in range(0, len(login), 3):
        s, end = tls_socket(gate)
        s.sendall(login[:n])
        s.close()
        ends.append(end)
    for end in ends:
        assert re.search("client (closed|lost)", end())


# --- after the login ---

COMMANDS = {
    "unknown_command": starttls.packet(b"\xf0abc", 0),
    "empty_command": starttls.packet(b"", 0),
    "wrong_number": starttls.packet(b"\x03SELECT 1", 7),
    "noise": garbage(500, 3),
    "http": b"GET / HTTP/1.1\r\nHost: praxis\r\n\r\n",
    "execute_what_was_never_prepared": starttls.packet(b"\x17" + struct.pack("<IBI", 4711, 0, 1), 0),
    "fetch_what_was_never_prepared": starttls.packet(b"\x1c" + struct.pack("<II", 4711, 10), 0),
    "truncated_change_user": starttls.packet(b"\x11root", 0),
    "absurd_length": b"\xff\xff\xff\x00" + b"\x03SELECT 1",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_command(gate, name):
    """The server decides what it says to it; the gate passes it on, and the session ends when one of them closes."""
    with starttls.login(gate.port, gate.pki.ca_file) as s:
        end = ending(gate, s)
        s.sendall(COMMANDS[name])
        s.settimeout(1)
        try:
            s.recv(65536)
        except (TimeoutError, ConnectionResetError):
            pass  # half a packet: the server waits for the rest
    assert "reason=" in end()


def test_gone_in_mid_result(gate):
    """A client that resets its connection while a big result is on its way."""
    for _ in range(5):
        s = starttls.login(gate.port, gate.pki.ca_file)
        end = ending(gate, s)
        s.sendall(starttls.packet(b"\x03SELECT REPEAT('x', 200), seq FROM seq_1_to_200000", 0))
        s.recv(1000)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        assert "client" in end()


def test_flood_of_half_handshakes(make_gate, server):
    """Far more half-open handshakes than are allowed: who is logged in, and who logs in properly, does not notice."""
    gate = make_gate(server, options={"proxy": {"max_logins_pending": 20}})
    words = starttls.ssl_request() + client_hello()[:60]
    user = starttls.login(gate.port, gate.pki.ca_file)
    half = []
    for i in range(200):
        half.append(starttls.connect(gate.port))
        half[-1].sendall(words)
        if i % 20 == 0:
            assert starttls.query(user, "DO 1")[0] == 0
            starttls.login(gate.port, gate.pki.ca_file).close()
    process.wait_until(lambda: gate.status()["logins_pending"] <= 20, what="pending logins bounded")
    for s in half:
        s.close()
    process.wait_until(lambda: gate.status()["logins_pending"] == 0, what="no login pending")
    assert starttls.query(user, "DO 1")[0] == 0
    user.close()


# --- a bad server ---

@pytest.fixture(scope="module")
def fake():
    with FakeServer() as fake:
        yield fake


@pytest.fixture(scope="module")
def fake_gate(session_folder, fake, pki):
    options = {**TIMEOUTS, "database": {"host": "127.0.0.1", "port": fake.port, "connect_retry": "0s", "connect_timeout": "3s"}}
    gate = Gate(session_folder / "bad-server", None, pki, options=options).start()
    yield gate
    gate.stop()


GREETING = greeting()
GREETINGS = {
    "nothing": b"",
    "noise": garbage(500, 4),
    "zeros": bytes(500),
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "too_long": starttls.packet(b"\x0a" + b"x" * 5000 + b"\0", 0),
    "absurd_length": b"\xff\xff\xff\x00" + bytes(10000),
    "empty_packet": starttls.packet(b"", 0),
    "protocol_9": greeting(protocol=9),
    "wrong_number": greeting(seq=7),
    "endless_version": starttls.packet(b"\x0a" + b"x" * 600, 0),
    "tls": b"\x16\x03\x01\x00\x05hello",
}


@pytest.mark.parametrize("name", GREETINGS)
def test_bad_greeting(fake, fake_gate, name):
    fake.script = [GREETINGS[name]]
    s, end = connect(fake_gate)
    code, text = error_in(rest(s))
    assert code >= 1000 and "database" in text.lower()
    assert re.search("server", end())


def test_greeting_cut_off_at_every_byte(fake, fake_gate):
    for n in range(len(GREETING)):
        fake.script = [GREETING[:n]]
        s, end = connect(fake_gate)
        assert error_in(rest(s)), n
        assert "server" in end()


@pytest.mark.parametrize("code, text", [(1040, b"Too many connections"), (1129, b"Host 'x' is blocked because of many connection errors"),
                                        (1130, b"Host 'x' is not allowed to connect to this MariaDB server")])
def test_error_instead_of_a_greeting_goes_through(fake, fake_gate, code, text):
    fake.script = [error(code, text)]
    s, end = connect(fake_gate)
    assert rest(s) == error(code, text)
    assert "server refused" in end() and text.decode().split()[0] in fake_gate.log


MORE = starttls.packet(b"\x01more", 2)
LOGIN_ANSWERS = {
    "nothing": b"",
    "empty_packet": starttls.packet(b"", 2),
    "half_an_ok": OK[:6],
    "noise": garbage(300, 5),
    "absurd_length": b"\xff\xff\xff\x02\x00" + bytes(100000),
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "unknown_reply": starttls.packet(b"\x55what is that", 2),
    "switch_to_nothing": starttls.packet(b"\xfe", 2),
    "switch_without_end": starttls.packet(b"\xfemysql_native_password", 2),
    "two_answers": OK + OK,
}


@pytest.mark.parametrize("name", LOGIN_ANSWERS)
def test_bad_answer_to_a_login(fake, fake_gate, name):
    fake.script = [GREETING, LOGIN_ANSWERS[name]]
    s, end = tls_socket(fake_gate)
    s.sendall(starttls.response("root", 2))
    s.settimeout(10)
    rest(s)
    s.close()
    assert "reason=" in end()


def test_login_that_never_ends(fake, fake_gate):
    """AuthMoreData for ever: the login's time limit ends it."""
    fake.script = [GREETING] + [starttls.packet(b"\x01more", seq % 256) for seq in range(2, 4000, 2)]
    s, end = tls_socket(fake_gate)
    s.sendall(starttls.response("root", 2))
    try:
        for _ in range(3000):
            seq, payload = starttls.read_packet(s)
            if payload[0] != 1:
                break
            s.sendall(starttls.packet(b"again", (seq + 1) % 256))
    except (EOFError, OSError):
        pass
    s.close()
    assert "reason=" in end()


RESULT = b"".join([
    starttls.packet(b"\x01", 1),
    starttls.packet(b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0", 2),
    starttls.packet(b"\xfe\0\0\2\0", 3), starttls.packet(b"\x011", 4), starttls.packet(b"\xfe\0\0\2\0", 5)])


def test_result_cut_off_at_every_byte(fake, fake_gate):
    """What came goes through unchanged, then the end; never a word of the gate's in the middle of a packet."""
    for n in range(len(RESULT) + 1):
        fake.script = [GREETING, OK, RESULT[:n]]
        with starttls.login(fake_gate.port, fake_gate.pki.ca_file) as s:
            end = ending(fake_gate, s)
            s.sendall(starttls.packet(b"\x03SELECT 1", 0))
            got = rest(s)
        assert got == RESULT[:n]
        assert "server" in end()


RESULTS = {
    "noise": garbage(3000, 6),
    "zeros": bytes(3000),
    "columns_without_number": starttls.packet(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 1),
    "many_columns_promised": starttls.packet(b"\xfd\xff\xff\xff", 1),
    "wrong_numbers": starttls.packet(b"\x01", 9) + starttls.packet(b"\xfe", 200),
    "file_that_nobody_asked_for": starttls.packet(b"\xfb/etc/passwd", 1),
    "empty_packets": starttls.packet(b"", 1) * 500,
    "short_error": starttls.packet(b"\xff\x01", 1),
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "unasked": RESULT + RESULT + RESULT,
}


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("command", [b"\x03SELECT 1", b"\x16SELECT ?", b"\x11root\0\0\0", b"\x0e"], ids=["query", "prepare", "change_user", "ping"])
def test_bad_result(fake, fake_gate, name, command):
    """The gate follows the dialogue and does not judge it: all bytes go through, then the server's end."""
    fake.script = [GREETING, OK, RESULTS[name]]
    with starttls.login(fake_gate.port, fake_gate.pki.ca_file) as s:
        end = ending(fake_gate, s)
        s.sendall(starttls.packet(command, 0))
        s.settimeout(10)
        assert rest(s) == RESULTS[name]
    assert "server" in end()
