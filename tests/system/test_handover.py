"""Restart without loss: a new process takes the listeners, the old one keeps its sessions (proxy/control/handover.h)."""
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

import pymysql
import pytest

from lib import control, paths, process, starttls

pytestmark = pytest.mark.sanitize


def query(c, sql):
    with c.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def take_over(gate, timeout=30.0, env=None):
    """Starts a successor beside gate.process. Returns the old process; gate.process is the new one."""
    old = gate.process
    new = process.Child("elexgate-proxy", [paths.PROXY, "--config", gate.config, "--takeover"],
                        gate.folder / f"proxy.{time.monotonic_ns()}.log", env=env)
    process.wait_until(lambda: pid_now(gate) == new.pid or not new.alive(), timeout, "the successor serves")
    if not new.alive():
        raise RuntimeError(new.log())
    gate.process = new
    return old


def fails_to_take_over(gate, timeout=30.0):
    """Starts a successor that must end by itself. Returns its log."""
    new = process.Child("elexgate-proxy", [paths.PROXY, "--config", gate.config, "--takeover"],
                        gate.folder / f"proxy.{time.monotonic_ns()}.log")
    assert new.wait(timeout) == 1
    return new.log()


def pid_now(gate):
    try:
        return gate.status()["pid"]
    except (OSError, EOFError):
        return None


@pytest.fixture
def end():
    """Ends old processes after the test."""
    children = []
    yield children.append
    for c in children:
        c.kill()


def gone(child):
    process.wait_until(lambda: not child.alive(), what="the old process has ended")
    return child.wait()


# -- the essence --------------------------------------------------------------------------------------------------


def test_sessions_live_on_and_the_old_process_ends_with_the_last(gate, server, end):
    server.sql("CREATE DATABASE IF NOT EXISTS h; CREATE OR REPLACE TABLE h.t (i INT) ENGINE=InnoDB")
    idle, busy = gate.connect(), gate.connect(database="h", autocommit=False)
    query(busy, "INSERT INTO t VALUES (1)")
    slow_answer = []
    slow = threading.Thread(target=lambda: slow_answer.append(query(idle, "SELECT SLEEP(2)")))
    slow.start()
    process.wait_until(lambda: gate.idle()["in_flight"] == 1, what="a statement under way")
    old = take_over(gate)
    end(old)
    new = gate.connect()
    assert query(new, "SELECT 3") == ((3,),)
    query(busy, "INSERT INTO t VALUES (2)")
    busy.commit()
    slow.join()
    assert slow_answer == [((0,),)]
    assert server.value("SELECT COUNT(*) FROM h.t") == 2
    assert old.alive()
    idle.close()
    busy.close()
    assert gone(old) == 0
    assert "event=all-left" in old.log() and query(new, "SELECT 1") == ((1,),)
    process.wait_until(lambda: gate.status()["predecessors"] == [], what="the predecessor is forgotten")
    assert sorted(f.name for f in gate.folder.glob("proxy.sock*")) == ["proxy.sock"]


def test_an_old_process_without_sessions_ends_at_once(gate, end):
    old = take_over(gate)
    end(old)
    assert gone(old) == 0


def test_everybody_is_counted_in_both(gate, server, end):
    first = gate.connect(program_name="im alten")
    query(first, "SELECT 1")
    (before,) = gate.sessions()
    old = take_over(gate)
    end(old)
    second = gate.connect(program_name="im neuen")
    listed = {s["program"]: s for s in gate.sessions()}
    assert set(listed) == {"im alten", "im neuen"}
    assert listed["im alten"]["id"] == before["id"] < listed["im neuen"]["id"], "numbers are given once"
    status = gate.status()
    assert status["sessions"] == 2 and status["idle"]["sessions"] == 2 and status["pid"] == gate.pid
    (predecessor,) = status["predecessors"]
    assert predecessor["pid"] == old.pid and predecessor["sessions"] == 1 and predecessor["handed_over"]["until"]
    assert str(old.pid) in gate.cli("status").stdout
    gate.control({"cmd": "kill", "session": before["id"]})
    with pytest.raises(pymysql.err.OperationalError):
        query(first, "SELECT 1")
    assert gate.control({"cmd": "kill", "session": before["id"] + 10**6}, check=False)["code"] == "ENOENT"
    assert query(second, "SELECT 1") == ((1,),)


def test_the_idle_clock_hears_the_old_process(gate, server, end):
    server.sql("CREATE DATABASE IF NOT EXISTS h; CREATE OR REPLACE TABLE h.t (i INT) ENGINE=InnoDB")
    c = gate.connect(database="h", autocommit=False)
    old = take_over(gate)
    end(old)
    time.sleep(0.5)
    assert gate.idle()["write_ms"] >= 400
    with gate.watch(events=["write", "idle"], interval_ms=50) as w:
        assert w.receive()["ok"]
        query(c, "INSERT INTO t VALUES (1)")
        events = []
        while not any(e["event"] == "write" for e in events):
            events.append(w.receive())
        idle = w.receive()
        while idle["event"] != "idle" or not idle["idle"]["transactions"]:
            idle = w.receive()
    assert gate.idle()["transactions"] == 1 and gate.idle()["write_ms"] < 5000
    slow = threading.Thread(target=query, args=(c, "INSERT INTO t SELECT SLEEP(1)"))
    slow.start()
    process.wait_until(lambda: gate.idle()["write_in_flight"] == 1, what="its write in flight")
    assert gate.idle()["write_ms"] == 0
    slow.join()
    time.sleep(0.5)
    old.kill()  # its open transaction is rolled back: a write
    process.wait_until(lambda: gate.idle()["sessions"] == 0, what="its sessions are gone")
    assert gate.idle()["write_ms"] < 400


def test_an_old_process_that_does_not_answer_counts_as_writing(gate, end):
    c = gate.connect()
    old = take_over(gate)
    end(old)
    old.signal(signal.SIGSTOP)
    try:
        idle = gate.idle()
        assert idle["write_ms"] == 0 and idle["write_in_flight"] >= 1 and idle["sessions"] >= 1
        assert "answer" in gate.status()["predecessors"][0]["error"]
        assert "answer" in gate.control("sessions")["incomplete"]
        answer = gate.control({"cmd": "block", "grace_ms": 100}, check=False)
        assert answer["code"] == "ETIMEDOUT", "a restore must not believe that nobody is in"
    finally:
        old.signal(signal.SIGCONT)
    process.wait_until(lambda: gate.idle()["write_in_flight"] == 0, what="it answers again")
    gate.control("open")
    c.close()


# -- block, hold, drain -----------------------------------------------------------------------------------------------


def test_a_block_ends_sessions_in_both(gate, server, end):
    a = gate.connect()
    old = take_over(gate)
    end(old)
    b = gate.connect()
    answer = gate.control({"cmd": "block", "reason": "Rücksicherung", "grace_ms": 1000})
    assert answer["ended"] == 2 and len(answer["addresses"]) == 2
    for c in (a, b):
        with pytest.raises(pymysql.err.OperationalError) as e:
            query(c, "SELECT 1")
        assert "cksicherung" in str(e.value)
    assert gone(old) == 0
    assert gate.status()["state"] == "blocked" and (gate.folder / "state" / "block.json").exists()
    assert take_over(gate) and gate.status()["state"] == "blocked", "a successor keeps people out as well"
    gate.control("open")
    gate.connect().close()


def test_the_old_process_leaves_the_block_file_alone(gate, server, end):
    a = gate.connect(autocommit=False)
    query(a, "SELECT 1 FROM mysql.global_priv")  # a transaction, so that it stays through the grace
    old = take_over(gate)
    end(old)
    thread = threading.Thread(target=gate.control, args=({"cmd": "block", "grace_ms": 1500},))
    thread.start()
    process.wait_until(lambda: gate.status()["state"] == "blocked", what="blocked")
    thread.join()
    with pytest.raises(pymysql.err.MySQLError):
        query(a, "SELECT 1")
    assert gone(old) == 0
    assert (gate.folder / "state" / "block.json").exists()
    gate.restart()
    assert gate.status()["state"] == "blocked"


def test_a_hold_holds_in_both(gate, server, end):
    a = gate.connect()
    old = take_over(gate)
    end(old)
    b = gate.connect()
    with control.Control(gate.control_socket) as c:
        assert c.call({"cmd": "hold", "timeout_ms": 2000, "max_ms": 20000})["held"]
        done = []
        threads = [threading.Thread(target=lambda x=x: done.append(query(x, "SELECT 1"))) for x in (a, b)]
        for t in threads:
            t.start()
        time.sleep(0.5)
        assert done == [], "held in both"
        assert c.call({"cmd": "release"})["ok"]
        for t in threads:
            t.join(10)
        assert len(done) == 2
        # a transaction in the old one keeps the hold from being granted, and nobody stays held
        a.begin()
        query(a, "SELECT * FROM mysql.global_priv")
        assert c.call({"cmd": "hold", "timeout_ms": 200, "max_ms": 20000})["code"] == "ETIMEDOUT"
    assert query(b, "SELECT 1") == ((1,),) and query(a, "SELECT 1") == ((1,),)
    # hanging up lets go everywhere
    a.rollback()
    with control.Control(gate.control_socket) as c:
        assert c.call({"cmd": "hold", "timeout_ms": 2000, "max_ms": 20000})["held"]
    assert query(a, "SELECT 1") == ((1,),) and query(b, "SELECT 1") == ((1,),)


def test_no_handover_during_a_hold_or_drain(gate):
    with control.Control(gate.control_socket) as c:
        assert c.call({"cmd": "hold", "timeout_ms": 2000, "max_ms": 20000})["held"]
        assert "holds the clients" in fails_to_take_over(gate)
    gate.control({"cmd": "drain", "timeout_ms": 100})
    assert "drain" in fails_to_take_over(gate)
    gate.control("open")
    gate.connect().close()


def test_drain_and_stop_reach_the_old_process(gate, end):
    a = gate.connect()
    old = take_over(gate)
    end(old)
    gate.control({"cmd": "drain", "timeout_ms": 100})
    with pytest.raises(pymysql.err.OperationalError):
        query(a, "SELECT 1")
    assert gone(old) == 0
    gate.control("open")
    a = gate.connect()
    old = take_over(gate)
    end(old)
    gate.stop()
    old.wait_log("event=drain-timeout")
    with pytest.raises(pymysql.err.OperationalError):
        while True:
            query(a, "SELECT 1")
    assert gone(old) == 0


def test_after_the_time_limit_sessions_are_ended_in_words(make_gate, server, end):
    gate = make_gate(server, options={"proxy": {"handover_timeout": "1s", "grace": "1s"}})
    quiet, busy = gate.connect(), gate.connect(autocommit=False)
    query(busy, "SELECT * FROM mysql.global_priv")
    old = take_over(gate)
    end(old)
    old.wait_log("event=handover-timeout")
    with pytest.raises(pymysql.err.OperationalError) as e:
        query(quiet, "SELECT 1")
    assert "Datenbankzugang" in str(e.value), "in words, and at a statement's begin"
    with pytest.raises(pymysql.err.OperationalError):
        for _ in range(100):
            query(busy, "SELECT 1")
            time.sleep(0.1)
    assert gone(old) == 0


# -- many restarts ------------------------------------------------------------------------------------------------------


def test_twenty_restarts_under_load_refuse_nobody(make_gate, server, end):
    """A thousand connects while the process is exchanged twenty times; sessions from before the first answer to the end."""
    gate = make_gate(server, options={"log": {"level": "info"}})
    kept = [gate.connect() for _ in range(4)]
    kept[0].begin()
    query(kept[0], "SELECT * FROM mysql.global_priv")
    numbers = {query(c, "SELECT CONNECTION_ID()") for c in kept}
    wanted, restarts, made, failures, stop = 1000, 20, [], [], threading.Event()

    def load():
        while not stop.is_set():
            try:
                c = gate.connect()
                assert query(c, "SELECT 1") == ((1,),)
                c.close()
                made.append(1)
            except Exception as e:
                failures.append(e)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for t in threads:
        t.start()
    try:
        for n in range(restarts):
            process.wait_until(lambda: len(made) >= n * wanted // restarts or failures, 120, "connects")
            end(take_over(gate))
        process.wait_until(lambda: len(made) >= wanted or failures, 120, "connects")
    finally:
        stop.set()
        for t in threads:
            t.join(60)
    assert failures == [] and len(made) >= wanted
    assert {query(c, "SELECT CONNECTION_ID()") for c in kept} == numbers
    assert gate.status()["sessions"] == len(kept)
    kept[0].commit()


def test_a_chain_of_old_processes_is_all_there(gate, end):
    connections, olds = [gate.connect()], []
    for _ in range(3):
        olds.append(take_over(gate))
        end(olds[-1])
        connections.append(gate.connect())
    assert len(gate.status()["predecessors"]) == 3
    assert len(gate.sessions()) == 4 == len({s["id"] for s in gate.sessions()})
    olds[1].kill()
    process.wait_until(lambda: len(gate.sessions()) == 3, what="the killed one's session is gone")
    assert query(connections[0], "SELECT 1") == ((1,),)
    connections[0].close()
    assert gone(olds[0]) == 0
    process.wait_until(lambda: len(gate.status()["predecessors"]) == 1, what="one is left")
    assert gate.control({"cmd": "block", "grace_ms": 0})["ended"] == 2
    gate.control("open")


def test_resumption_and_stale_addresses_go_over(gate, pki, end):
    with starttls.login(gate.port, gate.pki.ca_file) as s:
        pass
    gate.control({"cmd": "block"})
    gate.control({"cmd": "open", "stale_addresses": ["127.0.0.9"], "stale_ms": 60000})
    keys = (gate.folder / "state" / "ticket.keys").read_bytes()
    end(take_over(gate))
    assert (gate.folder / "state" / "ticket.keys").read_bytes() == keys
    with pytest.raises(pymysql.err.MySQLError) as e:
        gate.connect(bind_address="127.0.0.9")
    assert "neu starten" in str(e.value)
    gate.connect().close()


def test_the_new_configuration_counts(make_gate, server, end):
    gate = make_gate(server, listeners={"elexis": {}, "tools": {"tls": "off"}})
    old_port = gate.ports["tools"]
    kept = gate.connect(listener="tools", tls=False)
    from lib import ports
    gate.sections["listen tools"]["port"] = gate.ports["tools"] = ports.free_port()
    gate.sections["proxy"]["workers"] = 3
    gate.write_config()
    end(take_over(gate))
    assert gate.status()["workers"] == 3
    gate.connect(listener="tools", tls=False).close()
    with socket.socket() as s:
        assert s.connect_ex(("127.0.0.1", old_port)) != 0, "what the new configuration does not name is closed"
    assert query(kept, "SELECT 1") == ((1,),)


# -- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_bad_configuration_leaves_the_old_one_untouched(gate):
    c = gate.connect()
    good = gate.config.read_text()
    gate.config.write_text(good + "\n[proxy]\nnonsense = 1\n")
    assert "nonsense" in fails_to_take_over(gate)
    gate.config.write_text(good.replace("state_dir = ", "state_dir = /proc/nowhere"))
    fails_to_take_over(gate)
    gate.config.write_text(good)
    assert query(c, "SELECT 1") == ((1,),) and gate.connect() and gate.status()["predecessors"] == []
    assert sorted(f.name for f in gate.folder.glob("proxy.sock*")) == ["proxy.sock"]


def test_another_state_folder_must_not_forget_a_block(gate):
    gate.control({"cmd": "block"})
    good = gate.config.read_text()
    gate.config.write_text(good.replace(str(gate.folder / "state"), str(gate.folder / "other")))
    assert "state_dir" in fails_to_take_over(gate)
    gate.config.write_text(good)
    assert gate.status()["state"] == "blocked"


def test_takeover_of_nothing_is_a_start(make_gate, server):
    gate = make_gate(server, start=False)
    gate.process = process.Child("elexgate-proxy", [paths.PROXY, "--config", gate.config, "--takeover"],
                                 gate.folder / "proxy.log")
    process.wait_until(gate._ready, what="ready")
    gate.connect().close()


class Successor:
    """The new process's side of the conversation, to be stopped wherever one likes."""

    def __init__(self, gate, version=1):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(gate.control_socket))
        self.answer, self.fds = self.ask({"cmd": "handover", "version": version})

    def ask(self, request):
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        line, fds = b"", []
        while not line.endswith(b"\n"):
            data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(64 * 4))
            if not data:
                raise EOFError
            line += data
            for level, kind, payload in ancillary:
                assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
                fds += struct.unpack(f"{len(payload) // 4}i", payload)
        return json.loads(line.split(b"\n")[0]), fds

    def close(self):
        self.socket.close()
        for fd in self.fds:
            os.close(fd)


@pytest.mark.parametrize("when", ["after the sockets", "after the take", "after the take, socket exchanged"])
def test_a_successor_that_dies_changes_nothing(gate, when):
    c = gate.connect()
    s = Successor(gate)
    assert s.answer["ok"] and len(s.fds) == 1 and s.answer["sockets"][0]["port"] == gate.port
    waiting = None
    if when != "after the sockets":
        assert s.ask({"cmd": "handover-take"})[0]["last_id"] >= 1
        waiting = threading.Thread(target=lambda: gate.connect().close())
        waiting.start()  # in the kernel's queue
        assert len(list(gate.folder.glob("proxy.sock.o*"))) == 1
    if when.endswith("exchanged"):
        (gate.folder / "dead").unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(gate.folder / "dead"))
            os.rename(gate.folder / "dead", gate.control_socket)
    s.close()
    gate.wait_log("event=handover-failed")
    process.wait_until(lambda: pid_now(gate) == gate.pid, what="the old one answers")
    if waiting:
        waiting.join(20)
        assert not waiting.is_alive()
    gate.connect().close()
    assert query(c, "SELECT 1") == ((1,),)
    assert list(gate.folder.glob("proxy.sock.*")) == []


def test_nothing_is_done_to_half_of_the_gate(gate, end):
    """In the moment of a handover, and over connections from before it."""
    early = [control.Control(gate.control_socket) for _ in range(4)]
    for c in early:
        assert c.call({"cmd": "status"})["ok"]
    s = Successor(gate)
    assert s.ask({"cmd": "handover-take"})[0]["ok"]
    for cmd in ("block", "drain", "open", "hold"):
        assert early[0].call({"cmd": cmd})["code"] == "EAGAIN", cmd
    s.close()
    gate.wait_log("event=handover-failed")
    kept = gate.connect()
    end(take_over(gate))
    for c, cmd in zip(early, ("block", "hold", "status", "release")):
        assert c.call({"cmd": cmd})["code"] == "EAGAIN", cmd
        c.close()
    assert gate.status()["state"] == "open" and query(kept, "SELECT 1") == ((1,),)


def test_a_successor_that_hangs_is_given_up(gate):
    s = Successor(gate)
    assert s.ask({"cmd": "handover-take"})[0]["ok"]
    gate.wait_log("event=handover-timeout")
    gate.connect().close()
    assert s.ask({"cmd": "handover-done", "timeout_ms": 1000})[0]["code"] == "ETIMEDOUT", "the words that it missed"
    s.close()
    assert pid_now(gate) == gate.pid


def test_the_old_one_dies_at_any_moment(make_gate, server, end):
    """kill -9 of the old process, earlier and later while its successor starts: the successor serves in any case."""
    for delay in (0.0, 0.003, 0.006, 0.01, 0.02, 0.05):
        gate = make_gate(server)
        gate.connect().close()
        old = gate.process
        end(old)
        gate.process = process.Child("elexgate-proxy", [paths.PROXY, "--config", gate.config, "--takeover"],
                                     gate.folder / "new.log")
        time.sleep(delay)
        old.kill()
        process.wait_until(lambda: pid_now(gate) == gate.pid or not gate.alive(), what="the successor serves")
        assert gate.alive(), gate.log
        gate.connect().close()
        gate.stop()


def test_the_new_one_dies_and_the_next_finds_the_old(gate, end):
    c = gate.connect()
    old = take_over(gate)
    end(old)
    b = gate.connect()
    gate.kill()
    assert query(c, "SELECT 1") == ((1,),), "the old one does not mind"
    gate.start()
    assert [s["pid"] for s in gate.status()["predecessors"]] == [old.pid]
    assert gate.control({"cmd": "block", "grace_ms": 0})["ended"] == 1
    c.close()
    assert gone(old) == 0
    gate.control("open")
    b.close()


def test_versions_that_do_not_fit_are_refused(gate, folder):
    s = Successor(gate, version=99)
    assert s.answer["code"] == "EPROTONOSUPPORT" and s.fds == []
    s.close()
    gate.connect().close()
    # a new process that meets one from before, or from long after
    for answer, words in (({"ok": False, "code": "EINVAL", "error": "there is no command \"handover\""}, "no command"),
                          ({"ok": True, "version": 2, "sockets": []}, "version 2"),
                          ({"ok": True, "version": 1, "sockets": [{"name": "x"}]}, "described 1 sockets and sent 0")):
        path = folder / "fake.sock"
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as fake:
            fake.bind(str(path))
            fake.listen(4)
            good = gate.config.read_text()
            gate.config.write_text(good.replace(str(gate.control_socket), str(path)))

            def play():
                c, _ = fake.accept()
                c.recv(4096)
                c.sendall(json.dumps(answer).encode() + b"\n")
                c.recv(4096)
                c.close()

            t = threading.Thread(target=play)
            t.start()
            assert words in fails_to_take_over(gate)
            t.join()
            gate.config.write_text(good)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_strangers_get_no_listening_socket(make_gate, server):
    gate = make_gate(server, options={"proxy": {"control_users": "root nobody"}})
    os.chmod(gate.folder.parent, 0o755)
    code = ("import os,socket,sys; os.setgid(65534); os.setuid(65534); s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
            "s.sendall(sys.argv[2].encode()+b'\\n'); print(s.recv(4096).decode())")
    folders = [gate.folder, *gate.folder.parents]
    for f in folders[:3]:
        os.chmod(f, 0o755)
    for request in ('{"cmd":"handover","version":1}', '{"cmd":"upgrade"}'):
        done = subprocess.run(["/usr/bin/python3", "-c", code, str(gate.control_socket), request], capture_output=True,
                              text=True, timeout=30)
        assert json.loads(done.stdout)["code"] == "EACCES", done
    # nor does a new process take its clients from a stranger's socket
    gate.connect().close()


# -- elexgate upgrade -----------------------------------------------------------------------------------------------


class Installed:
    """A gate whose program is a copy of its own, so that it can be exchanged."""

    def __init__(self, make_gate, server, folder, env=None):
        self.program = folder / "elexgate-proxy"
        shutil.copy(paths.PROXY, self.program)
        self.gate = make_gate(server, start=False)
        self.gate.process = process.Child("elexgate-proxy", [self.program, "--config", self.gate.config],
                                          self.gate.folder / "proxy.log", env=env)
        process.wait_until(self.gate._ready, what="ready")

    def upgrade(self, check=True):
        done = self.gate.cli("--json", "upgrade", check=check)
        answer = json.loads(done.stdout)
        if answer.get("ok"):
            self.gate.succeeded_by(answer["pid"])
        return answer


@pytest.fixture
def installed(make_gate, server, folder):
    return lambda **kwargs: Installed(make_gate, server, folder, **kwargs)


def test_upgrade_starts_the_newly_installed_program(installed):
    i = installed()
    c = i.gate.connect()
    fresh = i.program.with_name("fresh")
    shutil.copy(paths.PROXY, fresh)
    os.rename(fresh, i.program)  # as dpkg does it
    answer = i.upgrade()
    assert answer["sessions"] == 1 and answer["old_pid"] == i.gate.pid and answer["timeout_ms"] == 12 * 3600 * 1000
    assert pid_now(i.gate) == answer["pid"]
    assert os.readlink(f"/proc/{answer['pid']}/exe") == str(i.program)
    i.gate.connect().close()
    again = i.upgrade()
    assert again["old_pid"] == answer["pid"]
    assert query(c, "SELECT 1") == ((1,),)
    c.close()
    assert gone(i.gate.process) == 0
    text = i.gate.cli("status").stdout
    assert "serves" in i.gate.cli("upgrade").stdout and text
    i.gate.succeeded_by(pid_now(i.gate))


def test_upgrade_that_fails_says_why_and_changes_nothing(installed):
    i = installed()
    gate, c = i.gate, i.gate.connect()
    good = gate.config.read_text()
    gate.config.write_text(good + "\n[proxy]\nnonsense = 1\n")
    assert "nonsense" in gate.control("upgrade", check=False)["error"]
    gate.config.write_text(good)
    for wrong in (b"\x7fELF garbage", b"#!/bin/sh\nexit 7\n"):
        i.program.unlink()
        i.program.write_bytes(wrong)
        i.program.chmod(0o755)
        error = gate.control("upgrade", check=False)["error"]
        assert "exit status" in error, error  # (what is no program is given to sh by execvp)
    i.program.unlink()
    assert "no such file" in gate.control("upgrade", check=False)["error"].lower()
    assert query(c, "SELECT 1") == ((1,),) and pid_now(gate) == gate.pid
    gate.connect().close()


@pytest.mark.slow
def test_a_program_that_never_takes_over_is_ended(installed):
    i = installed()
    i.program.unlink()
    i.program.write_text("#!/bin/sh\nexec sleep 600\n")
    i.program.chmod(0o755)
    assert "did not take over" in i.gate.control("upgrade", check=False, timeout=60)["error"]
    i.gate.connect().close()


def test_systemd_is_told_the_new_main_process(installed, folder):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(folder / "notify"))
        notify.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        notify.settimeout(20)
        i = installed(env=dict(os.environ, NOTIFY_SOCKET=str(folder / "notify"), WATCHDOG_USEC="2000000"))

        def message():
            data, ancillary, _, _ = notify.recvmsg(4096, socket.CMSG_SPACE(12))
            (pid,) = [struct.unpack("3i", d)[0] for _, kind, d in ancillary if kind == socket.SCM_CREDENTIALS]
            return pid, data.decode()

        answer = i.upgrade()
        seen = [message()]
        while seen[-1] != (answer["pid"], "WATCHDOG=1"):
            seen.append(message())
        order = [m for m in seen if m[1] != "WATCHDOG=1"]
        told = (i.gate.pid, f"MAINPID={answer['pid']}")
        assert order.index(told) < order.index((answer["pid"], "READY=1"))
        # the old one says nothing more: its end must not be taken for the service's
        assert gone(i.gate.process) == 0
        notify.setblocking(False)
        try:
            while True:
                seen.append(message())
        except BlockingIOError:
            pass
        assert {pid for pid, _ in seen[seen.index(told) + 1:]} == {answer["pid"]}
        # and the new one is a child of the supervisor, who hears of its end
        assert int(open(f"/proc/{answer['pid']}/stat").read().rsplit(")", 1)[1].split()[1]) != i.gate.pid
