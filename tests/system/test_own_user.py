"""Accounts IDENTIFIED VIA unix_socket: behind the gate the server sees the gate's own user at the other end of the socket,
and must not take it for the client."""
import os
import pwd

import pymysql
import pytest

from lib import process, starttls

pytestmark = pytest.mark.sanitize
ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(scope="module")
def open_account(server):
    """Whoever runs as we do needs no password; over the server's own socket that is right."""
    if ME == "root":
        server.add_user("other_admin", "for the tests")
    server.sql(f"CREATE OR REPLACE USER '{ME}'@'localhost' IDENTIFIED VIA unix_socket; GRANT ALL ON *.* TO '{ME}'@'localhost' WITH GRANT OPTION;"
               f"CREATE OR REPLACE USER '{ME}'@'127.0.0.1' IDENTIFIED BY 'over TCP'; CREATE USER anna IDENTIFIED BY 'anna'")
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
