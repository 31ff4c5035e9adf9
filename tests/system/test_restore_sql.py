"""A restore from SQL text: looked through first, imported sandboxed, undone by itself. With a real server behind the gate."""
import gzip
import json
import os
import re
import signal
import subprocess
import time

import pytest

from lib import process
from lib.backup import Backup, event, moment

END = "-- Dump completed on 2026-11-22 12:00:00\n"


@pytest.fixture
def site(folder, make_server, make_gate):
    server = make_server()
    server.sql("CREATE DATABASE load_db CHARACTER SET utf8mb4; CREATE TABLE load_db.t (i INT PRIMARY KEY, s TEXT);"
               "INSERT INTO load_db.t VALUES (1, 'Zürich'), (2, 'Genève; \\\\! it''s');"
               "CREATE PROCEDURE load_db.p() SELECT 1; CREATE VIEW load_db.v AS SELECT i FROM load_db.t")
    gate = make_gate(server, options={"proxy": {"grace": "200ms"}})
    b = Backup(folder, server, gate, {"restore": {"stale_clients": 0}}).account()
    server.sql("GRANT ALL PRIVILEGES ON load_db.* TO 'elexgate'@'localhost'")
    yield b
    b.stop_keeper()


def dump(site, *more):
    return site.server.client([*more, "--routines", "load_db"], program="mariadb-dump").stdout


def rows(site):
    return [tuple(r) for r in site.server.sql("SELECT i, s FROM load_db.t ORDER BY i")]


def put(site, text, name="dump.sql"):
    path = site.folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def nothing_done(site):
    assert site.gate.status()["state"] == "open"
    assert "state=blocked" not in site.gate.log
    assert site.server.value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='load_db'") == 2
    assert not site.complete("elexisdb-sql") and site.run_job("restore", "status").returncode == 0


@pytest.mark.parametrize("form", ["plain", "gz", "zst", "stdin", "crlf"])
def test_brings_the_dump_back(site, form):
    text = dump(site)
    before = rows(site)
    site.server.sql("DELETE FROM load_db.t WHERE i=1; CREATE TABLE load_db.later (i INT)")
    if form == "gz":
        path = put(site, gzip.compress(text.encode()), "dump.sql.gz")
    elif form == "zst":
        path = put(site, text)
        process.run(["zstd", "-q", str(path)])
        path = site.folder / "dump.sql.zst"
    else:
        path = put(site, text.replace("\n", "\r\n") if form == "crlf" else text)
    if form == "stdin":
        with open(path, "rb") as f:
            done = subprocess.run(site.argv("restore", "sql", "-"), stdin=f, stdout=subprocess.PIPE, timeout=120, check=True)
        assert b'"restored"' in done.stdout
    else:
        restored = event(site.job("restore", "sql", path), "restored")[0]
        assert restored["tables"] >= 1 and restored["blocked_ms"] >= 0
    assert rows(site) == before
    assert site.server.value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME='later'") == 0
    assert site.server.value("SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='load_db'") == 1
    assert len(site.complete("elexisdb-sql")) == 1, "the safety dump is kept as a backup"
    assert site.gate.status()["state"] == "open"
    site.gate.connect().close()


@pytest.mark.parametrize("name, change, exit, words", [
    ("cut", lambda t: t[:len(t) // 2], 6, "cut off after line"),
    ("no-end", lambda t: t.replace("-- Dump completed", "-- Dump"), 6, "Dump completed"),
    ("other-use", lambda t: "USE `mysql`;\n" + t, 9, 'line 1, is about the database "mysql"'),
    ("other-drop", lambda t: "\n/*!40000 DROP DATABASE IF EXISTS `mysql`*/;\n" + t, 9, 'line 2, is about the database "mysql"'),
    ("shell", lambda t: "\\! touch PWNED\n" + t, 9, "is a command of the client program"),
    ("system", lambda t: "system touch PWNED\n" + t, 9, '"system" is a command of the client program'),
    ("accounts", lambda t: "GRANT ALL ON *.* TO x@'%';\n" + t, 9, "changes accounts or rights"),
    ("mysql8", lambda t: t.replace("utf8mb4_general_ci", "utf8mb4_0900_ai_ci"), 9, "MySQL 8"),
    ("empty", lambda t: "", 9, "no SQL statement"),
    ("binary", lambda t: "\0\1\2" + t, 9, "NUL byte"),
])
def test_what_cannot_be_right_is_refused_before_anything_is_done(site, name, change, exit, words):
    path = put(site, change(dump(site)))
    last = site.job("restore", "sql", path, exit=exit)[-1]
    assert words in last["error"] and str(path) in last["error"], last
    german = {"cut": "abgeschnitten", "no-end": "abgeschnitten", "other-use": "betrifft die Datenbank", "other-drop": "betrifft die Datenbank",
              "shell": "Client-Programms", "system": "Client-Programms", "accounts": "Konten oder Rechte", "mysql8": "Sortierung",
              "empty": "keinen SQL-Befehl", "binary": "NUL-Byte"}
    assert german[name] in last["error_de"] and str(path) in last["error_de"], last
    assert re.findall(r"\d+|`.*?`", last["error_de"].replace(str(path), "")) == re.findall(r"\d+|`.*?`", last["error"].replace(str(path), "")), last
    assert not os.path.exists("PWNED") and not (site.folder / "PWNED").exists()
    nothing_done(site)


def test_no_file_of_this_machine_is_read_into_the_database(site):
    """The job may read every file here, and whoever sends the text may read the database."""
    before = rows(site)
    secret = put(site, "secret\n", "secret")
    path = put(site, f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE t (s);\n".join(["CREATE TABLE t (i INT, s TEXT);\n", END]))
    last = site.job("restore", "sql", path, exit=6)[-1]
    assert "4166" in last["error"] and "as it was before" in last["error"], last
    assert rows(site) == before
    site.gate.connect().close()


def test_a_damaged_gzip_file_is_refused(site):
    path = put(site, gzip.compress(dump(site).encode())[:-12], "dump.sql.gz")
    assert "cut off" in site.job("restore", "sql", path, exit=6)[-1]["error"]
    nothing_done(site)


def test_databases_of_the_same_name_and_the_sandbox_line_are_fine(site):
    text = "/*M!999999\\- enable the sandbox mode */ \n" + dump(site, "--databases")
    before = rows(site)
    site.server.sql("DELETE FROM load_db.t")
    site.job("restore", "sql", put(site, text))
    assert rows(site) == before


def test_a_dump_of_mysql_5_7_is_taken(site):
    """Its comments, its integer widths, its latin1 default, a definer that is not here."""
    text = ("-- MySQL dump 10.13  Distrib 5.7.44, for Linux (x86_64)\n/*!40101 SET NAMES utf8 */;\n"
            "/*!50503 SET character_set_client = utf8mb4 */;\nDROP TABLE IF EXISTS `t`;\n"
            "CREATE TABLE `t` (`i` int(11) NOT NULL, `s` text, PRIMARY KEY (`i`)) ENGINE=InnoDB DEFAULT CHARSET=latin1;\n"
            "LOCK TABLES `t` WRITE;\nINSERT INTO `t` VALUES (7,'Basel');\nUNLOCK TABLES;\nDELIMITER ;;\n"
            "CREATE DEFINER=`gone`@`%` PROCEDURE `old`()\nBEGIN SELECT 1; END ;;\nDELIMITER ;\n" + END)
    site.job("restore", "sql", put(site, text))
    assert rows(site) == [(7, "Basel")]
    assert site.server.value("SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_NAME='old'") == "gone@%"


def test_a_failing_import_brings_everything_back(site):
    site.server.sql("INSERT INTO load_db.t VALUES (3, 'only here')")
    before = rows(site)
    text = dump(site).replace(END[:17], "INSERT INTO nowhere VALUES (1);\n-- Dump completed", 1)
    client = site.gate.connect()
    last = site.job("restore", "sql", put(site, text), exit=6)[-1]
    assert "everything" in last["error"] or "as it was before" in last["error"]
    assert "1146" in last["error"] and "at line" in last["error"], last
    assert rows(site) == before
    assert site.gate.status()["state"] == "open"
    with pytest.raises(Exception) as e:
        client.query("SELECT 1")
    assert "wiederhergestellt" in str(e.value)


def test_a_dump_cannot_write_elsewhere(site):
    """Qualified names are the server's to refuse: the account may write to the one database only."""
    site.server.sql("CREATE DATABASE other; CREATE TABLE other.x (i INT)")
    before = rows(site)
    text = "INSERT INTO other.x VALUES (1);\n" + dump(site)
    assert "1142" in site.job("restore", "sql", put(site, text), exit=6)[-1]["error"]
    assert site.server.value("SELECT COUNT(*) FROM other.x") == 0 and rows(site) == before


def test_without_the_right_to_write_it_says_which_grant(site):
    site.server.sql("REVOKE ALL PRIVILEGES ON load_db.* FROM 'elexgate'@'localhost'")
    last = site.job("restore", "sql", put(site, dump(site)), exit=9)[-1]
    assert "GRANT ALL PRIVILEGES ON `load_db`" in last["error"]
    nothing_done(site)


def test_dry_run(site):
    site.job("restore", "sql", "--dry-run", put(site, dump(site)))
    nothing_done(site)


def test_killed_in_the_import_the_keeper_brings_it_back(site):
    before = rows(site)
    slow = dump(site).replace(END[:17], "SELECT SLEEP(60);\n-- Dump completed", 1)
    job = site.start_job("restore", "sql", put(site, slow))
    for line in job.stdout:
        if '"import"' in line:
            break
    process.wait_until(lambda: site.server.value(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP%'") == 1, what="import under way")
    job.send_signal(signal.SIGKILL)
    job.wait(20)
    assert site.gate.status()["state"] == "blocked", "clients wait until it is settled"
    site.start_keeper()
    process.wait_until(lambda: site.gate.status()["state"] == "open", 60, "settled")
    assert rows(site) == before
    assert not (site.state / "restore.json").exists()


def test_a_stop_in_the_import_brings_everything_back(site):
    """Ctrl-C: the safety dump comes back, clients come in, and the exit code says that it was cancelled."""
    site.server.sql("INSERT INTO load_db.t VALUES (3, 'only here')")
    before = rows(site)
    slow = dump(site).replace(END[:17], "SELECT SLEEP(60);\n-- Dump completed", 1)
    job = site.start_job("restore", "sql", put(site, slow))
    process.wait_until(lambda: site.server.value(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP%'") == 1, what="import under way")
    job.send_signal(signal.SIGINT)
    out = job.communicate(timeout=60)[0]
    last = json.loads(out.splitlines()[-1])
    assert last["exit"] == 10 and "as it was before" in last["error"], last
    assert rows(site) == before and site.gate.status()["state"] == "open" and not (site.state / "restore.json").exists()


def test_clients_are_told_how_long_a_long_import_takes(site):
    """A swap takes a minute at most, an import as long as its text is."""
    padding = ("-- " + "x" * 1000 + "\n") * 240_000
    slow = padding + dump(site).replace(END[:17], "SELECT SLEEP(60);\n-- Dump completed", 1)
    job = site.start_job("restore", "sql", put(site, slow))
    process.wait_until(lambda: site.gate.status()["state"] == "blocked", 120, "the block")
    expected = moment(site.gate.status()["until"]) - time.time()
    job.send_signal(signal.SIGINT)
    job.communicate(timeout=60)
    assert 75 < expected < 95, expected


# --- dump archives of ours, by their name


@pytest.fixture
def dumped(site):
    """A run that has only a dump; then the database goes on."""
    run = site.job("backup", "--now", "elexisdb-sql")[-1]["run"]
    site.before = rows(site)
    site.server.sql("DELETE FROM load_db.t WHERE i=1; CREATE TABLE load_db.later (i INT)")
    site.run = run
    return site


def came_back(site):
    assert rows(site) == site.before
    assert site.server.value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME='later'") == 0
    assert site.server.value("SELECT COUNT(*) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='load_db'") == 1
    assert site.gate.status()["state"] == "open" and not (site.state / "restore.json").exists()
    return True


@pytest.mark.parametrize("words", [["latest"], ["latest", "elexisdb-sql"], ["RUN"], ["PATH"]])
def test_a_dump_archive_by_its_name(dumped, words):
    names = {"RUN": dumped.run, "PATH": str(dumped.archives / f"elexisdb-sql_{dumped.run}.tar.gz")}
    lines = dumped.job("restore", "run", *(names.get(w, w) for w in words))
    restored = event(lines, "restored")[0]
    assert restored["run"] == dumped.run and restored["safety"] != dumped.run and restored["tables"] >= 1
    phases = [line["phase"] for line in event(lines, "phase")]
    assert phases.index("read") < phases.index("copy") < phases.index("block") < phases.index("import") < phases.index("open")
    assert came_back(dumped)
    # the safety dump is a backup like any other: back to where it was, by its name
    dumped.job("restore", "run", restored["safety"])
    assert len(rows(dumped)) == 1


def test_an_encrypted_dump_is_never_on_the_disk_in_clear(dumped):
    key = dumped.folder / "key.txt"
    process.run(["age-keygen", "-o", key])
    public = next(line.split()[-1] for line in key.read_text().splitlines() if "public key" in line)
    dumped.set("archive", recipients=public, identity_file=key)
    dumped.before = rows(dumped)
    dumped.server.sql("DROP TABLE load_db.later")
    run = dumped.job("backup", "--now", "elexisdb-sql")[-1]["run"]
    dumped.server.sql("DELETE FROM load_db.t")
    dumped.job("restore", "run", run)
    assert came_back(dumped)
    dumped.set("archive", identity_file=None)
    last = dumped.job("restore", "run", run, exit=9)[-1]
    assert came_back(dumped), last


def test_dry_run_of_a_dump(dumped):
    dumped.job("restore", "run", "--dry-run", "latest")
    assert len(rows(dumped)) == 1 and "state=blocked" not in dumped.gate.log
    assert len(dumped.complete("elexisdb-sql")) == 1


def test_a_damaged_dump_is_found_before_anything_is_done(dumped):
    path = dumped.archives / f"elexisdb-sql_{dumped.run}.tar.gz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    dumped.job("restore", "run", dumped.run, exit=6)
    assert len(rows(dumped)) == 1 and "state=blocked" not in dumped.gate.log
    assert len(dumped.complete("elexisdb-sql")) == 1, "no safety dump was needed"


def test_a_dump_that_fails_in_the_middle_goes_back(dumped):
    """The server refuses a table of it: the safety dump comes back."""
    dumped.server.sql("CREATE TABLE load_db.u (i INT)")
    run = dumped.job("backup", "--now", "elexisdb-sql")[-1]["run"]
    dumped.server.sql("DROP TABLE load_db.u")
    before = rows(dumped)
    # the text is whole, and is the manifest's, but a view of it that the account may not make ends the import
    dumped.server.sql("REVOKE CREATE VIEW ON load_db.* FROM 'elexgate'@'localhost'")
    done = dumped.run_job("restore", "run", run)
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode != 0 and "1142" in last["error"], last
    # (the safety dump has the view as well: the account must get its right again, as the message says)
    assert "CLIENTS STAY BLOCKED" in last["error"] and "recover" in last["error"]
    dumped.server.sql("GRANT ALL PRIVILEGES ON load_db.* TO 'elexgate'@'localhost'")
    dumped.job("restore", "recover")
    assert rows(dumped) == before and dumped.gate.status()["state"] == "open"


def test_killed_in_the_import_of_a_dump(dumped):
    dumped.server.sql("INSERT INTO load_db.t SELECT seq + 100, REPEAT('x', 20000) FROM load_db.seq_1_to_3000")
    run = dumped.job("backup", "--now", "elexisdb-sql")[-1]["run"]
    dumped.server.sql("DELETE FROM load_db.t WHERE i > 200")
    before = rows(dumped)
    job = dumped.start_job("restore", "run", run)
    for line in job.stdout:
        if '"phase":"import"' in line.replace(" ", ""):
            break
    job.send_signal(signal.SIGKILL)
    job.wait(20)
    assert dumped.gate.status()["state"] == "blocked"
    dumped.job("restore", "recover")
    assert rows(dumped) == before and dumped.gate.status()["state"] == "open"


@pytest.mark.parametrize("phase", ["read", "copy", "block", "import", "open"])
def test_a_dump_killed_at_each_step_is_old_or_new(dumped, phase):
    """The recovery is killed as well, where it has begun to bring the safety dump back."""
    before = rows(dumped)
    assert killed_at(dumped, phase, "run", dumped.run)
    begun = phase in ("block", "import", "open")
    assert (dumped.state / "restore.json").exists() == begun
    if begun:
        killed_at(dumped, "undo", "recover")
    dumped.job("restore", "recover")
    assert rows(dumped) in (before, dumped.before)
    assert dumped.gate.status()["state"] == "open" and not (dumped.state / "restore.json").exists()
    assert not list(dumped.archives.glob(".restore-sql*"))
    dumped.job("restore", "run", dumped.run)
    assert came_back(dumped)


def killed_at(site, phase, *args):
    """kill -9 as the job tells of the phase; False when it was done before."""
    job = site.start_job("restore", *args)
    for line in job.stdout:
        if f'"phase":"{phase}"' in line.replace(" ", ""):
            job.send_signal(signal.SIGKILL)
            break
    job.stdout.close()
    return job.wait(60) == -signal.SIGKILL


def test_a_dump_beside_other_data_is_restored_by_itself(dumped):
    documents = dumped.folder / "documents"
    documents.mkdir()
    (documents / "a.txt").write_text("then")
    dumped.set("data documents", path=documents)
    dumped.set("backup", method="dump")
    dumped.server.sql("DROP TABLE load_db.later; INSERT INTO load_db.t VALUES (1, 'Zürich')")
    run = dumped.job("backup", "--now")[-1]["run"]
    dumped.server.sql("DELETE FROM load_db.t")
    (documents / "a.txt").write_text("now")
    last = dumped.job("restore", "run", run, exit=9)[-1]
    assert f"elexgate restore {run} elexisdb-sql" in last["error"] and rows(dumped) == []
    dumped.job("restore", "run", run, "elexisdb-sql")
    assert came_back(dumped) and (documents / "a.txt").read_text() == "now"
    dumped.job("restore", "run", run, "documents")
    assert (documents / "a.txt").read_text() == "then"


def test_both_methods_in_one_run_restore_the_files(dumped):
    dumped.set("backup", method="both")
    dumped.set("restore", start_command=dumped.server.start_command())
    run = dumped.job("backup", "--now")[-1]["run"]
    plan = event(dumped.job("restore", "plan", run), "plan")[0]
    assert [p["type"] for p in plan["parts"]] == ["elexisdb"] and plan["rows_known"]
    lines = dumped.job("restore", "run", run)
    assert "swap" in [line["phase"] for line in event(lines, "phase")]


def test_the_plan_of_a_dump(dumped):
    plan = event(dumped.job("restore", "plan", "latest"), "plan")[0]
    part = plan["parts"][0]
    assert part["method"] == "dump" and part["live"] == "load_db" and part["replaces"]["bytes"] > 0
    assert plan["rows"] == [] and plan["rows_known"] is False


def test_hooks_may_say_no_to_sql(dumped):
    heard = dumped.folder / "heard"
    hook = dumped.folder / "hook"
    hook.write_text(f"#!/bin/sh\necho $1 $ELEXGATE_TYPES $ELEXGATE_RESULT >>{heard}\n[ ! -e {dumped.folder}/no ]\n")
    hook.chmod(0o755)
    dumped.set("hooks", before_restore=hook, after_restore=hook)
    (dumped.folder / "no").touch()
    dumped.job("restore", "run", "latest", exit=8)
    assert len(rows(dumped)) == 1 and len(dumped.complete("elexisdb-sql")) == 1
    (dumped.folder / "no").unlink()
    heard.unlink()
    dumped.job("restore", "run", "latest")
    assert heard.read_text().splitlines() == ["before_restore elexisdb-sql", "after_restore elexisdb-sql good"]
    assert came_back(dumped)
