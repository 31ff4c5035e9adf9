"""Accounts IDENTIFIED VIA unix_socket: behind the gate the server sees the gate's own user at the other end of the socket,
and must not take it for the client."""
import os
import pwd

import pymysql
import pytest

from lib import process, rawclient, starttls
from test_gate_endings import connect, frame, login, read_packet

pytestmark = pytest.mark.sanitize
ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(scope="module")
def open_account(server):
    """Whoever runs as we do needs no password; over the server's own socket that is right."""
    if ME == "root":
        server.add_user("other_admin", "for the tests")
    server.sql(f"CREATE OR REPLACE USER '{ME}'@'localhost' IDENTIFIED VIA unix_socket; GRANT ALL ON *.* TO '{ME}'@'localhost' WITH GRANT OPTION;"
               f"CREATE OR REPLACE USER '{ME}'@'127.0.0.1' IDENTIFIED BY 'over TCP'; CREATE USER anna IDENTIFIED BY 'anna';"
               "CREATE USER anna2@localhost; CREATE USER boss2@localhost; GRANT ALL ON *.* TO boss2@localhost")
    with server.connect(ME, "whatever") as c, c.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        assert cursor.fetchone() == (f"{ME}@localhost",)
    return server


def refused(gate, user, password):
    with pytest.raises(pymysql.OperationalError) as info:
        gate.connect(user, password)
    return info.value.args


def test_nobody_gets_in_by_the_gates_name(open_account, make_gate):
    gate = make_gate(open_account, options={"proxy": {"allow_own_user": None}})
    code, text = refused(gate, ME, "")
    assert code == 1045 and "Elexgate itself runs under it" in text
    gate.wait_log('reason="the proxy\'s own user"')
    with gate.connect("anna", "anna") as c, c.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_nor_by_a_change_of_user(open_account, make_gate):
    gate = make_gate(open_account, options={"proxy": {"allow_own_user": None}})
    with gate.connect("anna", "anna") as connection:
        connection._write_bytes(starttls.packet(b"\x11" + ME.encode() + b"\0\0\0\x2d\0mysql_native_password\0", 0))
        packet = connection._read_packet.__func__
        with pytest.raises(pymysql.OperationalError) as info:
            connection._next_seq_id = 1
            packet(connection)
        assert info.value.args[0] == 1045
    process.wait_until(lambda: not gate.sessions(), what="its end")


# As a client may write a name, in which character set (collation); the server strips the first form's quotes.
NAMES = [(b"'%s'", 45), (b"%s ", 45), (b"'%s' ", 45), (b"%s\xff", 45), (b"%s\x01", 45)]


def answer(gate, user, charset=45):
    """(error number, text) that a login gets."""
    sock = connect(gate)
    packet = bytearray(login(user))
    packet[8] = charset
    sock.sendall(frame(packet, 1))
    payload = read_packet(sock)[1]
    return int.from_bytes(payload[1:3], "little") if payload[0] == 255 else 0, payload[9:].decode()


@pytest.mark.parametrize("form, charset", NAMES)
def test_nor_by_another_writing_of_it(open_account, make_gate, form, charset):
    gate = make_gate(open_account, listeners={"inner": {"tls": "off"}}, options={"proxy": {"allow_own_user": None}})
    code, text = answer(gate, form % ME.encode(), charset)
    assert code == 1045 and ("Elexgate itself" in text or "cannot be read" in text)
    with rawclient.RawClient("127.0.0.1", gate.port, user="anna2") as c:  # an account without a password
        c.send(0, b"\x11" + form % ME.encode() + b"\0\0\0\x2d\0mysql_native_password\0")
        assert c.packet()[1:3] == b"\x15\x04"


def test_accounts_that_may_do_everything_are_denied(open_account, make_gate):
    open_account.sql("CREATE OR REPLACE USER boss@localhost; CREATE OR REPLACE USER elexgate@localhost; CREATE OR REPLACE USER 'müller'@localhost")
    gate = make_gate(open_account, listeners={"inner": {"tls": "off", "deny_users": None}, "some": {"tls": "off", "deny_users": "boss"}})
    for name in (b"root", b"'root'", b"ROOT", b"elexgate", b"root\xff"):
        code, text = answer(gate, name)
        assert code == 1045 and ("deny_users" in text or "cannot be read" in text), name
    assert answer(gate, "m\u00fcller".encode("latin1"), 8)[0] == answer(gate, "m\u00fcller".encode())[0] == answer(gate, b"boss")[0] == 0
    with rawclient.RawClient("127.0.0.1", gate.port, user="boss") as c:
        c.send(0, b"\x11root\0\0\0\x2d\0mysql_native_password\0")
        assert c.packet()[1:3] == b"\x15\x04"
    gate.ports["inner"] = gate.ports["some"]
    assert answer(gate, b"elexgate")[0] == 0 and answer(gate, b"boss")[0] == 1045
    gate.sections["listen some"]["deny_users"] = ""
    gate.write_config()
    gate.control("reload")
    assert answer(gate, b"boss")[0] == 0


def test_a_file_that_looks_like_a_change_of_user(open_account, make_gate):
    """LOAD DATA LOCAL in more than 255 packets: one of them has number 0, and begins as such a command would."""
    gate = make_gate(open_account, listeners={"inner": {"tls": "off", "deny_users": "nobody"}})
    open_account.sql("SET GLOBAL local_infile = 1; CREATE DATABASE IF NOT EXISTS files; CREATE OR REPLACE TABLE files.t (a LONGTEXT)")
    with rawclient.RawClient("127.0.0.1", gate.port, caps=rawclient.USUAL | rawclient.LOCAL_FILES, user="boss2") as c:
        c.command(b"\x03LOAD DATA LOCAL INFILE 'x' INTO TABLE files.t FIELDS ESCAPED BY ''")
        assert c.packet()[:1] == b"\xfb"
        for i in range(300):
            c.send((c.sequence + 1 + i) & 255, b"\x11" * 1000)
        c.send((c.sequence + 301) & 255, b"")
        assert c.packet()[:1] == b"\0"


def test_over_tcp_the_server_decides(open_account, make_gate):
    gate = make_gate(open_account, options={"proxy": {"allow_own_user": None}}, backend="tcp")
    assert "Access denied" in refused(gate, ME, "wrong")[1]
    with gate.connect(ME, "over TCP") as c, c.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        assert cursor.fetchone() == (f"{ME}@127.0.0.1",)


def test_what_it_would_be_like_otherwise(open_account, make_gate):
    """The option that lets them in, and what that means; a reload takes it back."""
    gate = make_gate(open_account, options={"proxy": {"allow_own_user": True}})
    with gate.connect(ME, "anything") as c, c.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        assert cursor.fetchone() == (f"{ME}@localhost",)
    gate.sections["proxy"]["allow_own_user"] = False
    gate.write_config()
    gate.control("reload")
    assert refused(gate, ME, "anything")[0] == 1045
