"""The audit log: who connected from where as which user, who did what; never a password, never a statement."""
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile

import pymysql
import pytest

from lib import paths, process
from lib.backup import Backup

pytestmark = pytest.mark.sanitize
ME = pwd.getpwuid(os.getuid()).pw_name


def events(path, name=None):
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return [e for e in found if name is None or e["event"] == name]


def wait_events(path, name, count=1, timeout=20):
    process.wait_until(lambda: len(events(path, name)) >= count, timeout, f"{count} {name} in the audit log")
    return events(path, name)


def proxy_log(gate):
    return gate.folder / "proxy-audit.log"


def test_who_connected(make_gate, server):
    server.sql("CREATE OR REPLACE USER 'anna'@'%' IDENTIFIED BY 's3cret-word'; GRANT SELECT ON *.* TO 'anna'@'%'")
    gate = make_gate(server, listeners={"elexis": {}, "closed": {"deny": "127.0.0.0/8"}})
    log = proxy_log(gate)
    with gate.connect(user="anna", password="s3cret-word", database="mysql") as c:
        with c.cursor() as cursor:
            cursor.execute("SELECT 'a patient name'")
            cursor.fetchall()
        login = wait_events(log, "login")[0]
    logout = wait_events(log, "logout")[0]
    assert (login["user"], login["peer"], login["database"], login["tls"]) == ("anna", "127.0.0.1", "mysql", "TLSv1.3")
    assert login["listener"] == "elexis" and login["client"] and login["program"] == "elexgate-proxy" and login["port"] > 0
    assert logout["session"] == login["session"] and logout["user"] == "anna" and logout["reads"] >= 1
    with pytest.raises(pymysql.err.OperationalError):
        gate.connect(user="anna", password="wr0ng-word")
    failed = wait_events(log, "login-failed")[0]
    assert failed["user"] == "anna" and failed["peer"] == "127.0.0.1" and "Access denied" in failed["detail"]
    with pytest.raises(pymysql.err.OperationalError):
        gate.connect(listener="closed")
    assert wait_events(log, "refused")[0]["reason"] == "address_not_allowed"
    text = log.read_text(encoding="utf-8")
    for secret in ("s3cret-word", "wr0ng-word", "a patient name", "SELECT"):
        assert secret not in text
    assert os.stat(log).st_mode & 0o137 == 0


def test_a_change_of_user(make_gate, server):
    """A pool that passes a connection on to another user: the audit log says as whom it goes on."""
    server.sql("CREATE OR REPLACE USER 'berta'@'%' IDENTIFIED BY ''; GRANT SELECT ON *.* TO 'berta'@'%'")
    gate = make_gate(server)
    with gate.connect() as c:
        c._execute_command(0x11, b"berta\0" + b"\0" + b"mysql\0" + (45).to_bytes(2, "little") + b"mysql_native_password\0\0")
        answer = c._read_packet()
        if answer.is_auth_switch_request():
            c.write_packet(b"")
            answer = c._read_packet()
        assert answer.is_ok_packet()
        changed = wait_events(proxy_log(gate), "user-changed")[0]
    assert (changed["user"], changed["database"], changed["peer"]) == ("berta", "mysql", "127.0.0.1")
    assert wait_events(proxy_log(gate), "logout")[0]["user"] == "berta"


def test_who_did_what_at_the_gate(make_gate, server):
    gate = make_gate(server)
    log = proxy_log(gate)
    with gate.connect() as c:
        session = gate.sessions()[0]["id"]
        gate.cli("kill", session)
        gate.cli("block", "--reason", "Umbau", "--grace", "0s")
        gate.cli("open")
        gate.cli("status")
        del c
    found = wait_events(log, "command", 3)
    assert [(e["action"], e["who"]) for e in found] == [("kill", ME), ("block", ME), ("open", ME)]
    assert found[0]["session"] == str(session) and found[1]["reason"] == "Umbau"


def test_rotation(make_gate, server):
    """As logrotate does it: the file is renamed, the program gets a signal, and goes on in a new one."""
    gate = make_gate(server)
    log = proxy_log(gate)
    gate.connect().close()
    wait_events(log, "logout")
    rotated = log.with_name(log.name + "-20261122")
    log.rename(rotated)
    os.kill(gate.pid, signal.SIGHUP)
    process.wait_until(log.exists, 20, "a new audit log")
    gate.connect().close()
    assert len(wait_events(log, "logout")) == 1
    assert len(events(rotated, "login")) == 1
    # also when the new configuration is not good: the old one serves on, and the file is a new one all the same
    log.rename(log.with_name(log.name + "-20261123"))
    gate.config.write_text("[nonsense]\n")
    os.kill(gate.pid, signal.SIGHUP)
    process.wait_until(log.exists, 20, "a new audit log")


def test_a_full_disk_stops_nobody(make_gate, server):
    """/dev/full takes no byte: clients are served, log and status say that nothing is recorded."""
    gate = make_gate(server, options={"audit": {"proxy_file": "/dev/full"}})
    with gate.connect() as c, c.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    gate.wait_log("event=audit-failed")
    process.wait_until(lambda: gate.status()["audit"]["lost"] >= 2, 20, "lost lines in the status")
    assert gate.status()["audit"]["good"] is False
    assert gate.log.count("event=audit-failed") == 1
    assert "audit" in gate.cli("status").stdout.lower()
    gate.sections["audit"]["proxy_file"] = proxy_log(gate)
    gate.write_config()
    gate.cli("reload")
    gate.connect().close()
    wait_events(proxy_log(gate), "login")
    assert events(proxy_log(gate))[0]["event"] == "lines-lost"
    gate.wait_log("event=audit-works-again")


def test_off(make_gate, server):
    gate = make_gate(server, options={"audit": {"proxy_file": "off"}})
    gate.connect().close()
    assert gate.status()["audit"] is None and not proxy_log(gate).exists()


def test_a_scanner_does_not_fill_the_disk(make_gate, server):
    gate = make_gate(server, listeners={"elexis": {"deny": "127.0.0.0/8"}}, options={"log": {"level": "error"}})
    import socket
    for _ in range(700):
        with socket.create_connection(("127.0.0.1", gate.port)) as s:
            s.recv(100)
    process.wait_until(lambda: gate.status()["totals"]["refused"] >= 700, 20, "700 refusals")
    gate.stop()
    assert 500 <= len(events(proxy_log(gate), "refused")) <= 600


def test_the_keeper_writes_too(folder, server):
    server.sql("CREATE DATABASE IF NOT EXISTS load_db; CREATE TABLE IF NOT EXISTS load_db.t (a INT PRIMARY KEY)")
    b = Backup(folder, server, options={"backup": {"method": "dump"}}).account()
    log = b.folder / "audit.log"
    old = b.folder / "audit.log-20240101"
    young = b.folder / "audit.log-20261101.gz"
    other = b.folder / "audit.logbook"
    for path in (old, young, other):
        path.write_text("x")
    os.utime(old, (1_700_000_000, 1_700_000_000))
    os.utime(other, (1_700_000_000, 1_700_000_000))
    b.start_keeper()
    try:
        b.cli("backup", "--now")
        job = wait_events(log, "job")[0]
        assert (job["kind"], job["result"]) == ("backup", b.runs()[0]["result"])
        command = wait_events(log, "command")[0]
        assert (command["action"], command["who"], command["result"]) == ("run", ME, "ok")
        assert b.call({"cmd": "audit", "as": {"account": "anna", "role": "admin"}, "address": "10.0.0.7", "action": "login",
                       "object": "", "result": "failed"})["ok"]
        assert b.call({"cmd": "audit", "who": "anna", "action": "login"}, check=False)["ok"] is False
        console = wait_events(log, "console")[0]
        assert (console["who"], console["role"], console["address"], console["action"], console["result"]) == (
            "anna", "admin", "10.0.0.7", "login", "failed")
        assert console["by"] == ME
        b.call("status"), b.call("runs")
        assert {e["action"] for e in events(log, "command")} == {"run"}
        assert b.call("status")["audit"] == {"file": str(log), "good": True, "lost": 0}
        process.wait_until(lambda: not old.exists(), 20, "the old file's removal")
        assert young.exists() and other.exists()
        log.rename(b.folder / "audit.log-20261123")
        os.kill(b.keeper.pid, signal.SIGHUP)
        process.wait_until(log.exists, 20, "a new audit log")
    finally:
        b.stop_keeper()


def logrotate(gate, log, whose):
    """logrotate itself, with the file that is installed."""
    text = (paths.ROOT / "systemd" / "elexgate.logrotate").read_text(encoding="utf-8")
    text, = re.findall(rf"^/var/log/{whose}/audit.log {{.*?^}}\n", text, re.M | re.S)
    mine = gate.folder / "logrotate.conf"
    mine.write_text(re.sub(r"systemctl try-reload-or-restart elexgate-\w+.service", f"kill -HUP {gate.pid}",
                           text.replace(f"/var/log/{whose}/audit.log", str(log)).replace("-g elexgate", "-g nogroup")))
    mine.chmod(0o600)
    gate.folder.chmod(0o700)
    done = subprocess.run(["/usr/sbin/logrotate", "--force", "--state", gate.folder / "logrotate.state", mine], capture_output=True, text=True)
    assert done.returncode == 0 and "error" not in done.stderr, done.stderr
    rotated, = [p for p in log.parent.iterdir() if p.name.startswith(log.name + "-")]
    return rotated


def test_logrotate_rotates(make_gate, server):
    """A new file, nothing lost, nothing removed."""
    gate = make_gate(server)
    log = proxy_log(gate)
    gate.connect().close()
    wait_events(log, "logout")
    rotated = logrotate(gate, log, "elexgate")
    process.wait_until(log.exists, 20, "a new audit log")
    gate.connect().close()
    wait_events(log, "login")
    assert len(events(rotated, "login")) == 1 and len(events(log, "login")) == 1


# What somebody tries who has the proxy's user, and maybe the file open already.
TAKES_BACK = """
import fcntl, os, sys
os.setgroups([]), os.setgid(65534), os.setuid(65534)
log = sys.argv[1]
fd = os.open(log, os.O_WRONLY | os.O_APPEND)
os.write(fd, b'{"time":"2026-11-22T00:00:00.000Z","event":"untrue"}\\n')
def tried(what):
    try:
        what()
        return "done"
    except PermissionError:
        return "no"
print([tried(w) for w in (lambda: os.ftruncate(fd, 0), lambda: fcntl.fcntl(fd, fcntl.F_SETFL, 0), lambda: os.truncate(log, 0), lambda: os.unlink(log),
    lambda: os.rename(log, log + "-20200101"), lambda: os.open(log, os.O_WRONLY), lambda: os.open(log + ".1", os.O_WRONLY | os.O_CREAT), lambda: os.chmod(log, 0))])
"""


# The same one, all the time: a descriptor that can do more than append, of whatever lies there at any moment.
WAITS_FOR_IT = """
import os, sys
os.setgroups([]), os.setgid(65534), os.setuid(65534)
folder = sys.argv[1]
print("ready", flush=True)
while True:
    try:
        names = os.listdir(folder)
    except PermissionError:
        continue
    for name in names:
        for flags in (os.O_RDWR, os.O_WRONLY | os.O_TRUNC):
            try:
                os.open(folder + "/" + name, flags)
                sys.exit(print("got", name, flush=True))
            except (PermissionError, FileNotFoundError):
                pass
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_proxy_can_take_nothing_back(make_gate, server):
    """With the folder as the package makes it: what its user wrote stays, also over a rotation, in which a line is lost neither."""
    if process.run(["stat", "-f", "-c", "%T", "/var/tmp"]).stdout.strip() not in ("ext2/ext3", "xfs", "btrfs"):
        pytest.skip("this file system has no append-only files")
    folder = pathlib.Path(tempfile.mkdtemp(dir="/var/tmp"))
    log = folder / "log" / "audit.log"
    try:
        folder.chmod(0o755)
        lines = [line for line in (paths.ROOT / "systemd" / "elexgate.tmpfiles").read_text().splitlines() if "/var/log/elexgate-proxy" in line]
        (folder / "tmpfiles").write_text("\n".join(lines).replace("/var/log/elexgate-proxy", str(folder / "log")).replace(" elexgate", " nogroup") + "\n")
        process.run(["systemd-tmpfiles", "--create", folder / "tmpfiles"])
        gate = make_gate(server, options={"audit": {"proxy_file": log}})
        gate.connect().close()
        wait_events(log, "logout")

        def attack():
            return process.run(["/usr/bin/python3", "-c", TAKES_BACK, log]).stdout.strip()
        assert attack() == str(["no"] * 8)
        with subprocess.Popen(["/usr/bin/python3", "-c", WAITS_FOR_IT, log.parent], stdout=subprocess.PIPE, text=True) as waits:
            assert waits.stdout.readline() == "ready\n"
            rotated = logrotate(gate, log, "elexgate-proxy")
            waits.kill()
            assert waits.stdout.read() == ""
        gate.connect().close()
        wait_events(log, "logout")
        assert attack() == str(["no"] * 8)
        for path in (rotated, log):
            assert [len(events(path, name)) for name in ("login", "logout", "untrue")] == [1, 1, 1], path.read_text()
        assert rotated.stat().st_uid == 0 and rotated.stat().st_mode & 0o777 == 0o640 and {p.name for p in log.parent.iterdir()} == {log.name, rotated.name}
    finally:
        subprocess.run(["chattr", "-a", log], check=False)
        shutil.rmtree(folder)


def test_read_back_for_the_page(make_gate, server):
    """The newest lines, newest first: also those from before a restart, and of the month before; what is no line is left out."""
    gate = make_gate(server)
    gate.connect().close()
    log = gate.folder / "proxy-audit.log"
    process.wait_until(lambda: '"logout"' in log.read_text(), 20, "the end of the session in the log")
    gate.stop()
    with log.open("a") as f:
        f.write('{broken\n[1]\n"text"\n')
    older = log.with_name(f"{log.name}-20261101")
    older.write_text('{"time":"2026-10-01T00:00:00.000Z","event":"login","user":"frueher"}\n')
    log.with_name(f"{log.name}-20261101.gz").write_bytes(b"\x1f\x8b")
    gate.start()
    answer = gate.control({"cmd": "audit-log", "limit": 1000})
    events = [line["event"] for line in answer["lines"]]
    assert answer["file"] == str(log) and events[:2] == ["logout", "login"] and answer["lines"][-1]["user"] == "frueher", answer
    assert [line["event"] for line in gate.control({"cmd": "audit-log", "limit": 1})["lines"]] == ["logout"]
    older.write_text("".join('{"time":"2026-10-01T00:00:00.000Z","event":"login","user":"%d"}\n' % i for i in range(20000)))
    many = gate.control({"cmd": "audit-log", "limit": 1000})["lines"]
    assert len(many) == 1000 and many[len(events) - 1]["user"] == "19999"
