"""Any second of the day: a backup and the archived log give back what the server was at a moment. docs/pitr.md."""
import contextlib
import gzip
import hashlib
import json
import os
import pathlib
import re
import shutil
import threading
import zlib

import pymysql
import pytest
from lib import paths, process
from lib.backup import Backup, event
from lib.binlog import ARGS, Stream, quiet_second
from lib.mariadb import MariaDB
from lib.phrases import german
from pitr_campaign import Campaign


def state(server):
    """All that a server holds, as text: rows, definitions, accounts, roles, sequences, what is prepared."""
    dump = server.client(["--all-databases", "--routines", "--events", "--triggers", "--skip-dump-date", "--order-by-primary", "--hex-blob",
                          "--skip-extended-insert", "--ignore-table=mysql.gtid_slave_pos"]
                         + [f"--ignore-table=mysql.{t}" for t in ("innodb_table_stats", "innodb_index_stats", "table_stats", "column_stats", "index_stats",
                                                                  "global_priv", "proxies_priv", "event", "proc", "transaction_registry")],
                         program="mariadb-dump").stdout
    accounts = sorted(server.sql("SELECT User, Host, JSON_REMOVE(Priv, '$.password_last_changed') FROM mysql.global_priv WHERE User<>'elexgate'"))
    grants = [row for user, host, _ in accounts for row in sorted(server.sql(f"SHOW GRANTS FOR `{user}`" + (f"@`{host}`" if host else "")))]
    sequences = [server.sql(f"SELECT * FROM `{db}`.`{name}`") for db, name in
                 sorted(server.sql("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE='SEQUENCE'"))]
    sums = server.sql("SELECT CONCAT('CHECKSUM TABLE ', GROUP_CONCAT('`',TABLE_SCHEMA,'`.`',REPLACE(TABLE_NAME,'`','``'),'`' ORDER BY 1)) FROM information_schema.TABLES "
                      "WHERE TABLE_TYPE='BASE TABLE' AND TABLE_SCHEMA NOT IN ('mysql','information_schema','performance_schema','sys')")[0][0]
    dump = re.sub(r"AUTO_INCREMENT=\d+ ", "", dump)
    return {"dump": [line for line in dump.splitlines() if not line.startswith("-- ")], "accounts": accounts, "grants": grants, "sequences": sequences,
            "sums": server.sql(sums) if sums else [], "prepared": server.sql("XA RECOVER")}


def differences(a, b):
    return {key: [(x, y) for x, y in zip(a[key], b[key], strict=False) if x != y][:3] or (len(a[key]), len(b[key])) for key in a if a[key] != b[key]}


class Practice:
    """A server with a log, its backups and the stream; moments with what the server was then."""

    def __init__(self, folder, template, options=None, args=()):
        self.server = MariaDB(folder / "server", template, args=[*ARGS, *args]).start()
        self.server.sql("CREATE DATABASE load_db; CREATE TABLE load_db.kontakt (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80), t TIMESTAMP(6) DEFAULT NOW(6))")
        self.backup = Backup(folder / "backup", self.server, options={"binlog": {"archive": "yes"}, "drill": {"schedule": "never"}, **(options or {})}).account()
        self.stream = Stream(self.backup)
        self.template = template
        self.folder = folder
        self.moments = []
        self.n = 0

    def moment(self, do=None):
        """Does something, and remembers the moment after it as a time and as a transaction."""
        if do:
            self.server.sql(do)
        quiet_second()
        now = self.server.value("SELECT UNIX_TIMESTAMP()")
        self.moments.append((self.server.value(f"SELECT DATE_FORMAT(FROM_UNIXTIME({int(now)}),'%Y-%m-%d %H:%i:%S')"),
                             self.server.value("SELECT @@gtid_binlog_pos"), state(self.server)))
        return self.moments[-1]

    def into(self, *point, exit=0):
        """What the server was then, started: state() of it."""
        self.n += 1
        target = self.folder / f"into-{self.n}"
        lines = self.backup.job("restore", "into", *point, target, exit=exit)
        if exit:
            return lines
        server = MariaDB(self.folder / f"look-{self.n}", datadir=target / "elexisdb", tcp=False).start()
        try:
            return state(server), lines
        finally:
            server.stop()

    @staticmethod
    def remove(path):
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def end(self):
        self.stream.stop()
        self.server.stop()


@pytest.fixture(scope="module")
def practice(session_folder, template):
    p = Practice(pathlib.Path(session_folder) / "pitr", template)
    p.stream.start()
    p.backup.job("backup", "--now")
    p.stream.caught_up()
    yield p
    p.end()


KINDS = {
    "rows": "INSERT INTO load_db.kontakt (name) VALUES ('Anna'),('Beat'),('Käthi \\'); DROP TABLE x; --'); UPDATE load_db.kontakt SET name='Berta' WHERE name='Beat';"
            "START TRANSACTION; INSERT INTO load_db.kontakt (name) VALUES ('weg'); ROLLBACK; DELETE FROM load_db.kontakt WHERE name='Anna'",
    "definitions": "USE load_db; SET time_zone='+05:00', lc_time_names='de_CH', sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'; CREATE TABLE \"fäll e\" (id INT PRIMARY KEY, "
                   "text TEXT COMMENT 'mit \\ und '' und ;', k INT, FOREIGN KEY (k) REFERENCES kontakt(id)); ALTER TABLE kontakt ADD COLUMN alter_ INT DEFAULT 3, ADD INDEX (name);"
                   "SET foreign_key_checks=0; CREATE TABLE waise (id INT PRIMARY KEY, k INT, FOREIGN KEY (k) REFERENCES noch_nicht(id)); CREATE TABLE gewaehlt AS SELECT id, name FROM kontakt;"
                   "RENAME TABLE gewaehlt TO auswahl; CREATE VIEW v AS SELECT COUNT(*) AS n FROM kontakt; TRUNCATE TABLE auswahl",
    "accounts": "CREATE USER aendert@localhost IDENTIFIED BY 'x'; GRANT ALL ON load_db.* TO aendert@localhost; CREATE USER 'aerztin'@'%' IDENTIFIED BY 'geheim'; CREATE ROLE praxis; GRANT SELECT, INSERT ON load_db.* TO praxis; GRANT praxis TO 'aerztin'@'%';"
                "CREATE USER mpa@localhost; GRANT SELECT (name), UPDATE (name) ON load_db.kontakt TO mpa@localhost; ALTER USER 'aerztin'@'%' IDENTIFIED BY 'neu'; CREATE USER kurz; DROP USER kurz",
    "programs": "USE load_db; CREATE PROCEDURE p(IN a INT) BEGIN DECLARE i INT DEFAULT 0; WHILE i < a DO INSERT INTO kontakt (name) VALUES (CONCAT('p', i)); SET i = i + 1; END WHILE; END;"
                "CREATE FUNCTION f(x INT) RETURNS INT DETERMINISTIC RETURN x * 2; CREATE TABLE spur (n INT); CREATE TRIGGER tr AFTER INSERT ON kontakt FOR EACH ROW INSERT INTO spur VALUES (NEW.id);"
                "CALL p(3); CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM spur; SELECT f(2)",
    "sequences": "USE load_db; CREATE SEQUENCE nummer START WITH 100 INCREMENT BY 5; SELECT NEXTVAL(nummer); SELECT NEXTVAL(nummer); SELECT SETVAL(nummer, 900); INSERT INTO kontakt (name) VALUES (NEXTVAL(nummer))",
    "xa": "XA START 'a','b'; INSERT INTO load_db.kontakt (name) VALUES ('xa'); XA END 'a','b'; XA PREPARE 'a','b'; XA COMMIT 'a','b'; XA START 'c'; INSERT INTO load_db.kontakt (name) VALUES ('weg');"
          "XA END 'c'; XA PREPARE 'c'; XA ROLLBACK 'c'; XA START 'd'; INSERT INTO load_db.kontakt (name) VALUES ('one'); XA END 'd'; XA COMMIT 'd' ONE PHASE",
    "temporary": "USE load_db; CREATE TEMPORARY TABLE hilfe (n INT); INSERT INTO hilfe VALUES (1),(2); INSERT INTO kontakt (name) SELECT CONCAT('t', n) FROM hilfe; DROP TEMPORARY TABLE hilfe",
    "variables": "USE load_db; SET @`wann ``ä`='2037-01-01 00:00:00', @n=3; CREATE EVENT einmal ON SCHEDULE AT @`wann ``ä` DO SELECT 1; CREATE EVENT oft ON SCHEDULE EVERY @n DAY DO SELECT 2;"
                 "CREATE TABLE zahlen (d DECIMAL(40,20)); SET binlog_format=STATEMENT; SET @d=-12345678901234567890.00000000000000000001; INSERT INTO zahlen VALUES (@d);"
                 "SET @d=0.5; INSERT INTO zahlen VALUES (@d), (@d * 3); SET @d=CAST(7 AS DECIMAL(5)); INSERT INTO zahlen VALUES (@d); SET binlog_format=ROW",
    "database anew": "CREATE DATABASE vier; USE vier; CREATE TABLE a (a INT); DROP /*x*/ DATABASE vier; CREATE DATABASE vier; USE vier; CREATE TABLE n (a INT)",
    "databases": "CREATE DATABASE zwei CHARACTER SET latin1; CREATE TABLE zwei.t (a INT, b BLOB) ENGINE=Aria; INSERT INTO zwei.t VALUES (1, x'00ff1a27'); CREATE TABLE zwei.m (a INT) ENGINE=MyISAM;"
                 "INSERT INTO zwei.m VALUES (1),(2); CREATE DATABASE drei; CREATE TABLE drei.x (a INT); DROP DATABASE drei; ALTER DATABASE zwei COMMENT 'zweite'",
}


@pytest.mark.timeout(900)  # a dozen restores, on a machine that does other things, too
def test_every_kind_of_change(practice):
    """Tables, definitions and accounts after each kind are those of the server at that moment, by time and by transaction."""
    data = practice.folder / "werte.csv"
    data.write_text("".join(f"{i};Zeile {i}\n" for i in range(500)))
    for kind, do in KINDS.items():
        practice.moment(do)
    with practice.server.connect(local_infile=True) as c:
        c.cursor().execute(f"LOAD DATA LOCAL INFILE '{data}' INTO TABLE load_db.kontakt FIELDS TERMINATED BY ';' (@x, name)")
    practice.moment()
    with practice.server.connect(user="aendert", password="x", database="load_db") as c:
        c.query("ALTER EVENT ev ON SCHEDULE EVERY 2 DAY")
    practice.moment()
    practice.stream.caught_up()
    names = [*KINDS, "load data", "who changed an event"]
    for i, (when, gtid, then) in enumerate(practice.moments):
        by_time = i % 2 == 0 or i == len(practice.moments) - 1
        got, lines = practice.into("--to", when) if by_time else practice.into("--to", gtid)
        assert not differences(then, got), (names[i], when, gtid)
        assert event(lines, "replayed")[0]["transactions"] > 0
    when, gtid, then = practice.moments[0]
    last = practice.moments[-1]
    got, _ = practice.into("--before", last[1])
    assert not differences(practice.moments[-2][2], got)


def test_what_is_prepared_at_the_moment(practice):
    """XA: prepared and committed before is there; prepared before and ended after is not, and is prepared still, as on the server then; behind its end it is as it ended."""
    server = practice.server

    def prepare(name):
        server.sql(f"XA START '{name}'; INSERT INTO load_db.kontakt (name) VALUES ('xa {name}'); XA END '{name}'; XA PREPARE '{name}'")
    server.sql("XA START 'vor'; INSERT INTO load_db.kontakt (name) VALUES ('xa vor'); XA END 'vor'; XA PREPARE 'vor'; XA COMMIT 'vor'")
    prepare("offen")
    prepare("weg")
    quiet_second()
    when, gtid = server.sql("SELECT DATE_FORMAT(NOW(),'%Y-%m-%d %H:%i:%S'), @@gtid_binlog_pos")[0]
    prepared = sorted(server.sql("XA RECOVER"))
    assert {bytes(row[3]) for row in prepared} == {b"offen", b"weg"}
    server.sql("XA COMMIT 'offen'; XA ROLLBACK 'weg'")
    after = practice.moment()
    practice.stream.caught_up()
    for point in (when, gtid):
        got, _ = practice.into("--to", point)
        assert re.findall(r"'xa (vor|offen|weg)'", str(got["dump"])) == ["vor"], point
        assert sorted(got["prepared"]) == prepared
    assert not differences(after[2], practice.into("--to", after[0])[0])
    assert re.findall(r"'xa (vor|offen|weg)'", str(after[2]["dump"])) == ["vor", "offen"]


LARGE = """USE load_db; CREATE TABLE gross (id INT PRIMARY KEY, n INT UNIQUE, b LONGTEXT, k INT, FOREIGN KEY (k) REFERENCES gross (id) ON DELETE CASCADE);
    CREATE TABLE neben (id INT PRIMARY KEY, b LONGTEXT) ENGINE=Aria; CREATE TABLE notiert (n INT, was CHAR(1)); INSERT INTO neben SELECT seq, REPEAT('n', 900000) FROM seq_1_to_12;
    CREATE TRIGGER g1 AFTER INSERT ON gross FOR EACH ROW INSERT INTO notiert VALUES (NEW.n, 'i'); CREATE TRIGGER g2 AFTER UPDATE ON gross FOR EACH ROW INSERT INTO notiert VALUES (NEW.n, 'u');
    INSERT INTO gross SELECT seq, seq, REPEAT(CHAR(64 + seq % 26), 1000000), NULLIF(seq - 1, 0) FROM seq_1_to_20;
    UPDATE gross JOIN neben USING (id) SET gross.b = REPEAT('u', 900000), neben.b = CONCAT('x', neben.b), gross.n = gross.n + 1000;
    UPDATE gross SET n = n - 1 ORDER BY n; DELETE FROM gross WHERE id = 15; INSERT INTO gross VALUES (100, 100, REPEAT('y', 52000000), 1)"""


def test_one_statement_of_any_size(folder, template):
    """Several tables, triggers, keys into the table itself, more rows than are run in one piece, and a row that is one by itself."""
    p = Practice(folder, template, args=["--max-allowed-packet=128M"])
    try:
        p.stream.start()
        p.backup.job("backup", "--now")
        p.server.sql(LARGE)
        p.stream.caught_up()
        sums = "CHECKSUM TABLE load_db.gross, load_db.neben, load_db.notiert EXTENDED"
        then = p.server.sql(sums)
        target = p.folder / "into"
        p.backup.job("restore", "into", "--to", p.server.value("SELECT @@gtid_binlog_pos"), target)
        server = MariaDB(p.folder / "look", datadir=target / "elexisdb", tcp=False).start()
        try:
            assert server.sql(sums) == then and server.value("SELECT COUNT(*) FROM load_db.gross") == 15
        finally:
            server.stop()
    finally:
        p.end()


def test_a_moment_that_cannot_be_had_is_said(practice):
    for point, words in ((("--to", "2001-01-01 00:00:00"), "do not go back"), (("--to", "2999-01-01 00:00:00"), "future"), (("--to", "0-1-99999999"), "do not go back"),
                         (("--to", "gestern"), "no point in time"), (("--before", "latest"), "no transaction"), (("--timeline", "9", "--to", "latest"), "do not go back")):
        done = practice.backup.run_job("restore", "into", *point, practice.folder / "nirgends")
        assert done.returncode != 0 and words in done.stdout, (point, done.stdout[-400:])
        assert re.search(r"Zeitpunkt|Binärlog|Transaktion", german(json.loads(done.stdout.splitlines()[-1]), "error")), point
        assert not (practice.folder / "nirgends").exists()


class Live:
    """A practice behind a gate whose server can be stopped and started, with somebody who writes and a journal of what was acknowledged."""

    def __init__(self, folder, template, make_gate, options=None):
        self.p = Practice(folder, template, args=["--log-slave-updates=OFF"])
        self.server = self.p.server
        self.gate = make_gate(self.server)
        self.server.add_user("praxis", "geheim")
        self.p.backup.gate = self.gate
        self.p.backup.set("proxy", control_socket=self.gate.control_socket)
        self.p.backup.set("backup", ask_proxy="yes")
        self.p.backup.set("restore", start_command=self.server.start_command(), stale_clients="0")
        self.stream, self.backup = self.p.stream, self.p.backup

    def write(self, n, at=0):
        """n acknowledged rows."""
        for i in range(at, at + n):
            self.server.sql(f"INSERT INTO load_db.kontakt (name) VALUES ('r{i}')")
        return {f"r{i}" for i in range(at, at + n)}

    def names(self):
        return {row[0] for row in self.server.sql("SELECT name FROM load_db.kontakt")}

    def end(self):
        self.p.end()


@pytest.fixture
def live(folder, template, make_gate):
    live = Live(folder, template, make_gate)
    live.stream.start()
    live.backup.job("backup", "--now")
    yield live
    live.end()


def test_an_accident_is_undone_to_the_second_before(live):
    """Deleted at a moment; back to it; and from there on the next restore goes across the timelines."""
    kept = live.write(30)
    live.server.sql("FLUSH BINARY LOGS; FLUSH BINARY LOGS")  # files that the backup does not have
    when, gtid, then = live.p.moment("SET lc_time_names='de_CH'; CREATE VIEW load_db.tag AS SELECT DAYNAME('2026-11-30') AS tag")
    live.server.sql("DELETE FROM load_db.kontakt; DROP VIEW load_db.tag; DROP TABLE load_db.kontakt")
    live.stream.caught_up()
    done = live.backup.cli("restore", "--to", when, "--yes")
    assert '"restored"' in done.stdout
    assert live.names() == kept and not differences(then, state(live.server))
    # a new timeline, whose beginning is known: no new backup is needed to go on
    more = live.write(10, at=100)
    process.wait_until(lambda: live.stream.timelines()[-1] == 2, 30, "the new timeline")
    live.stream.caught_up()
    assert live.stream.lines("timeline")[-1]["reason"] == "restored"
    got, lines = live.p.into("--to", "latest")
    assert event(lines, "way")[0]["spans"] == 2
    assert len(event(lines, "replayed")) == 1, "nothing came meanwhile, and it was looked for again and again"
    assert not differences(state(live.server), got)
    # the old one can still be chosen, the accident included
    got, _ = live.p.into("--to", "latest", "--timeline", "1")
    assert not any("kontakt" in line for line in got["dump"])
    # and what was there before comes back
    live.backup.cli("restore", "undo", "--yes")
    assert live.server.sql("SHOW TABLES FROM load_db") == []
    process.wait_until(lambda: live.stream.timelines()[-1] == 3, 30, "a third timeline")
    assert more


def test_latest_catches_up_under_the_block(live):
    """Somebody writes through the gate all the time: what was acknowledged until the block is there."""
    live.write(20)
    acknowledged, kept, stop = set(), set(), threading.Event()

    def work():
        nonlocal kept
        i = 1000
        while not stop.is_set():
            try:
                with live.gate.connect("praxis", "geheim") as c, c.cursor() as cursor:
                    while not stop.is_set():
                        cursor.execute(f"INSERT INTO load_db.kontakt (name) VALUES ('w{i}')")
                        acknowledged.add(f"w{i}")
                        i += 1
            except pymysql.Error:
                kept = set(acknowledged)
                i += 1
                stop.wait(0.05)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        process.wait_until(lambda: len(acknowledged) > 50, 30, "somebody works")
        lines = live.backup.job("restore", "run", "--to", "latest")
    finally:
        stop.set()
        thread.join()
    assert event(lines, "restored") and event(lines, "blocked")
    assert acknowledged <= live.names()
    # back: the data of the block, with all that was acknowledged until then, and without what came since; and forth
    restored = live.names()
    since = live.write(3, at=5000)
    live.backup.cli("restore", "undo", "--yes")
    assert len(kept) > 50 and kept <= live.names() and restored - live.names() == acknowledged - kept and live.gate.status()["state"] == "open"
    live.backup.cli("restore", "undo", "--yes")
    assert live.names() == restored | since


def test_asked_for_while_a_backup_runs(live, folder):
    """Refused in words, by command and by keeper; backup, data and stream go on, and afterwards it can be had."""
    b, go, hold = live.backup, folder / "go", folder / "hold"
    hold.write_text(f"#!/bin/sh\ntouch {folder}/held\nwhile [ ! -e {go} ]; do sleep 0.05; done\n")
    hold.chmod(0o755)
    b.set("hooks", before_backup=hold)
    rows = live.write(5)
    when, gtid, then = live.p.moment()
    live.stream.stop()
    b.start_keeper()
    try:
        assert b.call({"cmd": "run", "mode": "now"})["ok"]
        process.wait_until(lambda: (folder / "held").exists(), 30, "the backup runs")
        answer = b.call({"cmd": "restore", "action": "run", "to": gtid}, check=False)
        assert answer["code"] == "EBUSY" and "backup" in answer["error"], answer
        asked = b.job("restore", "run", "--to", when, exit=7)[-1]
        assert "backup" in asked["error"], asked
        rows |= live.write(5, at=50)
        assert live.names() == rows and live.gate.status()["state"] == "open" and not (b.state / "restore.json").exists()
        go.touch()
        process.wait_until(lambda: b.runs() and b.call("status")["job"] is None, 60, "the backup ends")
        assert b.runs()[0]["exit"] == 0
        b.cli("restore", "--to", gtid, "--yes")
        assert not differences(then, state(live.server))
    finally:
        go.touch()
        b.stop_keeper()


def test_a_machine_that_is_lost_comes_back_with_all_that_was_saved(live):
    rows = live.write(40)
    live.stream.caught_up()
    live.server.kill()
    process.run(["rm", "-rf", live.server.datadir])
    live.backup.set("backup", datadir=live.server.datadir)
    restored, = event(live.backup.job("restore", "run", "--to", "latest"), "restored")
    assert german(restored, "live") == "Alle Daten bis zum Ende des Binärlogs sind in Betrieb.", "not those of the backup's time"
    assert live.names() == rows


def of_who_gives_it(server):
    server.sql("GRANT SELECT ON load_db.kontakt TO CURRENT_USER")


def name_that_ends_early(server):
    """What the server logs of it is UTF-8, E6 B6 93 E7 92 A5, a letter of GBK and ` (doubled: the name's end), and the session's GBK."""
    with server.connect() as c:
        c.select_db("load_db")
        c.query("SET NAMES gbk")
        c.query(b"CREATE TABLE `\xd6\xd0``(SELECT User, Priv FROM mysql.global_priv/*` SELECT 1 AS `*/#` FROM DUAL WHERE 0")


def rights_by_the_way(server):
    """As text, which runs with the rights of the replay. What it did then, root did."""
    server.sql("CREATE OR REPLACE USER own_rights@'%'; SET binlog_format=STATEMENT;"
               "UPDATE mysql.global_priv SET Priv=JSON_SET(Priv, '$.access', 1) WHERE User='own_rights'; FLUSH PRIVILEGES")


def rights_on_a_table(server):
    server.sql("CREATE OR REPLACE USER own_table@'%'; SET binlog_format=STATEMENT; INSERT INTO mysql.tables_priv (Host, Db, User, Table_name, Table_priv, Column_priv)"
               " VALUES ('%', 'mysql', 'own_table', 'global_priv', 'Insert,Update', '')")


@pytest.mark.parametrize(("do", "words", "exit"), [(rights_by_the_way, "changed who may do what", 6), (rights_on_a_table, "changed who may do what", 6), (of_who_gives_it, "GRANT", 9), (name_that_ends_early, "CREATE TABLE", 9)])
def test_what_cannot_be_run_is_named_and_nothing_is_touched(live, do, words, exit):
    live.write(5)
    do(live.server)
    live.write(5, at=50)
    live.stream.caught_up()
    before = state(live.server)
    error = live.backup.job("restore", "run", "--to", "latest", exit=exit)[-1]["error"]
    assert re.search(r"mysql-bin\.\d+ at \d+ \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, .*" + words, error), error
    assert not differences(before, state(live.server))
    assert not live.backup.state.joinpath("restore.json").exists()


def test_nothing_is_replayed_across_what_cannot_be_run_again(folder, template):
    """A LOAD DATA that was logged as a statement: archived; what lies before it can be had, and what lies behind the backup that follows; on the way across it is named."""
    p = Practice(folder, template)
    b, data = p.backup, folder / "werte.csv"
    data.write_text("".join(f"{i};Zeile {i}\n" for i in range(3000)))
    told = lambda: [(line["base"], line["statement"]) for line in p.stream.lines("base")]
    try:
        p.stream.start()
        b.job("backup", "--now")
        process.wait_until(lambda: told()[-1:] == [("own", None)], 30, "a base")
        before = p.moment("INSERT INTO load_db.kontakt (name) VALUES ('davor')")
        with p.server.connect(local_infile=True) as c:
            c.query("SET binlog_format=STATEMENT")
            c.cursor().execute(f"LOAD DATA LOCAL INFILE '{data}' INTO TABLE load_db.kontakt FIELDS TERMINATED BY ';' (@x, name)")
            c.commit()
        after = p.moment("INSERT INTO load_db.kontakt (name) VALUES ('danach')")
        p.stream.caught_up()
        process.wait_until(lambda: told()[-1:] == [("missing", "LOAD DATA")], 30, "no base any more")
        assert not differences(before[2], p.into("--to", before[0])[0])
        assert not differences(before[2], p.into("--to", before[1])[0])
        named = r"mysql-bin\.000001 at \d+ \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, LOAD DATA\)"
        for point in ("latest", after[0]):
            done = p.into("--to", point, exit=9)[-1]
            assert re.search("cannot be run again: " + named, done["error"]) and "leads across" in str(done["error_phrase"]), done
        assert re.search(named, p.into("--to", after[1], exit=6)[-1]["error"])  # in the same segment: the replay finds it
        assert any("LOAD DATA" in line["statements"] for line in event(b.job("changes", "--from", "2001-01-01 00:00"), "change"))
        b.job("backup", "--now")
        process.wait_until(lambda: told()[-1:] == [("own", None)], 30, "a base again")
        last = p.moment("INSERT INTO load_db.kontakt (name) VALUES ('zuletzt')")
        p.stream.caught_up()
        assert not differences(last[2], p.into("--to", last[0])[0])
        assert not differences(last[2], p.into("--to", "latest")[0])
        lines = b.job("prove")
        assert lines[-1]["nothing"] and "cannot be run again" in event(lines, "note")[-1]["text"]
        # an older backup that is proven is not taken where a newer one leads there and it does not
        b.job("drill", b.job("list")[-1]["backups"][1]["run"])
        assert not differences(last[2], p.into("--to", last[0])[0])
        # a client says what time it is: the moments before its statement can be had all the same
        for when in (2147483000, 1):
            p.server.sql(f"INSERT INTO load_db.kontakt (name) VALUES ('redlich'); FLUSH BINARY LOGS; SET timestamp={when}; GRANT SELECT ON load_db.kontakt TO CURRENT_USER")
            process.wait_until(lambda: told()[-1:] == [("missing", "GRANT")], 30, "no base")
        p.stream.caught_up()
        assert p.stream.lines("base")[-1]["since"] < "2037"
        assert not differences(last[2], p.into("--to", last[0])[0])
    finally:
        p.end()


def test_a_file_that_goes_on_behind_what_is_not_archived(folder, template):
    """Name, number and time say that it is the next one; what it says was committed before it is not what the archive has: a gap, and a new timeline. In an archive that has such a place the replay names it."""
    p = Practice(folder, template)
    b, server = p.backup, p.server

    def rows(text):
        server.sql(f"INSERT INTO load_db.kontakt (name) VALUES ('{text}'); FLUSH BINARY LOGS")
        p.stream.caught_up()
    try:
        p.stream.start()
        b.job("backup", "--now")
        rows("eins")
        p.stream.stop()
        for path in p.stream.root.glob("0001/mysql-bin.000002-*"):  # as if it had been killed before that file came
            path.unlink()
        server.sql("INSERT INTO load_db.kontakt (name) VALUES ('weg'); RESET MASTER TO 2; INSERT INTO load_db.kontakt (name) VALUES ('neu')")
        p.stream.start(settled=False)
        process.wait_until(lambda: p.stream.timelines()[-1] == 2, 30, "a new timeline")
        p.stream.caught_up()
        began = p.stream.lines("timeline")[-1]
        assert (began["reason"], began["file"]) == ("gap", "mysql-bin.000002")
        assert any(re.search(r"mysql-bin\.000002 begins behind .*, and what is archived before it ends with 0-1-\d+", line["text"]) for line in p.stream.lines("note"))
        got, _ = p.into("--to", "latest", "--timeline", "1")
        assert any("'eins'" in line for line in got["dump"]) and not any("'weg'" in line for line in got["dump"])
        process.wait_until(lambda: [(x["base"], x["timeline"]) for x in p.stream.lines("base")][-1:] == [("missing", 2)], 30, "no base")
        b.job("backup", "--now")
        for text in ("zwei", "drei", "vier"):
            rows(text)
        p.stream.stop()
        then = state(server)
        assert not differences(then, p.into("--to", "latest")[0])
        index, = p.stream.root.glob("0002/mysql-bin.000004-*.json")
        index.write_text(re.sub(r'"gtid_before":"0-1-(\d+)"', lambda m: f'"gtid_before":"0-1-{int(m[1]) + 3}"', index.read_text()))
        process.run([paths.BUILD / "tests/tools/archive-tool", "reseal-binlog", "--state-dir", b.state, index])
        assert re.search(r"gap in timeline 2: what comes between mysql-bin\.000003 up to \d+ and mysql-bin\.000004", p.into("--to", "latest", exit=6)[-1]["error"])
    finally:
        p.end()


def test_latest_loses_nothing_that_is_not_archived(live):
    """A server that runs and whose log is not the archived one, as far as anybody knows: refused, and what was acknowledged stays."""
    kept = live.write(5)
    live.server.sql("FLUSH BINARY LOGS; FLUSH BINARY LOGS")
    live.stream.caught_up()
    archived = live.server.value("SELECT @@gtid_binlog_pos")
    live.stream.stop()

    def refused(words):
        last = live.backup.job("restore", "run", "--to", "latest", exit=9)[-1]
        assert words in last["error"] and "untouched" in last["error"], last
        assert live.names() == kept and live.gate.status()["state"] == "open"
    live.server.sql("ALTER USER elexgate@localhost ACCOUNT LOCK")
    kept |= live.write(1, at=100)
    refused("does not let the keeper in")
    live.server.sql("ALTER USER elexgate@localhost ACCOUNT UNLOCK; RESET MASTER")
    kept |= live.write(1, at=200)  # the same name, and below what is archived
    refused("another binary log")
    args = list(live.server.args)
    live.server.stop()
    live.server.args = [a for a in args if not a.startswith("--log-bin")]
    live.server.start()
    live.backup.set("restore", start_command=live.server.start_command())
    kept |= live.write(1, at=300)
    refused("writes no binary log")
    # a restore that the stream has not seen, not even that there is one
    live.backup.set("binlog", archive="no")
    restored, = event(live.backup.job("restore", "run", "--to", archived), "restored")
    assert restored["live"] == f"The data of {archived} are in use."
    assert live.backup.state.joinpath("binlog-restored.json").exists()
    live.server.stop()
    live.server.args = args
    live.server.start()
    live.backup.set("restore", start_command=live.server.start_command())
    live.backup.set("binlog", archive="yes")
    live.backup.cli("restore", "accept", "--yes")
    kept = live.names() | live.write(1, at=400)
    refused("since the last restore")
    live.stream.start()
    process.wait_until(lambda: live.stream.timelines()[-1] == 2, 30, "the new timeline")


def test_nothing_belongs_to_the_account_of_the_replay(live):
    live.server.sql("USE load_db; CREATE VIEW v AS SELECT 1; CREATE PROCEDURE pr() SELECT 1; /*x*/ GRANT SELECT ON load_db.kontakt TO CURRENT_USER")
    live.stream.caught_up()
    assert "changed who may do what" in live.backup.job("restore", "run", "--to", "latest", exit=6)[-1]["error"]


@pytest.mark.parametrize("phase", ["replay", "swap"])
def test_killed_anywhere_it_is_old_or_new(live, phase):
    rows = live.write(15)
    when = live.p.moment()[0]
    more = live.write(5, at=500)
    live.stream.caught_up()
    assert live.backup.kill_at("restore", "run", "--to", when, phase=phase) == phase
    live.backup.job("restore", "recover")
    assert live.names() in (rows, rows | more)
    assert live.gate.status()["state"] == "open"


def acknowledged_is_archived(p):
    """Semi-synchronous: when a commit returns, the archive vouches for it; nothing is waited for."""
    p.server.sql("CREATE DATABASE acked; CREATE TABLE acked.t (a INT)")
    for n in range(20):
        p.server.sql(f"INSERT INTO acked.t VALUES ({n})")
        have = max((i["file"], i["to"]) for i in p.stream.indices())[1]
        assert have >= int(p.server.sql("SHOW MASTER STATUS")[0][1])


def test_campaign(folder, template):
    """scripts/pitr-campaign in short: moments, kills of the stream, a machine that is lost."""
    rounds = int(os.environ.get("ELEXGATE_PITR_ROUNDS", "3"))
    durability = os.environ.get("ELEXGATE_PITR_DURABILITY", "semi-sync")
    p = Practice(folder, template, {"binlog": {"archive": "yes", "durability": durability}},
                 args=["--rpl-semi-sync-master-enabled=ON", "--rpl-semi-sync-master-timeout=600000", "--rpl-semi-sync-master-wait-no-slave=OFF"] if durability == "semi-sync" else [])
    p.backup.set("restore", start_command=p.server.start_command(), stale_clients="0")
    campaign = Campaign(p)
    p.stream.start()
    try:
        p.backup.job("backup", "--now")
        if durability == "semi-sync":
            acknowledged_is_archived(p)
        campaign.load.run(min(4 + rounds, 60))
        p.stream.caught_up()
        campaign.moments(rounds).kills(rounds).lost(-(-rounds // 3), 2 + min(rounds / 10, 6), 1.0 if durability == "async" else 0)
    finally:
        campaign.load.end()
        p.end()
        print(campaign.table())
    assert campaign.problems == []


def test_what_would_be_lost_is_told(practice):
    """Per table and minute, names and counts only."""
    practice.stream.caught_up()
    practice.moment("INSERT INTO load_db.kontakt (name) VALUES ('bleibt')")
    gtid = practice.server.value("SELECT @@gtid_binlog_pos")
    practice.server.sql("CREATE TABLE load_db.neu (a INT); INSERT INTO load_db.neu VALUES (1); INSERT INTO load_db.neu VALUES (2); UPDATE load_db.neu SET a=9; DROP TABLE load_db.neu")
    practice.stream.caught_up()
    lines = practice.backup.job("restore", "plan", "--to", gtid)
    moment = event(lines, "plan")[0]["moment"]
    assert moment["lost"] == 5 and moment["replayed"] > 0
    told = {}
    for change in moment["changes"]:
        told[change["what"]] = told.get(change["what"], 0) + change["transactions"]
    assert told == {"CREATE TABLE": 1, "load_db.neu": 3, "DROP TABLE": 1}
    assert event(practice.backup.job("restore", "plan", "--to", "latest"), "plan")[0]["moment"]["lost"] == 0


def test_a_table_that_no_copy_has_takes_no_base_away(folder, template):
    """Whoever may make tables can make one where the keeper does not see it: all else comes back to any second."""
    p = Practice(folder, template)
    try:
        outside = folder / "outside"
        outside.mkdir()
        p.server.sql(f"CREATE TABLE load_db.far (a INT PRIMARY KEY) DATA DIRECTORY='{outside}'; INSERT INTO load_db.far VALUES (1)")
        os.chown(outside / "load_db" / "far.ibd", 65534, 65534)
        p.stream.start()
        assert "load_db/far " in event(p.backup.job("backup", "--now"), "warning")[0]["text"]
        p.server.sql("INSERT INTO load_db.kontakt (name) VALUES ('bleibt')")
        p.stream.caught_up()
        live = p.backup.job("prove", "--live")
        assert not live[-1].get("nothing"), live
        assert event(p.backup.job("drill"), "drill")[0]["good"]
        p.backup.job("backup", "--now")
        between = p.backup.job("prove")
        assert not between[-1].get("nothing"), between
        p.backup.job("restore", "into", "--to", "latest", folder / "into")
    finally:
        p.end()


def far_practice(folder, template):
    """A practice with tables where the keeper does not see them, as whoever may make tables can make them; a backup of it, without them."""
    p = Practice(folder, template)
    outside = folder / "outside"
    outside.mkdir()
    p.server.sql("".join(f"CREATE TABLE load_db.{name} (a INT PRIMARY KEY, b INT DEFAULT 0) ENGINE={engine} DATA DIRECTORY='{outside}'; INSERT INTO load_db.{name} (a) VALUES (1),(2);"
                         for name, engine in (("far", "InnoDB"), ("gone", "InnoDB"), ("again", "InnoDB"), ("away", "InnoDB"), ("aria", "MyISAM")))
                 + f"""CREATE DATABASE o; CREATE TABLE o.`ä.f` (a INT PRIMARY KEY) DATA DIRECTORY='{outside}'; CREATE TABLE load_db.near (a INT PRIMARY KEY, b INT DEFAULT 0);
                 INSERT INTO load_db.near (a) VALUES (1),(2); CREATE TABLE load_db.past (a INT PRIMARY KEY, b INT DEFAULT 0) WITH SYSTEM VERSIONING DATA DIRECTORY='{outside}';
                 CREATE SEQUENCE load_db.number DATA DIRECTORY='{outside}'; SELECT NEXTVAL(load_db.number); FLUSH TABLES""")
    for path in (path for path in outside.rglob("*") if path.is_file()):
        os.chown(path, 65534, 65534)
        os.chmod(path, 0o666)
    p.stream.start()
    words = event(p.backup.job("backup", "--now"), "warning")[0]["text"]
    assert "load_db/far " in words, words
    return p


@contextlib.contextmanager
def all_of_it(p, folder):
    """Everything that was logged, on a server of its own, and what was said of it."""
    p.stream.caught_up()
    lines = p.backup.job("restore", "into", "--to", "latest", folder / "into")
    server = MariaDB(folder / "look", datadir=folder / "into" / "elexisdb", tcp=False).start()
    try:
        yield server, " ".join(line["text"] for line in event(lines, "note"))
    finally:
        server.stop()


def test_what_was_written_to_a_table_that_no_copy_has(folder, template):
    """An empty one stands in: what was written to it since is there, changes of rows that only the lost one had are left out, counted and
    named. All else comes back, also what the same statement did to another table, and a table of that name that was made again."""
    p = far_practice(folder, template)
    try:
        p.server.sql("INSERT INTO load_db.far (a) VALUES (3); INSERT INTO o.`ä.f` VALUES (4); UPDATE load_db.near n JOIN load_db.far f USING (a) SET n.b=7, f.b=8; "
                     "UPDATE load_db.far f JOIN load_db.near n USING (a) SET f.b=9, n.b=n.b+1; DELETE FROM load_db.aria WHERE a=1; USE load_db; "
                     "DROP TABLE gone; DROP TABLE again; CREATE TABLE again (a INT PRIMARY KEY); INSERT INTO again VALUES (5); INSERT INTO kontakt (name) VALUES ('bleibt')")
        with all_of_it(p, folder) as (server, notes):
            for name in ("load_db.far", "load_db.aria"):
                assert re.search(rf"{re.escape(name)}: \d+ changes are left out", notes), (name, notes)
            for name in ("near", "again"):
                assert f"load_db.{name}: " not in notes
            assert "o.ä.f was not in the backup" in notes
            assert server.sql("SELECT a, b FROM load_db.near ORDER BY a") == p.server.sql("SELECT a, b FROM load_db.near ORDER BY a")
            assert server.value("SELECT a FROM load_db.again") == 5 and server.value("SELECT name FROM load_db.kontakt") == "bleibt"
            assert server.sql("SELECT a FROM load_db.far") == [(3,)] and server.sql("SELECT a FROM o.`ä.f`") == [(4,)]
    finally:
        p.end()


def test_what_was_done_with_a_table_that_no_copy_has(folder, template):
    """Nobody can end the way back with one: it is altered, renamed, emptied, looked at, referred to and exchanged as it was."""
    p = far_practice(folder, template)
    try:
        p.server.sql("RENAME TABLE load_db.far TO load_db.farther; INSERT INTO load_db.farther (a) VALUES (4)")
        p.stream.caught_up()
        live = p.backup.job("prove", "--live")  # a table that still nobody can copy is no fault of the log
        assert not live[-1].get("nothing") and live[-1]["proofs"][0]["good"], live
        p.server.sql("RENAME TABLE load_db.farther TO load_db.far; DELETE FROM load_db.far WHERE a=4")
        p.server.sql("""USE load_db;
            ALTER TABLE far ADD c VARCHAR(20) DEFAULT 'neu', ADD KEY (b); OPTIMIZE TABLE far; ANALYZE TABLE aria; TRUNCATE TABLE away; INSERT INTO away (a) VALUES (8);
            CREATE VIEW seen AS SELECT a, c FROM far; CREATE VIEW twice AS SELECT * FROM seen; CREATE TRIGGER told AFTER INSERT ON far FOR EACH ROW INSERT INTO near VALUES (NEW.a+10, 1);
            INSERT INTO far (a) VALUES (3); UPDATE seen SET c='1' WHERE a=1; DROP VIEW twice; DROP TRIGGER told;
            CREATE TABLE of_it (a INT PRIMARY KEY, FOREIGN KEY (a) REFERENCES far (a) ON DELETE CASCADE); INSERT INTO of_it VALUES (1),(3);
            RENAME TABLE near TO nearer, far TO near; ALTER TABLE gone RENAME TO far; UPDATE near SET b=5; INSERT INTO far (a) VALUES (6); DELETE FROM far WHERE a=2;
            CREATE TABLE parts (a INT PRIMARY KEY, b INT) PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (100)); INSERT INTO parts VALUES (7, 7);
            ALTER TABLE parts EXCHANGE PARTITION p WITH TABLE again; UPDATE parts SET b=9; INSERT INTO parts VALUES (8, 8); INSERT INTO past (a) VALUES (1); UPDATE past SET b=2; DELETE FROM past;
            SELECT NEXTVAL(number); SELECT SETVAL(number, 5000); ALTER SEQUENCE number INCREMENT BY 7;
            CREATE TABLE like_it LIKE away; INSERT INTO like_it SELECT * FROM away; DROP TABLE aria, away; INSERT INTO kontakt (name) VALUES ('bleibt')""")
        with all_of_it(p, folder) as (server, notes):
            for name in ("near", "far", "parts"):
                assert re.search(rf"load_db\.{name}: \d+ changes are left out", notes), (name, notes)
            for sql in ("SELECT a, b FROM nearer ORDER BY a", "SELECT a FROM of_it ORDER BY a", "SELECT a, b FROM again", "SELECT a, b FROM past FOR SYSTEM_TIME ALL", "SELECT a, b FROM like_it", "SELECT NEXTVAL(number)", "SELECT name FROM kontakt WHERE name='bleibt'",
                        "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA='load_db' ORDER BY 1"):
                assert server.sql(f"USE load_db; {sql}") == p.server.sql(f"USE load_db; {sql}"), sql
            assert server.sql("SELECT a, b FROM load_db.parts") == [(8, 8)]  # the rest lies in what was exchanged for it
            assert server.sql("SELECT a, b, c FROM load_db.near") == [(3, 5, "neu")] and server.sql("SELECT a FROM load_db.far") == [(6,)]
    finally:
        p.end()


def forged(data, old, new):
    """The events that hold `old` say `new`, with checksums that are right again."""
    out, at = bytearray(data), 4 if data.startswith(b"\xfebin") else 0
    while at + 19 <= len(out):
        end = at + int.from_bytes(out[at + 9:at + 13], "little")
        event_ = bytes(out[at:end - 4]).replace(old, new)
        out[at:end] = event_ + (zlib.crc32(event_).to_bytes(4, "little") if event_ != data[at:end - 4] else data[end - 4:end])
        at = end
    assert out != data
    return bytes(out)


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "open"])
def test_what_ends_within_a_segment_is_compared_with_its_seal_as_well(folder, template, closed):
    """Somebody who can write to the medium changes a row before the moment that is asked for: the rest of that segment is read all the same."""
    p = Practice(folder, template)
    p.stream.start()
    p.backup.job("backup", "--now")
    p.server.sql("INSERT INTO load_db.kontakt (name) VALUES ('echt')")
    when, gtid, _ = p.moment()
    p.server.sql("INSERT INTO load_db.kontakt (name) VALUES ('danach')")
    p.server.sql("FLUSH BINARY LOGS" if closed else "DO 1")
    p.stream.caught_up()
    p.end()
    index, = [i for i in p.stream.indices() if "echt" in str(p.stream.have(i["timeline"], i["file"])) and i["from"] == 0]
    path = p.stream.root / f"{index['timeline']:04}" / index["stored"]
    raw = path.read_bytes()
    assert index["open"] != closed and event(p.backup.job("restore", "into", "--to", when, folder / "good"), "replayed")[0]["transactions"] > 0
    path.write_bytes(gzip.compress(forged(gzip.decompress(raw), b"echt", b"list")) if closed else forged(raw, b"echt", b"list"))
    for point in (when, gtid):
        assert "SHA-256 differs" in p.into("--to", point, exit=6)[-1]["error"]


def test_out_of_an_encrypted_archive(folder, template):
    """Backup and closed segments are age files; the identity is what opens them, and without it that is said."""
    key = process.run(["age-keygen"]).stdout
    (folder / "key").write_text(key)
    (folder / "key").chmod(0o600)
    public = next(line.split()[-1] for line in key.splitlines() if "public key" in line)
    p = Practice(folder, template, {"archive": {"recipients": public}})
    try:
        p.stream.start()
        p.backup.job("backup", "--now")
        p.server.sql("INSERT INTO load_db.kontakt (name) VALUES ('Geheim'); FLUSH BINARY LOGS; INSERT INTO load_db.kontakt (name) VALUES ('danach')")
        then = state(p.server)
        p.stream.caught_up()
        assert [(i["encrypted"], i["open"]) for i in p.stream.indices()] == [(True, False), (True, True)]
        assert "identity" in p.into("--to", "latest", exit=9)[-1]["error"]
        p.backup.set("archive", identity_file=folder / "key")
        got, _ = p.into("--to", "latest")
        assert not differences(then, got)
    finally:
        p.end()


def test_a_clock_that_was_set_back_is_said(practice):
    """The log is run in its order: what comes behind a transaction from the future goes too, and the plan tells it."""
    practice.stream.caught_up()
    practice.moment("INSERT INTO load_db.kontakt (name) VALUES ('davor')")
    practice.server.sql("SET timestamp=UNIX_TIMESTAMP()+86400; INSERT INTO load_db.kontakt (name) VALUES ('morgen')")
    gtid = practice.server.value("SELECT @@gtid_binlog_pos")
    practice.server.sql("INSERT INTO load_db.kontakt (name) VALUES ('heute'); INSERT INTO load_db.kontakt (name) VALUES ('auch heute')")
    when = practice.moment()[0]
    practice.stream.caught_up()
    moment = event(practice.backup.job("restore", "plan", "--to", when), "plan")[0]["moment"]
    assert (moment["lost"], moment["earlier"], moment["at"]) == (3, 2, gtid)
    assert event(practice.backup.job("restore", "plan", "--to", gtid), "plan")[0]["moment"]["earlier"] == 0


def test_an_archive_that_ends_in_the_middle_of_what_cannot_be_taken_back(folder, template):
    """A change of a MyISAM table whose end is not archived: nothing of it is run, so that the replay that goes on there runs it once."""
    p = Practice(folder, template)
    try:
        p.server.sql("CREATE TABLE load_db.m (a INT) ENGINE=MyISAM")
        p.stream.start()
        p.backup.job("backup", "--now")
        p.server.sql("INSERT INTO load_db.kontakt (name) VALUES ('davor'); INSERT INTO load_db.m VALUES (1)")
        p.stream.caught_up()
        p.stream.stop()
        got, _ = p.into("--to", "latest")
        assert "INSERT INTO `m` VALUES (1);" in got["dump"]
        index = next(path for path in p.stream.root.glob("*/*.json") if json.loads(path.read_text())["open"])
        seal, head = index.read_text().split("\n", 1)
        known = json.loads(index.read_text())
        raw = (index.parent / known["stored"]).read_bytes()[:known["to"] - known["from"]]
        at = 4 if known["from"] == 0 else 0
        starts = []
        while at < len(raw):
            starts.append(at)
            at += int.from_bytes(raw[at + 9:at + 13], "little")
        before, end = starts[-2], starts[-1]  # without its last event, the commit
        for key, value in (("to", known["from"] + end), ("last", known["from"] + before), ("last_sha256", hashlib.sha256(raw[before:end]).hexdigest()),
                           ("sha256", hashlib.sha256(raw[:end]).hexdigest())):
            head = re.sub(rf'"{key}":("[0-9a-f]*"|[0-9]+)', f'"{key}":{json.dumps(value)}', head, count=1)
        index.write_text(f"{seal}\n{head}")
        process.run([paths.BUILD / "tests/tools/archive-tool", "reseal-binlog", "--state-dir", p.backup.state, index])
        got, lines = p.into("--to", "latest")
        assert "INSERT INTO `m` VALUES (1);" not in got["dump"]
        assert event(lines, "replayed")[-1]["transactions"] == 1 and event(lines, "replayed")[-1]["position"] < known["from"] + before
    finally:
        p.end()


def base(b):
    return ((b.call("status")["binlog"] or {}).get("base") or {}).get("base")


def test_a_new_timeline_gets_a_backup_at_once(live):
    """After a restore and after an undo what is archived leads nowhere until there is a backup: the keeper says so and makes one, and from it on any moment can be had."""
    b, server = live.backup, live.server
    live.stream.stop()
    live.write(5)
    b.set("backup", idle_for="15s")
    b.start_keeper()
    try:
        process.wait_until(lambda: base(b) == "own", 30, "the stream has looked")
        when = live.p.moment()[0]
        live.write(3, at=100)
        b.cli("restore", "--to", when, "--yes")
        process.wait_until(lambda: len(b.runs("backup")) == 1 and base(b) == "own", 120, "a backup that nobody asked for")
        said = b.call("status")
        assert said["binlog"]["base"]["timeline"] == 2 and said["binlog"]["base"]["reason"] == "restored"
        assert not [f for f in said["findings"] if f["code"] == "base-missing"]
        moment, _, then = live.p.moment("INSERT INTO load_db.kontakt (name) VALUES ('danach')")
        server.sql("DELETE FROM load_db.kontakt")
        process.wait_until(lambda: b.call("status")["binlog"].get("gtid") == server.value("SELECT @@gtid_binlog_pos"), 30, "the archive catches up")
        got, lines = live.p.into("--to", moment)
        assert not differences(then, got)
        assert event(lines, "way")[0]["spans"] == 1
        b.cli("restore", "undo", "--yes")  # to what nobody knows the place of
        process.wait_until(lambda: base(b) == "missing" and b.call("status")["binlog"]["base"]["timeline"] == 3, 30, "the third timeline has none")
        process.wait_until(lambda: (b.call("status").get("pending") or {}).get("due") or base(b) == "own", 30, "one is due")
        b.cli("backup", "--now")  # sooner than it would come by itself
        process.wait_until(lambda: base(b) == "own", 30, "it is one")
        newest = b.job("list")[-1]["backups"][0]["run"]
        b.job("remove", newest)  # the only one: it is missed at once
        process.wait_until(lambda: base(b) == "missing", 30, "it is missed")
        said = b.call("status")
        assert [f["level"] for f in said["findings"] if f["code"] == "base-missing"] == ["bad"]
        server.sql("RESET MASTER; INSERT INTO load_db.kontakt (name) VALUES ('anew')")
        process.wait_until(lambda: b.call("status")["binlog"]["base"].get("timeline") == 4, 30, "a fourth timeline")
        assert b.call("status")["binlog"]["base"]["reason"] == "reset"
        process.wait_until(lambda: (b.call("status").get("pending") or {}).get("due"), 30, "one is due for it, too")
    finally:
        b.stop_keeper()
