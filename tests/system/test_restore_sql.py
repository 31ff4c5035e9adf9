"""A restore from SQL text: read into a copy in a server of its own while everybody works, then swapped in like files. With a
real server behind the gate."""
import bz2
import gzip
import io
import json
import lzma
import os
import pwd
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import zipfile

import pymysql
import pytest

from lib import process
from lib import trixie as lib_trixie
from lib.backup import PASSWORD, Backup, archive_of, event
from lib.gate import Gate
from lib.phrases import german

END = "-- Dump completed on 2026-11-22 12:00:00\n"
MAKE = ("DROP DATABASE IF EXISTS load_db; CREATE DATABASE load_db CHARACTER SET utf8mb4; CREATE TABLE load_db.t (i INT PRIMARY KEY, s TEXT);"
        "INSERT INTO load_db.t VALUES (1, 'Zürich'), (2, 'Genève; \\\\! it''s');"
        "CREATE PROCEDURE load_db.p() SELECT 1; CREATE VIEW load_db.v AS SELECT i FROM load_db.t")
OTHERS = ("statistik", "andere", "other", "neu-1")


@pytest.fixture(scope="module")
def shared(session_folder, template, pki):
    """One server, gate and configuration for the whole file; the server is the one that a start command starts."""
    from conftest import _Servers
    folder = session_folder / "sql"
    servers = _Servers(session_folder, template)
    server = servers()
    gate = Gate(folder / "gate", server, pki=pki, options={"proxy": {"grace": "200ms"}}).start()
    server.sql(MAKE)
    b = Backup(folder, server, gate, {"restore": {"stale_clients": 0, "start_command": server.start_command()}}).account()
    yield b
    b.stop_keeper()
    gate.stop()
    servers.end()


@pytest.fixture
def site(shared):
    """The shared one as new, with its settings put back afterwards."""
    settle(shared)
    shared.server.sql("".join(f"DROP DATABASE IF EXISTS `{name}`;" for name in OTHERS) + MAKE)
    for path in [*shared.archives.glob("elexisdb*"), *shared.archives.glob("documents_*")]:
        path.unlink()
    shared.mark = len(shared.gate.log)
    sections = {name: dict(keys) for name, keys in shared.sections.items()}
    yield shared
    shared.stop_keeper()
    shared.sections = sections
    shared.write_config()


def settle(site):
    if (site.state / "restore.json").exists():
        site.job("restore", "recover")
        if (site.state / "restore.json").exists():
            site.job("restore", "accept")
    assert staging(site) == []


def staging(site):
    return list(site.server.datadir.parent.glob(".elexgate-restore-*"))


def dump(site, *more, database="load_db"):
    return site.server.client([*more, "--routines", database], program="mariadb-dump").stdout


def rows(site):
    return [tuple(r) for r in site.server.sql("SELECT i, s FROM load_db.t ORDER BY i")]


def put(site, text, name="dump.sql"):
    path = site.folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def count(site, what, where):
    return site.server.value(f"SELECT COUNT(*) FROM information_schema.{what} WHERE {where}")


def never_blocked(site):
    return site.gate.status()["state"] == "open" and "state=blocked" not in site.gate.log[site.mark:]


def nothing_done(site, tables=2):
    assert never_blocked(site)
    assert count(site, "TABLES", "TABLE_SCHEMA='load_db'") == tables
    assert not (site.state / "restore.json").exists() and staging(site) == []
    return True


# --- it comes back, in every form


@pytest.mark.parametrize("form", ["plain", "gz", "zst", "stdin", "crlf"])
def test_brings_the_dump_back(site, form):
    text = dump(site)
    before = rows(site)
    site.server.sql("DELETE FROM load_db.t WHERE i=1; CREATE TABLE load_db.later (i INT)")
    if form == "gz":
        path = put(site, gzip.compress(text.encode()), "dump.sql.gz")
    elif form == "zst":
        path = put(site, text)
        process.run(["zstd", "-qf", str(path)])
        path = site.folder / "dump.sql.zst"
    else:
        path = put(site, text.replace("\n", "\r\n") if form == "crlf" else text)
    if form == "stdin":
        with open(path, "rb") as f:
            done = subprocess.run(site.argv("restore", "sql", "-"), stdin=f, stdout=subprocess.PIPE, timeout=120, check=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
    else:
        lines = site.job("restore", "sql", path)
    restored = event(lines, "restored")[0]
    assert restored["method"] == "dump" and restored["tables"] >= 1 and restored["blocked_ms"] >= 0
    phases = [line["phase"] for line in event(lines, "phase")]
    assert phases.index("read") < phases.index("copy") < phases.index("import") < phases.index("block") < phases.index("swap")
    assert rows(site) == before
    assert count(site, "TABLES", "TABLE_NAME='later'") == 0
    assert count(site, "ROUTINES", "ROUTINE_SCHEMA='load_db'") == 1
    assert site.gate.status()["state"] == "open" and site.complete("elexisdb-sql") == []
    site.gate.connect().close()
    if form == "plain":  # what was there before is kept, as after any restore
        site.job("restore", "undo")
        assert len(rows(site)) == 1 and count(site, "TABLES", "TABLE_NAME='later'") == 1
        site.job("restore", "undo")
        assert rows(site) == before
        assert "restore accept" in site.job("restore", "sql", path, exit=9)[-1]["error"]


def tar_of(mode, **files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("__", "/") + ("" if name.startswith("LIES") else ".sql"))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_of(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in files.items():
            z.writestr(name + ("" if name.startswith("LIES") else ".sql"), data)
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


FORMS = {"xz": lzma.compress, "bz2": bz2.compress, "zip": lambda d: zip_of(LIESMICH=b"hallo", praxis=d), "utf-16": lambda d: d.decode().encode("utf-16"),
         "utf-16 big": lambda d: b"\xfe\xff" + d.decode().encode("utf-16-be"), "utf-16 without a mark": lambda d: d.decode().encode("utf-16-le"),
         "utf-8 mark": lambda d: b"\xef\xbb\xbf" + d, "tar.gz": lambda d: tar_of("w:gz", LIESMICH=b"hallo", dump__praxis=d),
         "tar.xz": lambda d: tar_of("w:xz", praxis=d), "tar": lambda d: tar_of("w:", praxis=d), "utf-16 in zstd": lambda d: zstd(d.decode().encode("utf-16"))}


@pytest.mark.parametrize("form", FORMS)
def test_a_dump_that_is_packed(site, form):
    """Told from the content; as a file, and through a pipe, which cannot be looked into."""
    site.server.sql("INSERT INTO load_db.t VALUES (3, REPEAT('Würze ', 3000)), (4, REPEAT(_utf8mb4 x'EFBBBF', 20000))")
    text = dump(site)
    refused = FORMS[form]((text + "USE `mysql`;\n" + END).encode())  # so that it ends once it was read
    line = (text + "x").count("\n") + 1
    for how in ({"args": [put(site, refused)]}, {"args": ["-"], "input": refused}):
        done = subprocess.run(site.argv("restore", "sql", *how["args"]), input=how.get("input"), stdout=subprocess.PIPE, timeout=60)
        assert f"line {line}, is about the database" in json.loads(done.stdout.splitlines()[-1])["error"], done.stdout[-500:]
    if form == "utf-16":
        before = rows(site)
        site.server.sql("UPDATE load_db.t SET s = 'x'")
        site.job("restore", "sql", put(site, FORMS[form](text.encode())))
        assert rows(site) == before


@pytest.mark.parametrize("name, make, exit, words, said", [
    ("two", lambda d: zip_of(a=d, b=d), 9, "more than one SQL file", "mehr als eine SQL-Datei"),
    ("none", lambda d: zip_of(LIESMICH=d), 9, "holds no SQL file", "keine SQL-Datei"),
    ("age", lambda d: b"age-encryption.org/v1\n" + d, 9, "encrypted with age", "mit age verschl"),
    ("rar", lambda d: b"Rar!\x1a\x07\x01" + d, 9, "RAR archive", "RAR-Archiv"),
    ("pg", lambda d: b"PGDMP" + d, 9, "PostgreSQL", "PostgreSQL"),
    ("cut xz", lambda d: lzma.compress(d)[:-40], 6, "damaged or cut off", "abgeschnitten"),
    ("cut bz2", lambda d: bz2.compress(d)[:-40], 6, "damaged or cut off", "abgeschnitten"),
    ("cut zst", lambda d: zstd(d)[:-40], 6, "damaged or cut off", "abgeschnitten"),
    ("cut gz", lambda d: gzip.compress(d)[:-12], 6, "damaged or cut off", "abgeschnitten"),
    ("wrong gz", lambda d: gzip.compress(d)[:-8] + b"12345678", 6, "damaged or cut off", "abgeschnitten"),
    ("half a letter", lambda d: d.decode().encode("utf-16")[:-1], 6, "middle of a character", ""),
])
def test_what_cannot_be_unpacked_is_named(site, name, make, exit, words, said):
    path = put(site, make(dump(site).encode()))
    last = site.job("restore", "sql", path, exit=exit)[-1]
    assert words in last["error"] and str(path) in last["error"] and said in german(last, "error"), last
    assert nothing_done(site)


def test_a_whole_database_with_everything_in_it(site):
    """Triggers, events, sequences, foreign keys, a definer that is not here, rights on a routine: as they were."""
    site.server.sql("CREATE TABLE load_db.parent (id INT PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE load_db.child (p INT, FOREIGN KEY (p) REFERENCES load_db.parent (id));"
                    "INSERT INTO load_db.parent VALUES (1); INSERT INTO load_db.child VALUES (1); CREATE SEQUENCE load_db.numbers;"
                    "CREATE DEFINER='gone'@'nowhere' TRIGGER load_db.touch BEFORE UPDATE ON load_db.t FOR EACH ROW SET NEW.s = 'x';"
                    "CREATE EVENT load_db.nightly ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01' DO DELETE FROM load_db.t WHERE i < 0;"
                    "CREATE OR REPLACE USER runs@localhost; GRANT EXECUTE ON PROCEDURE load_db.p TO runs@localhost")
    text = dump(site, "--events", "--triggers")
    site.server.sql("DROP DATABASE load_db; CREATE DATABASE load_db")
    site.job("restore", "sql", put(site, text))
    assert count(site, "EVENTS", "EVENT_SCHEMA='load_db' AND EVENT_NAME='nightly' AND STATUS='ENABLED'") == 1
    assert site.server.value("SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_NAME='touch'") == "gone@nowhere"
    assert count(site, "TABLES", "TABLE_SCHEMA='load_db' AND TABLE_TYPE='SEQUENCE'") == 1
    assert count(site, "REFERENTIAL_CONSTRAINTS", "CONSTRAINT_SCHEMA='load_db'") == 1
    assert site.server.value("SELECT COUNT(*) FROM mysql.procs_priv WHERE User='runs'") == 1
    assert site.server.value("SELECT COUNT(*) FROM mysql.global_priv WHERE User LIKE 'elexgate%' AND User <> 'elexgate'") == 0
    site.server.sql("DROP USER runs@localhost")


# --- own dumps that the server did not take back


def test_a_row_near_the_packet_limit(site):
    """The server has Debian's 16M; hexadecimal text of 10 MB is 20 MB."""
    assert site.server.value("SELECT @@max_allowed_packet") == 16 << 20
    site.server.sql("CREATE TABLE load_db.big (i INT PRIMARY KEY, d LONGBLOB); INSERT INTO load_db.big VALUES (1, REPEAT(UNHEX('00FF'), 5000000))")
    run = site.job("backup", "--now", "elexisdb-sql")[-1]["run"]
    site.server.sql("DROP TABLE load_db.big")
    site.job("restore", "run", run)
    assert site.server.value("SELECT LENGTH(d) FROM load_db.big") == 10_000_000


def test_rows_wider_than_strict_mode_takes(site):
    columns = ", ".join(f"c{n} VARCHAR(250)" for n in range(197))
    site.server.sql(f"SET innodb_strict_mode=0; CREATE TABLE load_db.wide ({columns}) ENGINE=InnoDB ROW_FORMAT=COMPACT CHARACTER SET latin1")
    with pytest.raises(pymysql.MySQLError):
        site.server.sql("CREATE TABLE load_db.wide2 LIKE load_db.wide")
    text = dump(site)
    site.server.sql("DROP TABLE load_db.wide")
    site.job("restore", "sql", put(site, text))
    assert count(site, "TABLES", "TABLE_NAME='wide'") == 1


def test_a_foreign_key_of_another_database(site):
    site.server.sql("CREATE TABLE load_db.p1 (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO load_db.p1 VALUES (1), (2);"
                    "CREATE DATABASE statistik; CREATE TABLE statistik.s (p INT, FOREIGN KEY (p) REFERENCES load_db.p1 (id)) ENGINE=InnoDB; INSERT INTO statistik.s VALUES (2)")
    whole = dump(site)
    site.job("restore", "sql", put(site, whole))
    assert count(site, "REFERENTIAL_CONSTRAINTS", "CONSTRAINT_SCHEMA='statistik' AND UNIQUE_CONSTRAINT_SCHEMA='load_db'") == 1
    with pytest.raises(pymysql.MySQLError):
        site.server.sql("INSERT INTO statistik.s VALUES (99)")
    site.job("restore", "accept")
    site.mark = len(site.gate.log)
    for text in (whole.replace("(1),\n(2)", "(1)"), re.sub(r"(?s)DROP TABLE IF EXISTS `p1`.*?UNLOCK TABLES;(\nCOMMIT;\nSET AUTOCOMMIT=@OLD_AUTOCOMMIT;)?", "", whole)):
        last = site.job("restore", "sql", put(site, text), exit=9)[-1]
        assert "statistik.s" in last["error"] and "ins Leere" in german(last, "error"), last
        assert nothing_done(site, 3)


def test_tables_that_lie_elsewhere_are_carried_along(site):
    """Of another database, in the live data (DATA DIRECTORY): they are in the copy, in their own place."""
    outside = site.folder / "outside"
    shutil.rmtree(outside, ignore_errors=True)
    outside.mkdir()
    site.server.sql(f"""CREATE DATABASE statistik; USE statistik; CREATE TABLE i (a INT PRIMARY KEY) DATA DIRECTORY='{outside}'; INSERT INTO i VALUES (1), (2);
        CREATE TABLE m (a INT) ENGINE=MyISAM DATA DIRECTORY='{outside}'; INSERT INTO m VALUES (3)""")
    lines = site.job("restore", "sql", put(site, dump(site)))
    assert not [n for n in lines if n.get("event") == "note" and "beside" in n["text"]], lines
    shutil.rmtree(outside)
    assert (site.server.datadir / "statistik" / "i.ibd").exists() and not (site.server.datadir / "statistik" / "i.isl").exists()
    assert [site.server.value(f"SELECT GROUP_CONCAT(a ORDER BY a) FROM statistik.{t}") for t in "im"] == ["1,2", "3"]


def test_a_column_whose_default_is_a_sequence(site):
    site.server.sql("CREATE SEQUENCE load_db.numbers; CREATE TABLE load_db.a_first (i INT DEFAULT NEXT VALUE FOR load_db.numbers, n INT); INSERT INTO load_db.a_first (n) VALUES (1)")
    done = site.run_job("restore", "sql", put(site, dump(site)))
    last = json.loads(done.stdout.splitlines()[-1])
    if last["exit"]:  # what this server does not take back is an error before anybody is blocked
        assert last["exit"] == 6 and nothing_done(site, 4), last
    else:
        assert site.server.value("SELECT COUNT(*) FROM load_db.a_first") == 1


@pytest.mark.parametrize("state", ["gone", "broken view", "crashed table"])
def test_what_is_there_now_is_in_no_order(site, state):
    """The database is missing or damaged: that is why somebody restores."""
    site.server.sql("CREATE TABLE load_db.m (i INT) ENGINE=MyISAM")
    text = dump(site)
    before = rows(site)
    run = site.job("backup", "--now", "elexisdb-sql")[-1]["run"]
    site.server.sql({"gone": "DROP DATABASE load_db",
                     "broken view": "CREATE TABLE load_db.x (i INT); CREATE VIEW load_db.broken AS SELECT * FROM load_db.x; DROP TABLE load_db.x",
                     "crashed table": "INSERT INTO load_db.m VALUES (1); FLUSH TABLES"}[state])
    if state == "crashed table":
        (site.server.datadir / "load_db" / "m.MYI").write_bytes(b"")
    for command in (("sql", put(site, text)), ("run", run)):
        site.job("restore", *command)
        assert rows(site) == before
        site.job("restore", "undo")
        site.job("restore", "accept")
    site.server.sql("DROP DATABASE IF EXISTS load_db")


@pytest.mark.parametrize("state", ["stopped", "crashed"])
def test_the_server_does_not_run(site, state):
    """The files say what there was; the SQL goes in beside them, and the server is started on the result."""
    text = dump(site)
    before = rows(site)
    site.job("backup", "--now", "elexisdb")  # from then on it is known where the files are
    site.server.sql("CREATE DATABASE other; CREATE TABLE other.x (i INT); INSERT INTO other.x VALUES (1); DELETE FROM load_db.t WHERE i = 1")
    site.server.stop() if state == "stopped" else site.server.kill()
    lines = site.job("restore", "sql", put(site, text))
    assert event(lines, "restored") and rows(site) == before and site.server.value("SELECT COUNT(*) FROM other.x") == 1
    site.job("restore", "undo")
    assert len(rows(site)) == 1


# --- what it would lose


def table(site, name, n=50):
    site.server.sql(f"CREATE TABLE load_db.{name} (i INT PRIMARY KEY, b TEXT); INSERT INTO load_db.{name} SELECT seq, 'x' FROM load_db.seq_1_to_{n}")


@pytest.mark.parametrize("kind", ["one table", "few rows", *(pytest.param(k, marks=pytest.mark.slow) for k in ("no rows", "one table emptied"))])
def test_a_loss_is_told_and_needs_a_second_word(site, kind):
    table(site, "kontakt")
    table(site, "fall", 200)
    text = {"one table": lambda: site.server.client(["load_db", "kontakt"], program="mariadb-dump").stdout,
            "no rows": lambda: dump(site, "--no-data"),
            "few rows": lambda: dump(site, "--where=i < 3"),
            "one table emptied": lambda: dump(site, "--ignore-table-data=load_db.fall")}[kind]()
    path = put(site, text)
    named = {"one table": "fall", "no rows": "kontakt", "few rows": "fall", "one table emptied": "fall"}[kind]
    for command in (("--dry-run", path), (path,)):
        lines = site.job("restore", "sql", *command, exit=9)
        difference = event(lines, "difference")[0]
        assert difference["grave"] and not difference["accepted"] and named in json.dumps(difference)
        assert named in lines[-1]["error"] and "--accept-loss" in lines[-1]["error"] and "verlöre" in german(lines[-1], "error"), lines[-1]
        assert nothing_done(site, 4) and site.server.value("SELECT COUNT(*) FROM load_db.fall") == 200
    site.job("restore", "sql", "--dry-run", "--accept-loss", path)
    assert nothing_done(site, 4)
    site.job("restore", "sql", "--accept-loss", path)
    left = {"one table": 1, "no rows": 4, "few rows": 4, "one table emptied": 4}[kind]
    assert count(site, "TABLES", "TABLE_SCHEMA='load_db'") == left
    site.job("restore", "undo")
    assert site.server.value("SELECT COUNT(*) FROM load_db.fall") == 200


def test_names_in_lower_case_are_recognised(site):
    """A dump from Windows, where KONTAKT and kontakt are one name."""
    table(site, "KONTAKT")
    table(site, "Fall")
    text = dump(site).replace("`KONTAKT`", "`kontakt`").replace("`Fall`", "`fall`")
    path = put(site, text)
    last = site.job("restore", "sql", path, exit=9)[-1]
    for words in (last["error"], german(last, "error")):
        assert ("kontakt" in words and "KONTAKT" in words or "Fall" in words) and "Windows" in words and "--names live" in words, last
    assert nothing_done(site, 4)
    assert site.job("restore", "sql", "--names", "sideways", path, exit=2)
    site.job("restore", "sql", "--names", "live", path)
    assert site.server.value("SELECT COUNT(*) FROM load_db.KONTAKT") == 50 and site.server.value("SELECT COUNT(*) FROM load_db.Fall") == 50
    site.job("restore", "accept")
    assert "Fall" in site.job("restore", "sql", "--names", "file", path, exit=9)[-1]["error"], "to this server they are other tables"
    site.job("restore", "sql", "--names", "file", "--accept-loss", path)
    assert site.server.value("SELECT COUNT(*) FROM load_db.kontakt") == 50
    site.job("restore", "accept")
    site.server.sql("DROP DATABASE load_db")
    assert "KONTAKT" in site.job("restore", "sql", path, exit=9)[-1]["error"], "without a live database, by Elexis' own table"


# --- what is refused


@pytest.mark.parametrize("name, change, exit, words, said", [
    ("cut", lambda t: t[:len(t) // 2], 6, "cut off after line", "abgeschnitten"),
    ("no-end", lambda t: t.replace("-- Dump completed", "-- Dump"), 6, "Dump completed", "abgeschnitten"),
    ("other-use", lambda t: "USE `mysql`;\n" + t, 9, 'line 1, is about the database "mysql"', "betrifft die Datenbank"),
    ("other-drop", lambda t: "\n/*!40000 DROP DATABASE IF EXISTS `mysql`*/;\n" + t, 9, 'line 2, is about the database "mysql"', "betrifft die Datenbank"),
    ("shell", lambda t: "\\! touch PWNED\n" + t, 9, "is a command of the client program", "Client-Programms"),
    ("system", lambda t: "system touch PWNED\n" + t, 9, '"system" is a command of the client program', "Client-Programms"),
    ("accounts", lambda t: "GRANT ALL ON *.* TO x@'%';\n" + t, 9, "changes accounts or rights", "Konten oder Rechte"),
    ("unknown collation", lambda t: re.sub("utf8mb4_(general|uca1400_ai)_ci", "utf8mb4_0900_xx_ci", t), 9, "MySQL 8", "Sortierung"),
    ("empty", lambda t: "", 9, "no SQL statement", "keinen SQL-Befehl"),
    ("binary", lambda t: "\0\1\2" + t, 9, "NUL byte", "NUL-Byte"),
])
def test_what_cannot_be_right_is_refused_before_anything_is_done(site, name, change, exit, words, said):
    path = put(site, change(dump(site)))
    last = site.job("restore", "sql", path, exit=exit)[-1]
    assert words in last["error"] and str(path) in last["error"], last
    assert said in german(last, "error") and str(path) in german(last, "error"), last
    assert re.findall(r"\d+|`.*?`", german(last, "error").replace(str(path), "")) == re.findall(r"\d+|`.*?`", last["error"].replace(str(path), "")), last
    assert not os.path.exists("PWNED") and not (site.folder / "PWNED").exists()
    assert nothing_done(site)


@pytest.mark.parametrize("name, statement, words", [
    ("unknown table", "INSERT INTO nowhere VALUES (1);", "1146"),
    ("a file of this machine", "LOAD DATA LOCAL INFILE '{secret}' INTO TABLE t (s);", "4166"),
    ("another database", "INSERT INTO other.x VALUES (1);", 'about the database "other"'),
    ("the server's own", "DELETE FROM mysql.global_priv;", 'about the database "mysql"'),
    ("another database by a detour", "SET @s = 'INSERT INTO other.x VALUES (1)'; EXECUTE IMMEDIATE @s;", "1142"),
])
def test_an_import_that_fails_has_touched_nothing(site, name, statement, words):
    """The last line says that it failed, and clients never noticed."""
    site.server.sql("CREATE DATABASE other; CREATE TABLE other.x (i INT); INSERT INTO load_db.t VALUES (3, 'only here')")
    before = rows(site)
    client = site.gate.connect()
    text = dump(site).replace(END[:17], statement.format(secret=put(site, "secret\n", "secret")) + "\n-- Dump completed", 1)
    done = site.run_job("restore", "sql", put(site, text))
    last = json.loads(done.stdout.splitlines()[-1])
    assert not last["ok"] and last["exit"] in (6, 9) and last["error"] and words in last["error"], last
    assert rows(site) == before and site.server.value("SELECT COUNT(*) FROM other.x") == 0
    assert client.query("SELECT 1") and nothing_done(site)
    client.close()


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


def test_dry_run_imports_and_changes_nothing(site):
    lines = site.job("restore", "sql", "--dry-run", put(site, dump(site)))
    assert "import" in [line["phase"] for line in event(lines, "phase")] and event(lines, "difference")
    assert nothing_done(site)


# --- what is written meanwhile


def test_nothing_that_is_acknowledged_between_copy_and_swap_is_lost(site):
    """Other databases and accounts are written to, made and dropped after the copy: they are there afterwards. What came into
    the database itself lies in the old data."""
    site.server.sql("CREATE DATABASE statistik; CREATE TABLE statistik.s (i INT PRIMARY KEY); CREATE DATABASE andere; CREATE TABLE andere.a (i INT PRIMARY KEY); INSERT INTO andere.a VALUES (1)")
    hold = site.folder / "hold"
    hook = site.folder / "hook"  # the import is done, nobody is blocked yet
    hook.write_text(f"#!/bin/sh\ntouch {hold}\nwhile [ -e {hold} ]; do sleep 0.05; done\n")
    hook.chmod(0o755)
    site.set("hooks", before_restore=hook)
    before = rows(site)
    job = site.start_job("restore", "sql", put(site, dump(site)))
    process.wait_until(hold.exists, 60, "the import")
    site.server.sql("INSERT INTO statistik.s VALUES (1), (2); CREATE VIEW statistik.v AS SELECT * FROM statistik.s; CREATE PROCEDURE statistik.q() SELECT 2;"
                    "CREATE EVENT statistik.e ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01' DO SELECT 1; DROP DATABASE andere;"
                    "CREATE DATABASE `neu-1`; CREATE TABLE `neu-1`.n (b BLOB); INSERT INTO `neu-1`.n VALUES (x'00ff27');"
                    "CREATE OR REPLACE USER since@'%' IDENTIFIED BY 'pa\\'ss'; GRANT SELECT ON statistik.* TO since@'%'; INSERT INTO load_db.t VALUES (9, 'since')")
    hold.unlink()
    lines = [json.loads(line) for line in job.communicate(timeout=120)[0].splitlines()]
    assert lines[-1]["ok"], lines[-1]
    carried = event(lines, "carried")[0]
    assert set(carried["databases"]) == {"statistik", "andere", "neu-1"} and carried["accounts"], carried
    assert rows(site) == before
    assert site.server.value("SELECT COUNT(*) FROM statistik.v") == 2 and count(site, "EVENTS", "EVENT_SCHEMA='statistik'") == 1
    assert count(site, "ROUTINES", "ROUTINE_SCHEMA='statistik'") == 1 and count(site, "SCHEMATA", "SCHEMA_NAME='andere'") == 0
    assert site.server.value("SELECT HEX(b) FROM `neu-1`.n") == "00FF27"
    with site.server.connect("since", "pa'ss", "statistik") as c, c.cursor() as cursor:
        assert cursor.execute("SELECT * FROM s") == 2
    assert count(site, "ROUTINES", "ROUTINE_SCHEMA='load_db'") == 1
    site.job("restore", "undo")
    assert (9, "since") in rows(site) and site.server.value("SELECT COUNT(*) FROM statistik.s") == 2
    site.server.sql("DROP USER since@'%'")


def test_a_writer_who_never_rests(site):
    """The copy makes way for writers a bounded number of times, then clients are kept out for its last part, in words."""
    site.set("backup", attempts=1)
    site.server.sql("CREATE TABLE load_db.w (i INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO load_db.w VALUES (1)")
    before = rows(site)
    text = dump(site)
    words, end = [], threading.Event()

    def write():
        while not end.is_set():
            try:
                with site.gate.connect(database="load_db") as client:
                    while not end.is_set():
                        client.query("INSERT INTO w VALUES ()")
            except (OSError, pymysql.MySQLError) as error:
                words.append(str(error))

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        lines = site.job("restore", "sql", "--accept-loss", put(site, text))
    finally:
        end.set()
        for writer in writers:
            writer.join(30)
    phases = [line["phase"] for line in event(lines, "phase")]
    assert rows(site) == before and phases.index("block") < phases.index("import") < len(phases) - 1 - phases[::-1].index("block"), phases
    assert "voraussichtlich bis" in " ".join(words)
    assert site.gate.status()["state"] == "open"


# --- cut off


SLOW = pytest.mark.slow


@pytest.mark.parametrize("phase", ["copy", "import", "block", "carry", "swap", "start", "open",
                                   *(pytest.param(p, marks=SLOW) for p in ("read", "boot", "check", "stop", "look"))])
def test_killed_at_each_step_is_old_or_new(site, phase):
    """The recovery is killed as well, where it has begun; then it is let do its work."""
    before = rows(site)
    text = dump(site)
    site.server.sql("DELETE FROM load_db.t WHERE i=1; CREATE DATABASE statistik; CREATE TABLE statistik.s (i INT)")
    if phase == "carry":
        hook = site.folder / "hook"
        hook.write_text("#!/bin/sh\n" + " ".join(["exec mariadb --no-defaults -uroot", f"-S{site.server.socket}", "-e 'INSERT INTO statistik.s VALUES (1)'\n"]))
        hook.chmod(0o755)
        site.set("hooks", before_restore=hook)
    assert site.kill_at("restore", "sql", put(site, text), phase=phase) == phase
    # in memory all renames are done before the signal comes, and then the new side gets its chance
    swapped = phase == "swap" and json.loads((site.state / "restore.json").read_text())["phase"] == "starting"
    if phase in ("block", "carry", "stop", "swap", "start"):
        site.kill_at("restore", "recover", phase="start")
    elif phase in ("read", "copy", "boot", "import", "check"):
        assert never_blocked(site)
    site.job("restore", "recover")
    assert rows(site) in (before, before[1:]) and site.gate.status()["state"] == "open"
    if swapped:
        assert rows(site) == before
    elif phase not in ("start", "look", "open"):
        assert rows(site) == before[1:] and not (site.state / "restore.json").exists() and staging(site) == []
    settle(site)
    assert not list(site.archives.glob(".restore-sql*"))


@pytest.mark.parametrize("phase", ["swap", *(pytest.param(p, marks=SLOW) for p in ("stop", "start", "undo"))])
def test_what_cannot_be_undone_is_no_obstacle(site, phase):
    """The old data are so damaged meanwhile that no server starts on them: recover says so, and a physical restore is the way
    out, which lets clients in again."""
    site.set("restore", start_timeout="8s")
    site.job("backup", "--now", "elexisdb")
    before, text, data = rows(site), dump(site), site.server.datadir
    site.server.sql("DELETE FROM load_db.t WHERE i=1")
    if phase == "undo":
        site.job("restore", "sql", put(site, text))
        site.kill_at("restore", "undo", phase="stop")
    else:
        site.kill_at("restore", "sql", put(site, text), phase=phase)
    site.server.stop()
    for folder in [data, *(f / side for f in staging(site) for side in ("old", "new"))]:
        for name in ("ibdata1", "ib_logfile0"):
            if (folder / name).exists():
                (folder / name).write_bytes(b"no server starts on this")
    last = site.job("restore", "recover", exit=1)[-1]
    assert site.gate.status()["state"] == "blocked" and last["error"], last
    assert "CLIENTS STAY BLOCKED" in site.job("restore", "sql", put(site, text[:300]), exit=6)[-1]["error"]
    lines = site.job("restore", "run", "latest", "elexisdb")
    assert event(lines, "restored") and rows(site) == before and site.gate.status()["state"] == "open"
    site.job("restore", "accept")
    for left in staging(site):
        assert "T" in left.name, left
        shutil.rmtree(left)


def test_killed_in_the_import_the_keeper_clears_up(site):
    before = rows(site)
    slow = dump(site).replace(END[:17], "DO SLEEP(60);\n-- Dump completed", 1)
    assert site.kill_at("restore", "sql", put(site, slow), phase="import") == "import"
    assert never_blocked(site), "nobody was ever kept out"
    site.start_keeper()
    process.wait_until(lambda: not (site.state / "restore.json").exists(), 60, "settled")
    assert rows(site) == before and staging(site) == []


def test_a_stop_in_the_import(site):
    """Ctrl-C: nothing has happened, and the exit code says that it was cancelled."""
    slow = dump(site).replace(END[:17], "DO SLEEP(60);\n-- Dump completed", 1)
    job = site.start_job("restore", "sql", put(site, slow))
    for line in job.stdout:
        if '"import"' in line:
            job.send_signal(signal.SIGINT)
            break
    last = json.loads(job.stdout.readlines()[-1])
    job.stdout.close()
    job.wait(20)
    assert last["exit"] == 10 and nothing_done(site), last


# --- where the files are out of reach


@pytest.fixture
def remote(site):
    """Nobody knows how to start the server, as with one elsewhere: the SQL goes into a database beside the live one."""
    site.set("restore", start_command="")
    site.server.sql("CREATE TABLE load_db.parent (id INT PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE load_db.child (p INT, FOREIGN KEY (p) REFERENCES load_db.parent (id));"
                    "INSERT INTO load_db.parent VALUES (1); INSERT INTO load_db.child VALUES (1); CREATE SEQUENCE load_db.numbers; CREATE VIEW load_db.a_above AS SELECT i FROM load_db.v;"
                    "CREATE DEFINER='gone'@'nowhere' TRIGGER load_db.touch BEFORE UPDATE ON load_db.t FOR EACH ROW SET NEW.s = 'x';"
                    "CREATE EVENT load_db.nightly ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01' DO DELETE FROM t WHERE i < 0")
    yield site.beside()


def children(parent):
    for pid in (int(p) for p in os.listdir("/proc") if p.isdigit()):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                if int(stat.read().rsplit(")", 1)[1].split()[1]) == parent:
                    yield pid
        except (FileNotFoundError, ProcessLookupError):
            pass


def reading_in(job):
    """The process that reads the text of a job, once nothing is left to it but that; stopped."""
    def shut():
        for pid in (int(p) for p in os.listdir("/proc") if p.isdigit()):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as words, open(f"/proc/{pid}/status") as status:
                    fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
                    if words.read().split(b"\0")[1:2] == [b"read-in"] and fields["PPid"] == str(job.pid) and fields["Seccomp_filters"] == "2":
                        os.kill(pid, signal.SIGSTOP)
                        return pid, fields
            except (FileNotFoundError, ProcessLookupError):
                pass
        return None
    return process.wait_until(shut, what="a process that reads the text in", timeout=60)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("way", ["files", "beside, by the socket", "beside, by the network", "beside, with landlock"])
def test_the_text_is_read_where_nothing_is_in_reach(request, site, way):
    """As nobody who owns anything, with no capability, no file but the text and its answer, and one connection."""
    remote = request.getfixturevalue("remote") if way != "files" else site
    if "network" in way:
        grant = next(g for (g,) in remote.server.sql("SHOW GRANTS FOR elexgate@localhost") if "ON *.*" in g)
        remote.server.sql(grant.replace("`localhost`", "`127.0.0.1`"))
        beside = event(map(json.loads, remote.run_job("doctor").stdout.splitlines()), "grant")[0]["beside"]
        remote.server.sql(beside.replace("'localhost'", "'127.0.0.1'"))
        remote.sections["database"].pop("socket")
        remote.set("database", host="127.0.0.1", port=remote.server.port)
    if "landlock" in way:
        remote.set("drill", sandbox="landlock")
        for folder in (remote.folder.parent, remote.folder):  # the user of trials must get through to the socket
            folder.chmod(0o711)
    job = remote.start_job("restore", "sql", "--dry-run", put(remote, "SELECT SLEEP(2);\n" * 30 + dump(remote)))
    pid, status = reading_in(job)
    try:
        spaces = {s for s in ("user", "mnt", "pid", "net") if os.readlink(f"/proc/{pid}/ns/{s}") != os.readlink(f"/proc/self/ns/{s}")}
        files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        with open(f"/proc/{pid}/environ") as environment, open(f"/proc/{pid}/cmdline") as words:
            told = environment.read() + words.read()
    finally:
        job.terminate()
        os.kill(pid, signal.SIGCONT)
        job.communicate(timeout=120)
    assert set(status["Uid"].split()) == {str(pwd.getpwnam("elexgate-trial").pw_uid)} and int(status["CapEff"], 16) == 0 and status["NoNewPrivs"] == "1", status
    assert spaces == (set() if "landlock" in way else {"user", "mnt", "pid"} if "network" in way else {"user", "mnt", "pid", "net"})
    assert sum(f.startswith("socket:") for f in files) == 1 and len(files) == 3, files
    assert PASSWORD not in told
    if "network" in way:
        remote.server.sql("DROP USER elexgate@127.0.0.1")


def everything(site, database="load_db"):
    where = f"_SCHEMA='{database}'"
    return {"tables": sorted(r[0] for r in site.server.sql(f"SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE{where}")),
            "triggers": sorted(site.server.sql(f"SELECT TRIGGER_NAME, DEFINER, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER{where}")),
            "routines": sorted(site.server.sql(f"SELECT ROUTINE_NAME, DEFINER, SQL_MODE FROM information_schema.ROUTINES WHERE ROUTINE{where}")),
            "events": sorted(site.server.sql(f"SELECT EVENT_NAME, STATUS FROM information_schema.EVENTS WHERE EVENT{where}")),
            "keys": sorted(site.server.sql(f"SELECT TABLE_NAME, REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT{where}")),
            "rows": rows(site), "seen": site.server.sql("SELECT COUNT(*) FROM load_db.a_above") if database == "load_db" else None}


# What the text asks for beyond the one database that it goes into, and the server's answer.
REACHES = {"other tables": ("CREATE TABLE stolen AS SELECT * FROM mysql.global_priv", "1142"),
           "the server": ("SET GLOBAL general_log=0", "1227")}


def importer(site):
    """Its grants, for each host that it is allowed from."""
    return [site.server.sql(f"SHOW GRANTS FOR `elexgate-import`@`{host}`") for (host,) in site.server.sql("SELECT Host FROM mysql.user WHERE User='elexgate-import'")]


def ours(site):
    return count(site, "SCHEMATA", "SCHEMA_NAME LIKE '%elexgate%'")


def test_beside_the_live_database(remote):
    """All of it changes place, and back, and again; accept lets the rest go."""
    before = everything(remote)
    text = dump(remote, "--events", "--databases").replace("INSERT INTO `t`", "INSERT INTO `load_db`.`t`")
    remote.server.sql("DELETE FROM load_db.t WHERE i=1; CREATE TABLE load_db.later (i INT); DROP TRIGGER load_db.touch; DROP VIEW load_db.a_above; CREATE VIEW load_db.a_above AS SELECT 1 AS i;"
                      "DROP EVENT load_db.nightly; INSERT INTO load_db.child VALUES (1)")
    changed = everything(remote)
    assert event(remote.job("restore", "sql", "--dry-run", put(remote, text)), "difference") and ours(remote) == 0
    assert everything(remote) == changed and never_blocked(remote)
    lines = remote.job("restore", "sql", put(remote, text))
    assert "beside the live one" in event(lines, "note")[0]["text"] and event(lines, "restored")[0]["method"] == "dump"
    assert everything(remote) == before and remote.gate.status()["state"] == "open"
    status = event(remote.job("restore", "status"), "restore")[0]
    assert status["phase"] == "kept" and "load_db_elexgate_old" in json.dumps(status["parts"]), status
    with pytest.raises(pymysql.MySQLError):
        remote.server.sql("INSERT INTO load_db.child VALUES (99)")
    for expected in (changed, before):
        remote.job("restore", "undo")
        assert everything(remote) == expected
    remote.job("restore", "accept")
    assert everything(remote) == before and ours(remote) == 0 and not (remote.state / "restore.json").exists()


def test_beside_tables_lie_where_all_others_do(remote):
    """Where the text would have them (DATA DIRECTORY) lie the files of the live ones, which are in the way."""
    outside = remote.folder / "outside"
    outside.mkdir()
    remote.server.sql(f"USE load_db; CREATE TABLE m (a INT) ENGINE=MyISAM DATA DIRECTORY='{outside}'; INSERT INTO m VALUES (3)")
    text = dump(remote)
    assert "DATA DIRECTORY" in text and (outside / "m.MYD").exists()
    mode = remote.server.sql("SELECT ROUTINE_NAME, SQL_MODE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='load_db'")
    assert "beside the live one" in event(remote.job("restore", "sql", put(remote, text)), "note")[0]["text"]
    assert remote.server.value("SELECT a FROM load_db.m") == 3
    assert "DATA DIRECTORY" not in remote.server.sql("SHOW CREATE TABLE load_db.m")[0][1]
    assert remote.server.sql("SELECT ROUTINE_NAME, SQL_MODE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='load_db'") == mode
    remote.job("restore", "accept")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_text_is_looked_through_where_it_can_do_nothing(site):
    """Unpacked, and looked through, each by a process with two files, no capability and a filter that leaves it reading, reckoning and writing;
    what waits of the text has no name, and does not lie on the backup medium."""
    job = subprocess.Popen(site.argv("restore", "sql", "-"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        job.stdin.write(dump(site).encode())
        job.stdin.flush()
        def child(word):
            for pid in children(job.pid):
                with open(f"/proc/{pid}/cmdline", "rb") as words, open(f"/proc/{pid}/status") as status:
                    fields = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
                    if words.read().split(b"\0")[1:2] == [word] and fields["Seccomp"] == "2":
                        assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0 and fields["NoNewPrivs"] == "1", fields
                        return pid, sorted(os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{pid}/fd"))
        _, files = process.wait_until(lambda: child(b"parse"), what="a process that unpacks", timeout=60)
        assert files == ["pipe", "pipe"], files
        pid, files = process.wait_until(lambda: child(b"look-through"), what="a process that looks through the text", timeout=60)
        waits = [os.readlink(f"/proc/{job.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{job.pid}/fd")]
        spool = [path for path in waits if path.endswith(" (deleted)") and not path.startswith("/memfd:")]
        assert set(files) <= {"/dev/null", "/memfd", "pipe"} and files.count("pipe") == 1 and len(files) == 2, files
        assert spool and all(path.startswith(str(site.state)) for path in spool), waits
        os.kill(pid, signal.SIGKILL)
        job.stdin.write(b"SELECT 1;\n" * 1000)
    except BrokenPipeError:
        pass
    finally:
        out, _ = job.communicate(timeout=120)
    last = json.loads(out.splitlines()[-1])
    assert job.returncode == 1 and "looks through the SQL text was ended by signal 9" in last["error"], last
    assert nothing_done(site, count(site, "TABLES", "TABLE_SCHEMA='load_db'"))


@pytest.mark.parametrize("kind", ["import fails", "loss", "key from elsewhere", "a database is there", "a long list", "rights", "right to make accounts",
                                  *REACHES])
def test_beside_what_fails_has_touched_nothing(remote, kind):
    text, exit, words = dump(remote, "--events"), 9, ""
    if kind == "import fails":
        text, exit, words = text.replace("-- Dump completed", "INSERT INTO nowhere VALUES (1);\n-- Dump completed"), 6, "1146"
    elif kind == "loss":
        text, words = remote.server.client(["load_db", "parent"], program="mariadb-dump").stdout, "--accept-loss"
    elif kind == "key from elsewhere":
        remote.server.sql("CREATE DATABASE statistik; CREATE TABLE statistik.s (p INT, FOREIGN KEY (p) REFERENCES load_db.parent (id)) ENGINE=InnoDB")
        words = "statistik.s"
    elif kind == "rights":
        remote.server.sql("REVOKE ALL PRIVILEGES ON `load\\_db\\_elexgate\\_old`.* FROM elexgate_restore")
        words = "GRANT ALL PRIVILEGES ON `load\\_db\\_elexgate\\_old`.* TO elexgate_restore; "
    elif kind == "right to make accounts":
        remote.server.sql("REVOKE CREATE USER ON *.* FROM elexgate_restore")
        words = "GRANT CREATE USER"
    elif kind in REACHES:
        statement, words = REACHES[kind]
        text, exit = text.replace("-- Dump completed", f"{statement};\n-- Dump completed"), 6
    elif kind == "a database is there":
        remote.server.sql("CREATE DATABASE load_db_elexgate_old; CREATE TABLE load_db_elexgate_old.mine (i INT)")
        words = "load_db_elexgate_old already"
    elif kind == "a long list":
        text, words = f"DROP TABLE IF EXISTS {', '.join(f'x{n}' for n in range(60))}, load_db.t;\n" + text, "a list of more tables"
    before = everything(remote)
    told = remote.job("restore", "sql", put(remote, text), exit=exit)
    last = told[-1]["error"] + "".join(line["text"] + "; " for line in event(told, "note"))
    assert words in last, told
    assert everything(remote) == before and never_blocked(remote) and not (remote.state / "restore.json").exists()
    if kind == "a database is there":
        assert count(remote, "TABLES", "TABLE_NAME='mine'") == 1
        remote.server.sql("DROP DATABASE load_db_elexgate_old")
    assert ours(remote) == 0 and importer(remote) == []


def test_beside_the_text_is_read_in_by_an_account_of_that_database(remote):
    """Which goes with the import, and what a kill leaves of it with the next start."""
    remote.server.sql("CREATE FUNCTION load_db.f() RETURNS INT RETURN 1; CREATE PROCEDURE load_db.nobodys() SELECT 1")
    text = dump(remote, "--events").replace("CREATE DEFINER=`root`@`localhost` PROCEDURE `nobodys`", "CREATE PROCEDURE `nobodys`")
    path = put(remote, "SELECT SLEEP(2);\n" * 30 + text)
    job = remote.start_job("restore", "sql", path)
    reading_in(job)
    grants, = importer(remote)
    job.kill()
    job.wait(timeout=60)
    assert [" ".join(g.split(" IDENTIFIED")[0].split()) for (g,) in grants] == [
        "GRANT USAGE ON *.* TO `elexgate-import`@`localhost`", "GRANT ALL PRIVILEGES ON `load\\_db\\_elexgate\\_new`.* TO `elexgate-import`@`localhost`"]
    remote.job("restore", "recover")
    # before we look at what it has made, with our rights: an event of the text's could put a view in a table's place meanwhile
    assert remote.kill_at("restore", "sql", put(remote, text), phase="check") == "check" and importer(remote) == [] and ours(remote) == 1
    remote.job("restore", "recover")
    assert importer(remote) == [] and ours(remote) == 0 and remote.server.value("SELECT @@log_bin_trust_function_creators") == 0
    remote.job("restore", "sql", put(remote, text))
    assert importer(remote) == [] and remote.server.value("SELECT @@log_bin_trust_function_creators") == 0
    owners = dict(remote.server.sql("SELECT ROUTINE_NAME, DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='load_db'"))
    assert owners["f"] == "root@localhost" and owners["nobodys"].split("@")[0] not in ("elexgate", "root"), owners


@pytest.mark.parametrize("phase", ["import", "swap", "undo swap", *(pytest.param(p, marks=SLOW) for p in ("check", "block", "open"))])
def test_beside_killed_at_each_step_is_old_or_new(remote, phase):
    before = everything(remote)
    text = dump(remote, "--events")
    remote.server.sql("DELETE FROM load_db.t WHERE i=1; CREATE TABLE load_db.later (i INT)")
    changed = everything(remote)
    if phase == "undo swap":
        remote.job("restore", "sql", put(remote, text))
        assert remote.kill_at("restore", "undo", phase="swap") == "swap"
    else:
        assert remote.kill_at("restore", "sql", put(remote, text), phase=phase) == phase
    if phase in ("import", "check"):
        assert never_blocked(remote)
    remote.kill_at("restore", "recover", phase="swap")
    remote.job("restore", "recover")
    assert everything(remote) in (before, changed) and remote.gate.status()["state"] == "open"
    settle(remote)
    assert ours(remote) == 0


@pytest.fixture(scope="module")
def newer(session_folder):
    """A practice on MariaDB 11.8 that makes dumps, for the mariadbd of drills is of another series; its account has what doctor prints, a routine
    and a view are of somebody who is gone."""
    server = lib_trixie.NewServer(session_folder / "sql-new", lib_trixie.root(), args=["--log-bin=bin"]).start()
    server.sql(MAKE + "; CREATE FUNCTION load_db.f() RETURNS INT DETERMINISTIC RETURN 1; CREATE TRIGGER load_db.touch BEFORE UPDATE ON load_db.t FOR EACH ROW SET NEW.s = 'x'"
               "; CREATE DEFINER='gone'@'x' PROCEDURE load_db.q() SELECT 1; CREATE USER 'other'@'x'; "
               "GRANT SELECT ON load_db.* TO 'other'@'x'; CREATE DEFINER='other'@'x' VIEW load_db.w AS SELECT i, 'it''s `load_db`.' AS s FROM load_db.t")
    b = Backup(session_folder / "sql-new-b", server, None, {"backup": {"method": "dump"}, "restore": {"stale_clients": 0}}).account()
    yield b.beside()
    server.kill()


def definers(b):
    return b.server.sql("SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_NAME='q' UNION ALL "
                        "SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_NAME='w'")


def test_beside_on_mariadb_11_8(newer):
    """There SUPER does not let an account name other definers: doctor's grants do, and without that right it is told before
    anything is done."""
    before, path = rows(newer), put(newer, dump(newer))
    newer.server.sql("REVOKE SET USER ON *.* FROM 'elexgate'@'localhost'")
    assert "lacks SET USER" in json.dumps(event(newer.job("doctor", exit=1), "check"))
    assert "GRANT SET USER" in newer.job("restore", "sql", path, exit=9)[-1]["error"]
    assert count(newer, "SCHEMATA", "SCHEMA_NAME LIKE 'load\\_db\\_elexgate%'") == 0
    newer.server.sql("CREATE ROLE r; GRANT SET USER ON *.* TO r; GRANT r TO 'elexgate'@'localhost'; SET DEFAULT ROLE r FOR 'elexgate'@'localhost'")
    assert "lacks SET USER" not in json.dumps(event(newer.job("doctor"), "check"))  # of a role it counts as well
    statement = event(newer.job("doctor"), "grant")[0]["statement"]
    assert "SET USER" in statement
    newer.server.sql(f"DROP ROLE r; {statement}; DELETE FROM load_db.t WHERE i=1")
    newer.job("restore", "sql", path)
    assert rows(newer) == before and definers(newer) == [("gone@x",), ("other@x",)]
    assert count(newer, "TRIGGERS", "TRIGGER_NAME='touch'") == 1 and importer(newer) == []
    log = " ".join(str(event[5]) for event in newer.server.sql("SHOW BINLOG EVENTS"))
    assert "load_db_elexgate_new" in log and "CREATE USER 'other'" in log and "USER 'elexgate-import'" not in log, log
    newer.job("restore", "undo")
    assert len(rows(newer)) == 1
    newer.job("restore", "accept")


def test_a_collation_is_the_servers_to_judge(newer):
    """MySQL 8's, which 11.8 knows and 10.11 does not."""
    text = dump(newer).replace("utf8mb4_general_ci", "utf8mb4_0900_ai_ci").replace("utf8mb4_uca1400_ai_ci", "utf8mb4_0900_ai_ci")
    assert "COLLATE=utf8mb4_0900_ai_ci" in text
    newer.job("restore", "sql", put(newer, text))
    # Some builds show the name of their own that it stands for.
    newer.server.sql("CREATE TABLE load_db.likewise (s TEXT) COLLATE utf8mb4_0900_ai_ci")
    assert len(newer.server.sql("SELECT DISTINCT TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA='load_db' AND TABLE_NAME IN ('t', 'likewise')")) == 1
    newer.server.sql("DROP TABLE load_db.likewise")
    newer.job("restore", "accept")
    unknown = newer.job("restore", "sql", put(newer, text.replace("0900_ai", "0900_xx")), exit=9)[-1]
    assert "does not have the collation utf8mb4_0900_xx_ci" in unknown["error"]


# --- dump archives of ours, by their name


@pytest.fixture
def dumped(site):
    """A run that has only a dump; then the database goes on."""
    site.run = site.job("backup", "--now", "elexisdb-sql")[-1]["run"]
    site.before = rows(site)
    site.server.sql("DELETE FROM load_db.t WHERE i=1; CREATE TABLE load_db.later (i INT)")
    return site


def came_back(site):
    assert rows(site) == site.before
    assert count(site, "TABLES", "TABLE_NAME='later'") == 0 and count(site, "ROUTINES", "ROUTINE_SCHEMA='load_db'") == 1
    return site.gate.status()["state"] == "open"


@pytest.mark.parametrize("words", [["latest"], ["RUN"], ["PATH", "elexisdb-sql"]])
def test_a_dump_archive_by_its_name(dumped, words):
    names = {"RUN": dumped.run, "PATH": str(dumped.archives / f"elexisdb-sql_{dumped.run}.tar.gz")}
    lines = dumped.job("restore", "run", *(names.get(w, w) for w in words))
    assert event(lines, "restored")[0]["run"] == dumped.run
    assert came_back(dumped)
    dumped.job("restore", "undo")
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
    dumped.job("restore", "accept")
    dumped.set("archive", identity_file=None)
    last = dumped.job("restore", "run", run, exit=9)[-1]
    assert came_back(dumped), last


def test_dry_run_of_a_dump(dumped):
    dumped.job("restore", "run", "--dry-run", "latest")
    assert len(rows(dumped)) == 1 and nothing_done(dumped, 3)


def test_a_damaged_dump_is_found_before_anything_is_done(dumped):
    path = dumped.archives / f"elexisdb-sql_{dumped.run}.tar.gz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    dumped.job("restore", "run", dumped.run, exit=6)
    assert len(rows(dumped)) == 1 and nothing_done(dumped, 3)


def test_a_dump_beside_other_data_is_restored_by_itself(dumped):
    documents = dumped.folder / "documents"
    documents.mkdir(exist_ok=True)
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
    dumped.job("restore", "accept")
    dumped.job("restore", "run", run, "documents")
    assert (documents / "a.txt").read_text() == "then"


def test_both_methods_in_one_run_restore_the_files(dumped):
    dumped.set("backup", method="both")
    run = dumped.job("backup", "--now")[-1]["run"]
    plan = event(dumped.job("restore", "plan", run), "plan")[0]
    assert [p["type"] for p in plan["parts"]] == ["elexisdb"] and plan["rows_known"]
    lines = dumped.job("restore", "run", run)
    assert "extract" in [line["phase"] for line in event(lines, "phase")]


def test_the_plan_of_a_dump(dumped):
    plan = event(dumped.job("restore", "plan", "latest"), "plan")[0]
    part = plan["parts"][0]
    assert part["method"] == "dump" and part["live"] == "load_db" and part["replaces"]["bytes"] > 0
    assert {"table": "load_db.t", "now": 1, "then": 2} in plan["rows"] and plan["rows_known"]


def test_hooks_may_say_no_to_sql(dumped):
    heard = dumped.folder / "heard"
    hook = dumped.folder / "hook"
    hook.write_text(f"#!/bin/sh\necho $1 $ELEXGATE_TYPES $ELEXGATE_RESULT >>{heard}\n[ ! -e {dumped.folder}/no ]\n")
    hook.chmod(0o755)
    dumped.set("hooks", before_restore=hook, after_restore=hook)
    (dumped.folder / "no").touch()
    dumped.job("restore", "run", "latest", exit=8)
    assert len(rows(dumped)) == 1 and nothing_done(dumped, 3)
    (dumped.folder / "no").unlink()
    heard.unlink()
    dumped.job("restore", "run", "latest")
    assert heard.read_text().splitlines() == ["before_restore elexisdb-sql", "after_restore elexisdb-sql good"]
    assert came_back(dumped)


def test_the_database_itself_comes_back_from_a_dump(site):
    """Its character set and comment do not stand in the text of its tables; accounts are kept beside them."""
    site.server.sql("ALTER DATABASE load_db CHARACTER SET latin1 COLLATE latin1_german1_ci COMMENT 'Praxis O''Brien \\\\ Müller'; "
                    "CREATE OR REPLACE USER 'praxis'@'%' IDENTIFIED BY 'geheim'; GRANT SELECT ON load_db.* TO 'praxis'@'%'; CREATE OR REPLACE ROLE mpa")
    like = "SELECT CONCAT(DEFAULT_COLLATION_NAME, SCHEMA_COMMENT) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='load_db'"
    before = site.server.value(like)
    manifest = site.manifest(archive_of(site.job("backup", "--now", "elexisdb-sql"), "elexisdb-sql"))
    accounts = manifest["info"]["accounts"]
    assert "CREATE USER" in accounts and "`praxis`@`%`" in accounts and "CREATE ROLE" in accounts and "GRANT SELECT" in accounts, accounts
    site.server.sql("ALTER DATABASE load_db CHARACTER SET utf8mb4 COMMENT 'anders'")
    site.job("restore", "run", "latest", "elexisdb-sql")
    assert site.server.value(like) == before
    site.job("restore", "accept")
    # of text that says nothing of it, the database stays what it is
    site.job("restore", "sql", put(site, dump(site)))
    assert site.server.value(like) == before
    site.server.sql("DROP USER 'praxis'@'%'; DROP ROLE mpa")
