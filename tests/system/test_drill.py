"""The drill: a backup counts when it was restored, and what is not as it was is found."""
import json
import os
import pathlib
import shutil
import signal
import tempfile
import threading

import pytest

from lib import load, newer, process
from lib.backup import Backup, archive_of, event
from lib.mariadb import MARIADBD


@pytest.fixture
def backup(folder, server):
    server.sql("DROP DATABASE IF EXISTS load_db")
    load.Load(server).setup()
    server.sql("INSERT INTO load_db.plain (who, body) SELECT seq, REPEAT('Befund ', 20) FROM load_db.seq_1_to_500; "
               "INSERT INTO load_db.words (who, body) SELECT seq, 'Husten und Fieber' FROM load_db.seq_1_to_50; "
               "INSERT INTO load_db.old (who, body) SELECT seq, 'Rezept' FROM load_db.seq_1_to_50")
    return Backup(folder, server).account()


def status(backup, archive):
    return json.loads((backup.archives / archive.replace(".tar.gz", ".status.json")).read_text())


@pytest.mark.sanitize
def test_what_is_whole_is_proven(backup):
    backup.set("backup", method="both")
    lines = backup.job("backup", "--now")
    lines_of_drill = backup.job("drill")
    results = event(lines_of_drill, "drill")
    assert [(r["type"], r["good"]) for r in results] == [("elexisdb", True), ("elexisdb-sql", True)]
    print([(r["type"], r["text"], r["ms"]) for r in results])
    for type in ("elexisdb", "elexisdb-sql"):
        proven = backup.complete(type)[0]["proven"]
        assert "checksums compared" in proven["words_phrase"][0], "its words are English only, whoever reads them"
    assert not [n for n in backup.files() if "drill" in n], "scratch space is left"
    names = process.run(["tar", "-tzf", backup.archives / archive_of(lines)]).stdout.split()
    assert "tc.log" not in names and "ibdata1" in names  # 11.8 has one, and would say that it recovers with it
    tables = backup.manifest(archive_of(lines))["tables"]
    assert any(t["name"] == "old" and t["rows"] == 50 and t["checksum"] for t in tables)


@pytest.mark.parametrize("sql,words", [
    ("DELETE FROM load_db.plain WHERE id = 7", "load_db.plain has 499 rows, it had 500"),
    ("UPDATE load_db.old SET body = 'Rezept!' WHERE id = 7", "load_db.old has the checksum"),
    ("DROP TABLE load_db.words", "load_db.words is missing"),
])
def test_what_differs_is_told_and_recorded(backup, folder, sql, words):
    """The throwaway server changes the restored data as it starts."""
    (folder / "change.sql").write_text(sql + ";\n")
    archive = archive_of(backup.job("backup", "--now"))
    backup.set("drill", server_args=f"--init-file={folder}/change.sql")
    lines = backup.job("drill", exit=6)
    assert words in lines[-1]["error"], lines[-1]
    assert words in json.dumps(status(backup, archive))
    assert not [n for n in backup.files() if "drill" in n]
    assert backup.complete()[0]["proven"] != True  # noqa: E712: never counted as proven


@pytest.mark.skipif(newer.SERIES is not None, reason="its program lies where the sandbox shows only itself")
@pytest.mark.parametrize("words, good", [
    ("InnoDB: The recovery of a later series begins", False),
    ("Recovering after a crash using tc.log\nInnoDB: innodb_force_recovery is 0", True),
])
def test_a_clean_copy_is_not_recovered_whatever_the_words(backup, request, words, good):
    """A server program that says it in words of its own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="elexgate-said-", dir="/tmp"))  # everybody gets through to it
    request.addfinalizer(lambda: shutil.rmtree(folder))
    folder.chmod(0o755)
    (folder / "mariadbd").write_text(f'#!/bin/sh\necho "{words}" >&2\nexec {MARIADBD} "$@"\n')
    (folder / "mariadbd").chmod(0o755)
    backup.job("backup", "--now")
    backup.set("drill", server_program=folder / "mariadbd")
    last = backup.job("drill", exit=0 if good else 6)[-1]
    assert good or "had to recover from a crash" in last["error"]


@pytest.mark.sanitize
def test_an_encrypted_archive_is_compared_too(backup, folder):
    secret = folder / "passphrase"
    secret.write_text("korrekt pferd batterie\n")
    secret.chmod(0o600)
    backup.set("archive", passphrase_file=secret)
    archive = archive_of(backup.job("backup", "--now"))
    assert archive.endswith(".tar.gz.age")
    result = event(backup.job("drill"), "drill")[0]
    assert result["good"] and not result["text"].endswith(" 0 checksums compared"), result
    (folder / "change.sql").write_text("DELETE FROM load_db.plain WHERE id = 7;\n")
    backup.set("drill", server_args=f"--init-file={folder}/change.sql")
    assert "499 rows, it had 500" in backup.job("drill", exit=6)[-1]["error"]
    backup.set("archive", passphrase_file=None)
    assert backup.run_job("drill").returncode in (1, 9)  # without the key it cannot be tried


def test_data_that_no_server_starts_on(backup, folder):
    """The archive is what its manifest says, but the server that it was taken from was damaged."""
    data = folder / "fake"
    data.mkdir()
    archive = archive_of(backup.job("backup", "--now"))
    backup.set("drill", server_args="--innodb-page-size=4096")
    assert backup.job("drill", exit=6)[-1]["error"]
    backup.set("drill", server_args=None)
    backup.job("drill")
    assert backup.complete()[0]["proven"] and archive


def test_a_damaged_archive(backup):
    archive = backup.archives / archive_of(backup.job("backup", "--now"))
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    backup.job("drill", exit=6)


def test_the_throwaway_server_dies_with_the_job(backup):
    backup.job("backup", "--now")
    job = backup.start_job("drill")
    for line in job.stdout:
        if '"phase":"check"' in line:
            break
    job.kill()
    job.wait()

    def left():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                command = open(f"/proc/{pid}/cmdline", "rb").read()
            except OSError:
                continue
            if str(backup.archives).encode() in command:
                return int(pid)
        return None

    process.wait_until(lambda: left() is None, 20, "the throwaway server is gone")
    backup.job("drill")  # what the killed one left is no obstacle
    assert not [n for n in backup.files() if "drill" in n]


def test_stopped_cleanly(backup):
    backup.job("backup", "--now")
    job = backup.start_job("drill")
    for line in job.stdout:
        if '"phase":"extract"' in line:
            break
    job.send_signal(signal.SIGTERM)
    last = json.loads(job.stdout.read().splitlines()[-1])
    assert job.wait(60) == 10 and last["exit"] == 10
    assert backup.complete()[0]["proven"] is None
    assert not [n for n in backup.files() if "drill" in n]


def test_nothing_to_drill(backup):
    assert "backup" in backup.job("drill", exit=1)[-1]["error"]


def test_undo_tablespaces_and_a_system_tablespace_of_its_own_shape(make_server, folder):
    """What another server must be told to start on a copy is in the manifest."""
    shape = ["--innodb-data-file-path=ibdata1:20M;ibdata2:12M:autoextend", "--innodb-undo-tablespaces=3", "--innodb-page-size=8192"]
    data = folder / "data"
    process.run(["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db",
                 "--auth-root-authentication-method=normal", *shape], timeout=120)
    server = make_server(datadir=data, args=[*shape, "--log-bin=bin"])
    server.sql("CREATE DATABASE load_db; CREATE TABLE load_db.t (n INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO load_db.t VALUES (1)")
    backup = Backup(folder / "b", server).account()
    backup.job("backup", "--now")
    backup.job("drill")


def test_latest_is_the_newest_of_each_type(backup, folder):
    """A newer run of documents alone does not take the place of the database's proof; what is damaged is not stepped over."""
    documents = folder / "documents"
    documents.mkdir()
    (documents / "brief.txt").write_text("Befund")
    backup.set("data documents", path=documents)
    backup.job("backup", "--now", "elexisdb")
    newest = backup.archives / archive_of(backup.job("backup", "--now", "documents"), "documents")
    lines = backup.job("drill", "latest")
    results = {r["type"]: r for r in event(lines, "drill")}
    assert set(results) == {"elexisdb", "documents"} and all(r["good"] for r in results.values())
    proof = status(backup, results["elexisdb"]["run"] and f"elexisdb_{results['elexisdb']['run']}.tar.gz")["proof"]
    assert proof["tables"] > 10 and proof["rows"] >= 600 and proof["checksums"] > 10, proof
    assert "max_allowed_packet=" in proof["settings"] and "sql_mode=" in proof["settings"] and proof["server"], proof
    assert [(p["type"], p["method"], p["good"]) for p in lines[-1]["proofs"]] == [("documents", "files", True), ("elexisdb", "physical", True)]
    assert "1 files" in results["documents"]["text"] and "Befund" not in json.dumps(lines)
    newest.write_bytes(newest.read_bytes()[:-20])
    lines = backup.job("drill", exit=6)
    assert "documents" in lines[-1]["error"] and {r["type"]: r["good"] for r in event(lines, "drill")} == {"elexisdb": True, "documents": False}
    newest.with_name(newest.name.replace(".tar.gz", ".manifest.json")).unlink()
    assert backup.job("drill", exit=6)
    for archive in backup.archives.glob("elexisdb_*"):
        archive.unlink()
    assert "it is gone" in backup.job("drill", "--type", "elexisdb", exit=6)[-1]["error"]


def test_a_dump_is_compared_with_the_rows_of_its_snapshot(backup, folder):
    """Counted beside the dump while somebody writes all the time; kinds of tables that are no plain ones; a program that leaves rows out."""
    backup.server.sql(
        "CREATE TABLE load_db.heap (n INT) ENGINE=MEMORY; INSERT INTO load_db.heap VALUES (1); CREATE SEQUENCE load_db.seq_a; "
        "CREATE TABLE load_db.past (n INT PRIMARY KEY) WITH SYSTEM VERSIONING; INSERT INTO load_db.past VALUES (1), (2), (3); "
        "UPDATE load_db.past SET n = n + 10; DELETE FROM load_db.past WHERE n = 11; "
        "ALTER DATABASE load_db CHARACTER SET latin1 COMMENT 'Praxis'")
    writer, stop = backup.server.connect(), threading.Event()

    def write():
        while not stop.is_set():
            writer.query("INSERT INTO load_db.plain (who, body) VALUES (1, REPEAT('x', 200))")
            writer.query("INSERT INTO load_db.old (who, body) VALUES (1, 'y')")

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        archives = [archive_of(backup.job("backup", "--now", "elexisdb-sql"), "elexisdb-sql") for _ in range(2)]
    finally:
        stop.set()
        thread.join()
    for archive in archives:
        manifest = backup.manifest(archive)
        rows = {t["name"]: t["rows"] for t in manifest["tables"]}
        assert rows["plain"] > 500 and rows["past"] == 6 and rows["heap"] == rows["old"] == -1, rows
        assert manifest["info"]["database"] == {"character_set": "latin1", "collation": "latin1_swedish_ci", "comment": "Praxis"}
        result = event(backup.job("drill", archive.split("_")[1].split(".")[0], "--type", "elexisdb-sql"), "drill")[0]
        assert result["good"] and result["proof"]["rows"] >= rows["plain"] + 6, result
    program = folder / "without-rows"
    program.write_text('#!/bin/sh\na=$1; shift; exec mariadb-dump "$a" --no-data "$@"\n')
    program.chmod(0o755)
    backup.set("backup", dump_program=program)
    backup.job("backup", "--now", "elexisdb-sql")
    assert "has 0 rows, it had" in backup.job("drill", "latest", "--type", "elexisdb-sql", exit=6)[-1]["error"]
