"""What the gate says of transactions and statements is what the server says: after errors, after functions, and after
the client is gone."""
import socket
import threading

import pymysql
import pytest

from lib import process, rawclient

pytestmark = pytest.mark.sanitize
DATABASE = "gate_transactions"


@pytest.fixture(scope="module")
def table(server):
    server.sql(f"""
        CREATE DATABASE IF NOT EXISTS {DATABASE}; USE {DATABASE};
        CREATE OR REPLACE TABLE d (id INT PRIMARY KEY, v INT) ENGINE=InnoDB; INSERT INTO d VALUES (1, 0), (2, 0), (3, 0)""")
    for routine in ["FUNCTION f() RETURNS INT MODIFIES SQL DATA BEGIN UPDATE d SET v = v + 1 WHERE id = 3; RETURN 1; END",
                    "PROCEDURE half() BEGIN INSERT INTO d VALUES (100, 1); SIGNAL SQLSTATE '45000'; END",
                    "PROCEDURE openx() BEGIN START TRANSACTION; INSERT INTO d VALUES (200, 1); SIGNAL SQLSTATE '45000'; END",
                    "PROCEDURE closex() BEGIN COMMIT; SIGNAL SQLSTATE '45000'; END"]:
        server.sql("CREATE OR REPLACE " + routine, DATABASE)
    return DATABASE


def run(c, sql):
    """The error's number, or 0."""
    try:
        with c.cursor() as cursor:
            cursor.execute(sql)
            cursor.fetchall()
        return 0
    except pymysql.err.MySQLError as e:
        return e.args[0]


def in_transaction(gate, c):
    return next(s["in_transaction"] for s in gate.sessions() if s["thread_id"] == c.thread_id())


def open_on_server(c):
    with c.cursor() as cursor:
        cursor.execute("SELECT @@in_transaction")
        return bool(cursor.fetchone()[0])


# What fails, and whether a transaction is open then.
AFTER_AN_ERROR = [
    (["SET autocommit=0", "CALL half()"], True),
    (["CALL openx()"], True),
    (["BEGIN", "INSERT INTO d VALUES (300, 1)", "CALL closex()"], False),
    (["SET autocommit=0", "INSERT INTO d VALUES (1, 1)"], True),
    (["SET autocommit=0", "SELECT (SELECT id FROM d) FROM d"], True),
    (["BEGIN", "INSERT INTO d VALUES (111, 1)", "CREATE TABLE d (a INT)"], False),
    (["BEGIN", "INSERT INTO d VALUES (112, 1)", "TRUNCATE nowhere"], False),
    (["BEGIN", "INSERT INTO d VALUES (113, 1)", "LOCK TABLES nowhere WRITE"], False),
    (["INSERT INTO d VALUES (1, 1)"], False),
    (["BEGIN", "INSERT INTO d VALUES (1, 1)"], True),
    (["BEGIN", "SELECT broken"], True),
    (["SELECT broken"], False),
]


def test_after_an_error_the_server_is_asked(gate, table):
    with gate.connect(database=table) as c:
        for statements, is_open in AFTER_AN_ERROR:
            codes = [run(c, sql) for sql in statements]
            assert codes[-1] and not any(codes[:-1]), (statements, codes)
            process.wait_until(lambda: in_transaction(gate, c) is is_open, 10, f"{statements}: {is_open}")
            assert gate.idle()["transactions_unknown"] == 0
            assert open_on_server(c) is is_open, statements
            for sql in ("ROLLBACK", "SET autocommit=1"):
                assert run(c, sql) == 0
        assert gate.status()["totals"]["statements_read"] < 100, "the gate's own questions are no client's statements"


def test_a_deadlocks_victim_keeps_no_hold_waiting(gate, table):
    a, b = (gate.connect(database=table) for _ in range(2))
    for c, first in ((a, 1), (b, 2)):
        assert run(c, "BEGIN") == 0 and run(c, f"UPDATE d SET v=v+1 WHERE id={first}") == 0
    codes = {}
    t = threading.Thread(target=lambda: codes.update(a=run(a, "UPDATE d SET v=v+1 WHERE id=2")))
    t.start()
    process.wait_until(lambda: gate.idle()["in_flight"] == 1, what="the first waits")
    codes["b"] = run(b, "UPDATE d SET v=v+1 WHERE id=1")
    t.join(20)
    assert sorted(codes.values()) == [0, 1213]
    victim, other = (a, b) if codes["a"] == 1213 else (b, a)
    assert run(other, "ROLLBACK") == 0
    other.close()
    with gate.watch() as w:
        w.send({"cmd": "hold", "timeout_ms": 20000, "max_ms": 20000})
        while "held" not in (answer := w.receive()):
            pass
        assert answer["held"], answer
    victim.close()


def test_a_block_gives_uncommitted_work_its_grace(gate, table, server):
    c = gate.connect(database=table)
    assert run(c, "SET autocommit=0") == 0 and run(c, "CALL half()") == 1644
    done = []
    t = threading.Thread(target=lambda: done.append(gate.control({"cmd": "block", "grace_ms": 60000}, timeout=90)))
    t.start()
    process.wait_until(lambda: gate.status()["state"] != "open", what="blocked")
    assert run(c, "COMMIT") == 0
    t.join(30)
    assert done and done[0]["ended"] == 1
    gate.control("open")
    assert server.value(f"SELECT COUNT(*) FROM {table}.d WHERE id = 100") == 1
    server.sql(f"DELETE FROM {table}.d WHERE id = 100")


def test_a_commit_of_what_a_function_wrote_is_a_write(gate, table):
    with gate.connect(database=table) as c, gate.connect(database=table) as plain:
        for statements, kind in [(["BEGIN", "SELECT f()", "COMMIT"], "write"), (["BEGIN", "SELECT f()", "BEGIN"], "write"),
                                 (["SET autocommit=0", "SELECT f()", "SET autocommit=1"], "write"),
                                 (["BEGIN", "SELECT COUNT(*) FROM d WHERE id IN (1, 2)", "COMMIT"], "read"),
                                 (["EXPLAIN SELECT * FROM (SELECT f()) x"], "write"), (["EXPLAIN SELECT * FROM d"], "read")]:
            assert [run(c, sql) for sql in statements] == [0] * len(statements)
            (s,) = [s for s in gate.sessions() if s["thread_id"] == c.thread_id()]
            assert s["last_kind"] == kind, statements
            assert run(c, "COMMIT") == run(c, "SET autocommit=1") == 0
        assert run(plain, "DO 1") == 0


# -- the client is gone, the server is not ------------------------------------------------------------------------------


def raw(gate, listener="inner", **kwargs):
    return rawclient.RawClient("127.0.0.1", gate.ports[listener], **kwargs)


@pytest.mark.parametrize("reset", [False, True])
def test_what_the_server_still_writes_counts(make_gate, server, table, reset):
    gate = make_gate(server, listeners={"inner": {"tls": "off"}})
    with server.connect(database=table) as lock, raw(gate) as c:
        assert run(lock, "BEGIN") == 0 and run(lock, "UPDATE d SET v = 5 WHERE id = 1") == 0
        c.command(f"\x03UPDATE {table}.d SET v = 6 WHERE id = 1".encode())
        process.wait_until(lambda: gate.idle()["write_in_flight"] == 1, what="it waits")
        if reset:
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        c.sock.close()
        thread = int(server.value("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'UPDATE%v = 6%'"))
        if reset:
            process.wait_until(lambda: gate.idle()["sessions"] == 0, what="the client is gone")
        idle = gate.idle()
        assert idle["write_in_flight"] == 1 and idle["write_ms"] == 0
        assert thread in {s["thread_id"] for s in gate.sessions()}
        assert run(lock, "ROLLBACK") == 0
    process.wait_until(lambda: gate.idle()["write_in_flight"] == 0, what="the server has ended it")
    assert server.value(f"SELECT v FROM {table}.d WHERE id = 1") == 6, "and it was done"
    process.wait_until(lambda: gate.sessions() == [], what="nobody left")


def test_a_rollback_without_its_client_counts(make_gate, server, table):
    gate = make_gate(server, listeners={"inner": {"tls": "off"}})
    with raw(gate) as c:
        for sql in ("BEGIN", f"DELETE FROM {table}.d"):
            c.command(b"\x03" + sql.encode())
            assert c.receive(1)[0][:1] == b"\0"
        assert gate.idle()["transactions"] == 1
    process.wait_until(lambda: gate.idle()["transactions"] == 0, what="rolled back")
    assert server.value("SELECT COUNT(*) FROM information_schema.INNODB_TRX") == 0
    assert gate.idle()["write_ms"] < 60000


def test_an_endless_result_without_a_reader_is_cut(make_gate, server):
    gate = make_gate(server, listeners={"inner": {"tls": "off"}})
    with raw(gate) as c:
        c.command(b"\x03SELECT a.seq, REPEAT('x', 500) FROM mysql.seq_1_to_1000000 a")
        c.receive(50)
    process.wait_until(lambda: gate.sessions() == [] and gate.idle()["in_flight"] == 0, what="nobody left")
    process.wait_until(lambda: server.value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%seq_1_to_1000000%'"
                                            " AND ID <> CONNECTION_ID()") == 0, what="the server has ended it too")


@pytest.mark.parametrize("tls", [False, True])
def test_a_half_closed_client_gets_its_answer(make_gate, server, tls):
    gate = make_gate(server, listeners={"inner": {"tls": "off"}})
    if tls:
        gate = make_gate(server)
        c = gate.connect()
        sock = c._sock
        c._execute_command(3, "SELECT SLEEP(0.3), 'the end'")
        socket.socket.shutdown(sock, socket.SHUT_WR)  # under TLS: FIN without close_notify
        data = b""
        while more := sock.recv(65536):
            data += more
        assert b"the end" in data
    else:
        with raw(gate) as c:
            c.command(b"\x03SELECT SLEEP(0.3)", b"\x03SELECT REPEAT('x', 3000000), 'the end'")
            c.sock.shutdown(socket.SHUT_WR)
            data = b""
            while more := c.sock.recv(65536):
                data += more
        assert len(data) > 3000000 and b"the end" in data
    process.wait_until(lambda: gate.sessions() == [], what="nobody left")
