"""elexgate restore for people: what it shows, the word that must be typed, the report; and for scripts."""
import json
import os
import pty
import re
import select
import subprocess
import time

import pytest

from lib import paths
from lib.restore import Site, hashes


@pytest.fixture
def site(folder, make_server, make_gate):
    server = make_server()
    return Site(folder, server, make_gate(server, options={"proxy": {"grace": "200ms"}})).prepare()


WIDTH = "160"


def on_a_terminal(site, *args, answer=None, language="C.UTF-8", timeout=120):
    """Runs the command on a terminal, types the answer when it is asked. Returns (exit code, all that was shown)."""
    leader, follower = pty.openpty()
    env = dict(os.environ, LC_ALL=language, COLUMNS=WIDTH, TERM="xterm")
    child = subprocess.Popen([paths.CLI, "--config", site.backup.config, *args], stdin=follower, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    shown, typed, deadline = b"", False, time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not select.select([leader], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        shown += data
        if answer is not None and not typed and (b"cancels" in shown or "bricht ab".encode() in shown):
            os.write(leader, answer.encode() + b"\n")
            typed = True
    os.close(leader)
    return child.wait(20), shown.decode(errors="replace")


def test_shows_asks_restores_and_reports(site):
    with site.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        code, shown = on_a_terminal(site, "restore", "latest", answer="restore")
    assert code == 0, shown
    for words in ("elexisdb", site.server.value("SELECT VERSION()").split("-")[0], "load_db.plain", "501", "500", "practice  127.0.0.1", "1 connections", "letting clients in",
                  "kept out for", str(site.staging[0]), "restore undo"):
        assert words in shown, f"{words!r} is not in:\n{shown}"
    assert site.side() == "new"
    code, shown = on_a_terminal(site, "restore", "undo", answer="undo")
    assert code == 0 and "from before the restore" in shown, shown
    assert site.side() == "old"
    code, shown = on_a_terminal(site, "restore", "accept", answer="accept")
    assert code == 0, shown
    site.nothing_left()


def test_in_german(site):
    code, shown = on_a_terminal(site, "restore", "latest", answer="wiederherstellen", language="de_CH.UTF-8")
    assert code == 0, shown
    assert "Niemand ist verbunden" in shown and "ausgesperrt" in shown and "VERLOREN" in shown, shown
    assert site.side() == "new"
    code, shown = on_a_terminal(site, "restore", "status", language="de_CH.UTF-8")
    assert code == 0 and "in Betrieb" in shown, shown


@pytest.mark.parametrize("answer", ["yes", "", "Restore", "restore please"])
def test_another_word_cancels(site, answer):
    code, shown = on_a_terminal(site, "restore", "latest", answer=answer)
    assert code == 10 and "nothing was changed" in shown, shown
    assert site.side() == "old" and site.documents_now == hashes(site.documents)
    site.nothing_left()


@pytest.mark.parametrize("language, words", [("C.UTF-8", "The data are as they were before."),
                                             ("de_CH.UTF-8", "Die Daten sind, wie sie vorher waren.")])
def test_a_failure_ends_with_how_things_stand(site, language, words):
    site.backup.set("restore", start_command="/bin/false")
    code, shown = on_a_terminal(site, "restore", "latest", "--yes", language=language)
    assert code == 1 and "recover" in shown and words not in shown, shown
    assert {"C.UTF-8": "clients stay out until", "de_CH.UTF-8": "bleiben ausgesperrt"}[language] in shown
    site.backup.set("restore", start_command=site.server.start_command())
    site.backup.cli("restore", "recover")
    site.backup.set("hooks", before_restore="/bin/false")
    if site.journal.exists():
        site.backup.cli("restore", "accept", "--yes")
    code, shown = on_a_terminal(site, "restore", "latest", "--yes", language=language)
    assert code == 8 and words in shown, shown
    site.backup.set("hooks", before_restore=None)
    site.backup.cli("restore", "latest", "--yes")
    code, shown = on_a_terminal(site, "restore", "latest", "--yes", language=language)
    assert code == 9 and {"C.UTF-8": "are still kept", "de_CH.UTF-8": "sind noch aufbewahrt"}[language] in shown.replace("\r\n", ""), shown


def test_backups_say_whether_one_can_rely_on_them(site, monkeypatch):
    """In a line before the table; in colour on a terminal, unless NO_COLOR; what it is about is not cut on a narrow one."""
    assert site.backup.cli("backups").stdout.startswith("usable: the newest is complete, not proven yet, made ")
    site.backup.cli("drill")
    run = site.backup.cli("backups").stdout.splitlines()[3].split()[0]
    monkeypatch.setenv("NO_COLOR", "")
    code, shown = on_a_terminal(site, "backups")
    assert code == 0 and shown.startswith("\033[32mgood: the newest is complete and proven\033[0m"), shown
    monkeypatch.setenv("NO_COLOR", "1")
    code, shown = on_a_terminal(site, "backups")
    assert shown.startswith("good: the newest"), shown
    monkeypatch.setattr("test_restore_cli.WIDTH", "70", raising=False)
    code, shown = on_a_terminal(site, "backups")
    assert max(map(len, shown.replace("\r", "").splitlines()[2:6])) <= 70 and run in shown and "documents" in shown, shown


def test_without_a_terminal(site):
    for args in (["latest"], ["undo"], ["accept"], ["--sql", "x.sql"]):
        assert "--yes" in site.backup.cli("restore", *args, exit=2).stderr
    wrong = site.backup.cli("restore", "2019-01-01-0000", exit=1).stderr
    assert "2019-01-01-0000" in wrong and "--yes" not in wrong, wrong  # not first a confirmation, and then that there is no such run
    site.backup.cli("restore", exit=2)
    site.backup.cli("restore", "undo", "latest", exit=2)
    assert site.side() == "old"
    lines = [json.loads(line) for line in site.backup.cli("restore", "latest", "--yes").stdout.splitlines()]
    assert lines[-1]["done"] and lines[-1]["ok"]
    assert site.side() == "new"
    status = json.loads(site.backup.cli("--json", "restore", "status").stdout)
    assert status["phase"] == "kept" and status["new_live"]
    site.backup.cli("restore", "undo", "--yes")
    site.backup.cli("restore", "accept", "--yes")
    assert site.side() == "old"
    site.backup.cli("restore", "recover")
    site.nothing_left()


# --- from SQL, as it is typed

END = "-- Dump completed on 2026-11-22 12:00:00\n"
DEFINER = ("CREATE TABLE `old` (`id` int NOT NULL PRIMARY KEY);\nDELIMITER ;;\n"
           "CREATE DEFINER=`gone`@`nowhere` PROCEDURE `p`()\nBEGIN SELECT 1; END ;;\nDELIMITER ;\n" + END)
MYSQL57 = ("-- MySQL dump 10.13  Distrib 5.7.44, for Linux (x86_64)\n/*!40101 SET NAMES utf8 */;\nDROP TABLE IF EXISTS `old`;\n"
           "CREATE TABLE `old` (`id` int(11) NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=latin1;\n"
           "INSERT INTO `old` VALUES (7);\n" + END)


@pytest.fixture
def sql_site(site):
    site.backup.server.sql("GRANT ALL PRIVILEGES ON load_db.* TO 'elexgate'@'localhost'")
    site.dump = site.server.client(["--routines", "load_db"], program="mariadb-dump").stdout
    site.server.sql("DELETE FROM load_db.old; CREATE TABLE load_db.since (i INT)")
    return site


def dump_file(site, text, name="dump.sql"):
    path = site.folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def old_rows(site):
    return int(site.server.value("SELECT COUNT(*) FROM load_db.old"))


def has_table(site, name):
    return int(site.server.value(f"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='load_db' AND TABLE_NAME='{name}'"))


@pytest.mark.parametrize("language, typed, words", [
    ("C.UTF-8", "restore", ["is made anew from", "Imported:", "kept out for", "The other data are kept:"]),
    ("de_CH.UTF-8", "wiederherstellen", ["neu gemacht", "Eingelesen:", "ausgesperrt", "Die anderen Daten sind noch da:"])])
def test_from_sql_on_a_terminal(sql_site, language, typed, words):
    path = dump_file(sql_site, sql_site.dump)
    code, shown = on_a_terminal(sql_site, "restore", "--sql", str(path), answer="no", language=language)
    assert code == 10 and old_rows(sql_site) == 0, shown
    code, shown = on_a_terminal(sql_site, "restore", "--sql", str(path), answer=typed, language=language)
    assert code == 0 and all(w in shown for w in words), shown
    assert old_rows(sql_site) == 50 and not has_table(sql_site, "since") and sql_site.is_open()
    # what it says brings back what was before does so
    command = next(line for line in shown.splitlines() if "elexgate restore" in line).split("elexgate restore ")[1].split()[0]
    sql_site.backup.cli("restore", command, "--yes")
    assert old_rows(sql_site) == 0 and has_table(sql_site, "since")


@pytest.mark.parametrize("form", ["gz", "zst", "-", "crlf", "sandbox", "definer", "mysql57", "databases"])
def test_from_sql_what_works(sql_site, form):
    """Each form of the issue that is fine, with --yes."""
    text, expected = sql_site.dump, 50
    if form == "databases":
        text = sql_site.server.client(["--routines", "--databases", "load_db"], program="mariadb-dump").stdout
        expected = 0
    elif form in ("definer", "mysql57"):
        text, expected = (DEFINER, 0) if form == "definer" else (MYSQL57, 1)
    elif form == "sandbox":
        text = "/*M!999999\\- enable the sandbox mode */ \n" + text
    elif form == "crlf":
        text = text.replace("\n", "\r\n")
    path = dump_file(sql_site, text)
    if form == "gz":
        subprocess.run(["gzip", "-9", path], check=True)
        path = path.with_suffix(".sql.gz")
    elif form == "zst":
        subprocess.run(["zstd", "-q", path], check=True)
        path = path.with_suffix(".sql.zst")
    if form == "-":
        with open(path, "rb") as f:
            argv = [str(a) for a in (paths.CLI, "--config", sql_site.backup.config, "restore", "--sql", "-")]
            assert subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60).returncode == 2, "needs --yes"
            subprocess.run([*argv, "--yes"], stdin=f, stdout=subprocess.PIPE, timeout=120, check=True)
    else:
        lossy = form in ("definer", "mysql57")  # one table of many
        sql_site.backup.cli("restore", "--sql", path, "--yes", *(["--accept-loss"] if lossy else []))
    assert old_rows(sql_site) == expected and sql_site.is_open()
    if form == "definer":
        assert sql_site.server.value("SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_NAME='p'") == "gone@nowhere"


@pytest.mark.parametrize("name, change, exit, words", [
    ("other database", lambda t: "USE `mysql`;\n" + t, 9, 'about the database "mysql"'),
    ("all databases", lambda t: "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `other`;\nUSE `other`;\n" + t, 9, 'about the database "other"'),
    ("truncated", lambda t: t[:len(t) * 2 // 3], 6, "cut off after line"),
    ("no end marker", lambda t: t.replace("-- Dump completed", "-- Dump"), 6, "Dump completed"),
    ("mysql 8", lambda t: re.sub("utf8mb4_(general|uca1400_ai)_ci", "utf8mb4_0900_xx_ci", t), 9, "MySQL 8"),
    ("shell escape", lambda t: "\\! touch {pwned}\n" + t, 9, "command of the client program"),
    ("system", lambda t: "system touch {pwned}\n" + t, 9, '"system" is a command'),
    ("source", lambda t: "source /etc/passwd\n" + t, 9, '"source" is a command'),
    ("tee", lambda t: "tee {pwned}\n" + t, 9, '"tee" is a command'),
    ("crlf and shell", lambda t: "SELECT 1;\r\n\\! touch {pwned}\r\n" + t, 9, "command of the client program"),
    ("accounts", lambda t: "GRANT ALL ON *.* TO x@'%';\n" + t, 9, "accounts or rights"),
    ("binary", lambda t: "\0\1" + t, 9, "NUL byte"),
    ("empty", lambda t: "", 9, "no SQL statement"),
])
def test_from_sql_what_is_refused(sql_site, name, change, exit, words):
    """Each with a sentence that says why, before anything is done, and nothing of it is run."""
    pwned = sql_site.folder / "pwned"
    path = dump_file(sql_site, change(sql_site.dump).replace("{pwned}", str(pwned)))
    done = sql_site.backup.cli("restore", "--sql", path, "--yes", exit=exit)
    last = json.loads(done.stdout.splitlines()[-1])
    assert words in last["error"] and str(path) in last["error"], last
    code, shown = on_a_terminal(sql_site, "restore", "--sql", str(path), answer="restore")
    assert code == exit and words in shown.replace("\r\n", ""), shown
    assert not pwned.exists() and old_rows(sql_site) == 0 and has_table(sql_site, "since")
    assert "state=blocked" not in sql_site.gate.log and not sql_site.backup.complete("elexisdb-sql")


@pytest.mark.parametrize("language, yes, lose, words", [
    ("C.UTF-8", "restore", "lose them", ["Would be gone", "plain"]),
    ("de_CH.UTF-8", "wiederherstellen", "verlieren", ["Wären weg", "plain"])])
def test_from_sql_a_loss_is_asked_about(sql_site, language, yes, lose, words):
    path = dump_file(sql_site, MYSQL57)
    code, shown = on_a_terminal(sql_site, "restore", "--sql", str(path), answer=yes + "\n" + yes, language=language)
    assert code == 10 and all(w in shown for w in words) and sql_site.is_open(), shown
    assert has_table(sql_site, "plain") and has_table(sql_site, "since")
    assert sql_site.backup.cli("restore", "--sql", path, "--yes", exit=9)
    code, shown = on_a_terminal(sql_site, "restore", "--sql", str(path), answer=yes + "\n" + lose, language=language)
    assert code == 0 and not has_table(sql_site, "plain") and old_rows(sql_site) == 1, shown


def test_from_sql_a_failing_import_names_the_line(sql_site):
    text = sql_site.dump.replace("-- Dump completed", "INSERT INTO nowhere VALUES (1);\n-- Dump completed")
    code, shown = on_a_terminal(sql_site, "restore", "--sql", str(dump_file(sql_site, text)), answer="restore")
    assert code == 6 and "at line" in shown and "1146" in shown and "as they were before" in shown, shown
    assert old_rows(sql_site) == 0 and has_table(sql_site, "since") and sql_site.is_open()


def test_from_sql_dry_run_and_a_missing_file(sql_site):
    sql_site.backup.cli("restore", "--sql", dump_file(sql_site, sql_site.dump), "--dry-run")
    missing = json.loads(sql_site.backup.cli("restore", "--sql", sql_site.folder / "none.sql", "--yes", exit=1).stdout.splitlines()[-1])
    assert "none.sql" in missing["error"]
    assert old_rows(sql_site) == 0 and has_table(sql_site, "since")


# --- plans


def test_the_plan_of_a_dump_archive(sql_site):
    run = sql_site.backup.job("backup", "--now", "elexisdb-sql")[-1]["run"]
    code, shown = on_a_terminal(sql_site, "restore", run, answer="no", language="de_CH.UTF-8")
    assert code == 10, shown
    for words in ("elexisdb-sql", "load_db", "wird aus dem Dump neu gemacht"):
        assert words in shown, shown
    code, shown = on_a_terminal(sql_site, "restore", run, answer="wiederherstellen", language="de_CH.UTF-8")
    assert code == 0 and "die des SQL-Texts" in shown, shown


def test_the_plan_of_an_encrypted_backup_shows_the_rows(site):
    key = site.folder / "key.txt"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    public = next(line.split()[-1] for line in key.read_text().splitlines() if "public key" in line)
    site.backup.set("archive", recipients=public, identity_file=key)
    site.take_backup("--accept-smaller")  # the fixture has removed most of the documents
    assert site.archive.endswith(".age")
    site.server.sql("INSERT INTO load_db.plain (who, body) VALUES (9, 'later'), (9, 'later')")
    code, shown = on_a_terminal(site, "restore", "latest", answer="no")
    assert code == 10, shown
    line = next(line for line in shown.splitlines() if "load_db.plain" in line)
    assert line.split()[-1] == "2", "two rows would be lost"
    site.backup.set("archive", identity_file=None)
    code, shown = on_a_terminal(site, "restore", "latest", answer="restore")
    assert code == 9 and "identity" in shown or "key" in shown, shown
