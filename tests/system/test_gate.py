"""The gate: states, hold, limits, listeners, reload, the idle clock. With a real server behind."""
import concurrent.futures
import json
import os
import signal
import socket
import threading
import time

import pymysql
import pytest

from lib import control, ports, process, starttls

pytestmark = pytest.mark.sanitize


def refused(gate, **kwargs):
    """The server error with which a connect is refused."""
    with pytest.raises(pymysql.err.MySQLError) as e:
        gate.connect(**kwargs)
    return e.value.args


def background(function, *args):
    """(thread, result list): the result or exception is appended."""
    out = []

    def run():
        try:
            out.append(function(*args))
        except Exception as e:  # the test looks at it
            out.append(e)

    t = threading.Thread(target=run, daemon=True)
    t.start()
    return t, out


def query(c, sql):
    with c.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


# -- sessions and the idle clock ------------------------------------------------------------------------------------


def test_session_is_described(gate, server):
    c = gate.connect(program_name="Elexis Ärztekasse")
    query(c, "SELECT 1")
    (s,) = gate.sessions()
    assert s["user"] == "root" and s["peer"] == "127.0.0.1" and s["state"] == "relay"
    assert s["tls_version"] == "TLSv1.3" and s["cipher"].startswith("TLS_AES")
    assert s["program"] == "Elexis Ärztekasse" and s["attributes"]["_client_name"] == "pymysql"
    assert s["thread_id"] == c.thread_id()
    assert s["last_kind"] == "read" and not s["in_transaction"] and not s["in_flight"]
    assert s["bytes_in"] > 0 and s["bytes_out"] > 0
    c.select_db("mysql")
    assert gate.sessions()[0]["database"] == "mysql"
    c.close()
    process.wait_until(lambda: gate.sessions() == [], what="session gone")
    assert "event=end" in gate.log and "reason=quit" in gate.log


def test_idle_clock_tells_reads_from_writes(gate, server):
    server.sql("CREATE DATABASE IF NOT EXISTS idle; CREATE OR REPLACE TABLE idle.t (i INT)")
    c = gate.connect(database="idle")
    totals = lambda: gate.status()["totals"]
    before = totals()
    query(c, "/* ping */ SELECT * FROM t")
    query(c, "SHOW TABLES")
    query(c, "SET NAMES utf8mb4")
    assert totals()["statements_read"] == before["statements_read"] + 3
    assert totals()["statements_write"] == before["statements_write"]
    query(c, "/* c */ -- x\n INSERT INTO t VALUES (1)")
    assert totals()["statements_write"] == before["statements_write"] + 1
    assert gate.sessions()[0]["last_kind"] == "write"
    c.begin()
    query(c, "SELECT 1 FROM t")
    idle = gate.idle()
    assert idle["transactions"] == 1 and idle["in_flight"] == 0
    c.commit()
    assert gate.idle()["transactions"] == 0
    c.autocommit(False)
    query(c, "SELECT 1 FROM t")
    assert gate.idle()["transactions"] == 1, "autocommit=0: a SELECT opens a transaction"
    c.close()
    process.wait_until(lambda: gate.idle()["transactions"] == 0, what="transaction gone with its session")


def test_statement_in_flight_is_seen(gate, server):
    c = gate.connect()
    thread, out = background(query, c, "SELECT SLEEP(1.5)")
    process.wait_until(lambda: gate.idle()["in_flight"] == 1, what="statement in flight")
    assert gate.idle()["statement_ms"] == 0
    thread.join()
    assert out == [((0,),)]
    assert gate.idle()["in_flight"] == 0


def test_watch_streams_events(gate, server):
    with gate.watch(events=["state", "session", "write", "idle"], interval_ms=50) as w:
        assert w.receive()["ok"]
        c = gate.connect()
        query(c, "CREATE DATABASE IF NOT EXISTS watched")
        c.close()
        seen = {}

        def watch_for(*events):
            while not set(events) <= set(seen):
                event = w.receive()
                seen[event["event"]] = event

        watch_for("connect", "write", "disconnect")  # a block would end the session before its COM_QUIT is read
        gate.control({"cmd": "block", "reason": "x"})
        watch_for("idle", "state")
        assert seen["connect"]["user"] == "root" and seen["disconnect"]["reason"] == "quit"
        assert seen["state"]["state"] == "blocked"
        assert {"write_ms", "in_flight", "transactions"} <= set(seen["idle"]["idle"])
    gate.control("open")


# -- block, drain, hold, kill ------------------------------------------------------------------------------------------


def test_block_refuses_new_clients_with_the_reason(gate):
    gate.control({"cmd": "block", "reason": "Wiederherstellung läuft", "until": "14:30"})
    code, text = refused(gate)
    # As servers do before anything is negotiated, the packet has no SQL state; PyMySQL cuts its place off all the same.
    assert code == 1053 and "herstellung laeuft" in text and "14:30" in text
    with starttls.connect(gate.port) as s:
        seq, payload = starttls.read_packet(s)
        assert seq == 0 and payload.startswith(b"\xff\x1d\x04Wiederherstellung laeuft (voraussichtlich bis 14:30) / Wiederherstellung laeuft (expected until 14:30)")
    status = gate.status()
    assert status["state"] == "blocked" and status["reason"] == "Wiederherstellung läuft"
    gate.control("open")
    assert query(gate.connect(), "SELECT 1") == ((1,),)


def test_clients_are_told_in_the_languages_that_are_set(gate):
    """Without a reason the gate has words of its own; whole languages are left out where drivers would show no more."""
    def told():
        with starttls.connect(gate.port) as s:
            return starttls.read_packet(s)[1].removeprefix(b"\xff\x1d\x04").decode("ascii")
    before = gate.config.read_text()
    gate.control({"cmd": "block"})
    assert told() == "Die Praxis-Datenbank wird wiederhergestellt, bitte warten / The practice database is being restored"
    gate.control("open")
    gate.config.write_text(before.replace("[proxy]\n", "[proxy]\nlanguages = fr, it\n", 1))
    gate.control("reload")
    gate.control({"cmd": "block"})
    assert "en cours de restauration, veuillez patienter / Il database dello studio" in told() and "wird wieder" not in told()
    gate.control({"cmd": "block", "reason": "é" * 300})
    assert told() == "e" * 150, "once, since it is the same in both"
    gate.control({"cmd": "block", "reason": "é" * 300, "until": "14:30"})
    assert told() == "e" * 150 + " (probablement jusqu'a 14:30)", "there is no room for the whole of the other one"
    gate.control({"cmd": "block", "reason": "", "reason_phrase": ["%s", "x" * 4000]})
    assert "veuillez patienter" in told(), "no phrase of ours is that long"
    gate.control("open")
    gate.config.write_text(before)
    gate.control({"cmd": "reload", "force": True})


def test_block_ends_an_idle_session_with_an_error_on_its_next_command(gate, server):
    c = gate.connect()
    thread_id = c.thread_id()
    answer = gate.control({"cmd": "block", "reason": "Rückspielung läuft"})
    assert answer["ended"] == 1 and answer["addresses"] == ["127.0.0.1"]
    process.wait_until(lambda: not server.value(
        f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID={thread_id}"), what="server thread gone")
    with pytest.raises(pymysql.err.OperationalError) as e:
        query(c, "SELECT 1")
    assert e.value.args[0] == 1053 and "Rückspielung läuft" in e.value.args[1]
    gate.control("open")


def test_block_lets_a_running_statement_finish(gate):
    c = gate.connect()
    thread, out = background(query, c, "SELECT SLEEP(1)")
    process.wait_until(lambda: gate.idle()["in_flight"] == 1, what="statement in flight")
    assert gate.control({"cmd": "block", "grace_ms": 20000})["ended"] == 1
    thread.join()
    assert out == [((0,),)], "the statement that was running got its result"
    with pytest.raises(pymysql.err.OperationalError):
        query(c, "SELECT 1")
    gate.control("open")


def test_block_ends_what_outlives_the_grace(gate, server):
    sleeper, worker = gate.connect(), gate.connect()
    worker.begin()
    query(worker, "SELECT 1")
    thread, out = background(query, sleeper, "SELECT SLEEP(60)")
    process.wait_until(lambda: gate.idle()["in_flight"] == 1, what="statement in flight")
    assert gate.control({"cmd": "block", "grace_ms": 200})["ended"] == 2
    thread.join()
    assert isinstance(out[0], pymysql.err.OperationalError) and out[0].args[0] == 1053, out
    with pytest.raises(pymysql.err.OperationalError) as e:
        query(worker, "SELECT 1")
    assert e.value.args[0] == 1053
    gate.control("open")


def test_a_transaction_may_finish_within_the_grace(gate, server):
    server.sql("CREATE DATABASE IF NOT EXISTS idle; CREATE OR REPLACE TABLE idle.grace (i INT) ENGINE=InnoDB")
    c = gate.connect(database="idle")
    c.begin()
    query(c, "INSERT INTO grace VALUES (1)")
    thread, out = background(gate.control, {"cmd": "block", "grace_ms": 20000})
    process.wait_until(lambda: gate.status()["state"] == "blocked", what="blocked")
    query(c, "INSERT INTO grace VALUES (2)")
    c.commit()
    thread.join()
    assert out[0]["ended"] == 1
    assert server.value("SELECT COUNT(*) FROM idle.grace") == 2
    gate.control("open")


def test_stale_addresses_are_refused_for_a_while_from_the_restore_on(gate):
    """Counted from the restore: a program that tries again and again does not make it longer."""
    gate.control({"cmd": "block"})
    gate.control({"cmd": "open", "stale_addresses": ["127.0.0.1", "127.0.0.1", "10.0.0.1"], "stale_ms": 1500})
    code, text = refused(gate)
    assert code == 1053 and "Elexis neu starten (noch 2 s)" in text and "(2 s left)" in text
    assert gate.status()["waiting_for_restart"] == [{"address": "127.0.0.1", "left_s": 2}, {"address": "10.0.0.1", "left_s": 2}]
    with socket.socket() as s:  # another address comes in
        s.bind(("127.0.0.9", 0))
        s.settimeout(20)
        s.connect(("127.0.0.1", gate.port))
        assert starttls.read_packet(s)[1][0] == 10
    tries = 0

    def comes_in():
        nonlocal tries
        tries += 1
        try:
            gate.connect().close()
            return True
        except pymysql.err.MySQLError:
            return False
    process.wait_until(comes_in, 20, "an end of the waiting, tried all the time", 0.1)
    assert tries > 3 and gate.status()["waiting_for_restart"] == []
    assert gate.control({"cmd": "open", "stale_addresses": ["praxis"]}, check=False)["code"] == "EINVAL"


def test_stale_addresses_outlast_a_block_and_a_second_restore(gate):
    gate.control({"cmd": "open", "stale_addresses": ["127.0.0.1"], "stale_ms": 600000})
    gate.control({"cmd": "block"})
    gate.control("open")
    assert "Elexis neu starten" in refused(gate)[1]
    gate.control({"cmd": "block"})
    gate.control({"cmd": "open", "stale_addresses": ["10.0.0.1", "10.0.0.2"], "stale_ms": 1})
    assert "Elexis neu starten" in refused(gate)[1]


def test_one_that_waits_is_let_in(gate):
    gate.control({"cmd": "open", "stale_addresses": ["127.0.0.1", "10.0.0.1"], "stale_ms": 600000})
    refused(gate)
    assert gate.control({"cmd": "open", "admit": ["10.9.9.9"]}, check=False)["code"] == "ENOENT"
    assert gate.control({"cmd": "open", "admit": "127.0.0.1"}, check=False)["code"] == "EINVAL"
    assert gate.control({"cmd": "open", "admit": ["127.0.0.1"]})["admitted"] == 1
    gate.connect().close()
    assert [w["address"] for w in gate.status()["waiting_for_restart"]] == ["10.0.0.1"]


def test_opening_what_is_open_lets_all_in(gate):
    gate.control({"cmd": "open", "stale_addresses": ["127.0.0.1"], "stale_ms": 600000})
    refused(gate)
    gate.control("open")
    gate.connect().close()


def test_block_survives_a_restart(gate):
    gate.control({"cmd": "block", "reason": "Wiederherstellung"})
    gate.restart()
    assert gate.status()["state"] == "blocked"
    assert "herstellung" in refused(gate)[1]
    gate.control("open")
    gate.restart()
    assert gate.status()["state"] == "open"
    gate.connect().close()


def test_a_damaged_block_file_still_blocks(gate):
    gate.stop()
    (gate.folder / "state" / "block.json").write_bytes(b"{ not json")
    gate.start()
    assert gate.status()["state"] == "blocked" and "block-file-damaged" in gate.log
    gate.control("open")


def test_drain_waits_for_the_clients(gate):
    c = gate.connect()
    thread, out = background(gate.control, {"cmd": "drain", "timeout_ms": 60000})
    process.wait_until(lambda: gate.status()["state"] == "draining", what="draining")
    assert "Datenbankzugang" in refused(gate)[1]
    assert query(c, "SELECT 7") == ((7,),), "who is in may stay"
    c.close()
    thread.join()
    assert out[0]["ok"] and out[0]["ended"] == 0
    gate.control("open")


def test_drain_ends_who_stays_too_long(gate):
    c = gate.connect()
    assert gate.control({"cmd": "drain", "timeout_ms": 100, "until": "bald"}, check=False)["code"] == "EINVAL"
    assert gate.control({"cmd": "drain", "timeout_ms": 100, "reason": "Wegen Umzug zu", "until": "23:59"})["ended"] == 1
    assert "Umzug" in refused(gate)[1] and "23:59" in refused(gate)[1] and gate.status()["reason"] == "Wegen Umzug zu"
    with pytest.raises(pymysql.err.OperationalError):
        query(c, "SELECT 1")
    gate.control("open")
    gate.connect().close()


def test_open_calls_a_drain_off(gate):
    c = gate.connect()
    thread, out = background(lambda: gate.control({"cmd": "drain", "timeout_ms": 60000}, check=False))
    process.wait_until(lambda: gate.status()["state"] == "draining", what="draining")
    assert gate.control({"cmd": "drain"}, check=False)["code"] == "EBUSY"
    gate.control("open")
    thread.join()
    assert out[0]["code"] == "ECANCELED"
    assert query(c, "SELECT 1") == ((1,),)


def test_sigterm_drains_and_a_second_one_ends(make_gate, server):
    gate = make_gate(server, options={"proxy": {"drain_timeout": "10m"}})
    c = gate.connect()
    gate.process.signal(signal.SIGTERM)
    process.wait_until(lambda: gate.status()["state"] == "draining", what="draining")
    assert query(c, "SELECT 1") == ((1,),)
    gate.process.signal(signal.SIGTERM)
    assert gate.process.wait() == 0


def test_hold_keeps_statements_back_and_lets_them_go(gate):
    c = gate.connect()
    with control.Control(gate.control_socket) as holder:
        assert holder.call({"cmd": "hold", "max_ms": 60000}) == {"ok": True, "held": True}
        thread, out = background(query, c, "SELECT 5")
        connecting, others = background(gate.connect)  # a login is no statement, but newer PyMySQLs send one behind it
        process.wait_until(lambda: len([s for s in gate.sessions() if s["thread_id"]]) == 2, 30, "the second login")
        thread.join(0.3)
        assert thread.is_alive() and out == []
        assert gate.status()["held"]
        assert gate.control({"cmd": "hold"}, check=False)["code"] == "EBUSY"
        assert holder.call({"cmd": "release"})["ok"]
        thread.join()
        assert out == [((5,),)]
        connecting.join()
    others[0].close()


def test_hold_goes_with_its_connection_and_with_its_time(gate):
    c = gate.connect()
    holder = control.Control(gate.control_socket)
    holder.call({"cmd": "hold", "max_ms": 60000})
    holder.close()
    assert query(c, "SELECT 1") == ((1,),)
    with control.Control(gate.control_socket) as holder:
        holder.call({"cmd": "hold", "max_ms": 100})
        assert query(c, "SELECT 2") == ((2,),)
    assert "hold-too-long" in gate.log


def test_a_hold_during_a_block_is_given_and_ends_with_it(gate):
    """The backup on the evening of an upgrade: nobody is in, and whoever opens lets everybody in, at once."""
    gate.control("block")
    with control.Control(gate.control_socket) as holder:
        assert holder.call({"cmd": "hold", "max_ms": 60000}) == {"ok": True, "held": True}
        assert gate.status()["held"] and gate.status()["state"] == "blocked"
        gate.control("open")
        assert not gate.status()["held"]
        assert query(gate.connect(), "SELECT 1") == ((1,),)


def test_hold_waits_for_transactions_only_so_long(gate):
    c = gate.connect()
    c.begin()
    query(c, "SELECT 1")
    answer = gate.control({"cmd": "hold", "timeout_ms": 200}, check=False)
    assert answer["code"] == "ETIMEDOUT" and "1 with an open transaction" in answer["error"]
    assert query(c, "SELECT 3") == ((3,),)
    thread, out = background(gate.control, {"cmd": "hold", "timeout_ms": 20000, "max_ms": 100})
    thread.join(0.2)
    assert thread.is_alive()
    c.commit()
    thread.join()
    assert out[0]["held"]


def test_kill_ends_one_session(gate):
    a, b = gate.connect(), gate.connect()
    victim = next(s["id"] for s in gate.sessions() if s["thread_id"] == a.thread_id())
    gate.control({"cmd": "kill", "session": victim})
    with pytest.raises(pymysql.err.OperationalError) as e:
        query(a, "SELECT 1")
    assert "Administration" in e.value.args[1]
    assert query(b, "SELECT 1") == ((1,),)
    assert gate.control({"cmd": "kill", "session": 99999}, check=False)["code"] == "ENOENT"


# -- limits ----------------------------------------------------------------------------------------------------------


def test_max_sessions(make_gate, server):
    gate = make_gate(server, options={"proxy": {"max_sessions": 2}})
    a, b = gate.connect(), gate.connect()
    assert refused(gate)[0] == 1040
    a.close()
    process.wait_until(lambda: len(gate.sessions()) == 1, what="session gone")
    gate.connect().close()


def test_max_sessions_per_address(make_gate, server):
    gate = make_gate(server, options={"proxy": {"max_sessions_per_address": 1}}, listeners={"elexis": {"address": "127.0.0.1"}})
    a = gate.connect()
    code, text = refused(gate)
    assert code == 1040 and "dieser Adresse" in text
    with socket.socket() as s:  # another address of the loopback network
        s.bind(("127.0.0.9", 0))
        s.settimeout(20)
        s.connect(("127.0.0.1", gate.port))
        assert starttls.read_packet(s)[1][0] == 10


def test_a_flood_of_half_open_logins_leaves_users_alone(make_gate, server):
    gate = make_gate(server, options={"proxy": {"max_logins_pending": 10}})
    c = gate.connect()
    half = [starttls.connect(gate.port) for _ in range(60)]
    assert query(c, "SELECT 1") == ((1,),)
    gate.connect().close()
    process.wait_until(lambda: gate.status()["logins_pending"] <= 10, what="pending logins bounded")
    assert "too many logins pending" in gate.log
    for s in half:
        s.close()


def test_networks(make_gate, server):
    gate = make_gate(server, listeners={"elexis": {"deny": "127.0.0.1/32"}, "lan": {"allow": "127.0.0.0/8", "deny": "10.0.0.0/8"}})
    code, text = refused(gate)
    assert code == 1130 and "Adresse" in text
    gate.connect(listener="lan").close()


@pytest.mark.parametrize("value, words", [("192.168.1.7/24", "did you mean 192.168.1.0/24"), ("praxis", "no network"),
                                          ("10.0.0.0/33", "0 to 32")])
def test_bad_networks_are_refused_with_the_place(make_gate, server, value, words):
    gate = make_gate(server, start=False, listeners={"elexis": {"allow": value}})
    with pytest.raises(RuntimeError) as e:
        gate.start()
    assert words in str(e.value) and "[listen elexis] allow" in str(e.value)


def test_a_silent_client_is_let_go(make_gate, server):
    gate = make_gate(server, options={"proxy": {"handshake_timeout": "300ms", "login_timeout": "300ms"}})
    with starttls.connect(gate.port) as s:
        starttls.read_packet(s)
        assert s.recv(100) == b""
    with starttls.connect(gate.port) as raw:
        starttls.read_packet(raw)
        raw.sendall(starttls.ssl_request())
        s = starttls.context(gate.pki.ca_file).wrap_socket(raw, server_hostname="localhost")
        assert s.recv(100) == b""
    gate.wait_log("no login in time")
    gate.wait_log("login not finished in time")


# -- listeners and the way to the server ---------------------------------------------------------------------------------


def test_tls_modes(make_gate, server):
    gate = make_gate(server, listeners={"elexis": {"tls": "required"}, "soft": {"tls": "preferred"}, "inner": {"tls": "off"}})
    code, text = refused(gate, tls=False)
    assert code == 3159 and "TLS" in text
    clients = [gate.connect(listener=listener, tls=tls)
               for listener, tls in (("soft", True), ("soft", False), ("inner", False))]
    for c in clients:
        assert query(c, "SELECT 1") == ((1,),)
    assert {s["listener"] for s in gate.sessions()} == {"soft", "inner"}
    assert gate.idle()["sessions"] == 3, "all listeners are counted"
    gate.control({"cmd": "block"})
    assert refused(gate, listener="inner", tls=False)[0] == 1053
    gate.control("open")


@pytest.mark.parametrize("announce, expected", [("server", None), ("elexis", "5.6.51-"), ("8.0.36-praxis", "8.0.36-praxis")])
def test_announced_version(make_gate, server, announce, expected):
    gate = make_gate(server, listeners={"elexis": {"announce": announce}})
    c = gate.connect()
    real = server.value("SELECT VERSION()")
    version = c.get_server_info()
    assert version.endswith(real) if expected is None else version.startswith(expected)
    assert query(c, "SELECT VERSION()")[0][0] == real


def test_ipv6_and_all_addresses(make_gate, server):
    gate = make_gate(server, listeners={"elexis": {"address": "*"}, "six": {"address": "::1"}})
    for host, listener in (("127.0.0.1", "elexis"), ("::1", "elexis"), ("::1", "six")):
        with starttls.login(gate.ports[listener], gate.pki.ca_file, host=host):
            process.wait_until(lambda: len(gate.sessions()) == 1, what="session")
            assert gate.sessions()[0]["peer"] == host
        process.wait_until(lambda: gate.sessions() == [], what="session gone")


def test_over_tcp_to_a_name_with_several_addresses(make_gate, server):
    # localhost is ::1 and 127.0.0.1; the server listens on one of them only
    gate = make_gate(server, options={"database": {"socket": None, "host": "localhost", "port": server.port}})
    assert query(gate.connect(), "SELECT 1") == ((1,),)


def test_server_away_and_back(make_gate, make_server):
    server = make_server()
    gate = make_gate(server, options={"database": {"connect_retry": "300ms"}})
    c = gate.connect()
    server.stop()
    with pytest.raises(pymysql.err.OperationalError):
        query(c, "SELECT 1")
    code, text = refused(gate)
    assert code == 1053 and "nicht erreichbar" in text
    gate.sections["database"]["connect_retry"] = "60s"
    gate.write_config()
    gate.control("reload")
    thread, out = background(gate.connect)
    thread.join(0.3)
    server.start()
    thread.join()
    assert query(out[0], "SELECT 1") == ((1,),), "a client that came while the server restarted gets in"


def test_proxy_protocol_tells_the_server_the_clients_address(make_gate, make_server):
    server = make_server(args=["--proxy-protocol-networks=127.0.0.1,localhost"])
    server.add_user("weit", "x", host="127.0.0.77")
    gate = make_gate(server, backend="tcp", options={"database": {"proxy_protocol": True}})
    c = gate.connect(user="weit", password="x", bind_address="127.0.0.77")
    assert query(c, "SELECT CURRENT_USER()") == (("weit@127.0.0.77",),)
    with pytest.raises(pymysql.err.OperationalError) as e:
        gate.connect(user="weit", password="x")
    assert e.value.args[0] == 1045 and "127.0.0.1" in e.value.args[1]


def test_socket_activation(make_gate, server):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        gate = make_gate(server, start=False, listeners={"elexis": {"port": listener.getsockname()[1]}})
        # systemd's protocol: descriptors from 3 on, LISTEN_PID is the process itself
        wrapper = ["/usr/bin/python3", "-c",
                   "import os,sys; os.dup2(int(sys.argv[1]), 3, inheritable=True); os.environ.update(LISTEN_PID=str(os.getpid()),"
                   " LISTEN_FDS='1', LISTEN_FDNAMES='elexis'); os.execv(sys.argv[2], sys.argv[2:])"]
        from lib import paths
        child = process.Child("elexgate-proxy", [*wrapper, str(listener.fileno()), str(paths.PROXY), "--config", str(gate.config)],
                              gate.folder / "proxy.log", pass_fds=(listener.fileno(),))
        gate.process = child
        process.wait_until(lambda: gate._ready() or not child.alive(), what="ready")
        assert child.alive(), child.log()
        gate.connect().close()


# -- reload, certificates, resumption ----------------------------------------------------------------------------------


def peer_certificate(gate):
    with starttls.login(gate.port, gate.pki.ca_file) as s:
        return s.getpeercert(binary_form=True)


def test_reload_takes_a_new_certificate_and_keeps_sessions(make_gate, server, pki):
    gate = make_gate(server)
    c = gate.connect()
    new = pki.ca.issue("renewed", common_name="localhost")
    gate.sections["tls"] = {"certificate": new.certificate, "key": new.key}
    gate.write_config()
    answer = gate.control("reload")
    assert set(answer["changed"]) == {"[tls] certificate", "[tls] key"} and answer["restart_needed"] == []
    from cryptography.hazmat.primitives import serialization
    assert peer_certificate(gate) == new.x509.public_bytes(serialization.Encoding.DER)
    assert query(c, "SELECT 1") == ((1,),)


@pytest.mark.parametrize("what", ["expired", "mismatch", "readable"])
def test_a_bad_certificate_leaves_the_old_one_serving(make_gate, server, pki, what):
    gate = make_gate(server)
    before = peer_certificate(gate)
    bad = pki.odd("expired") if what == "expired" else pki.ca.issue("bad", common_name="localhost")
    if what == "readable":
        os.chmod(bad.key, 0o644)
    gate.sections["tls"] = {"certificate": bad.certificate, "key": pki.server.key if what == "mismatch" else bad.key}
    gate.write_config()
    answer = gate.control("reload", check=False)
    assert not answer["ok"] and (str(bad.certificate) in answer["error"] or str(bad.key) in answer["error"]), answer
    assert peer_certificate(gate) == before
    gate.process.signal(signal.SIGHUP)
    gate.wait_log("reload-failed", count=2)
    gate.connect().close()


def test_reload_tells_what_needs_a_restart(gate):
    gate.sections["proxy"]["workers"] = 1
    gate.sections["proxy"]["max_sessions"] = 17
    gate.write_config()
    answer = gate.control("reload")
    assert answer["changed"] == ["[proxy] max_sessions"] and answer["restart_needed"] == ["[proxy] workers"]


def test_reload_refuses_a_broken_file_and_names_the_line(gate):
    gate.config.write_text(gate.config.read_text() + "\n[proxy]\nmax_sesions = 3\n")
    answer = gate.control("reload", check=False)
    assert "max_sesions" in answer["error"] and str(gate.config) in answer["error"]
    gate.connect().close()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_resumption_survives_reload_and_restart(make_gate, server, pki, version):
    import ssl
    gate = make_gate(server)
    tls = starttls.context(pki.ca_file, maximum_version=ssl.TLSVersion[version], minimum_version=ssl.TLSVersion[version])
    first = starttls.login(gate.port, pki.ca_file, tls=tls)
    starttls.query(first, "SELECT 1")
    ticket = first.session
    first.close()

    def resumed():
        with starttls.login(gate.port, pki.ca_file, tls=tls, session=ticket) as s:
            return s.session_reused

    assert resumed()
    new = pki.ca.issue("renewed-again", common_name="localhost")
    gate.sections["tls"] = {"certificate": new.certificate, "key": new.key}
    gate.write_config()
    gate.control("reload")
    assert resumed(), "after a reload with another certificate"
    gate.restart()
    assert resumed(), "after a restart"
    assert gate.status()["totals"]["resumed"] == 1
    assert (gate.folder / "state" / "ticket.keys").stat().st_mode & 0o777 == 0o600


def test_old_tls_is_refused(gate):
    import ssl
    raw = starttls.connect(gate.port)
    starttls.read_packet(raw)
    raw.sendall(starttls.ssl_request())
    tls = starttls.context(gate.pki.ca_file)
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version = ssl.TLSVersion.TLSv1
    tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)):
        tls.wrap_socket(raw, server_hostname="localhost")
    process.wait_until(lambda: "TLS handshake failed" in gate.log, what="log line")


# -- memory -----------------------------------------------------------------------------------------------------------


def rss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Rss:"))


def test_second_signal_while_sessions_are_being_ended(gate):
    """The workers' answers to the drain arrive when the gate is closed already."""
    with starttls.login(gate.port, gate.pki.ca_file) as sock:
        sock.sendall(starttls.packet(b"\x03SELECT SLEEP(30)", 0))
        process.wait_until(lambda: gate.idle()["in_flight"] == 1, what="statement in flight")
        gate.process.signal(signal.SIGTERM)
        gate.wait_log("event=drain-timeout")
        gate.process.signal(signal.SIGTERM)
        assert gate.process.wait(20) == 0, gate.log


@pytest.mark.skipif("asan" in os.environ.get("ELEXGATE_BUILD", ""), reason="a sanitizer's memory is not the proxy's")
def test_a_slow_reader_costs_bounded_memory(gate):
    """600 MB wait behind a client that reads nothing; the proxy keeps no more than its buffers."""
    gate.connect().close()
    before = rss_kib(gate.pid)
    readers = []
    for _ in range(4):
        s = starttls.login(gate.port, gate.pki.ca_file)
        s.sendall(starttls.packet(b"\x03" + b"SELECT REPEAT('x', 1000000) FROM mysql.seq_1_to_150", 0))
        readers.append(s)
    process.wait_until(lambda: gate.idle()["in_flight"] == 4, what="results on their way")
    stable = [0, -1]

    def settled():
        stable.append(gate.status()["totals"]["bytes_out"])
        return stable[-1] == stable[-2] == stable[-3]

    process.wait_until(settled, what="back-pressure", interval=0.2)
    assert rss_kib(gate.pid) - before < 4 * 1024 + 2048, "four readers: four times the buffers"
    for s in readers:
        total = 0
        while total < 150_000_000:
            total += len(s.recv(1 << 20))
        s.close()


def test_sessions_of_all_workers_are_spread_evenly(make_gate, server):
    gate = make_gate(server, options={"proxy": {"workers": 4}})
    held = [gate.connect() for _ in range(16)]
    by_worker = [s["worker"] for s in gate.sessions()]
    assert sorted(by_worker) == sorted(list(range(4)) * 4)
    for c in held:
        c.close()


# -- control socket ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line, code", [(b"nonsense\n", "EBADMSG"), (b"[1]\n", "EBADMSG"), (b"{}\n", "EINVAL"),
                                        (b'{"cmd":"fly"}\n', "EINVAL"), (b'{"cmd":"kill"}\n', "EINVAL"),
                                        (b'{"cmd":"block","until":"noon"}\n', "EINVAL"),
                                        (b'{"cmd":"hold","timeout_ms":-1}\n', "EINVAL"),
                                        (b'{"cmd":"log-level","level":"loud"}\n', "EINVAL")])
def test_bad_requests_get_an_answer(gate, line, code):
    with control.Control(gate.control_socket) as c:
        c.send_raw(line)
        answer = c.receive()
        assert answer["ok"] is False and answer["code"] == code and answer["error"]
    assert gate.status()["state"] == "open"


def test_an_endless_line_is_cut_off(gate):
    with control.Control(gate.control_socket) as c:
        with pytest.raises((OSError, EOFError)):
            for _ in range(40):
                c.send_raw(b"x" * 65536)
            c.receive()
            c.receive()
    assert gate.status()["ok"]


def test_strangers_may_not_control(gate):
    """Another user of the machine is told why, and can do nothing."""
    gate.folder.chmod(0o755)
    for parent in list(gate.folder.parents)[:2]:
        parent.chmod(0o755)
    script = ("import json,os,socket,sys; os.setuid(65534); s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
              " s.sendall(b'{\"cmd\":\"block\"}\\n'); print(s.makefile().readline())")
    out = process.run(["/usr/bin/python3", "-c", script, str(gate.control_socket)])
    answer = json.loads(out.stdout)
    assert answer["code"] == "EACCES" and "control_users" in answer["error"]
    assert gate.status()["state"] == "open"


def test_a_second_proxy_on_the_same_socket_is_refused(gate, make_gate, server):
    other = make_gate(server, start=False, options={"proxy": {"control_socket": gate.control_socket}})
    with pytest.raises(RuntimeError) as e:
        other.start()
    assert "another elexgate-proxy is running" in other.log
    assert gate.status()["ok"]


# -- logs and sockets -------------------------------------------------------------------------------------------------


def test_log_as_json(make_gate, server):
    gate = make_gate(server, options={"log": {"format": "json"}})
    gate.connect(program_name='quote " and \n newline').close()
    gate.wait_log('"event":"end"')
    lines = [json.loads(line) for line in gate.log.splitlines()]
    login = next(line for line in lines if line["event"] == "login")
    assert login["user"] == "root" and login["tls"] == "TLSv1.3" and login["program"] == 'quote " and \n newline'
    end = next(line for line in lines if line["event"] == "end")
    assert end["reason"] == "quit" and end["session"] == login["session"]


def test_no_sql_text_in_the_log(make_gate, server):
    gate = make_gate(server, options={"log": {"level": "debug"}})
    c = gate.connect()
    query(c, "SELECT 'Patient Muster Geheim'")
    c.close()
    gate.wait_log("event=end")
    assert "Geheim" not in gate.log and "SELECT" not in gate.log


def test_keepalive_and_user_timeout_are_set(make_gate, server):
    gate = make_gate(server, backend="tcp", options={"proxy": {"keepalive": "77s"}})
    c = gate.connect()
    query(c, "SELECT 1")

    def quiet():
        """Both sockets wait for nothing but the keepalive, which comes in 77 s."""
        out = process.run(["ss", "-tnoHp"]).stdout
        mine = [line for line in out.splitlines() if f"pid={gate.pid}," in line]
        return len(mine) == 2 and all("timer:(keepalive,1min1" in line for line in mine)

    process.wait_until(quiet, what="keepalive timers of 77 s")
    c.close()
