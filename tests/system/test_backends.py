"""Several database servers behind the gate: looked at, one used, another one when it fails (proxy/backend/backends.h).

Real MariaDB in primary/replica replication and as a Galera cluster; what stands in docs/scaling.md is done here.
"""
import os
import pathlib
import signal
import socket
import threading
import time

import pymysql
import pytest

from lib import mariadb, paths, ports, process, starttls
from lib.fakeserver import FakeServer, error, greeting

PROMOTE = paths.ROOT / "scripts" / "promote-replica"
GALERA = pathlib.Path("/usr/lib/galera/libgalera_smm.so")
REPLICATION = ["--log-bin=bin", "--gtid-strict-mode=1", "--log-slave-updates"]


def query(c, sql):
    with c.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def backends(gate):
    return {b["name"]: b for b in gate.status()["backends"]}


def active(gate):
    return next((b["name"] for b in gate.status()["backends"] if b["active"]), None)


def wait_active(gate, name, timeout=30.0):
    process.wait_until(lambda: active(gate) == name, timeout, f"{name} is used")


def add_probe(server):
    server.add_user("probe", "Puls-7", grants="USAGE ON *.*")


@pytest.fixture
def make_pool(make_gate, folder):
    """A gate in front of several servers: {"db1": server or port, ...}."""

    def make(members, probe=True, options=None, **kwargs):
        secret = folder / "probe"
        secret.write_text("Puls-7\n")
        secret.chmod(0o600)
        first = next(iter(members.values()))
        database = {"host": "127.0.0.1", "port": first.port if hasattr(first, "port") else first, "probe_interval": "100ms",
                    "probe_timeout": "1s", "connect_retry": "3s"}
        if probe:
            database.update(probe_user="probe", probe_password_file=secret)
        sections = {"database": database}
        for name, m in members.items():
            sections[f"backend {name}"] = {"host": "127.0.0.1", "port": m.port if hasattr(m, "port") else m}
        for section, keys in (options or {}).items():
            sections.setdefault(section, {}).update(keys)
        return make_gate(None, options=sections, **kwargs)

    return make


def test_a_late_server_is_down_and_counts_nothing(make_pool):
    """A server that stalls has taken the probe's connection. One of them waits, and is ended properly when the server gets to it."""
    seen, wait = [], threading.Event()

    def late(sock):
        wait.wait(60)
        sock.sendall(greeting())
        seen.append(starttls.read_packet(sock)[1])
        sock.sendall(error(1045, b"no", seq=2, state=b"#28000"))

    with FakeServer() as slow, FakeServer() as other:
        slow.script = late
        gate = make_pool({"db1": slow, "db2": other}, probe=False, options={"database": {"probe_timeout": "200ms"}})
        wait_active(gate, "db2")
        process.wait_until(lambda: backends(gate)["db1"]["detail"] == "no answer in time", what="known to be late")
        assert backends(gate)["db1"]["state"] == "down"
        first = gate.log.count("name=db1")
        slow.script = None
        assert len(slow._sockets) == 1
        wait.set()
        process.wait_until(lambda: backends(gate)["db1"]["state"] == "alive", what="up again")
        assert gate.log.count("name=db1") == first + 1
        assert len(seen) == 1 and b"elexgate: no login" in seen[0]


@pytest.fixture
def pair(make_server):
    """A primary and its replica, which is read-only."""
    primary = make_server(args=["--server-id=1", *REPLICATION])
    replica = make_server(args=["--server-id=2", *REPLICATION, "--read-only"])
    primary.sql("RESET MASTER; CREATE DATABASE practice; CREATE TABLE practice.t (i INT PRIMARY KEY) ENGINE=InnoDB")
    replica.sql("RESET MASTER")
    primary.add_user("elexis", "pw")
    primary.add_user("copy", "pw", grants="REPLICATION SLAVE ON *.*")
    add_probe(primary)
    follow(replica, primary)
    return primary, replica


def follow(replica, primary):
    replica.sql(f"CHANGE MASTER TO master_host='127.0.0.1', master_port={primary.port}, master_user='copy', "
                "master_password='pw', master_use_gtid=slave_pos; START SLAVE")
    at = primary.value("SELECT @@gtid_binlog_pos")
    assert replica.value(f"SELECT MASTER_GTID_WAIT('{at}', 30)") == 0


def promote(server):
    """The script of docs/scaling.md."""
    return process.run([PROMOTE, "--no-defaults", f"--socket={server.socket}", "--user=root"], 60)


# -- primary and replica --------------------------------------------------------------------------------------------


def test_clients_follow_the_primary(pair, make_pool):
    primary, replica = pair
    gate = make_pool({"db2": replica, "db1": primary})  # the order does not matter: db2 is read-only
    user = dict(user="elexis", password="pw", database="practice")
    quiet, busy = gate.connect(**user), gate.connect(**user)
    query(quiet, "INSERT INTO t VALUES (1)")
    b = backends(gate)
    assert b["db1"]["state"] == "writable" and b["db1"]["active"] and b["db2"]["state"] == "read-only" and not b["db2"]["active"]
    assert b["db2"]["detail"] == "read_only is on" and b["db1"]["address"] == f"127.0.0.1:{primary.port}"
    assert {s["backend"] for s in gate.sessions()} == {"db1"}
    at = primary.value("SELECT @@gtid_binlog_pos")
    assert replica.value(f"SELECT MASTER_GTID_WAIT('{at}', 30)") == 0
    answers = []

    def sleep():
        try:
            answers.append(query(busy, "SELECT SLEEP(30)"))
        except pymysql.err.MySQLError as e:
            answers.append(e)

    thread = threading.Thread(target=sleep)
    thread.start()
    process.wait_until(lambda: gate.idle()["in_flight"] == 1, what="a statement under way")
    primary.kill()
    thread.join(20)
    assert "Datenbankserver" in str(answers[0]), "in words, in mid-statement"
    with pytest.raises(pymysql.err.OperationalError) as e:
        query(quiet, "INSERT INTO t VALUES (2)")
    assert "Datenbankserver" in str(e.value), "in words, as the answer to the next statement"
    process.wait_until(lambda: backends(gate)["db1"]["state"] == "down", what="db1 is given up")
    assert active(gate) == "db1", "a read-only one is not taken"
    with pytest.raises(pymysql.err.MySQLError) as e:
        gate.connect(**user)
    assert "nicht erreichbar" in str(e.value)
    assert "backends-none" in [w["code"] for w in gate.status()["warnings"]]
    assert "may be written" in promote(replica).stdout
    wait_active(gate, "db2")
    again = gate.connect(**user)
    query(again, "INSERT INTO t VALUES (2)")
    assert query(again, "SELECT COUNT(*) FROM t") == ((2,),)
    assert "event=backend-switch from=db1 to=db2" in gate.log
    # the former primary comes back as a replica, and nobody goes back to it
    primary.args += ["--read-only"]
    primary.start()
    follow(primary, replica)
    process.wait_until(lambda: backends(gate)["db1"]["state"] == "read-only", what="db1 is back")
    query(again, "INSERT INTO t VALUES (3)")
    assert active(gate) == "db2"


def test_a_planned_switch_ends_sessions_in_words(pair, make_pool):
    primary, replica = pair
    gate = make_pool({"db1": primary, "db2": replica}, options={"database": {"probe_fall": 2}})
    c = gate.connect(user="elexis", password="pw", database="practice")
    primary.sql("SET GLOBAL read_only=1")
    promote(replica)
    wait_active(gate, "db2")
    with pytest.raises(pymysql.err.OperationalError) as e:
        for _ in range(50):
            query(c, "SELECT 1")
            time.sleep(0.05)
    assert "Datenbankserver" in str(e.value)
    query(gate.connect(user="elexis", password="pw", database="practice"), "INSERT INTO t VALUES (7)")
    assert replica.value("SELECT COUNT(*) FROM practice.t") == 1


def test_a_former_primary_that_is_writable_again_is_not_used(make_server, make_pool):
    """Sticky, also over a restart and a handover; and a warning, as two writable ones are no replication."""
    one, two = make_server(), make_server()
    for s in (one, two):
        add_probe(s)
    gate = make_pool({"db1": one, "db2": two})
    gate.connect().close()
    assert active(gate) == "db1"
    process.wait_until(lambda: "backends-several-writable" in [w["code"] for w in gate.status()["warnings"]], what="a warning")
    one.kill()
    wait_active(gate, "db2")
    one.start()
    process.wait_until(lambda: backends(gate)["db1"]["state"] == "writable", what="db1 is back")
    assert active(gate) == "db2"
    gate.restart()
    wait_active(gate, "db2")
    gate.process.signal(signal.SIGHUP)
    gate.wait_log("event=reloaded")
    assert active(gate) == "db2"
    old = gate.process
    gate.process = process.Child("elexgate-proxy", [paths.PROXY, "--config", gate.config, "--takeover"], gate.folder / "n.log")
    assert old.wait(20) == 0
    gate.connect().close()
    assert active(gate) == "db2"


class Pausable:
    """A server that may be stopped as a whole: it answers nothing, and its connections stay open."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.server.process.signal(signal.SIGSTOP)

    def __exit__(self, *exc):
        self.server.process.signal(signal.SIGCONT)


def test_a_hiccup_moves_nothing_and_a_hanging_server_is_left(make_server, make_pool):
    one, two = make_server(), make_server(args=["--read-only"])
    for s in (one, two):
        add_probe(s)
    gate = make_pool({"db1": one, "db2": two}, options={"database": {"probe_timeout": "300ms", "probe_fall": 10}})
    c = gate.connect()
    assert active(gate) == "db1"
    with Pausable(one):
        gate_fails = lambda: backends(gate)["db1"]["detail"] == "no answer in time"
        process.wait_until(gate_fails, what="a look that failed")
        assert backends(gate)["db1"]["state"] == "writable"
    process.wait_until(lambda: backends(gate)["db1"]["detail"] == "", what="it answers again")
    assert query(c, "SELECT 1") == ((1,),) and gate.log.count("event=backend-switch") == 1
    two.sql("SET GLOBAL read_only=0")
    with Pausable(one):
        wait_active(gate, "db2")
        with pytest.raises(pymysql.err.OperationalError) as e:
            query(c, "SELECT 1")
        assert "Datenbankserver" in str(e.value)
        gate.connect().close()


def test_without_an_account_any_that_answers_will_do(make_server, make_pool):
    one, two = make_server(args=["--read-only"]), make_server()
    gate = make_pool({"db1": one, "db2": two}, probe=False)
    gate.connect().close()
    assert active(gate) == "db1" and backends(gate)["db1"]["state"] == "alive"
    one.stop()
    wait_active(gate, "db2")
    gate.connect().close()


def test_a_refused_probe_account_does_not_close_the_gate(make_server, make_pool):
    one, two = make_server(), make_server(args=["--read-only"])
    gate = make_pool({"db1": one, "db2": two})
    gate.connect().close()
    b = backends(gate)["db1"]
    assert b["state"] == "alive" and "probe" in b["detail"]
    add_probe(one)
    process.wait_until(lambda: backends(gate)["db1"]["state"] == "writable", what="the account works")


def test_other_login_methods_of_the_probe(make_server, make_pool):
    """The server's default is another method: it asks for ours. An account with another one is told apart."""
    one, two = make_server(args=["--plugin-load-add=auth_ed25519", "--plugin-load-add=auth_socket"]), make_server()
    one.sql("CREATE USER probe@'%' IDENTIFIED VIA ed25519 USING PASSWORD('Puls-7')")
    add_probe(two)
    gate = make_pool({"db1": one, "db2": two})
    gate.connect().close()
    assert active(gate) == "db2", "a surely writable one is better"
    assert "mysql_native_password" in backends(gate)["db1"]["detail"]


@pytest.mark.sanitize
@pytest.mark.parametrize("says", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\xff\xff\x00", b"\x00" * 100, b"", b"\x0a" * 6000,
                                  b"\x17\x00\x00\x00\xff\x69\x04Too many connections"],
                         ids=["http", "long packet", "zeros", "nothing", "endless", "refusal"])
def test_what_is_no_database_is_down(server, make_pool, says):
    add_probe(server)
    with socket.socket() as fake:
        fake.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        fake.bind(("127.0.0.1", ports.free_port()))
        fake.listen(16)
        stop = threading.Event()

        def play():
            fake.settimeout(0.2)
            while not stop.is_set():
                try:
                    c, _ = fake.accept()
                except TimeoutError:
                    continue
                c.sendall(says)
                c.close()

        thread = threading.Thread(target=play)
        thread.start()
        try:
            gate = make_pool({"fake": fake.getsockname()[1], "db": server})
            gate.connect().close()
            assert active(gate) == "db" and backends(gate)["fake"]["state"] == "down" and backends(gate)["fake"]["detail"]
        finally:
            stop.set()
            thread.join()


@pytest.mark.sanitize
def test_backends_change_by_a_reload(server, make_pool):
    add_probe(server)
    dead = ports.free_port()
    gate = make_pool({"db1": dead, "db2": server})
    c = gate.connect()
    gate.sections["backend db3"] = {"host": "127.0.0.1", "port": server.port}
    gate.write_config()
    gate.control("reload")
    assert query(c, "SELECT 1") == ((1,),)
    process.wait_until(lambda: backends(gate).get("db3", {}).get("state") == "writable", what="db3 is known")
    wait_active(gate, "db2")  # a server that answers late is told to be down meanwhile
    gate.connect().close()
    for name in ("db1", "db2", "db3"):
        del gate.sections[f"backend {name}"]
    gate.sections["database"].update(port=server.port)
    gate.write_config()
    gate.control("reload")
    assert gate.status()["backends"] == []
    gate.connect().close()
    text = gate.cli("status").stdout
    assert "db1" not in text
    gate.sections["backend x"] = {"port": server.port}
    gate.sections["database"].update(probe_password_file=None)
    gate.write_config()
    assert "probe_password_file" in gate.control("reload", check=False)["error"]


def test_over_unix_sockets_and_in_words(server, make_pool, make_gate):
    add_probe(server)
    gate = make_gate(server, options={"backend local": {"socket": server.socket}})
    gate.connect().close()
    (b,) = gate.status()["backends"]
    assert b["active"] and b["address"] == f"unix:{server.socket}"
    process.wait_until(lambda: backends(gate)["local"]["state"] == "alive", what="looked at")
    text = gate.cli("status").stdout
    assert "local" in text and server.socket in text


# -- Galera ------------------------------------------------------------------------------------------------------------


class Galera(mariadb.MariaDB):
    """A node of a cluster on 127.0.0.1."""

    if os.geteuid() == 0:  # of two options the first counts
        program = (*mariadb.MariaDB.program, "--user=mysql")

    def __init__(self, *args, base, peers, bootstrap=False, **kwargs):
        options = [f"base_host=127.0.0.1", f"base_port={base}", f"gmcast.listen_addr=tcp://127.0.0.1:{base}",
                   f"ist.recv_addr=127.0.0.1:{base + 1}", "gcache.size=8M", "gcs.fc_limit=64", "evs.suspect_timeout=PT2S",
                   "evs.inactive_timeout=PT4S", "evs.inactive_check_period=PT0.5S", "evs.keepalive_period=PT0.5S"]
        self.join = "gcomm://" + ",".join(f"127.0.0.1:{p}" for p in peers)
        super().__init__(*args, args=[
            "--wsrep-on=ON", f"--wsrep-provider={GALERA}", "--wsrep-cluster-name=test", f"--wsrep-node-address=127.0.0.1:{base}",
            f"--wsrep-node-name=n{base}", "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{base + 2}", "--wsrep-provider-options=" + ";".join(options),
            f"--wsrep-cluster-address={'gcomm://' if bootstrap else self.join}",
            *(["--wsrep-new-cluster"] if bootstrap else [])], **kwargs)


@pytest.mark.slow
@pytest.mark.skipif(not GALERA.exists(), reason="galera-4 is not installed")
def test_a_galera_cluster_loses_its_node(session_folder, template, make_pool):
    bases = [ports.free_row(4) for _ in range(3)]
    os.chmod(session_folder, 0o711)  # the nodes run as mysql: rsync as root would give up its rights, and fail
    nodes = []
    try:
        for i, base in enumerate(bases):
            node = Galera(session_folder / f"gal{i}", template=template, base=base, peers=bases, bootstrap=i == 0)
            nodes.append(node)
            if os.geteuid() == 0:
                process.run(["chown", "-R", "mysql:", node.folder])
            node.start(timeout=90)
            process.wait_until(lambda: node.status("wsrep_cluster_size") == i + 1 and node.status("wsrep_ready") == "ON", 60,
                               f"node {i} has joined")
            if i == 0:
                add_probe(node)
                node.add_user("elexis", "pw")
                node.sql("CREATE DATABASE practice; CREATE TABLE practice.t (i INT PRIMARY KEY) ENGINE=InnoDB")
        gate = make_pool({f"n{i}": n for i, n in enumerate(nodes)})
        user = dict(user="elexis", password="pw", database="practice")
        c = gate.connect(**user)
        query(c, "INSERT INTO t VALUES (1)")
        assert active(gate) == "n0" and all(b["galera"] and b["state"] == "writable" for b in backends(gate).values())
        assert "backends-several-writable" not in [w["code"] for w in gate.status()["warnings"]]
        nodes[0].kill()
        wait_active(gate, "n1", 60)
        with pytest.raises(pymysql.err.OperationalError) as e:
            query(c, "INSERT INTO t VALUES (2)")
        assert "Datenbankserver" in str(e.value)
        deadline = time.monotonic() + 60
        while True:  # until the others have agreed that one is gone
            try:
                c = gate.connect(**user)
                query(c, "INSERT INTO t VALUES (2)")
                break
            except pymysql.err.MySQLError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        assert nodes[2].value("SET SESSION wsrep_sync_wait=1; SELECT COUNT(*) FROM practice.t") == 2
        # a node that has lost the others must not be used
        nodes[2].kill()
        process.wait_until(lambda: backends(gate)["n1"]["state"] == "read-only", 60, "a node without quorum")
        assert "backends-none" in [w["code"] for w in gate.status()["warnings"]]
    finally:
        for node in nodes:
            node.kill()
