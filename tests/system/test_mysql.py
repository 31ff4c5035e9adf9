"""A real MySQL behind the keeper: dumps, their drills, and the way back; what is not to be had there is said in words."""
import json
import os
import subprocess
import time

import pymysql
import pytest

from lib import paths, process
from lib.backup import PASSWORD, Backup, archive_of, event
from lib.mysql import MySQL

SHAPES = [
    "CREATE TABLE load_db.t (i INT PRIMARY KEY, v VARCHAR(80), j JSON, b LONGBLOB) COLLATE utf8mb4_0900_ai_ci",
    "CREATE TABLE load_db.kind (i INT PRIMARY KEY, FOREIGN KEY (i) REFERENCES load_db.t(i) ON DELETE CASCADE, p POINT SRID 4326, d DECIMAL(20,5), hidden INT INVISIBLE DEFAULT 7)",
    "CREATE TABLE load_db.my (a INT) ENGINE=MyISAM",
    "CREATE TABLE load_db.part (i INT) PARTITION BY HASH(i) PARTITIONS 3",
    "INSERT INTO load_db.t VALUES (1, 'Käthi', JSON_OBJECT('a', 1), x'00ff27'), (2, 'Übung''s', NULL, NULL)",
    "INSERT INTO load_db.kind VALUES (1, ST_GeomFromText('POINT(1 2)', 4326), 1.5)",
    "INSERT INTO load_db.my VALUES (1)",
    "CREATE USER praxis@localhost IDENTIFIED BY 'geheim'",
    "GRANT ALL ON load_db.* TO praxis@localhost",
    "CREATE DEFINER=praxis@localhost VIEW load_db.w AS SELECT i FROM load_db.t",
    "CREATE FUNCTION load_db.f(x INT) RETURNS INT DETERMINISTIC RETURN x * 2",
    "CREATE DEFINER='root'@'localhost' PROCEDURE load_db.p() SELECT 1",
    "CREATE TRIGGER load_db.tr BEFORE INSERT ON load_db.t FOR EACH ROW SET NEW.v = UPPER(NEW.v)",
    "CREATE EVENT load_db.ev ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM load_db.my",
]
GENERATED = "CREATE TABLE load_db.gen (i INT PRIMARY KEY, v INT AS (i + 1) VIRTUAL, s INT AS (i * 2) STORED); INSERT INTO load_db.gen (i) VALUES (5)"


def state(server):
    """Rows, definitions and whose they are."""
    tables = [row[0] for row in server.sql("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA='load_db' ORDER BY 1")]
    rows = {t: sorted(map(str, server.sql(f"SELECT * FROM load_db.`{t}`"))) for t in tables}
    objects = [server.sql(f"SELECT {what} FROM information_schema.{where} ORDER BY 1") for what, where in (
        ("ROUTINE_NAME, DEFINER, ROUTINE_DEFINITION", "ROUTINES WHERE ROUTINE_SCHEMA='load_db'"), ("EVENT_NAME, DEFINER, STATUS", "EVENTS WHERE EVENT_SCHEMA='load_db'"),
        ("TRIGGER_NAME, DEFINER, ACTION_STATEMENT", "TRIGGERS WHERE TRIGGER_SCHEMA='load_db'"), ("TABLE_NAME, DEFINER", "VIEWS WHERE TABLE_SCHEMA='load_db'"))]
    return {"rows": rows, "objects": objects, "accounts": server.sql("SELECT User, Host FROM mysql.user ORDER BY 1"),
            "databases": server.sql("SHOW DATABASES"), "trust": server.value("SELECT @@log_bin_trust_function_creators")}


@pytest.fixture(scope="module")
def mysql(session_folder):
    server = MySQL(session_folder / "mysql").start()
    yield server
    server.end()


@pytest.fixture
def backup(mysql, folder):
    """The practice anew, with exactly the statements that the doctor prints."""
    for name in ("load_db", "load_db_elexgate_new", "load_db_elexgate_old"):
        mysql.sql(f"DROP DATABASE IF EXISTS {name}")
    mysql.sql("DROP USER IF EXISTS praxis@localhost, elexgate@localhost; CREATE DATABASE load_db CHARACTER SET utf8mb4")
    for statement in SHAPES:  # one by one: in a text of several an event keeps its semicolon
        mysql.sql(statement)
    b = Backup(folder / "b", mysql, None, {"backup": {"method": "dump"}, "drill": {"server_program": mysql.bin / "mysqld"}})
    grants = event([json.loads(line) for line in b.run_job("doctor").stdout.splitlines()], "grant")[0]
    mysql.sql(f"CREATE USER elexgate@localhost IDENTIFIED BY '{pymysql.converters.escape_string(PASSWORD)}'")
    for statement in f"{grants['statement']}; {grants['beside']}".split("; "):
        mysql.sql(statement)
    return b


@pytest.fixture
def own_programs(mysql, monkeypatch):
    monkeypatch.setenv("PATH", f"{mysql.bin}:{os.environ['PATH']}")


def counted(backup):
    """A backup whose rows were counted, which a busy machine may give up."""
    for _ in range(5):
        manifest = backup.manifest(archive_of(backup.job("backup", "--now"), "elexisdb-sql"))
        if not any("not counted" in note for note in manifest["notes"]):
            return manifest
    raise AssertionError(manifest["notes"])


def test_a_dump_is_made_drilled_and_brought_back(mysql, backup, own_programs):
    mysql.sql(GENERATED)
    then = state(mysql)
    found = {line["name"]: line for line in event(backup.job("doctor"), "check")}
    assert "this is MySQL" in found["product"]["text"]
    assert all(line["good"] for line in found.values()), found
    manifest = counted(backup)
    assert {t["name"]: t["rows"] for t in manifest["tables"]} == {"gen": 1, "kind": 1, "my": -1, "part": 0, "t": 2}
    accounts = manifest["info"]["accounts"]
    assert "CREATE USER `praxis`@`localhost` IDENTIFIED WITH 'caching_sha2_password' AS 0x" in accounts and "ON `load_db`.* TO `praxis`@`localhost`" in accounts
    drill = event(backup.job("drill"), "drill")[0]
    assert drill["good"] and drill["proof"]["rows"] == 4 and "MySQL" not in drill["text"], drill
    mysql.sql("DELETE FROM load_db.t WHERE i = 1; DROP VIEW load_db.w; DROP TRIGGER load_db.tr; CREATE TABLE load_db.later (a INT)")
    now = state(mysql)
    lines = backup.job("restore", "run", "latest", "elexisdb-sql")
    assert event(lines, "way")[0]["way"] == "beside"
    assert {**state(mysql), "databases": None} == {**then, "databases": None}
    backup.job("restore", "undo")
    assert {**state(mysql), "databases": None} == {**now, "databases": None}
    backup.job("restore", "undo")
    backup.job("restore", "accept")
    assert state(mysql) == then


@pytest.mark.parametrize("phase", ["import", "swap"])
def test_killed_on_the_way_it_is_old(mysql, backup, own_programs, phase):
    then = state(mysql)
    backup.job("backup", "--now")
    mysql.sql("DELETE FROM load_db.t")
    now = state(mysql)
    assert backup.kill_at("restore", "run", "latest", "elexisdb-sql", phase=phase) == phase
    backup.job("restore", "recover")
    backup.job("put-back")
    assert state(mysql) in (now, then)


def test_mariadb_dump_where_it_is_right(mysql, backup):
    """Debian 12's mysqldump is MariaDB's own, which writes values for generated columns; without such a column its dump is good."""
    then = state(mysql)
    backup.job("backup", "--now")
    backup.job("drill")
    mysql.sql("DELETE FROM load_db.t")
    backup.job("restore", "run", "latest", "elexisdb-sql")
    backup.job("restore", "accept")
    assert state(mysql) == then
    mysql.sql(GENERATED)
    error = backup.job("backup", "--now", exit=1)[-1]["error"]
    assert "gen.s is a generated column" in error and "mysqldump" in error, error
    backup.set("backup", dump_program=mysql.bin / "mysqldump")
    backup.job("backup", "--now")


def test_what_is_not_to_be_had_is_said(mysql, backup, own_programs, monkeypatch):
    backup.job("backup", "--now")
    backup.set("drill", server_program="mariadbd")
    monkeypatch.undo()
    error = backup.job("drill", exit=9)[-1]["error"]
    assert error.startswith("not drilled: this is a dump of MySQL") and "mysql-server" in error, error
    assert "not drilled" in {line["name"]: line for line in event(backup.job("doctor"), "check")}["series"]["text"]
    backup.set("backup", method="physical")
    assert "this is MySQL" in backup.job("backup", "--now", "elexisdb", exit=9)[-1]["error"]
    backup.set("backup", method="dump")
    backup.set("binlog", archive="yes")
    assert "no binary log is archived" in {line["name"]: line for line in event(backup.job("doctor", exit=1), "check")}["binlog"]["text"]
    assert "only of MariaDB" in backup.job("backup", "--now", exit=1)[-1]["error"]
    stream = backup.start_job("binlog")  # waits for a server that has one
    try:
        said = json.loads(stream.stdout.readline())
        assert said["state"] == "waiting" and "only of MariaDB" in said["error"], said
    finally:
        stream.terminate()
        stream.communicate(timeout=30)


def test_a_writer_is_seen_and_being_asked_is_no_writing(mysql, backup):
    """The witnesses of idleness: each engine's writes move them."""
    looking = subprocess.Popen(backup.argv("look"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=process._die_with_parent)

    def look():
        looking.stdin.write("\n")
        looking.stdin.flush()
        return json.loads(looking.stdout.readline())["server"]
    try:
        first = look()
        assert first["known"], first
        process.wait_until(lambda: look()["write_counters"] == look()["write_counters"], 60, "a quiet server")
        for statement in ("INSERT INTO load_db.my VALUES (2)", "UPDATE load_db.my SET a = a + 1", "DELETE FROM load_db.my", "UPDATE load_db.t SET v = 'x'",
                          "INSERT INTO load_db.part VALUES (1)", "REPLACE INTO load_db.my VALUES (4)"):
            before = look()["write_counters"]
            mysql.sql(statement)
            process.wait_until(lambda: look()["write_counters"] > before, 20, statement)
        with mysql.connect() as c:
            c.cursor().execute("SET autocommit=0; INSERT INTO load_db.part VALUES (2)")

            def open_ones():
                time.sleep(0.2)  # who asks faster than every 100 ms gets the same old answer for ever
                return look()["transactions"]
            process.wait_until(lambda: open_ones() == 1, 30, "an open transaction")
            c.rollback()
        looking.stdin.close()
        assert looking.wait(20) == 0
    finally:
        looking.kill()
        looking.stdout.close()


def test_over_the_network(folder):
    """The server on another machine: TCP instead of the socket, and MySQL's own plugin for logins, which has not seen the password before."""
    far = MySQL(folder / "far", args=["--bind-address=127.0.0.1,127.0.0.2"])
    try:
        far.start()
        far.sql("CREATE DATABASE load_db CHARACTER SET utf8mb4")
        for statement in SHAPES:
            far.sql(statement)
        b = Backup(folder / "b", far, None, {"backup": {"method": "dump", "dump_program": far.bin / "mysqldump"}, "drill": {"server_program": far.bin / "mysqld"}})
        b.sections["database"].update(socket=None, host="127.0.0.2", port=far.port)
        b.write_config()
        # nobody may log in from here yet: it is MySQL all the same
        told = [json.loads(line) for line in b.run_job("doctor").stdout.splitlines()]
        grants, server = event(told, "grant")[0], event(told, "check")[0]
        assert "'elexgate'@'%'" in grants["statement"] and "CREATE USER IF NOT EXISTS 'elexgate'@'%'" in server["fix"], told
        far.sql(f"CREATE USER elexgate@'%' IDENTIFIED WITH caching_sha2_password BY '{pymysql.converters.escape_string(PASSWORD)}'")
        for statement in f"{grants['statement']}; {grants['beside']}".split("; "):
            far.sql(statement)
        then = state(far)
        b.job("doctor")
        b.job("backup", "--now")
        assert event(b.job("drill"), "drill")[0]["good"]
        far.sql("DELETE FROM load_db.t")
        b.job("restore", "run", "latest", "elexisdb-sql")
        b.job("restore", "accept")
        assert state(far) == then
        far.sql("SET GLOBAL require_secure_transport=ON")
        said = event(b.job("doctor", exit=1), "check")[0]["text"]
        assert "with TLS only (require_secure_transport)" in said and "unix socket" in said, said
    finally:
        far.end()


def test_init(mysql, folder):
    """elexgate init where the server is MySQL: the account with the rights by their names there, and a configuration that makes dumps."""
    mysql.sql("DROP DATABASE IF EXISTS load_db; DROP USER IF EXISTS elexgate@localhost; CREATE DATABASE load_db CHARACTER SET utf8mb4; CREATE TABLE load_db.t (i INT PRIMARY KEY)")
    b = Backup(folder / "b", mysql, None, {"drill": {"server_program": mysql.bin / "mysqld"}})
    b.sections["admin"]["password_file"] = folder / "secret"
    b.sections["tls"] = {"certificate": folder / "tls/server.pem", "key": folder / "tls/server.key"}
    b.write_config()

    def init(*more):
        return process.run([paths.CLI, "--config", b.config, "init", "--yes", "--host", "localhost", "--database-socket", mysql.socket, "--database", "load_db",
                            "--backup-folder", b.archives, *more], check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})
    before = b.config.read_text()
    refused = init("--binlog")
    assert refused.returncode == 9 and "this server is MySQL" in refused.stderr and b.config.read_text() == before, refused
    done = init()
    assert done.returncode == 0 and "The server is MySQL: its backups are SQL dumps" in done.stdout and "--binlog" not in done.stdout, done.stdout + done.stderr
    assert "BAD" not in done.stdout and "this is MySQL" in done.stdout
    assert "method = dump" in b.config.read_text()
    assert archive_of(b.job("backup", "--now"), "elexisdb-sql")
