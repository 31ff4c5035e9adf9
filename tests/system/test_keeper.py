"""elexgate-keeper with a real server and proxy: due runs wait for idle, make way for writers, survive restarts. What is decided from which
facts stands in tests/unit/backup/test_keeper_plan.c and test_idle_rule.c, with a clock of their own; here nothing waits for a pause to pass."""
import ctypes
import json
import os
import platform
import re
import signal
import socket
import threading
import time

import pytest

from lib import control, load, process
from lib.backup import Backup, event

IDLE = 15  # seconds; less is not taken


@pytest.fixture
def backup(folder, server):
    server.sql("DROP DATABASE IF EXISTS load_db")
    load.Load(server).setup()
    b = Backup(folder, server, None, {"backup": {"idle_for": f"{IDLE}s"}}).account()
    yield b
    b.stop_keeper()


@pytest.fixture
def gated(folder, server, make_gate):
    server.sql("DROP DATABASE IF EXISTS load_db")
    load.Load(server).setup()
    server.add_user("practice", "p")
    gate = make_gate(server)
    b = Backup(folder, server, gate, {"backup": {"idle_for": f"{IDLE}s"}}).account()
    yield b
    b.stop_keeper()


def seen(backup, seconds_ago, **more):
    """The state of a keeper that last looked at its schedules then."""
    backup.state.mkdir(exist_ok=True)
    ms = int((time.time() - seconds_ago) * 1000)
    (backup.state / "keeper.json").write_text(json.dumps({"version": 1, "backup_seen_ms": ms, "drill_seen_ms": int(time.time() * 1000), "runs": [], **more}))


def wait_run(backup, count=1, kind="backup", timeout=90):
    return process.wait_until(lambda: len(backup.runs(kind)) >= count and backup.runs(kind), timeout, f"{count} runs")


def reason(backup):
    pending = backup.call("status")["pending"]
    return pending and pending.get("reason")


def wait_reason(backup, *reasons, timeout=30):
    return process.wait_until(lambda: reason(backup) in reasons, timeout, f"reason {reasons}")


@pytest.mark.sanitize
def test_a_due_run_waits_for_the_last_write(gated):
    """With sessions left connected and polling: only writes and open transactions count."""
    polling = threading.Event()

    def poll():
        with gated.gate.connect("practice", "p", "load_db") as c, c.cursor() as cursor:
            while not polling.wait(1):
                cursor.execute("SELECT COUNT(*) FROM plain")

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        gated.start_keeper()
        with gated.gate.connect("practice", "p", "load_db") as c, c.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("INSERT INTO plain (body) VALUES ('x')")
            gated.call({"cmd": "run", "mode": "when-idle"})
            wait_reason(gated, "transaction", "server-transaction")
            cursor.execute("COMMIT")
            committed = time.time()
            wait_reason(gated, "recent-write", "server-write")
            run = wait_run(gated)[0]
            assert run["result"] == "good", run
            assert gated.complete()
            started = time.time()
            assert started - committed >= IDLE
    finally:
        polling.set()
        thread.join()


def test_a_write_in_the_middle_makes_it_yield_and_the_next_quiet_time_completes_it(gated):
    gated.set("archive", rate="3M")
    gated.start_keeper()
    follower = control.Control(gated.socket, timeout=120)
    assert follower.call({"cmd": "run", "mode": "when-idle", "follow": True})["queued"]
    process.wait_until(lambda: (gated.call("status")["job"] or {}).get("phase") == "copy", 90, "the copy")
    with gated.gate.connect("practice", "p", "load_db") as c, c.cursor() as cursor:
        start = time.monotonic()
        cursor.execute("INSERT INTO plain (body) VALUES ('the doctor wins')")
        print(f"the writer waited {(time.monotonic() - start) * 1000:.0f} ms")
    first = wait_run(gated)[0]
    assert first["result"] == "not-idle", first
    status = gated.call("status")
    assert status["state"] == "waiting" and status["pending"]["yielded"] == 1
    assert gated.files() == []
    gated.set("archive", rate="0")
    assert wait_run(gated, 2)[0]["result"] == "good"
    assert len(gated.complete()) == 1 and gated.call("status")["pending"] is None
    with follower:
        followed = []
        while not followed or not followed[-1].get("done"):
            followed.append(follower.receive())
    assert [line["exit"] for line in event(followed, "again")] == [4] and followed[-1]["ok"]


def test_a_proxy_that_cannot_be_asked_is_never_idle(gated):
    gated.gate.kill()
    gated.start_keeper()
    gated.call({"cmd": "run", "mode": "when-idle"})
    wait_reason(gated, "proxy-unknown")
    assert gated.call("status")["witnesses"]["proxy"] is False
    gated.gate.start()
    process.wait_until(lambda: reason(gated) != "proxy-unknown", 30, "the proxy is asked again")


@pytest.mark.parametrize("answer", [b"nonsense\n", b"{}\n", b'{"ok":true}\n', b'{"ok":true,"idle":[]}\n', b""], ids=repr)
def test_a_proxy_that_talks_nonsense_is_never_idle(backup, folder, answer):
    """A scripted control socket: a real proxy does not do this."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "fake.sock"))
        listener.listen(8)

        def serve():
            while True:
                try:
                    c, _ = listener.accept()
                except OSError:
                    return
                with c:
                    c.recv(4096)
                    c.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        backup.set("proxy", control_socket=folder / "fake.sock")
        backup.set("backup", ask_proxy=True)
        backup.start_keeper()
        backup.call({"cmd": "run", "mode": "when-idle"})
        wait_reason(backup, "proxy-unknown")
        assert backup.call("status")["witnesses"]["proxy_words"]
        backup.call("cancel")
        backup.stop_keeper()
        listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_cannot_be_asked_is_never_idle(folder, make_server):
    server = make_server()
    load.Load(server).setup()
    b = Backup(folder, server, None, {"backup": {"idle_for": f"{IDLE}s"}}).account()
    server.stop()
    b.start_keeper()
    b.call({"cmd": "run", "mode": "when-idle"})
    wait_reason(b, "server-unknown")
    server.start()
    wait_reason(b, "server-write")  # it is seen, and its counters have not stood still for long
    b.stop_keeper()


def test_a_writer_that_bypasses_the_proxy_counts(gated):
    gated.start_keeper()
    end = threading.Event()

    def write():
        with gated.server.connect(database="load_db") as c, c.cursor() as cursor:
            while not end.wait(2):
                cursor.execute("INSERT INTO old (body) VALUES ('MyISAM, and not through the proxy')")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        gated.call({"cmd": "run", "mode": "when-idle"})
        wait_reason(gated, "server-write")
        quiet = []  # each write begins it anew

        def twice():
            quiet.append(gated.call("status")["witnesses"]["server_quiet_ms"])
            return sum(later < earlier for earlier, later in zip(quiet, quiet[1:])) >= 2
        process.wait_until(twice, 60, "two writes are seen")
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize("how", ["stop", "kill -9"])
def test_what_is_due_survives_a_restart(backup, how):
    """The old system forgot its schedule and whatever was due with it."""
    backup.set("backup", schedule="15 3 * * *")
    seen(backup, 86400 * 2)
    backup.start_keeper()
    due = backup.call("status")["pending"]["due"]
    next_run = backup.call("status")["schedule"]["next"]
    if how == "stop":
        backup.stop_keeper()
    else:
        backup.keeper.kill()
    backup.start_keeper()
    pending = backup.call("status")["pending"]
    assert pending["due"] == due and pending["missed"] and not pending["by_hand"]
    assert backup.call("status")["schedule"]["next"] == next_run
    if how == "stop":
        assert wait_run(backup)[0]["due"] == due and backup.call("status")["pending"] is None


@pytest.mark.sanitize
def test_a_job_dies_cleanly_with_the_keeper_and_is_done_again(backup):
    backup.set("archive", rate="3M")
    backup.start_keeper()
    backup.call({"cmd": "run", "mode": "when-idle"})
    process.wait_until(lambda: (backup.call("status")["job"] or {}).get("phase") == "copy", 90, "the copy")
    backup.stop_keeper()
    assert backup.files() == []
    assert backup.server.sql("SELECT @@aria_checkpoint_interval, @@innodb_stats_auto_recalc") == [(30, 1)]
    backup.start_keeper()
    assert backup.call("status")["pending"]


def test_a_killed_keeper_takes_its_job_with_it(backup):
    backup.set("archive", rate="3M")
    backup.start_keeper()
    backup.call({"cmd": "run", "mode": "when-idle"})
    job = process.wait_until(lambda: (backup.call("status")["job"] or {}).get("phase") == "copy" and backup.call("status")["job"], 90)
    backup.keeper.kill()
    process.wait_until(lambda: not os.path.exists(f"/proc/{job['pid']}") or "Z" in open(f"/proc/{job['pid']}/stat").read().split()[2], 30)
    assert backup.files() == []
    assert backup.server.sql("SELECT @@aria_checkpoint_interval, @@innodb_stats_auto_recalc") == [(30, 1)]
    backup.start_keeper()
    assert backup.call("status")["pending"] and backup.runs() == []


def test_a_killed_job_is_cleaned_up_after_and_done_again(backup):
    backup.set("archive", rate="3M")
    backup.start_keeper()
    backup.call({"cmd": "run", "mode": "when-idle"})
    job = process.wait_until(lambda: (backup.call("status")["job"] or {}).get("phase") == "copy" and backup.call("status")["job"], 90)
    assert os.getpriority(os.PRIO_PROCESS, job["pid"]) == 10, "it does not come last for the processor"
    last_for_the_disk = (2 << 13) | 7  # best effort, 7 (ioprio_set(2))
    assert ctypes.CDLL(None).syscall(252, 1, job["pid"]) == last_for_the_disk or platform.machine() != "x86_64"
    os.kill(job["pid"], signal.SIGKILL)
    assert "signal 9" in wait_run(backup)[0]["error"]
    process.wait_until(lambda: backup.server.sql("SELECT @@aria_checkpoint_interval, @@innodb_stats_auto_recalc") == [(30, 1)], 20,
                       "the server's settings are put back")
    assert backup.call("status")["pending"], "it is not done again"


@pytest.fixture
def never_idle(backup):
    """A transaction is open all the time, in a session that is not ours."""
    with backup.server.connect(database="load_db") as c, c.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO plain (body) VALUES ('left open')")
        backup.set("backup", schedule="15 3 * * *", deadline="3s")
        seen(backup, 86400)
        yield backup
        cursor.execute("ROLLBACK")


def test_deadline_skip_raises_an_alarm(never_idle, folder):
    hook = folder / "after"
    hook.write_text(f'#!/bin/sh\necho "$ELEXGATE_RESULT: $ELEXGATE_ERROR" > {folder}/alarm\n')
    hook.chmod(0o755)
    never_idle.set("hooks", after_backup=hook)
    never_idle.start_keeper()
    run = wait_run(never_idle, timeout=30)[0]
    assert run["result"] == "not-idle" and "transaction" in run["error"]
    assert "event=backup-skipped" in never_idle.keeper.log()
    process.wait_until(lambda: (folder / "alarm").exists() and (folder / "alarm").read_text(), 20, "the alarm")
    assert (folder / "alarm").read_text().startswith("not-idle: ")
    assert never_idle.complete() == []


def test_deadline_dump(never_idle):
    never_idle.set("backup", after_deadline="dump")
    never_idle.start_keeper()
    run = wait_run(never_idle, timeout=60)[0]
    assert run["result"] == "good" and run["method"] == "dump"
    assert never_idle.complete("elexisdb-sql") and not never_idle.complete("elexisdb")


def test_deadline_lock(backup):
    """Somebody writes every second; after the deadline the backup goes first and the writer waits."""
    backup.set("backup", schedule="15 3 * * *", deadline="3s", after_deadline="lock")
    seen(backup, 86400)
    end = threading.Event()

    def write():
        with backup.server.connect(database="load_db") as c, c.cursor() as cursor:
            while not end.wait(1):
                cursor.execute("INSERT INTO plain (body) VALUES ('busy')")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        backup.start_keeper()
        run = wait_run(backup, timeout=60)[0]
        assert run["method"] == "lock", run
        assert run["result"] == "good", run
    finally:
        end.set()
        thread.join()


@pytest.mark.sanitize
def test_cancel(backup):
    backup.set("archive", rate="3M")
    backup.start_keeper()
    with control.Control(backup.socket) as c:
        assert c.call({"cmd": "run", "mode": "now", "follow": True})["ok"]
        while True:
            line = c.receive()
            if line.get("phase") == "copy":
                break
        backup.call("cancel")
        while not line.get("done"):
            line = c.receive()
        assert line["exit"] == 10
    assert backup.files() == []
    backup.call({"cmd": "run", "mode": "when-idle"})
    assert backup.call("cancel")["cancelled"] == "waiting"
    assert backup.call("status")["pending"] is None
    assert backup.call("cancel", check=False)["code"] == "ENOENT"


def test_one_run_at_a_time_across_keeper_and_command_line(backup):
    backup.set("archive", rate="3M")
    backup.start_keeper()
    backup.call({"cmd": "run", "mode": "now"})
    process.wait_until(lambda: (backup.call("status")["job"] or {}).get("phase") == "copy", 30, "the copy")
    backup.job("backup", "--now", exit=7)
    backup.cli("backup", "--now", exit=7)
    assert backup.call({"cmd": "run", "mode": "now"}, check=False)["code"] == "EBUSY"
    backup.call("cancel")


@pytest.mark.sanitize
def test_reload_takes_the_good_and_refuses_the_bad(backup):
    backup.set("backup", schedule="15 3 * * *")
    backup.start_keeper()
    backup.set("backup", schedule="15 3 * * 9")
    refused = backup.call("reload", check=False)
    assert not refused["ok"] and "schedule" in refused["error"]
    assert backup.call("status")["schedule"]["backup"] == "15 3 * * *"
    backup.set("backup", schedule="30 4 * * 1-5")
    assert backup.call("reload")["changed"] == ["[backup] schedule"]
    assert "04:30" in backup.call("status")["schedule"]["words"]
    backup.set("backup", schedule="@daily")
    backup.keeper.signal(signal.SIGHUP)
    process.wait_until(lambda: backup.call("status")["schedule"]["backup"] == "@daily", 10, "SIGHUP")


def test_systemd_is_told_that_it_lives(backup):
    """Also once it has become a user who may nothing, who gets to no folder of this test: an abstract socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        name = f"elexgate-test-{os.getpid()}"
        notify.bind("\0" + name)
        notify.settimeout(20)
        backup.start_keeper(env={**os.environ, "NOTIFY_SOCKET": "@" + name})
        while notify.recv(1000) != b"READY=1":
            pass
        assert [notify.recv(1000) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        backup.stop_keeper()
        said = b""
        while said != b"STOPPING=1":
            said = notify.recv(1000)


def test_a_damaged_state_file_is_put_aside(backup):
    backup.state.mkdir(exist_ok=True)
    (backup.state / "keeper.json").write_text('{"version":1,"runs":')
    backup.start_keeper()
    assert (backup.own / "keeper.json.damaged").exists()
    assert "state-damaged" in backup.keeper.log()


def test_two_keepers_do_not_serve_one_socket(backup):
    backup.start_keeper()
    second = process.run(backup.argv()[:0] + [str(backup.keeper.argv[0]), "--config", str(backup.config)], check=False, timeout=20)
    assert second.returncode == 1 and "another keeper" in second.stderr


@pytest.mark.sanitize
def test_the_control_socket_takes_no_nonsense(backup):
    backup.start_keeper()
    for request, code in (({"cmd": "dance"}, "ENOSYS"), ({"cmd": "run", "mode": "soon"}, "EINVAL"),
                          ({"cmd": "run", "mode": "now", "types": ["--lock"]}, "EINVAL"), ({"cmd": "run", "types": "x"}, "EINVAL"),
                          ({"cmd": "drill", "which": "--type"}, "EINVAL"), ({}, "ENOSYS")):
        assert backup.call(request, check=False)["code"] == code, request
    with control.Control(backup.socket) as c:
        c.send_raw(b"not json\n")
        assert c.receive()["code"] == "EBADMSG"
        with pytest.raises(EOFError):
            c.receive()
    assert backup.call("status")["ok"]


def test_the_drill_comes_every_week_unless_told_otherwise(backup):
    last_week = int((time.time() - 8 * 86400) * 1000)
    seen(backup, 0, drill_seen_ms=last_week)
    backup.start_keeper()  # without any backup there is nothing to prove, and nothing wrong
    assert backup.call("status")["schedule"]["drill"] == "weekly"
    backup.keeper.wait_log("event=job-end kind=drill exit=0")
    assert not backup.runs("drill") and backup.call("status")["last_drill"] is None
    backup.stop_keeper()
    backup.job("backup", "--now")
    seen(backup, 0, drill_seen_ms=last_week)
    backup.set("drill", schedule="never")
    backup.start_keeper()
    assert backup.call("status")["schedule"]["drill_next"] is None
    backup.stop_keeper()
    backup.set("drill", schedule=None)
    backup.start_keeper()
    run = wait_run(backup, kind="drill")[0]
    assert run["result"] == "good" and run["proofs"][0]["type"] == "elexisdb"
    assert backup.complete()[0]["proven"] and backup.call("status")["last_drill"]["run"] == run["run"]


def test_the_command_line_follows_a_run(backup):
    backup.start_keeper()
    lines = [json.loads(line) for line in backup.cli("backup", "--when-idle").stdout.splitlines()]
    assert event(lines, "state")[0]["state"] == "waiting" and lines[-1]["ok"]
    assert "unreachable" not in backup.cli("drill").stdout


def test_status_says_how_the_backup_stands(gated):
    """`elexgate status`: not running, due and waiting, done."""
    def status():
        return gated.cli("status").stdout
    assert "elexgate-keeper is not running" in status()
    gated.set("backup", schedule="15 3 * * *")
    gated.start_keeper()
    assert "03:15" in status() and "last good one: never" in status()
    gated.call({"cmd": "run", "mode": "when-idle"})
    process.wait_until(lambda: "waits: " in status() or "running: " in status(), 20, "it waits")
    wait_run(gated)
    assert re.search(r"last good one: \w{3} 20", status())
    assert json.loads(gated.cli("status", "--json").stdout)["keeper"]["last_good_backup"]["result"] == "good"
