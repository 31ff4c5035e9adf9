"""Restores through the keeper's control socket: they go on when the asker or the keeper goes away, and are never half."""
import datetime
import gzip
import json
import os
import re
import signal
import threading
import time

import pytest

from lib import control, process
from lib.backup import Backup, event
from lib.phrases import german
from lib.restore import Site, hashes

END = "-- Dump completed on 2026-11-22 12:00:00\n"


@pytest.fixture
def site(folder, make_server, make_gate):
    """A keeper that has nothing to do by itself. `hold` is a hook that waits for the file `go`."""
    server = make_server()
    gate = make_gate(server, options={"proxy": {"grace": "200ms"}})
    s = Site(folder, server, gate, {"console": {"upload_dir": folder / "uploads"}})
    s.server.sql("GRANT ALL PRIVILEGES ON load_db.* TO 'elexgate'@'localhost'")
    s.uploads = folder / "uploads"
    s.uploads.mkdir()
    s.go = folder / "go"
    s.hold = folder / "hold"
    s.hold.write_text(f"#!/bin/sh\nwhile [ ! -e {s.go} ]; do sleep 0.05; done\n")
    s.hold.chmod(0o755)
    yield s
    s.go.touch()
    process.wait_until(lambda: not job_pids(s), 60, "the end of the job")
    s.backup.stop_keeper()


def job_pids(site):
    """elexgate-job processes of this setup, but for the one that looks as long as there is a keeper."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
        except OSError:
            continue
        if argv[0].endswith(b"elexgate-job") and str(site.backup.config).encode() in argv and b"look" not in argv:
            found.append(int(pid))
    return found


def held(site):
    """From now on a restore waits between staging and the block."""
    site.backup.set("hooks", before_restore=site.hold)
    if site.backup.keeper:
        site.backup.call("reload")


def call(site, action, check=True, **more):
    return site.backup.call({"cmd": "restore", "action": action, **more}, check=check, timeout=60)


def refused(site, code, action, words="", **more):
    answer = call(site, action, check=False, **more)
    assert answer["ok"] is False and answer["code"] == code and words in answer["error"], answer
    return answer


def job(site):
    return site.backup.call("status")["job"]


def wait_phase(site, *phases, timeout=60):
    return process.wait_until(lambda: (job(site) or {}).get("phase") in phases and job(site), timeout, f"the phase {phases}")


def wait_restore(site, count=1, timeout=90):
    """The newest restore among the runs, once there are so many and none goes on."""
    def done():
        runs = site.backup.runs("restore")
        return len(runs) >= count and job(site) is None and runs
    return process.wait_until(done, timeout, f"{count} restores")[0]


def follow(site, action, timeout=120, **more):
    request = {"cmd": "restore", "action": action, "follow": True, **more}
    with control.Control(site.backup.socket, timeout=timeout) as c:
        # The keeper looks by itself whether a restore was cut off or its old data are due; that takes a moment.
        answer = process.wait_until(
            lambda: (a := c.call(request)) and not (a.get("code") == "EBUSY" and "cut off" in a["error"]) and a, 60, "the keeper's own look")
        assert answer["ok"], answer
        lines = []
        while not lines or not lines[-1].get("done"):
            lines.append(c.receive())
    return lines


@pytest.mark.sanitize
def test_plan_run_status_undo_accept(site):
    site.prepare()
    site.backup.start_keeper()
    plan = call(site, "plan", which="latest")["plan"]
    assert {p["type"] for p in plan["parts"]} == {"elexisdb", "documents"} and plan["rows"]
    assert call(site, "status")["restore"]["phase"] is None
    assert site.backup.call("status")["last_restore"] is None
    run = plan["run"]

    lines = follow(site, "run", which=run)
    phases = site.phases(lines)
    assert [p for p in phases if p in ("extract", "boot", "block", "stop", "swap", "start", "look", "open")][-6:] == [
        "block", "stop", "swap", "start", "look", "open"], phases
    progress = [line for line in event(lines, "progress") if line["phase"] == "extract"]
    assert progress and all(line["total"] >= line["bytes"] for line in progress) and progress[-1]["bytes"] > 0
    assert all(line.get("job") == "restore" for line in lines if line.get("event") != "state")
    assert lines[-1]["ok"] and event(lines, "blocked")[0]["since"] and event(lines, "opened")
    assert site.side() == "new" and site.documents_then == hashes(site.documents) and site.is_open()

    last = site.backup.call("status")["last_restore"]
    assert last["action"] == "run" and last["run"] == run and last["exit"] == 0 and last["new_live"]
    year, month, day, minute = run.split("-")
    assert f"{day}.{month}.{year} {minute[:2]}:{minute[2:]}" in german(last, "words") and "ausgesperrt" in german(last, "words") and "in use" in last["words"]
    assert call(site, "status")["restore"] | {"parts": 0} == {**call(site, "status")["restore"], "phase": "kept", "new_live": True, "parts": 0}

    assert follow(site, "run", which=run)[-1]["exit"] == 9  # the earlier data are kept
    assert follow(site, "undo")[-1]["ok"] and site.side() == "old"
    assert "vor der Wiederherstellung" in german(site.backup.call("status")["last_restore"], "words")
    assert follow(site, "accept")[-1]["ok"]
    assert call(site, "status")["restore"]["phase"] is None
    site.nothing_left()
    assert [r["action"] for r in site.backup.runs("restore")] == ["accept", "undo", "run", "run"]
    assert follow(site, "undo")[-1]["exit"] == 1 and follow(site, "recover")[-1]["ok"]


def test_dry_run(site):
    site.prepare()
    site.backup.start_keeper()
    lines = follow(site, "run", which="latest", dry_run=True, types=["elexisdb"])
    assert lines[-1]["ok"] and not event(lines, "blocked")
    assert site.side() == "old"
    last = site.backup.call("status")["last_restore"]
    assert last["dry_run"] and "nichts wurde verändert" in german(last, "words")
    site.nothing_left()


@pytest.mark.sanitize
def test_bad_input(site):
    site.take_backup()
    site.backup.start_keeper()
    for which in ("../x", "/etc/passwd", "2026-13-01-0000", "--dry-run", "", 5, ["latest"], "a.tar.gz"):
        refused(site, "EINVAL", "run", "which", which=which)
        refused(site, "EINVAL", "plan", "which", which=which)
    for which in ("../x", "/etc/passwd", "-x", ".hidden", "a/b"):
        refused(site, "EINVAL", "run", "which", which=which, foreign=True)
    for types in ("elexisdb", [5], ["../x"], ["--dry-run"], ["x"] * 100):
        refused(site, "EINVAL", "run", "types", which="latest", types=types)
    refused(site, "EINVAL", "run", "dry_run", which="latest", dry_run="yes")
    refused(site, "EINVAL", "run", "either")
    refused(site, "EINVAL", "run", "either", which="latest", upload=upload(site, "u", "x"))
    refused(site, "EINVAL", "run", "upload is SQL", upload="u")
    refused(site, "EINVAL", "plan", upload="u", foreign=True)
    for action in (None, "", "drop", 5, ["run"]):
        answer = site.backup.call({"cmd": "restore", "action": action}, check=False)
        assert answer["code"] == "EINVAL" and "action" in answer["error"]
    answer = refused(site, "ENOENT", "plan", which="2020-01-01-0000")
    assert follow(site, "run", which="2020-01-01-0000")[-1]["exit"] == 1
    assert "gescheitert" in german(site.backup.call("status")["last_restore"], "words")
    assert site.is_open()


def test_busy(site):
    """One at a time, whoever asks; and nothing is deleted meanwhile."""
    site.prepare()
    site.backup.start_keeper()
    held(site)
    assert call(site, "run", which="latest")["ok"]
    wait_phase(site, "hook", "boot", "check", "extract")
    refused(site, "EBUSY", "run", "restore is going on", which="latest")
    refused(site, "EBUSY", "undo")
    for request in ({"cmd": "run", "mode": "now"}, {"cmd": "drill"}, {"cmd": "verify", "which": "all"}):
        assert site.backup.call(request, check=False)["code"] == "EBUSY"
    run = site.backup.complete()[0]["run"]
    assert site.backup.call({"cmd": "delete", "which": run}, check=False)["code"] == "EBUSY"
    assert site.backup.call("archives")["runs"] and call(site, "plan", which="latest")["plan"]
    assert call(site, "status")["running"] is True
    site.go.touch()
    assert wait_restore(site)["exit"] == 0 and site.side() == "new"


def test_it_goes_on_when_the_asker_hangs_up(site):
    site.prepare()
    site.backup.start_keeper()
    with control.Control(site.backup.socket) as c:
        assert c.call({"cmd": "restore", "action": "run", "which": "latest", "follow": True})["ok"]
        c.receive()
    assert wait_restore(site)["exit"] == 0
    assert site.side() == "new" and site.is_open()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_it_goes_on_when_the_keeper_is_restarted(site, how):
    """The next keeper takes it over, shows it, and remembers it once."""
    site.prepare()
    site.backup.start_keeper()
    held(site)
    call(site, "run", which="latest")
    before = wait_phase(site, "hook")
    pid = before["pid"]
    os.kill(site.backup.keeper.pid, how)
    process.wait_until(lambda: not site.backup.keeper.alive(), 10, "the keeper's end")
    assert job_pids(site) == [pid]
    site.backup.start_keeper()
    now = wait_phase(site, "hook")
    assert (now["kind"], now["pid"], now["started"], now["action"]) == ("restore", pid, before["started"], "run")
    refused(site, "EBUSY", "run", which="latest")
    with control.Control(site.backup.socket, timeout=60) as c:
        c.call({"cmd": "watch"})
        site.go.touch()
        while not c.receive().get("done"):
            pass
    last = wait_restore(site)
    assert last["exit"] == 0 and last["new_live"] and last["started"] == before["started"]
    assert site.side() == "new" and site.is_open()
    time.sleep(1.5)
    assert len(site.backup.runs("restore")) == 1
    site.backup.stop_keeper()
    site.backup.start_keeper()
    time.sleep(1.5)
    assert len(site.backup.runs("restore")) == 1


@pytest.mark.sanitize
def test_it_ends_while_no_keeper_runs(site):
    site.prepare()
    site.backup.start_keeper()
    held(site)
    call(site, "run", which="latest")
    wait_phase(site, "hook")
    site.backup.stop_keeper()
    let_go = time.time()
    site.go.touch()
    process.wait_until(lambda: not job_pids(site), 60, "the end of the restore")
    ended = time.time()
    assert site.side() == "new" and site.is_open()
    time.sleep(2)
    site.backup.start_keeper()
    last = wait_restore(site)
    assert last["exit"] == 0 and last["new_live"] and last["words"]
    assert let_go - 1 < datetime.datetime.fromisoformat(last["ended"]).timestamp() <= ended


@pytest.mark.parametrize("phase", ["hook", "block", "swap", "start"])
def test_a_job_that_is_killed_is_settled_by_the_keeper(site, phase):
    """All old or all new, and clients are let in, without anybody asking for it."""
    site.prepare()
    site.backup.start_keeper()
    if phase == "hook":
        held(site)
    with control.Control(site.backup.socket, timeout=60) as c:
        c.call({"cmd": "restore", "action": "run", "which": "latest", "follow": True})
        while c.receive().get("phase") != phase:
            pass
        os.kill(job(site)["pid"], signal.SIGKILL)
        site.go.touch()
        process.wait_until(lambda: [r for r in site.backup.runs("restore") if "signal 9" in r.get("error", "")], 20, "its end")
        cut_off = next(r for r in site.backup.runs("restore") if "signal 9" in r.get("error", ""))
    assert "von selbst" in german(cut_off, "words")
    process.wait_until(lambda: len(site.backup.runs("restore")) == 2 and job(site) is None, 60, "the settling")
    settled = site.backup.runs("restore")[0]
    assert settled["action"] == "recover" and settled["exit"] == 0, settled
    assert site.side() == ("new" if settled.get("new_live") else "old") and site.is_open()


def test_job_and_keeper_killed_in_the_middle(site):
    """The power goes away: the next keeper settles it before it does anything else."""
    site.prepare()
    site.backup.start_keeper()
    with control.Control(site.backup.socket, timeout=60) as c:
        c.call({"cmd": "restore", "action": "run", "which": "latest", "follow": True})
        while c.receive().get("phase") != "swap":
            pass
        os.kill(job(site)["pid"], signal.SIGKILL)
        site.backup.keeper.kill()
    site.backup.start_keeper()
    process.wait_until(lambda: site.is_open() and job(site) is None and site.backup.runs("restore"), 60, "open clients")
    runs = site.backup.runs("restore")
    assert [r["action"] for r in runs] == ["recover", "run"] and runs[0]["exit"] == 0 and runs[1]["exit"] == 1, runs
    assert site.side() in ("new", "old")


def test_blocked_since_is_shown(site):
    """A server that takes long to come back: the page can say since when clients wait."""
    site.prepare()
    slow = site.folder / "slow-start"
    slow.write_text(f"#!/bin/sh\nwhile [ ! -e {site.go} ]; do sleep 0.05; done\nexec {site.backup.sections['restore']['start_command']}\n")
    slow.chmod(0o755)
    site.backup.set("restore", start_command=slow)
    site.backup.start_keeper()
    call(site, "run", which="latest")
    shown = wait_phase(site, "start")
    assert re.fullmatch(r"20..-..-..T.*Z", shown["blocked_since"])
    site.go.touch()
    assert wait_restore(site)["exit"] == 0 and site.is_open()


def test_a_restore_from_the_command_line_is_seen(site):
    site.prepare()
    site.backup.start_keeper()
    held(site)
    started = site.backup.start_job("restore", "run", "latest")
    assert wait_phase(site, "hook")["pid"] == started.pid
    refused(site, "EBUSY", "run", which="latest")
    site.go.touch()
    started.stdout.read()
    started.stdout.close()
    assert started.wait(60) == 0
    assert wait_restore(site)["exit"] == 0 and site.side() == "new"


def test_whoever_saw_it_end_may_ask_at_once(site):
    """The end of a restore that the keeper only watches is known as soon as its process is gone, with the exit that it had."""
    site.prepare()
    run = site.backup.complete()[0]["run"]
    site.hold.write_text(site.hold.read_text() + "exit 1\n")
    site.backup.start_keeper()
    held(site)
    requests = ({"cmd": "restore", "action": "run", "which": run, "types": ["documents"], "dry_run": True}, {"cmd": "drill"},
                {"cmd": "verify", "which": run})
    for count, request in enumerate(requests, 1):
        site.go.unlink(missing_ok=True)
        started = site.backup.start_job("restore", "run", run, "documents")
        wait_phase(site, "hook")
        site.go.touch()
        last = json.loads(started.stdout.read().splitlines()[-1])
        started.stdout.close()
        assert started.wait(60) == last["exit"] != 0
        answer = site.backup.call(request, check=False, timeout=60)
        assert answer["ok"], (request, answer)
        process.wait_until(lambda: job(site) is None, 120, "the end of what was asked for")
        failed = [r for r in site.backup.runs("restore") if not r["dry_run"]]
        assert len(failed) == count and failed[0]["exit"] == last["exit"] and failed[0]["error"] == last["error"], failed[0]


def test_cancel_before_the_block(site):
    site.prepare()
    site.backup.start_keeper()
    held(site)
    call(site, "run", which="latest")
    wait_phase(site, "hook", "extract", "boot", "check")
    assert site.backup.call("cancel")["cancelled"] == "running"
    last = wait_restore(site)
    assert last["exit"] in (8, 10) and site.side() == "old"  # the hook is ended, or the step before it
    site.nothing_left()


# --- SQL that was uploaded ---

def upload(site, name, content):
    (site.uploads / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return name


def dump(site):
    return site.server.client(["--hex-blob", "load_db"], program="mariadb-dump").stdout


@pytest.mark.parametrize("form", ["plain", "gz", "zst"])
def test_sql_from_an_upload(site, form):
    """What it is compressed with is told from the content: the name says nothing."""
    text = dump(site).encode()
    before = site.sums()
    site.server.sql("DELETE FROM load_db.plain; CREATE TABLE load_db.later (n INT PRIMARY KEY)")
    name = upload(site, "5f" * 16, gzip.compress(text) if form == "gz" else text)
    if form == "zst":
        process.run(["zstd", "-q", "-o", str(site.uploads / "z"), str(site.uploads / name)])
        name = "z"
    site.backup.start_keeper()
    lines = follow(site, "sql", upload=name, dry_run=True)
    assert lines[-1]["ok"] and site.sums() != before
    lines = follow(site, "sql", upload=name)
    assert lines[-1]["ok"], lines[-1]
    read = [line for line in lines if line.get("phase") == "read"]
    assert read and read[0]["total"] == (site.uploads / name).stat().st_size
    assert [line for line in lines if line.get("phase") == "import" and line.get("total")]
    assert {k: v for k, v in site.sums().items() if k[0] == "load_db"} == {k: v for k, v in before.items() if k[0] == "load_db"}
    last = site.backup.call("status")["last_restore"]
    assert last["action"] == "sql" and "aufbewahrt" in german(last, "words") and site.is_open()


def test_sql_that_is_refused_is_so_in_both_languages(site):
    site.backup.start_keeper()
    lines = follow(site, "sql", upload=upload(site, "half", "INSERT INTO t VALUES (1);\n"))
    last = site.backup.call("status")["last_restore"]
    assert not lines[-1]["ok"] and "the SQL text is cut off after line " in last["words"], last
    assert "der SQL-Text ist nach Zeile " in german(last, "words") and "cut off" not in german(last, "words"), last


@pytest.mark.sanitize
def test_sql_from_a_dump_of_ours(site):
    """"which" instead of an upload: the dump that lies in the backup folder."""
    site.backup.set("backup", method="dump")
    run = site.backup.job("backup", "--now")[-1]["run"]
    before = site.sums()
    site.server.sql("DELETE FROM load_db.old")
    site.backup.start_keeper()
    lines = follow(site, "sql", which=run)
    assert lines[-1]["ok"], lines[-1]
    assert site.sums()[("load_db", "old")] == before[("load_db", "old")] and site.is_open()
    last = site.backup.call("status")["last_restore"]
    assert last["action"] == "run" and last["which"] == run and "are kept" in last["words"]


def test_an_archive_of_the_old_system_from_an_upload(site):
    """A tar without a manifest, whose only proof is that a server starts on it."""
    site.prepare()
    upload(site, "old", (site.backup.archives / site.archive).read_bytes())
    (site.backup.archives / "altes_system.tar.gz").write_bytes((site.uploads / "old").read_bytes())
    site.backup.start_keeper()
    lines = follow(site, "run", foreign=True, upload="old", dry_run=True)
    assert lines[-1]["ok"] and "check" in site.phases(lines) and site.side() == "old"
    assert follow(site, "run", foreign=True, which="altes_system.tar.gz", types=["elexisdb"])[-1]["ok"]
    assert site.side() == "new" and site.is_open()
    assert follow(site, "undo")[-1]["ok"] and follow(site, "accept")[-1]["ok"]
    upload(site, "junk", os.urandom(10000))
    assert not follow(site, "run", foreign=True, upload="junk")[-1]["ok"] and site.side() == "old"
    site.nothing_left()


@pytest.mark.sanitize
def test_the_keeper_ends_while_questions_are_under_way(site):
    site.prepare()
    site.backup.start_keeper()
    with control.Control(site.backup.socket) as a, control.Control(site.backup.socket) as b:
        a.send({"cmd": "restore", "action": "plan", "which": "latest"})
        b.send({"cmd": "archives"})
        time.sleep(0.02)
        site.backup.stop_keeper()
        for asker in (a, b):
            try:
                asker.receive()
            except (EOFError, OSError):
                pass  # nobody is left to answer


@pytest.mark.sanitize
def test_uploads_that_are_none(site):
    """Only a plain file of that very folder."""
    site.backup.start_keeper()
    secret = site.folder / "secret.sql"
    secret.write_text("CREATE TABLE t (i INT);\n" + END)
    (site.uploads / "link").symlink_to(secret)
    (site.uploads / "dir").mkdir()
    os.mkfifo(site.uploads / "fifo")
    refused(site, "EINVAL", "sql", "plain file", upload="link")
    os.link(secret, site.uploads / "second-name")
    refused(site, "EINVAL", "sql", "plain file", upload="second-name")
    refused(site, "EINVAL", "sql", "plain file", upload="dir")
    refused(site, "EINVAL", "sql", "plain file", upload="fifo")
    refused(site, "ENOENT", "sql", upload="0" * 32)
    for name in ("../secret.sql", "..", ".", "", "a/b", "x" * 65, "a.json", "-", 5, ["link"]):
        answer = refused(site, "ENOENT" if name == "-" else "EINVAL", "sql", upload=name)
        assert "upload" in answer["error"]
    refused(site, "EINVAL", "sql", "either")
    upload(site, "cut", dump(site)[:3000])
    assert follow(site, "sql", upload="cut")[-1]["exit"] == 6 and site.is_open()
    upload(site, "shell", "\\! touch /tmp/x\n" + END)
    assert follow(site, "sql", upload="shell")[-1]["exit"] == 9
    assert job(site) is None


def test_an_upload_that_is_removed_meanwhile(site):
    """The keeper has it open: the console cannot take it away or change it for another."""
    text = dump(site)
    before = site.sums()
    site.server.sql("DELETE FROM load_db.plain")
    name = upload(site, "u1", text)
    site.backup.start_keeper()
    with control.Control(site.backup.socket, timeout=60) as c:
        assert c.call({"cmd": "restore", "action": "sql", "upload": name, "follow": True})["ok"]
        (site.uploads / name).unlink()
        upload(site, name, "DROP DATABASE mysql;\n")
        while not (line := c.receive()).get("done"):
            pass
    assert line["ok"] and site.sums()[("load_db", "plain")] == before[("load_db", "plain")]
