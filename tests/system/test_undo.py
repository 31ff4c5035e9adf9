"""What was changed, by whom, and one table brought back: elexgate changes and elexgate rescue. docs/pitr.md."""
import datetime
import json
import pathlib

import pytest
from lib.backup import Backup, event
from lib.binlog import ARGS, Stream, quiet_second
from lib.gate import Gate
from lib.mariadb import MariaDB


class Practice:
    """A server with a log, the stream and a backup; workstations come through a gate from addresses of their own."""

    def __init__(self, folder, template, pki):
        self.folder = folder
        self.server = MariaDB(folder / "server", template, args=ARGS).start()
        self.server.sql("CREATE DATABASE load_db; CREATE TABLE load_db.kontakt (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80))")
        self.server.add_user("praxis", "geheim")
        self.gate = Gate(folder / "gate", self.server, pki=pki, listeners={"elexis": {"tls": "off"}}).start()
        self.backup = Backup(folder / "backup", self.server, self.gate, {"binlog": {"archive": "yes"}, "drill": {"schedule": "never"}}).account()
        self.stream = Stream(self.backup).start()

    def at(self, address, *statements):
        """As a workstation of that address; without TLS, so that it can choose one."""
        with self.gate.connect("praxis", "geheim", tls=False, bind_address=address) as c, c.cursor() as cursor:
            for text in statements:
                cursor.execute(text)
            return c.thread_id()

    def now(self):
        """The next full second, as people and the log write it."""
        quiet_second()
        return self.server.value("SELECT DATE_FORMAT(NOW(),'%Y-%m-%d %H:%i:%S')")

    def changes(self, *options):
        self.stream.caught_up()
        lines = self.backup.job("changes", *options)
        return event(lines, "change"), event(lines, "changes")[0]

    def end(self):
        self.stream.stop()
        self.gate.stop()
        self.server.stop()


@pytest.fixture(scope="module")
def practice(session_folder, template, pki):
    p = Practice(pathlib.Path(session_folder) / "undo", template, pki)
    yield p
    p.end()


def test_what_was_changed_and_from_where(practice):
    """Time, transaction, tables and counts; a workstation by the connection's number where the log has it, else by the second."""
    server = practice.server
    server.sql("CREATE TABLE load_db.alt (n INT) ENGINE=MyISAM")
    begin = practice.now()
    practice.at("127.0.0.2", "INSERT INTO load_db.kontakt (name) VALUES ('Anna'),('Beat')")
    quiet_second()
    quiet_second()
    practice.at("127.0.0.3", "START TRANSACTION", "INSERT INTO load_db.kontakt (name) VALUES ('Carla')", "UPDATE load_db.kontakt SET name='x'",
                "DELETE FROM load_db.kontakt WHERE name='x' LIMIT 1", "COMMIT")
    quiet_second()
    practice.at("127.0.0.4", "INSERT INTO load_db.alt VALUES (1),(2),(3)", "DROP TABLE load_db.alt")
    server.sql("INSERT INTO load_db.kontakt (name) VALUES ('weg'); START TRANSACTION; DELETE FROM load_db.kontakt; ROLLBACK")
    end = practice.now()
    server.sql("INSERT INTO load_db.kontakt (name) VALUES ('danach')")
    first, second, third, drop, direct = practice.changes("--from", begin, "--to", end)[0]
    kontakt = {"table": "load_db.kontakt", "inserted": 0, "changed": 0, "deleted": 0}
    assert first["tables"] == [kontakt | {"inserted": 2}] and second["tables"] == [kontakt | {"inserted": 1, "changed": 3, "deleted": 1}]
    assert third["tables"] == [{"table": "load_db.alt", "inserted": 3, "changed": 0, "deleted": 0}] and drop["statements"] == ["DROP TABLE"]
    assert (first["workstations"], first["by"]) == (["127.0.0.2"], "time") and (second["workstations"], second["by"]) == (["127.0.0.3"], "time")
    assert (third["workstations"], third["by"]) == (["127.0.0.4"], "connection") and (drop["workstations"], drop["by"]) == (["127.0.0.4"], "connection")
    assert direct["tables"] == [kontakt | {"inserted": 1}]
    assert "rows" not in first, "contents that nobody asked for"
    assert int(first["gtid"].split("-")[2]) + 4 == int(direct["gtid"].split("-")[2])
    # the admin's name, and what is asked for by it; also after the gate was started anew
    practice.gate.control({"cmd": "workstation", "address": "127.0.0.3", "name": "Empfang"})
    practice.gate.stop()
    kept = practice.gate.folder / "state" / "writers.log"
    kept.write_text(kept.read_text() + "cut off by a crash 17\n" * 200000)  # its most: it goes on in another one, and lines that are odd are passed over
    practice.gate.start()
    practice.at("127.0.0.9", "DELETE FROM load_db.kontakt WHERE id=0")
    assert ["127.0.0.9"] == [row[3] for row in practice.gate.control({"cmd": "writers", "from": 0, "to": 1 << 40})["writers"]][-1:]
    assert kept.stat().st_size < 1000 and kept.with_suffix(".log.1").stat().st_size > 4 << 20
    listed, told = practice.changes("--from", begin, "--to", end, "--workstation", "empfang")
    assert [c["gtid"] for c in listed] == [second["gtid"]] and listed[0]["workstations"] == ["127.0.0.3 (Empfang)"]
    assert told["transactions"] == 5 and told["shown"] == 1
    assert [c["gtid"] for c in practice.changes("--from", begin, "--to", end, "--table", "ALT")[0]] == [third["gtid"], drop["gtid"]]
    assert practice.changes("--from", begin, "--to", end, "--table", "load_db.al")[1]["shown"] == 0
    # in words, and what is wrong in them
    said = practice.backup.cli("changes", "--from", begin, "--to", end).stdout
    assert "127.0.0.3 (Empfang)" in said and "load_db.kontakt: rows added 1, changed 3, deleted 1" in said and "5 transactions" in said and "Anna" not in said
    assert "no moment" in practice.backup.cli("changes", "--from", "gestern", exit=2).stderr
    # what a restore to then would lose: the same names
    practice.backup.job("backup", "--now")
    practice.at("127.0.0.2", "INSERT INTO load_db.kontakt (name) VALUES ('verloren')")
    before = server.value("SELECT @@gtid_binlog_pos")
    quiet_second()
    practice.at("127.0.0.3", "INSERT INTO load_db.kontakt (name) VALUES ('auch')")
    practice.stream.caught_up()
    change, = event(practice.backup.job("restore", "plan", "--to", before), "plan")[0]["moment"]["changes"]
    assert (change["what"], change["transactions"], change["workstations"]) == ("load_db.kontakt", 1, ["127.0.0.3 (Empfang)"])
    # without the gate it is said that nobody knows
    practice.gate.stop()
    listed, told = practice.changes("--from", begin, "--to", end)
    assert len(listed) == 5 and listed[0]["workstations"] == [] and "gate" in told["workstations_unknown"] or "sock" in told["workstations_unknown"]
    practice.gate.start()


def test_the_values_of_rows(practice):
    """With --rows each kind of column reads as the server says it, before and after."""
    values = {"TINYINT": "-5", "SMALLINT": "-300", "MEDIUMINT": "-70000", "INT": "2000000000", "BIGINT": "-9000000000000000000", "DECIMAL(22,5)": "-12345678901234567.00120",
              "DECIMAL(9,9)": "0.000000123", "DECIMAL(18,0)": "0", "FLOAT": "1.5", "DOUBLE": "-2.25", "YEAR": "2026", "DATE": "2026-11-30", "TIME": "-12:30:45",
              "TIME(3)": "-00:00:01.250", "TIME(6)": "838:59:58.000001", "DATETIME": "2026-11-30 14:32:07", "DATETIME(1)": "2026-01-02 03:04:05.6", "DATETIME(6)": "1000-01-01 00:00:00.000001",
              "VARCHAR(20)": "'Käthi'", "VARCHAR(3000)": "'lang'", "CHAR(10)": "'fest'", "CHAR(250)": "'breit'", "TEXT": "'Text'", "BIT(12)": "2049", "ENUM('a','b')": "2", "SET('a','b','c')": "5"}
    columns = ", ".join(f"c{i} {kind}" for i, kind in enumerate(values))
    practice.server.sql(f"CREATE TABLE load_db.arten (id INT, {columns}, b BLOB, leer TEXT) CHARACTER SET utf8mb4")
    begin = practice.now()
    literal = ", ".join(v if v[0] == "'" or kind[:3] in ("BIT", "ENU", "SET") or "INT" in kind or "DEC" in kind or kind in ("FLOAT", "DOUBLE", "YEAR") else f"'{v}'"
                        for kind, v in values.items())
    practice.server.sql(f"INSERT INTO load_db.arten VALUES (1, {literal}, x'00ff', NULL); UPDATE load_db.arten SET id=2; DELETE FROM load_db.arten")
    practice.server.sql(f"SET SESSION sql_log_bin=0; INSERT INTO load_db.arten VALUES (1, {literal}, x'00ff', NULL)")
    practice.stream.caught_up()
    listed, _ = practice.changes("--from", begin, "--rows")
    insert, change, delete = [row for c in listed for row in c["rows"]]
    assert insert["row"] == ["1", *values.values(), "x'00ff'", None]
    assert (change["was"][0], change["row"][0]) == ("1", "2") and change["row"][1:] == insert["row"][1:] and delete["row"] == change["row"]
    # compressed events, and values that are long
    begin = practice.now()
    practice.server.sql("SET GLOBAL log_bin_compress=1, GLOBAL log_bin_compress_min_len=10")
    practice.server.sql("INSERT INTO load_db.arten (id, c22) VALUES (7, REPEAT('ä', 5000)), (8, NULL); CREATE TABLE load_db.lang (a INT COMMENT 'eine lange Bemerkung, damit es sich lohnt')")
    practice.server.sql("SET GLOBAL log_bin_compress=0")
    row, ddl = practice.changes("--from", begin, "--rows")[0]
    assert row["tables"][0]["inserted"] == 2 and row["rows"][0]["row"][23] == "'" + 100 * "ä" + "' …" and ddl["statements"] == ["CREATE TABLE"]
    assert [c["gtid"] for c in practice.changes("--from", begin, "--table", "lang")[0]] == [ddl["gtid"]]
