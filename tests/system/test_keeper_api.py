"""The keeper's control socket as the console uses it: every command with good and bad input, against a real server."""
import array
import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import threading
import time

import pytest

from lib import control, load, paths, process
from lib.backup import Backup, event
from lib.phrases import german


@pytest.fixture
def backup(folder, server):
    server.sql("DROP DATABASE IF EXISTS load_db")
    load.Load(server).setup()
    b = Backup(folder, server, None, {"backup": {"idle_for": "15s"}}).account()
    yield b
    b.stop_keeper()


@pytest.fixture
def keeper(backup):
    return backup.start_keeper()


def refused(b, request, code, words=""):
    answer = b.call(request, check=False)
    assert answer["ok"] is False and answer["code"] == code and words in answer["error"], answer
    return answer


def follow(b, request, timeout=120):
    """The answer and all events of a job up to its end."""
    with control.Control(b.socket, timeout=timeout) as c:
        answer = c.call({**request, "follow": True})
        assert answer["ok"], answer
        lines = []
        while not lines or not lines[-1].get("done"):
            lines.append(c.receive())
    return lines


def take(b):
    """One backup; returns its run."""
    return b.job("backup", "--now")[-1]["run"]


def archive_path(b, run, type="elexisdb"):
    return b.archives / f"{type}_{run}.tar.gz"


@pytest.mark.sanitize
def test_archives(keeper):
    assert keeper.call("archives")["runs"] == []
    run = take(keeper)
    answer = keeper.call("archives")
    listed = json.loads(keeper.cli("--json", "backups").stdout)["backups"]
    assert answer["runs"] == listed and answer["folder"] == str(keeper.archives)
    assert answer["runs"][0]["run"] == run and answer["runs"][0]["verified"] is None
    # a stranger's file, and one of ours cut short
    (keeper.archives / "notes.txt").write_text("x")
    os.truncate(archive_path(keeper, run), 1000)
    (item,) = keeper.call("archives")["runs"]
    assert item["complete"] is False and "problem" in item


@pytest.mark.sanitize
def test_the_keeper_answers_while_a_question_is_under_way(keeper):
    """Somebody who asks and goes away, and many at once."""
    take(keeper)
    for _ in range(5):
        with control.Control(keeper.socket) as gone:
            gone.send({"cmd": "archives"})
    answers = []

    def ask():
        answers.append(keeper.call("archives", check=False))

    threads = [threading.Thread(target=ask) for _ in range(30)]
    for t in threads:
        t.start()
    assert keeper.call("status")["ok"]
    for t in threads:
        t.join()
    good = [a for a in answers if a["ok"]]
    assert good and all(a["ok"] or a["code"] == "EBUSY" for a in answers)
    assert keeper.call("archives")["ok"] and keeper.keeper.alive()


def test_so_many_questions_at_once_and_no_more(backup):
    """Each is a process: who asks without end gets EBUSY, and the keeper goes on."""
    here = backup.folder / "libexec"
    here.mkdir()
    shutil.copy2(paths.KEEPER, here / "elexgate-keeper")
    shutil.copy2(paths.KEEPER.with_name("elexgate-monitor"), here / "elexgate-monitor")
    (here / "elexgate-job").write_text("#!/bin/sh\nexec sleep 120\n")  # beside the keeper, it is the one that is run
    (here / "elexgate-job").chmod(0o755)
    keeper = process.Child("elexgate-keeper", [here / "elexgate-keeper", "--config", backup.config], backup.folder / "keeper.log")
    asking = []
    try:
        process.wait_until(lambda: backup.ready() or not keeper.alive(), 20, "elexgate-keeper ready")
        for _ in range(12):
            asking.append(control.Control(backup.socket, timeout=60))
            asking[-1].send({"cmd": "archives"})
        process.wait_until(lambda: backup.call({"cmd": "archives"}, check=False)["code"] == "EBUSY", 30, "the thirteenth is refused")
        assert "12 questions are being answered already" in backup.call("archives", check=False)["error"] and backup.call("status")["ok"]
    finally:
        for c in asking:
            c.close()
        assert keeper.stop(20) == 0


# --- schedule ---

def test_schedule_preview(keeper):
    answer = keeper.call({"cmd": "schedule-preview", "schedule": "15 3 * * 1-5", "count": 3})
    assert answer["words"] == "Monday to Friday at 03:15" and german(answer, "words") == "Montag bis Freitag um 03:15"
    assert len(answer["next"]) == 3 and answer["next"] == sorted(answer["next"]) and answer["next"][0].endswith("Z")
    assert len(keeper.call({"cmd": "schedule-preview", "schedule": "daily"})["next"]) == 5


@pytest.mark.parametrize("text,field,words", [
    ("75 3 * * *", "minute", "Minute"), ("15 25 * * *", "hour", "Stunde"), ("15 3 0 * *", "day", "Tag"),
    ("15 3 * 13 *", "month", "Monat"), ("15 3 * * 9", "weekday", "0 und 7 sind Sonntag"), ("15 3 * *", "weekday", "fehlt"),
    ("1 2 3 4 5 6", "schedule", "mehr als fünf"), ("0 0 30 2 *", "schedule", "nie"), ("@often", "schedule", "nicht bekannt"),
    ("", "minute", "fehlt"), ("ü 3 * * *", "minute", "weder")])
def test_schedule_preview_says_what_is_wrong(keeper, text, field, words):
    answer = refused(keeper, {"cmd": "schedule-preview", "schedule": text}, "EINVAL")
    assert answer["field"] == field and words in german(answer, "error"), answer


def test_schedule_preview_bad_input(keeper):
    for request in ({}, {"schedule": 5}, {"schedule": "@daily", "count": 0}, {"schedule": "@daily", "count": 1000},
                    {"schedule": "@daily", "count": "x"}):
        refused(keeper, {"cmd": "schedule-preview", **request}, "EINVAL")


# --- configuration ---

COMMENTED = """\
# Praxis Müller
[backup]   ; unser Abend
# wann
#schedule =

idle = quiet   ; bis Ruhe ist
; Ende

[retention]
keep = 7
"""


def with_comments(b):
    text = b.config.read_text()
    b.config.write_text(text.replace("[backup]\n", COMMENTED.split("[retention]")[0], 1) + "\n[retention]\nkeep = 7\n")
    b.call("reload")
    return b.config.read_bytes()


def test_config_get(keeper):
    answer = keeper.call("config-get")
    assert answer["file"] == str(keeper.config)
    assert answer["sha256"] == hashlib.sha256(keeper.config.read_bytes()).hexdigest()
    assert answer["values"]["backup.idle_for"] == "15s" and answer["values"]["backup.schedule"] is None
    assert answer["defaults"]["retention.keep"] == "7" and "listen.elexis.port" in answer["values"]
    assert "adm" not in json.dumps(answer["values"]["admin.password_file"]).replace("admin.secret", "")
    assert "backup.schedule" in answer["settable"] and "archive.folder" not in answer["settable"]
    # a new one is a decision: whoever takes the page over can set it
    assert set(answer["settable"]) == {
        "backup.schedule", "backup.method", "backup.idle", "backup.idle_for", "backup.deadline", "backup.after_deadline",
        "backup.catch_up", "backup.settle", "backup.hold", "backup.checksums", "archive.level", "archive.threads", "archive.rate",
        "retention.keep", "retention.keep_daily", "retention.keep_weekly", "retention.keep_monthly", "retention.keep_yearly",
        "drill.schedule", "notify.mail_to", "notify.mail_from", "notify.languages", "notify.repeat", "notify.min_free", "restore.stale_clients",
        "restore.keep_old"}


@pytest.mark.sanitize
def test_config_set_keeps_comments_and_takes_effect_at_once(keeper):
    before = with_comments(keeper)
    os.chmod(keeper.config, 0o640)
    mark = keeper.call("config-get")["sha256"]
    answer = keeper.call({"cmd": "config-set", "sha256": mark, "values": {
        "backup.schedule": "15 3 * * 1-5", "backup.idle": "no-clients", "retention.keep": 14, "drill.schedule": "monthly"}})
    assert set(answer["changed"]) == {"[backup] schedule", "[backup] idle", "[retention] keep", "[drill] schedule"}
    assert answer["restart_needed"] == []
    expected = before.decode().replace("#schedule =\n", "#schedule =\nschedule = 15 3 * * 1-5\n")
    expected = expected.replace("idle = quiet   ; bis", "idle = no-clients   ; bis").replace("keep = 7", "keep = 14")
    expected += "\n[drill]\nschedule = monthly\n"
    assert keeper.config.read_text() == expected
    assert answer["sha256"] == hashlib.sha256(expected.encode()).hexdigest()
    assert stat.S_IMODE(keeper.config.stat().st_mode) == 0o640
    assert (keeper.config.parent / (keeper.config.name + "~")).read_bytes() == before
    status = keeper.call("status")
    assert german(status["schedule"], "words") == "Montag bis Freitag um 03:15" and status["schedule"]["next"]
    # null takes it away again
    answer = keeper.call({"cmd": "config-set", "values": {"backup.schedule": None, "drill.schedule": None}})
    assert keeper.call("status")["schedule"]["next"] is None
    assert keeper.config.read_text() == expected.replace("schedule = 15 3 * * 1-5\n", "").replace("schedule = monthly\n", "")


def test_a_new_schedule_makes_no_past_time_due(backup):
    """A keeper that has run for hours without one: the time that has passed today was not missed."""
    backup.state.mkdir()
    ms = int((time.time() - 3 * 3600) * 1000)
    (backup.state / "keeper.json").write_text(json.dumps({"version": 1, "backup_seen_ms": ms, "drill_seen_ms": int(time.time() * 1000), "runs": []}))
    backup.start_keeper()
    past = time.localtime(time.time() - 3600)
    backup.call({"cmd": "config-set", "values": {"backup.schedule": f"{past.tm_min} {past.tm_hour} * * *"}})
    time.sleep(2)
    status = backup.call("status")
    assert status["pending"] is None and status["schedule"]["next"]


@pytest.mark.parametrize("values,code,section,key,words", [
    ({"backup.schedule": "75 3 * * *"}, "EINVAL", "backup", "schedule", "minute"),
    ({"retention.keep": "many"}, "EINVAL", "retention", "keep", "many"),
    ({"retention.keep": 0}, "EINVAL", "retention", "keep", "0"),
    ({"backup.idle": "sometimes"}, "EINVAL", "backup", "idle", "sometimes"),
    ({"notify.mail_from": "a\nb = c"}, "EINVAL", "notify", "mail_from", "line break"),
    ({"backup.idle_for": "20s", "backup.deadline": "x"}, "EINVAL", "backup", "deadline", "x"),
    ({"backup.schedule": ["x"]}, "EINVAL", "backup", "schedule", "text"),
    ({"backup.nothing": "1"}, "EINVAL", None, None, "backup.nothing"),
    ({"nowhere.x": "1"}, "EINVAL", None, None, "nowhere.x"),
    ({"schedule": "1"}, "EINVAL", None, None, "schedule"),
    ({"archive.folder": "/tmp"}, "EPERM", "archive", "folder", "only in the file"),
    ({"hooks.after_backup": "/bin/sh"}, "EPERM", "hooks", "after_backup", ""),
    ({"restore.start_command": "reboot"}, "EPERM", "restore", "start_command", ""),
    ({"drill.server_program": "sh"}, "EPERM", "drill", "server_program", ""),
    ({"drill.server_args": "--init-file=/x"}, "EPERM", "drill", "server_args", ""),
    ({"backup.control_users": "nobody"}, "EPERM", "backup", "control_users", ""),
    ({"archive.recipients": "age1x"}, "EPERM", "archive", "recipients", ""),
    ({"archive.trust": "0" * 64}, "EPERM", "archive", "trust", ""),
    ({"backup.type": "x"}, "EPERM", "backup", "type", ""),
    ({"notify.user": "root"}, "EPERM", "notify", "user", ""),
    ({"notify.smtp": "smtp://elsewhere.example"}, "EPERM", "notify", "smtp", ""),
    ({"notify.webhook": "https://elsewhere.example/"}, "EPERM", "notify", "webhook", ""),
    ({"proxy.grace": "1s"}, "EPERM", "proxy", "grace", ""),
    ({}, "EINVAL", None, None, ""), ("text", "EINVAL", None, None, ""), (None, "EINVAL", None, None, "")])
def test_config_set_refuses_and_changes_nothing(keeper, values, code, section, key, words):
    before = keeper.config.read_bytes()
    answer = refused(keeper, {"cmd": "config-set", "values": values}, code, words)
    assert answer.get("section") == section and answer.get("key") == key, answer
    assert keeper.config.read_bytes() == before and not list(keeper.config.parent.glob("*~"))


@pytest.mark.sanitize
def test_config_set_with_an_old_mark(keeper):
    before = keeper.config.read_bytes()
    refused(keeper, {"cmd": "config-set", "values": {"retention.keep": 3}, "sha256": "0" * 64}, "ESTALE")
    refused(keeper, {"cmd": "config-set", "values": {"retention.keep": 3}, "sha256": 5}, "ESTALE")
    assert keeper.config.read_bytes() == before
    assert keeper.call({"cmd": "config-set", "values": {"retention.keep": 3}, "sha256": None})["ok"]


def test_config_set_on_a_file_that_was_broken_meanwhile(keeper):
    keeper.config.write_text(keeper.config.read_text() + "\n[backup]\nnonsense = 1\n")
    before = keeper.config.read_bytes()
    refused(keeper, {"cmd": "config-set", "values": {"retention.keep": 3}}, "EINVAL", "nonsense")
    assert keeper.config.read_bytes() == before and keeper.call("status")["ok"]


# --- verify, delete, fetch ---

@pytest.fixture
def two_runs(keeper):
    """The older run and the newer one."""
    older = take(keeper)
    newer = take(keeper)
    assert older != newer
    return older, newer


@pytest.mark.sanitize
def test_verify(keeper, two_runs):
    older, newer = two_runs
    lines = follow(keeper, {"cmd": "verify", "which": older, "type": "elexisdb"})
    (found,) = event(lines, "verified")
    assert found["good"] and found["run"] == older and lines[-1]["ok"] and lines[-1]["job"] == "verify"
    progress = event(lines, "progress")
    assert all(line["phase"] == "verify" and line["total"] >= line["bytes"] for line in progress)
    assert keeper.runs("verify")[0]["exit"] == 0
    assert [i["run"] for i in keeper.call("archives")["runs"] if i["verified"]] == [older]
    # damage in the middle, its length unchanged
    path = archive_path(keeper, older)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    lines = follow(keeper, {"cmd": "verify", "which": "all"})
    assert lines[-1]["exit"] == 6 and {v["run"]: v["good"] for v in event(lines, "verified")} == {older: False, newer: True}


@pytest.mark.parametrize("request_", [
    {"which": "../../etc/passwd"}, {"which": "/etc/passwd"}, {"which": "--all"}, {"which": 5}, {}, {"which": ""},
    {"which": "2026-02-30-0000"}, {"which": "2026-11-22-0315", "type": "../x"}, {"which": "2026-11-22-0315", "type": "--force"},
    {"which": "2026-11-22-0315", "type": 5}, {"which": "2026-11-22-0315", "type": "x" * 41}, {"which": "2026-11-22-0315\n"}])
def test_names_that_are_none(keeper, request_):
    for cmd in ("verify", "delete"):
        refused(keeper, {"cmd": cmd, **request_}, "EINVAL")
    if isinstance(request_.get("which"), str):  # without one it is the latest
        refused(keeper, {"cmd": "drill", **request_}, "EINVAL")
    assert keeper.keeper.alive() and not keeper.runs("verify")


@pytest.mark.sanitize
def test_delete(keeper, two_runs):
    older, newer = two_runs
    size = archive_path(keeper, older).stat().st_size
    answer = keeper.call({"cmd": "delete", "which": older})
    assert answer["deleted"] == [f"elexisdb_{older}"] and answer["bytes"] == size
    assert not [name for name in keeper.files() if older in name]
    refused(keeper, {"cmd": "delete", "which": older}, "ENOENT")
    words = refused(keeper, {"cmd": "delete", "which": newer}, "EPERM", "only complete backup")["error"]
    assert "damaged" not in words
    assert archive_path(keeper, newer).exists()
    refused(keeper, {"cmd": "delete", "which": newer, "type": "elexisdb", "force": True}, "EPERM", "elexgate(1)")  # also root, by way of the keeper
    refused(keeper, {"cmd": "restore", "action": "run", "which": newer, "no_trial": True}, "EPERM", "elexgate(1)")
    assert archive_path(keeper, newer).exists()
    keeper.job("remove", "--force", newer, "--type", "elexisdb")
    assert keeper.call("archives")["runs"] == []


def test_only_backups_of_its_own_folder_are_deleted(keeper, two_runs, folder):
    """Named by their path: neither that one, nor the one of the same name that is ours."""
    other = folder / "elsewhere"
    shutil.copytree(keeper.archives, other)
    before = sorted(p.name for p in keeper.archives.iterdir())
    answer = keeper.job("remove", other / archive_path(keeper, two_runs[0]).name, exit=9)[-1]
    assert f"only backups in {keeper.archives} are removed" in answer["error"]
    assert sorted(p.name for p in other.iterdir()) == before == sorted(p.name for p in keeper.archives.iterdir())


def test_delete_leaves_the_only_good_one(keeper, two_runs):
    """Two complete backups, but the other one is known to be damaged."""
    older, newer = two_runs
    path = archive_path(keeper, older)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    follow(keeper, {"cmd": "verify", "which": older})
    refused(keeper, {"cmd": "delete", "which": newer}, "EPERM", "not known to be damaged")
    assert keeper.call({"cmd": "delete", "which": older})["deleted"] == [f"elexisdb_{older}"]


def test_delete_while_somebody_else_works(keeper, two_runs):
    """A job from the command line has the lock."""
    keeper.set("archive", rate="1M")
    job = keeper.start_job("backup", "--now")
    json.loads(job.stdout.readline())
    refused(keeper, {"cmd": "delete", "which": two_runs[0]}, "EBUSY")
    job.terminate()
    job.stdout.read()
    job.stdout.close()
    job.wait(60)


# --- log, and who may ask ---

@pytest.mark.sanitize
def test_log(keeper):
    answer = keeper.call("log")
    assert answer["program"] == "elexgate-keeper"
    ready = next(line for line in answer["lines"] if line["event"] == "ready")
    assert ready["level"] == "info" and ready["time"].endswith("Z") and ready["seq"] > 0
    keeper.keeper and keeper.call({"cmd": "config-set", "values": {"retention.keep": 9}})
    fresh = keeper.call({"cmd": "log", "after": answer["next"]})
    assert "config-set" in [line["event"] for line in fresh["lines"]]
    assert all(line["seq"] > answer["next"] for line in fresh["lines"])
    assert keeper.call({"cmd": "log", "after": fresh["next"]})["lines"] == []
    assert keeper.call({"cmd": "log", "level": "error"})["lines"] == []
    refused(keeper, {"cmd": "log", "after": "x"}, "EINVAL")
    refused(keeper, {"cmd": "log", "limit": 0}, "EINVAL")


def test_another_user_is_refused(keeper):
    """The socket can be opened by everybody; the kernel says who it is."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    os.chmod(keeper.folder.parent.parent, 0o755)
    for path in (keeper.folder.parent, keeper.folder):
        os.chmod(path, 0o755)
    program = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.makefile().read())"
    done = subprocess.run(["/usr/bin/python3", "-c", program, str(keeper.socket)], user="nobody", capture_output=True, text=True,
                          timeout=20)
    assert '"EACCES"' in done.stdout and "runs" not in done.stdout, done
    # as many as there may be clients, and they stay: who may ask finds room
    program = ("import socket,sys; all=[socket.socket(socket.AF_UNIX) for _ in range(70)]; [s.connect(sys.argv[1]) for s in all];"
               " print(all[0].recv(1000), flush=True); sys.stdin.read()")
    with subprocess.Popen(["/usr/bin/python3", "-c", program, str(keeper.socket)], user="nobody", stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as crowd:
        assert b"EACCES" in crowd.stdout.readline()
        assert keeper.call("status")["ok"]
        crowd.stdin.close()


@pytest.mark.sanitize
def test_unknown_and_broken_requests(keeper):
    assert "archives" in refused(keeper, {"cmd": "nothing"}, "ENOSYS")["error"]
    refused(keeper, {"cmd": 5}, "ENOSYS")
    refused(keeper, {}, "ENOSYS")
    for data in (b"no json\n", b"[1]\n", b"\xff\xfe\n", b"{" * 100000 + b"\n", b"x" * (2 << 20)):
        with control.Control(keeper.socket) as c:
            try:
                c.send_raw(data)
                c.receive()
            except (EOFError, OSError):
                pass  # the connection ends, not the keeper
    assert keeper.call("status")["ok"]


# --- the command line ---

def test_cli_config_set(keeper):
    before = with_comments(keeper)
    out = keeper.cli("config", "set", "retention.keep=21", "backup.schedule=30 2 * * *").stdout
    assert "[retention] keep" in out and "schedule = 30 2 * * *" in keeper.config.read_text()
    assert "so already" in keeper.cli("config", "set", "retention.keep=21").stdout
    keeper.cli("config", "set", "backup.schedule=")
    assert keeper.config.read_bytes() == before.replace(b"keep = 7", b"keep = 21")
    bad = keeper.cli("config", "set", "retention.keep=many", exit=1)
    assert "retention" in bad.stderr and keeper.config.read_bytes() == before.replace(b"keep = 7", b"keep = 21")
    for words in (["retention.keep"], ["keep=1"], ["=1"], []):
        keeper.cli("config", "set", *words, exit=2)
    assert json.loads(keeper.cli("--json", "config", "set", "retention.keep=7").stdout)["changed"] == ["[retention] keep"]
    keeper.stop_keeper()
    keeper.cli("config", "set", "retention.keep=5", exit=3)


def test_cli_log(keeper):
    text = keeper.cli("log").stdout
    assert "keeper ready" in text
    lines = [json.loads(line) for line in keeper.cli("--json", "log", "--limit", "1").stdout.splitlines()]
    assert len(lines) == 1 and lines[0]["program"] == "elexgate-keeper"
    follower = subprocess.Popen([paths.CLI, "--config", keeper.config, "--json", "log", "--follow"], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)
    try:
        for line in follower.stdout:
            if json.loads(line)["event"] == "ready":
                break
        keeper.call({"cmd": "config-set", "values": {"retention.keep": 11}})
        for line in follower.stdout:
            if json.loads(line)["event"] == "config-set":
                break
        # another keeper: its lines are shown from the first
        keeper.stop_keeper()
        keeper.start_keeper()
        for line in follower.stdout:
            if json.loads(line)["event"] == "ready":
                break
        else:
            pytest.fail("the follower ended")
    finally:
        follower.kill()
        follower.wait()
        follower.stdout.close()
    for args in (["--limit", "0"], ["--level", "loud"], ["x"]):
        keeper.cli("log", *args, exit=2)
    keeper.stop_keeper()
    keeper.cli("log", exit=3)


def test_cli_log_merges_proxy_and_keeper(folder, server, make_gate):
    server.sql("DROP DATABASE IF EXISTS load_db")
    load.Load(server).setup()
    b = Backup(folder, server, make_gate(server)).account().start_keeper()
    lines = [json.loads(line) for line in b.cli("--json", "log").stdout.splitlines()]
    assert {line["program"] for line in lines} == {"elexgate-proxy", "elexgate-keeper"}
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    b.stop_keeper()


def test_cli_reload_is_for_the_keeper_too(folder, server, make_gate):
    server.sql("DROP DATABASE IF EXISTS load_db")
    load.Load(server).setup()
    b = Backup(folder, server, make_gate(server)).account().start_keeper()
    try:
        b.set("retention", keep="23")
        done = json.loads(b.cli("--json", "reload").stdout)
        assert "[retention] keep" in done["changed"] and b.call("config-get")["values"]["retention.keep"] == "23"
        b.set("backup", schedule="75 * * * *")  # the proxy does not read it
        assert "elexgate-keeper" in b.cli("reload", exit=1).stderr
        b.set("backup", schedule="@daily")
        b.stop_keeper()
        b.cli("reload")
    finally:
        b.stop_keeper()


def test_cli_schedule_preview(keeper):
    assert "Monday to Friday at 03:15" in keeper.cli("schedule", "preview", "15 3 * * 1-5").stdout
    keeper.cli("schedule", "preview", exit=2)
    told = process.run([paths.CLI, "--config", keeper.config, "schedule", "preview", "15 25 * * *"], check=False,
                         env={**os.environ, "LC_ALL": "de_CH.UTF-8"})
    assert told.returncode == 2 and "Stunde" in told.stderr


def test_cli_backups_delete(keeper, two_runs):
    older, newer = two_runs
    keeper.cli("backups", "delete", older, exit=2)  # no terminal, nobody to ask
    keeper.cli("backups", "delete", older, "other", "--yes", exit=1)
    assert f"elexisdb_{older}" in keeper.cli("backups", "delete", older, "elexisdb", "--yes").stdout
    keeper.cli("backups", "delete", newer, "--yes", exit=9)
    keeper.cli("backups", "delete", "--yes", exit=2)
    keeper.cli("backups", "delete", "--yes", newer, "--force")
    assert keeper.call("archives")["runs"] == []


def test_every_command_is_in_the_manual(keeper):
    known = refused(keeper, {"cmd": "nothing"}, "ENOSYS")["error"].split("known:")[1].split()
    chapter = (paths.ROOT / "docs" / "control.md").read_text().split("# The keeper's control socket")[1]
    assert len(known) > 15 and [name for name in known if f'"cmd":"{name}"' not in chapter] == []


def test_a_slip_is_no_failed_backup(keeper):
    """A data type that does not exist is told to who asked; the overview does not warn of the last backup for it."""
    lines = follow(keeper, {"cmd": "run", "mode": "now", "types": ["nix"]})
    assert lines[-1]["exit"] == 2 and "nix" in lines[-1]["error"], lines
    assert keeper.runs() == [] and keeper.call("status")["last_backup"] is None
