"""elexgate backup, drill, doctor: the bar, the lines, Ctrl-C, the languages."""
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time

import pytest

from lib import load, paths, process
from lib.backup import Backup, event
from test_cli import raw_words


@pytest.fixture
def backup(folder, server):
    server.sql("DROP DATABASE IF EXISTS load_db")
    load.Load(server).setup()
    b = Backup(folder, server, None, {"backup": {"idle_for": "15s"}}).account()
    yield b
    b.stop_keeper()


def start(backup, *args, json_lines=True, **kwargs):
    return subprocess.Popen([paths.CLI, "--config", backup.config, *["--json"] * json_lines, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            preexec_fn=process._die_with_parent, **kwargs)


def until(stream, text):
    for line in stream:
        if text in line:
            return line
    raise AssertionError(f"{text} never came")


def on_terminal(backup, *args, language="C.UTF-8", timeout=120):
    """What a person sees: the output on a pseudo terminal, and the exit code."""
    parent, child = pty.openpty()
    popen = subprocess.Popen([paths.CLI, "--config", backup.config, *args], stdin=child, stdout=child, stderr=child,
                             env={**os.environ, "LC_ALL": language}, preexec_fn=process._die_with_parent)
    os.close(child)
    text, end = b"", time.monotonic() + timeout
    while time.monotonic() < end:
        if not select.select([parent], [], [], 0.5)[0]:
            continue
        try:
            data = os.read(parent, 65536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        text += data
    os.close(parent)
    return popen.wait(20), text.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_without_a_keeper(backup, number):
    backup.set("archive", rate="3M")
    cli = start(backup, "backup", "--now")
    until(cli.stdout, '"phase":"copy"')
    cli.send_signal(number)
    last = json.loads(cli.stdout.read().splitlines()[-1])
    assert cli.wait(60) == 10 and last["exit"] == 10
    assert backup.files() == []


@pytest.mark.sanitize
def test_ctrl_c_while_the_keeper_runs_it(backup):
    backup.set("archive", rate="3M")
    backup.start_keeper()
    cli = start(backup, "backup", "--now")
    until(cli.stdout, '"phase":"copy"')
    cli.send_signal(signal.SIGINT)
    assert cli.wait(60) == 10
    assert backup.files() == [] and backup.call("status")["job"] is None


def test_cancelled_is_not_failed(backup):
    """A good backup that is five minutes old, and one that a person cancelled: nothing is red, and the good one is the last."""
    backup.start_keeper()
    assert start(backup, "backup", "--now").wait(120) == 0
    good = backup.call("status")
    assert good["last_backup"]["result"] == "good"
    before = {(f["code"], f["level"]) for f in good["findings"]}
    backup.set("archive", rate="3M")
    backup.call("reload")
    cli = start(backup, "backup", "--now")
    until(cli.stdout, '"phase":"copy"')
    backup.call("cancel")
    assert cli.wait(60) == 10
    now = backup.call("status")
    assert backup.call("runs")["runs"][0]["result"] == "cancelled"
    assert now["last_backup"]["run"] == now["last_good_backup"]["run"] == good["last_backup"]["run"]
    assert {(f["code"], f["level"]) for f in now["findings"]} == before and "bad" not in {level for _, level in before}


def test_ctrl_c_while_it_waits(backup):
    backup.start_keeper()
    with backup.server.connect(database="load_db") as c, c.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO plain (body) VALUES ('x')")
        cli = start(backup, "backup", "--when-idle")
        until(cli.stdout, "server-transaction")
        cli.send_signal(signal.SIGINT)
        assert cli.wait(60) == 10
        assert backup.call("status")["pending"] is None
        cursor.execute("ROLLBACK")


def test_a_command_line_that_is_killed_takes_its_job_with_it(backup):
    backup.set("archive", rate="3M")
    cli = start(backup, "backup", "--now")
    until(cli.stdout, '"phase":"copy"')
    cli.kill()
    cli.wait()
    process.wait_until(lambda: backup.files() == [], 20, "nothing is left")
    backup.set("archive", rate="0")
    process.wait_until(lambda: backup.run_job("backup", "--now").returncode == 0, 30, "the lock is free")


@pytest.mark.parametrize("language,words", [("C.UTF-8", ("copying", "Done.")), ("de_CH.UTF-8", ("kopiere", "Fertig."))])
def test_a_person_sees_a_bar(backup, language, words):
    backup.set("archive", rate="20M")  # slow enough for a bar to appear, however fast the machine is
    code, text = on_terminal(backup, "backup", "--now", language=language)
    assert code == 0
    assert "[####" in text and "MB/s" in text and "%" in text
    assert all(word in text for word in words), text
    assert "{" not in text


@pytest.mark.sanitize
def test_a_person_reads_why_not(backup):
    os.symlink("/tmp", f"{backup.server.datadir}/linked")
    try:
        code, text = on_terminal(backup, "backup", "--now")
    finally:
        os.unlink(f"{backup.server.datadir}/linked")
    assert code == 9 and "linked leads out of the data directory" in text


def test_without_a_terminal_it_speaks_words(backup):
    """A line a step for a log or a mail; JSON lines only for who asks for them."""
    for args, words in ((("backup", "--now"), "copying"), (("drill",), "tables checked"), (("verify",), "good"), (("backup", "--dry-run"), "Would need")):
        done = start(backup, *args, json_lines=False)
        out, err = done.communicate(timeout=120)
        assert done.returncode == 0 and words in out and "{" not in out and "\r" not in out and "\033" not in out, (out, err)
    (backup.archives / "x").mkdir()
    backup.set("data bilder", path=backup.folder / "gone")
    done = start(backup, "backup", "--now", "bilder", json_lines=False)
    out, err = done.communicate(timeout=120)
    assert done.returncode == 1 and "{" not in out + err and "gone" in err and err.startswith("elexgate: "), (out, err)


def test_with_json_it_speaks_json(backup):
    lines = [json.loads(line) for line in backup.cli("backup", "--now").stdout.splitlines()]
    assert event(lines, "progress") and lines[-1]["ok"]
    lines = [json.loads(line) for line in backup.cli("drill").stdout.splitlines()]
    assert event(lines, "drill")[0]["good"]


def test_dry_run_in_words(backup):
    code, text = on_terminal(backup, "backup", "--dry-run", language="de_CH.UTF-8")
    assert code == 0 and "frei" in text and backup.files() == []


def test_when_idle_needs_the_keeper(backup):
    assert "elexgate-keeper is not running" in backup.cli("backup", "--when-idle", exit=3).stderr


def test_options_in_any_place(backup, folder):
    (folder / "d").mkdir()
    backup.sections["data bilder"] = {"path": folder / "d"}
    backup.write_config()
    for args in (("bilder", "--now"), ("--now", "bilder")):
        assert [a["type"] for a in json.loads(backup.cli("backup", *args).stdout.splitlines()[-1])["archives"]] == ["bilder"]
    backup.cli("backup", "--soon", exit=2)
    backup.cli("backup", "--now", "--when-idle", exit=2)
    backup.cli("drill", "latest", "another", exit=2)


def test_the_doctor_in_words(backup):
    text = backup.cli("doctor").stdout
    assert "GRANT SELECT, RELOAD" in text and "BAD" not in text
    backup.set("backup", dump_program="no-such-dump")
    text = backup.cli("doctor", exit=1).stdout
    assert "BAD" in text and "no-such-dump is not installed" in text and "->" in text


def test_what_is_in_a_backup_and_what_differs(backup, server):
    """Tables, rows, newest records as counted at the backup, by Elexis's own column or the server's clock; what lies in the future is a
    wrong clock's. And beside now, or another backup."""
    server.sql("""DROP DATABASE load_db; CREATE DATABASE load_db; USE load_db;
        CREATE TABLE kontakt (id INT PRIMARY KEY, lastupdate BIGINT); INSERT INTO kontakt VALUES (1,1764500000000),(2,1764500001000),(3,9999999999999);
        CREATE TABLE notiz (id INT PRIMARY KEY, at TIMESTAMP(3) DEFAULT '2025-11-30 11:00:00', geschrieben DATETIME DEFAULT current_timestamp);
        INSERT INTO notiz VALUES (1,'2025-11-30 12:00:00','2025-11-30 11:00:00');
        CREATE TABLE stamm (id INT PRIMARY KEY, wert INT); INSERT INTO stamm VALUES (1,1),(2,2); CREATE TABLE alt (id INT PRIMARY KEY)""")
    backup.set("backup", method="both")
    info = lambda *a: next(json.loads(l) for l in start(backup, *a).stdout if '"info"' in l)["archives"]
    first = backup.job("backup", "--now")[-1]["run"]
    told = info("info", first)
    assert {e["method"] for e in told} == {"physical", "dump"}
    for e in told:
        tables = {t["table"]: t for t in e["tables"] if t["table"].startswith("load_db.")}
        assert {n: t["rows"] for n, t in tables.items()} == {"load_db.alt": 0, "load_db.kontakt": 3, "load_db.notiz": 1, "load_db.stamm": 2}
        assert tables["load_db.kontakt"]["newest"].startswith("2025-11-30T10:53:21")
        assert tables["load_db.stamm"]["newest"] is None and tables["load_db.notiz"]["newest"] and not any(n.startswith("mysql.") for n in tables)
    physical = next(e for e in told if e["method"] == "physical")["type"]
    text = on_terminal(backup, "info", first, "--type", physical)[1]
    assert "original size" in text and "newest entry" in text and "load_db.kontakt" in text
    # the drill counts anew, for those whose manifest is locked away
    backup.job("drill", first)
    for language, proven in {"C.UTF-8": "PROVEN good 20", "de_CH.UTF-8": "BEWIESEN gut ", "fr_CH.UTF-8": "PROUVÉE ", "it_CH.UTF-8": "PROVATO "}.items():
        shown = process.run([paths.CLI, "--config", backup.config, "backups"], env={**os.environ, "LC_ALL": language, "COLUMNS": "80"}).stdout
        tables = next(b["proof"]["tables"] for b in backup.job("list")[-1]["backups"])
        line = next(line for line in shown.splitlines() if proven in line)
        assert max(map(len, shown.splitlines())) <= 80 and "…" not in shown, shown
        assert first in shown and re.search(rf"{proven}.*\d\s?: {tables} \w+, \d+ ", line), shown
    proofs = [b["proof"]["newest_ms"] for b in backup.job("list")[-1]["backups"]]
    assert len(proofs) == 2 and all(1764500001000 <= p for p in proofs)
    server.sql("""USE load_db; INSERT INTO kontakt VALUES (4,1764500002000),(5,1764500003000); UPDATE stamm SET wert=3 WHERE id=1;
        DROP TABLE alt; CREATE TABLE neu (id INT PRIMARY KEY)""")
    of = lambda archives, type: {t["table"][8:]: t["change"] for e in archives if e["type"] == type
                                 for t in e["difference"]["tables"] if t["table"].startswith("load_db.")}
    # without a checksum of now, as many rows without a time are the same
    assert of(info("diff", first), physical) == {"kontakt": "rows", "alt": "missing", "neu": "new"}
    second = backup.job("backup", "--now")[-1]["run"]
    assert of(info("diff", first, second), physical) == {"kontakt": "rows", "alt": "missing", "neu": "new", "stamm": "content"}
    assert of(info("diff", second), physical) == {}
    code, text = on_terminal(backup, "diff", first, "--type", physical, language="de_CH.UTF-8")
    assert code == 0 and "+2" in text and "Tabelle ist neu" in text and "neben dem, was jetzt im Server steht" in text
    for which in ("nope", "2019-01-01-0000"):  # at once: nobody is asked, and nothing is touched
        refused = process.run([paths.CLI, "--config", backup.config, "restore", which], input="", check=False, env={**os.environ, "LC_ALL": "de_CH.UTF-8"})
        assert refused.returncode == 1 and refused.stdout == "" and ("«nope» ist keine Sicherung" if which == "nope" else f"die Sicherung {which} gibt es in") in refused.stderr, refused
    code, text = on_terminal(backup, "info", "2019-01-01-0000")
    assert code == 1 and "2019-01-01-0000" in text


def test_in_the_pseudo_language(backup, folder):
    """status, backups and doctor, with what the jobs say: names of archives and commands alone are not looked up."""
    (folder / "cli").mkdir()  # it finds its jobs beside itself
    shutil.copy(paths.CLI_PSEUDO, folder / "cli/elexgate")
    (folder / "backup").symlink_to(paths.BUILD / "backup")
    backup.job("backup", "--now")
    backup.job("drill")
    backup.start_keeper()
    names = {"elexgate", "elexisdb", "physical", "apt", "get", "install", "systemd", "timedatectl", "set", "ntp", "yes", "localhost"}
    for command, code in (("status", (3,)), ("backups", (0,)), ("doctor", (0, 1, 2))):
        text, raw = raw_words(backup.config, command, code=code, program=folder / "cli/elexgate")
        assert {w for w in raw if not w.isupper()} <= names | {command}, (raw, text)  # capitals: GRANT ...
