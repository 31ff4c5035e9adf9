"""caching_sha2_password through the gate: a password never goes to a server in clear, unless over a unix socket.

Real clients, and a server of our own that keeps to the protocol (lib/sha2server.py): no MariaDB that Debian packages has
this plugin on the server's side.
"""
import struct
import threading

import pytest

import clients_matrix as matrix
from lib import process, starttls
from lib.sha2server import Sha2Server

pytestmark = pytest.mark.sanitize

PASSWORD = "anna-Pass word 1"
USERS = {"anna": PASSWORD, "beat": "b" * 190, "carla": "c" * 250}
# mysql of npm and DBD::MariaDB's own library do not know the plugin.
CLIENTS = ["mariadb", "libmariadb", "connector-j", "mysql2", "mariadb-npm", "pymysql", "mysqli"]


@pytest.fixture(scope="module")
def programs():
    return matrix.build_programs()


@pytest.fixture
def server(folder):
    server = Sha2Server(USERS, folder)
    yield server
    server.close()
    assert server.faults == []
    assert server.clear == [], "a password came in clear"


def gate_of(make_gate, server, backend, listener=None):
    where = {"socket": server.socket} if backend == "socket" else {"host": "127.0.0.1", "port": server.port}
    return make_gate(listeners={"x": {"announce": "server", **(listener or {})}}, options={"database": where})


def login(programs, client, gate, pki, user="anna", password=PASSWORD, **kwargs):
    target = matrix.Target("gate", "127.0.0.1", gate.port, pki.ca_file, pki.other_ca_file, **kwargs)
    return matrix.run(programs[client], target, "sha2", [f"login:{user}:{password}"])[f"login:{user}:{password}"]


@pytest.mark.parametrize("switch", [False, True], ids=["named", "switched"])
@pytest.mark.parametrize("client", CLIENTS)
def test_full_authentication_over_tcp(programs, server, make_gate, pki, client, switch):
    server.switch = switch
    gate = gate_of(make_gate, server, "tcp")
    assert login(programs, client, gate, pki, password="wrong")["error"]["code"] == 1045
    assert login(programs, client, gate, pki)["user"] == "anna@%"
    assert server.logins == ["rsa"]
    # Now the server knows the hash and needs no password.
    assert login(programs, client, gate, pki)["user"] == "anna@%"
    # PyMySQL 1.0.2 counts the NUL behind a switch's scramble in: a wrong hash, and so all over again.
    assert server.logins == ["rsa", "rsa" if client == "pymysql" and switch else "fast"]


@pytest.mark.parametrize("client", ["mysql2", "mariadb"])
def test_full_authentication_over_the_unix_socket(programs, server, make_gate, pki, client):
    gate = gate_of(make_gate, server, "socket")
    assert login(programs, client, gate, pki)["user"] == "anna@%"
    assert server.logins == ["socket"]


def raw_login(gate, pki, user, password):
    """As mysql2 does it, by hand. The last packet: (number, payload). Without a password: the socket, before it is sent."""
    raw = starttls.connect(gate.port)
    starttls.read_packet(raw)
    raw.sendall(starttls.ssl_request())
    sock = starttls.context(pki.ca_file).wrap_socket(raw, server_hostname="localhost")
    body = struct.pack("<IIB23x", starttls.CAPS, 1 << 24, 45) + user.encode() + b"\0\x20" + bytes(32) + b"caching_sha2_password\0"
    sock.sendall(starttls.packet(body, 2))
    asked = starttls.read_packet(sock)
    if password is None:
        return sock
    assert asked == (3, b"\x01\x04")
    sock.sendall(starttls.packet(password.encode() + b"\0", 4))
    return sock, starttls.read_packet(sock)


def test_the_clients_count_stays_right(server, make_gate, pki):
    """It has seen two packets less than the server."""
    gate = gate_of(make_gate, server, "tcp")
    sock, (number, payload) = raw_login(gate, pki, "anna", PASSWORD)
    assert number == 5 and payload[:1] == b"\0"
    sock.sendall(starttls.packet(b"\x03SELECT CURRENT_USER()", 0))
    assert starttls.read_packet(sock) == (1, b"\x01")
    sock, (number, payload) = raw_login(gate, pki, "anna", "wrong")
    assert number == 5 and payload[:3] == b"\xff" + struct.pack("<H", 1045)


@pytest.mark.parametrize("place", ["switched", "asked", "key"])
def test_a_login_that_breaks_off_is_not_counted(server, make_gate, pki, place):
    """Else all clients pay for it (1129), since to the server all come from one address."""
    server.switch = place == "switched"
    gone, begun = threading.Event(), threading.Event()
    server.holds = lambda: (begun.set(), gone.wait(30))
    gate = gate_of(make_gate, server, "tcp")
    sock = raw_login(gate, pki, "anna", None)
    if place == "key":
        sock.sendall(starttls.packet(PASSWORD.encode() + b"\0", 4))
        assert begun.wait(30)
    sock.close()
    process.wait_until(lambda: gate.status()["logins_pending"] == 0 or place != "key", what="the gate has noticed")
    gone.set()
    process.wait_until(lambda: server.nothing or server.counted, what="the server has heard of it")
    assert server.counted == [] and server.nothing == [b"anna"]


def test_long_passwords(server, make_gate, pki):
    """190 characters fit into a key of 2048 bits, 250 do not; a client without TLS could not send them either."""
    gate = gate_of(make_gate, server, "tcp")
    assert raw_login(gate, pki, "beat", USERS["beat"])[1][1][:1] == b"\0"
    number, payload = raw_login(gate, pki, "carla", USERS["carla"])[1]
    assert number == 5 and payload[:3] == b"\xff" + struct.pack("<H", 1045) and b"caching_sha2_password" in payload
    gate.wait_log("the password is too long for the server's key")
    assert raw_login(gate, pki, "carla", "d" * 600)[1][1][:1] == b"\xff"


@pytest.mark.parametrize("key", [b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"-----BEGIN" + b"x" * 5000])
def test_a_key_that_is_none(server, make_gate, pki, key):
    gate = gate_of(make_gate, server, "tcp")
    server.key_text = key
    number, payload = raw_login(gate, pki, "anna", PASSWORD)[1]
    assert number == 5 and payload[:1] == b"\xff" and b"RSA" in payload
    gate.wait_log("no RSA key for caching_sha2_password")


def test_what_is_no_key_goes_to_the_client(server, make_gate, pki):
    gate = gate_of(make_gate, server, "tcp")
    server.key_text = b"something else"
    number, payload = raw_login(gate, pki, "anna", PASSWORD)[1]
    assert (number, payload) == (5, b"\x01something else")


def test_without_tls_the_client_asks_for_the_key_itself(server, make_gate, pki):
    """PyMySQL: asked for nothing, it encrypts where there is no TLS."""
    gate = gate_of(make_gate, server, "tcp", {"tls": "off"})
    with gate.connect("anna", PASSWORD, tls=False) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        assert cursor.fetchall() == (("anna@%",),)
    assert server.logins == ["rsa"]


def test_a_change_of_user_is_refused(server, make_gate, pki):
    """Not worth a second mediation; the server must not get the password all the same."""
    gate = gate_of(make_gate, server, "tcp")
    sock, _ = raw_login(gate, pki, "anna", PASSWORD)
    sock.sendall(starttls.packet(b"\x11beat\0\0\0\x2d\0caching_sha2_password\0", 0))
    number, payload = starttls.read_packet(sock)
    assert (number, payload[:1]) == (1, b"\xfe")
    sock.sendall(starttls.packet(bytes(32), 2))
    number, payload = starttls.read_packet(sock)
    assert number == 3 and payload[:3] == b"\xff" + struct.pack("<H", 1045) and b"reconnect" in payload
    gate.wait_log("change of user with a password in clear")
    process.wait_until(lambda: not gate.sessions(), what="its end")
