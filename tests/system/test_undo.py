"""What was changed, by whom, and one table brought back: elexgate changes and elexgate rescue. docs/pitr.md."""
import datetime
import json
import pathlib

import pytest
from lib import process
from lib.backup import Backup, event
from lib.binlog import ARGS, Stream, quiet_second
from lib.gate import Gate
from lib.mariadb import SERIES, MariaDB


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
    rows_by = "connection" if SERIES >= (11, 5) else "time"  # since then the log has the number also where it has rows
    assert (first["workstations"], first["by"]) == (["127.0.0.2"], rows_by) and (second["workstations"], second["by"]) == (["127.0.0.3"], rows_by)
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
    # the hour that comes twice, and the one that never comes
    with pytest.MonkeyPatch.context() as m:
        m.setenv("TZ", "Europe/Zurich")
        m.setenv("LC_ALL", "de_CH.UTF-8")
        for argv in (("changes", "--from", "2026-10-25 02:30:00"), ("restore", "--to", "2026-10-25 02:30:00"), ("rescue", "kontakt", "--to", "2026-10-25 02:30:00", "--dry-run")):
            twice = practice.backup.cli(*argv, exit=2)
            twice = (twice.stdout + twice.stderr).replace("\\", "")
            assert '"2026-10-25 02:30:00+02:00"' in twice and '"2026-10-25 02:30:00+01:00"' in twice and ("zweimal" in twice or argv[0] == "restore")
        assert "gibt es nicht" in practice.backup.cli("changes", "--to", "2026-03-29 02:30:00", exit=2).stderr
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


@pytest.fixture(scope="module")
def accident(practice):
    """Tables as they are before, and a backup of them; the moment is taken, then something goes wrong."""
    practice.backup.beside()
    practice.server.sql(
        "CREATE DATABASE IF NOT EXISTS load_db; USE load_db; CREATE TABLE person (id VARCHAR(20) PRIMARY KEY, name VARCHAR(80), ahv VARCHAR(20) UNIQUE, chef VARCHAR(20), betrag DECIMAL(10,2), "
        "f FLOAT, bild BLOB, wann DATETIME(3), laenge INT AS (CHAR_LENGTH(name)), geaendert TIMESTAMP DEFAULT NOW() ON UPDATE NOW(), FOREIGN KEY (chef) REFERENCES person(id)) CHARACTER SET latin1;"
        "CREATE TABLE termin (id INT PRIMARY KEY, person VARCHAR(20) CHARACTER SET latin1, FOREIGN KEY (person) REFERENCES person(id) ON DELETE CASCADE);"
        "CREATE TABLE ohne (n INT); CREATE TABLE myisam (n INT PRIMARY KEY) ENGINE=MyISAM;"
        "INSERT INTO person (id, name, ahv, chef, betrag, f, bild, wann) VALUES ('z', 'Käthi \\\\ \\'O', '1', NULL, 1.10, 0.1, x'00ff275c', '2026-11-30 12:00:00.123'), ('b', 'Beat', '2', 'z', NULL, NULL, NULL, NULL),"
        "('a', '', '3', 'b', 2, 3, '', NULL), ('ä', 'Umlaut', NULL, NULL, 0, 0, NULL, NULL); INSERT INTO termin VALUES (1, 'a'), (2, 'b')")
    practice.backup.job("backup", "--now")
    practice.stream.caught_up()
    return practice.now()


def person(practice, order="id"):
    return practice.server.sql(f"SELECT id, name, ahv, chef, betrag, f+0e0, HEX(bild), wann, laenge, geaendert FROM load_db.person ORDER BY {order}")


def test_exactly_as_it_was(practice, accident):
    """--exact: what was added since goes, what is as it was stays untouched, and the file takes that back, too."""
    server = practice.server

    def termine():
        return server.sql("SELECT * FROM load_db.termin ORDER BY 1")
    before = termine()
    server.sql("USE load_db; DELETE FROM termin WHERE id=1; UPDATE termin SET person='z' WHERE id=2; INSERT INTO termin VALUES (7, 'a'), (8, 'b')")
    after = termine()
    practice.stream.caught_up()
    found = event(practice.backup.job("restore", "rescue", "termin", "--to", accident, "--exact", "--dry-run"), "rescue")[0]
    assert (found["gone"], found["changed"], found["added"]) == (1, 1, 2) and termine() == after
    said = practice.backup.cli("rescue", "termin", "--to", accident, "--exact", "--yes", timeout=300).stdout
    assert termine() == before, said
    undo = max((practice.backup.state / "rescued").glob("*.sql"), key=lambda path: path.stat().st_mtime)
    server.client(["load_db"], input=undo.read_text())
    assert termine() == after
    undo.unlink()


def test_rows_that_were_deleted_come_back(practice, accident):
    """Deleted and changed rows as they were, with children before parents, odd values and a generated column; what was added since stays; the file takes it back."""
    server = practice.server
    before = person(practice)
    server.sql("USE load_db; DELETE FROM termin; DELETE FROM person WHERE id IN ('a'); UPDATE person SET chef=NULL; DELETE FROM person WHERE id IN ('b','z'); UPDATE person SET name='falsch' WHERE id='ä';"
               "INSERT INTO person (id, name) VALUES ('neu', 'Neu')")
    after = person(practice)
    practice.stream.caught_up()
    rescue = event(practice.backup.job("restore", "rescue", "person", "--to", accident, "--dry-run"), "rescue")[0]
    assert (rescue["gone"], rescue["changed"], rescue["added"], rescue["same"]) == (3, 1, 1, 0) and "rows" not in rescue
    assert sorted(rescue["keys"]["gone"]) == ["a", "b", "z"] and rescue["keys"]["added"] == ["neu"]
    assert person(practice) == after, "a dry run changed something"
    assert not list(pathlib.Path(f"{practice.backup.state}-scratch").glob(".elexgate-rescue"))
    said = practice.backup.cli("rescue", "person", "--to", accident, "--yes", timeout=300).stdout
    assert "4 rows of load_db.person were written back" in said and "Käthi" not in said
    assert [row for row in person(practice) if row[0] != "neu"] == before and len(person(practice)) == 5
    undo, = (practice.backup.state / "rescued").glob("*.sql")
    assert undo.stat().st_mode & 0o777 == 0o600 and str(undo) in said
    server.client(["load_db"], input=undo.read_text())
    assert person(practice) == after
    # with contents
    plan = event(practice.backup.job("restore", "rescue", "load_db.person", "--to", accident, "--rows"), "rescue")[0]
    rows = plan["rows"]
    assert {row["key"]: (row["then"]["name"], (row.get("now") or {}).get("name")) for row in rows}["ä"] == ("Umlaut", "falsch") and len(rows) == 4
    # a change since the comparison is named, and nothing is written
    server.sql("UPDATE load_db.person SET name='inzwischen' WHERE id='ä'")
    assert "somebody else" in practice.backup.job("restore", "write_back", "another", exit=9)[-1]["error"]
    refused = practice.backup.job("restore", "write_back", plan["id"], exit=9)[-1]["error"]
    assert "1 rows of person were changed by somebody" in refused and "(ä)" in refused
    practice.backup.job("restore", "discard")
    assert "nothing is prepared" in practice.backup.job("restore", "write_back", plan["id"], exit=9)[-1]["error"]


def test_what_others_can_write_is_not_believed(practice, accident):
    """The copy may lie on a medium that others write to: what is to be written, and the digest of each row, do not, and a row that has become another one is not written."""
    server, folder, plan = practice.server, pathlib.Path(f"{practice.backup.state}-scratch/.elexgate-rescue"), practice.backup.state / "rescue.json"
    server.sql("UPDATE load_db.person SET name='zuletzt' WHERE id='ä'")
    practice.stream.caught_up()
    told = event(practice.backup.job("restore", "rescue", "person", "--to", accident, "--where", "id='ä'"), "rescue")[0]
    before, good = person(practice), plan.read_text()
    assert told["changed"] == 1 and folder.is_dir() and not list(folder.glob("*rescue.json")) and plan.stat().st_mode & 0o777 == 0o600
    prepared = json.loads(good)
    (folder / plan.name).write_text(json.dumps(prepared | {"rows": [["1=1", "ä", *prepared["rows"][0][2:]]]}))
    prepared["rows"][0][2] = "0" * 64  # as if the copy's row were another one by now
    plan.write_text(json.dumps(prepared))
    done = practice.backup.run_job("restore", "write_back", told["id"])
    assert "row ä of person is not what it was when it was compared" in json.loads(done.stdout.splitlines()[-1])["error"] and person(practice) == before
    plan.write_text(good)
    practice.backup.job("restore", "write_back", told["id"])
    changed = [row for row in person(practice) if row not in before]
    assert [row[:2] for row in changed] == [("ä", "Umlaut")] and not plan.exists() and not folder.exists()


def test_only_some_rows(practice, accident):
    """A condition is for the throwaway server alone: what it says about the live one, or brings from another table, is values."""
    server = practice.server
    server.sql("USE load_db; INSERT INTO person (id, name) VALUES ('fremd', 'x'); DELETE FROM person WHERE id IN ('a', 'b')")
    practice.stream.caught_up()
    found = event(practice.backup.job("restore", "rescue", "person", "--to", accident, "--where", "name='Beat' OR id='z'", "--dry-run"), "rescue")[0]
    assert found["keys"]["gone"] == ["b", "z"] and found["changed"] == 0 and found["added"] == 0
    hostile = "1=0) UNION SELECT 'x'' OR 1=1; DROP TABLE load_db.ohne; -- ', REPEAT('0', 64) FROM person WHERE (1=1"
    done = practice.backup.run_job("restore", "rescue", "person", "--to", accident, "--where", hostile)
    assert json.loads(done.stdout.splitlines()[-1])["exit"] != 0 and server.sql("SELECT COUNT(*) FROM load_db.ohne") == [(0,)]
    assert [row[0] for row in person(practice)] == [row[0] for row in person(practice) if row[0] not in ("a", "b")]
    said = practice.backup.cli("rescue", "person", "--where", "id IN ('b', 'z')", "--to", accident, "--yes").stdout
    assert "2 rows of load_db.person" in said and {"b", "z", "fremd"} <= {row[0] for row in person(practice)} and "a" not in {row[0] for row in person(practice)}


def test_what_would_break_is_refused(practice, accident):
    """Keys in both directions, triggers, tables that cannot be put back whole, other columns: a sentence, and nothing is written."""
    server = practice.server

    def refused(table, *options):
        practice.stream.caught_up()
        before = practice.server.sql("CHECKSUM TABLE load_db.person, load_db.termin")
        error = practice.backup.job("restore", "rescue", table, "--to", accident, *options, exit=9)[-1]["error"]
        assert practice.server.sql("CHECKSUM TABLE load_db.person, load_db.termin") == before
        return error
    server.sql("USE load_db; DELETE FROM termin; DELETE FROM person WHERE id='a'")
    assert "rescue that table first" in refused("termin")
    server.sql("INSERT INTO load_db.person (id, ahv) VALUES ('anders', '3')")
    assert "unique key" in refused("person") and "row a of person" in refused("person")
    server.sql("DELETE FROM load_db.person WHERE id='anders'")
    assert "--exact is not done" in refused("person", "--exact")
    server.sql("CREATE TRIGGER load_db.tr BEFORE INSERT ON load_db.person FOR EACH ROW SET NEW.name='weg'")
    assert "triggers" in refused("person")
    server.sql("DROP TRIGGER load_db.tr")
    assert "no primary key" in refused("ohne") and "InnoDB" in refused("myisam") and "is no table" in refused("gibtsnicht")
    server.sql("ALTER TABLE load_db.termin ADD COLUMN neu INT")
    assert "not what they were (neu)" in refused("termin")
    # nobody to ask, and what does not go together
    assert practice.backup.cli("rescue", "person", "--to", accident, exit=2)
    assert practice.backup.cli("rescue", "person", "--to", accident, "--exact", "--where", "1", "--yes", exit=2)


def test_one_day_at_a_glance(practice):
    """Transactions of each minute, what is saved, backups and blocks; another day is empty; in words."""
    process.clear_of_midnight()
    practice.gate.cli("block", "--reason", "Probe")
    practice.gate.cli("open")
    practice.backup.set("audit", proxy_file=practice.gate.folder / "proxy-audit.log")
    practice.backup.job("backup", "--now")
    before = sum(event(practice.backup.job("timeline"), "timeline")[0]["minutes"])
    written = practice.server.value("SELECT UNIX_TIMESTAMP()")
    practice.server.sql("CREATE TABLE load_db.tag (n INT); INSERT INTO load_db.tag VALUES (1); INSERT INTO load_db.tag VALUES (2)")
    practice.stream.caught_up()
    practice.stream.stop()  # what was counted goes to its file at the latest now
    day = event(practice.backup.job("timeline"), "timeline")[0]
    begin = datetime.datetime.fromisoformat(day["from"].replace("Z", "+00:00")).timestamp()
    assert len(day["minutes"]) in (1380, 1440, 1500) and day["archived"] and day["gaps"] == []
    minute = int((written - begin) / 60)
    assert sum(day["minutes"]) >= before + 3 and sum(day["minutes"][minute:minute + 2]) >= 3
    assert day["saved"][0]["timeline"] == 1 and {"backup", "block", "open"} <= {mark["kind"] for mark in day["marks"]}
    other = event(practice.backup.job("timeline", "2001-02-03"), "timeline")[0]
    assert sum(other["minutes"]) == 0 and not other["saved"] and not other["marks"] and other["day"] == "2001-02-03"
    assert practice.backup.job("timeline", "../etc", exit=2)
    said = practice.backup.cli("timeline").stdout
    assert "a backup is ready" in said and "clients kept out" in said and "comes back" in said
    # the log goes on without what the server has removed meanwhile: that is lost, and red
    practice.server.sql("INSERT INTO load_db.tag VALUES (3); FLUSH BINARY LOGS")
    quiet_second()
    practice.server.sql("FLUSH BINARY LOGS; INSERT INTO load_db.tag VALUES (4)")
    newest = practice.server.sql("SHOW MASTER STATUS")[0][0]

    def purged():  # not while the server still reads one for the stream that has gone
        practice.server.sql(f"PURGE BINARY LOGS TO '{newest}'")
        return [row[0] for row in practice.server.sql("SHOW BINARY LOGS")] == [newest]
    process.wait_until(purged, 20, "the old logs are removed")
    practice.stream.start()
    gap, = event(practice.backup.job("timeline"), "timeline")[0]["gaps"]
    assert gap["reason"] == "gap" and gap["from"] < gap["to"]
    assert "NOT SAVED" in practice.backup.cli("timeline", "--day", day["day"]).stdout
