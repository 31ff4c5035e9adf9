"""No patient's data in any log: a marker stands in the data, everything fails that can fail, and nothing but the data has it."""
import json
import shutil

import pytest

from lib import process
from lib.backup import Backup, event
from lib.gate import Gate
from test_notify import Hook, Mailbox

MARKER = "Zwyssig-Geheim 756.9217.0769.85 Übelkeit"
HINTS = ("Zwyssig", "756.9217", "Geheim", "belkeit")  # cut off or folded, it is found all the same
END = "-- Dump completed on 2026-11-22 12:00:00\n"
QUOTED = MARKER.join("''")

#: What a text with patients' data may fail with: SQL, and words that the error must have.
IMPORTS = {
    "duplicate key": (f"CREATE TABLE u (n VARCHAR(99) PRIMARY KEY); INSERT INTO u VALUES ({QUOTED}),({QUOTED});", "1062"),
    "duplicate key with its name": (f"CREATE TABLE u (n VARCHAR(99), UNIQUE KEY `k` (n)); INSERT INTO u VALUES ({QUOTED}),({QUOTED});", "1062"),
    "syntax": (f"INSERT INTO t VALUES (1 {QUOTED});", "1064"),
    "a long syntax error": ("INSERT INTO t VALUES (1 '" + MARKER + "ü" * 3000 + "');", "1064"),
    "number": (f"SET sql_mode='STRICT_ALL_TABLES'; INSERT INTO t (i) VALUES ({QUOTED});", "1366"),
    "too long": (f"SET sql_mode='STRICT_ALL_TABLES'; CREATE TABLE u (n CHAR(3)); INSERT INTO u VALUES ({QUOTED});", "1406"),
    "date": (f"SET sql_mode='STRICT_ALL_TABLES'; CREATE TABLE u (d DATE); INSERT INTO u VALUES ({QUOTED});", "1292"),
    "column": (f"SET sql_mode='ANSI_QUOTES'; INSERT INTO t (i) VALUES (\"{MARKER}\");", "1054"),
    "count of columns": (f"INSERT INTO t VALUES ({QUOTED});", "1136"),
    "character set": (f"SET sql_mode='STRICT_ALL_TABLES'; CREATE TABLE u (n VARCHAR(99) CHARACTER SET ascii); INSERT INTO u VALUES ({QUOTED});", "1366"),
    "foreign key": ("CREATE TABLE a (n VARCHAR(99) PRIMARY KEY) CHARACTER SET utf8mb4; CREATE TABLE b (n VARCHAR(99), FOREIGN KEY (n) REFERENCES a (n)) "
                    f"CHARACTER SET utf8mb4; SET foreign_key_checks=1; INSERT INTO b VALUES ({QUOTED});", "1452"),
    "rule": (f"CREATE TABLE u (n VARCHAR(99), CHECK (n <> {QUOTED})); INSERT INTO u VALUES ({QUOTED});", "4025"),
    "partition": (f"CREATE TABLE u (n VARCHAR(99)) PARTITION BY LIST COLUMNS (n) (PARTITION p VALUES IN ('x')); INSERT INTO u VALUES ({QUOTED});", "1526"),
    "trigger": (f"CREATE TABLE u (n INT); CREATE TRIGGER tr BEFORE INSERT ON u FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT={QUOTED}; "
                "INSERT INTO u VALUES (1);", "1644"),
    "a trigger under a number of the server": (
        "CREATE TABLE u (n INT); CREATE TRIGGER tr BEFORE INSERT ON u FOR EACH ROW SIGNAL SQLSTATE '42S02' SET MESSAGE_TEXT="
        f"{QUOTED}, MYSQL_ERRNO=1146; INSERT INTO u VALUES (1);", "1146"),
    "bytes that are no characters": (b"INSERT INTO t VALUES (1 '\xff\xfe" + MARKER.encode("latin1") + b"\xc3');", "1064"),
    "another database": (f"INSERT INTO elsewhere.t VALUES ({QUOTED});", ""),
    "a client's command": (f"\\! echo {MARKER}\n", ""),
    "an open string": (f"INSERT INTO t VALUES ('{MARKER}\n", ""),
}


class Watched:
    """A practice with a keeper, mail and webhook; `said` is what anybody was told on a terminal or by the socket."""

    def __init__(self, folder, server, gate, hook):
        folder.mkdir(exist_ok=True)
        self.mailbox, self.hook, self.said, self.server, self.gate = Mailbox(folder), hook, [], server, gate
        self.backup = Backup(folder / "b", server, gate, {
            "restore": {"stale_clients": 0, "start_command": server.start_command()},
            "notify": {"mail_to": "it@praxis.example", "sendmail": self.mailbox.program, "webhook": hook.url, "min_free": "1"}}).account()
        self.backup.start_keeper()

    def cli(self, *args):
        """On the command line, in German and English, once in words and once as JSON; through the keeper."""
        done = process.run([*map(str, self.argv(*args))], check=False, timeout=300)
        self.said.append(done.stdout + done.stderr)
        return done

    def argv(self, *args):
        from lib import paths
        return [paths.CLI, "--config", self.backup.config, *args]

    def places(self):
        """Every file of ours but the archives, the answers of the sockets, mails, and what was said."""
        b = self.backup
        files = {}
        for root in (b.folder, self.gate.folder, self.mailbox.folder):
            for path in root.rglob("*"):
                if path.is_file() and not path.name.endswith((".tar.gz", ".sql")) and "planted" not in path.parts:
                    files[str(path)] = path.read_bytes().decode(errors="replace")
        for command in ("status", "runs", "log"):
            files[f"keeper: {command}"] = json.dumps(b.call(command, check=False), ensure_ascii=False)
        files["webhook"] = json.dumps([g[2] for g in self.hook.got], ensure_ascii=False)
        files["words"] = "\n".join(self.said)
        for command in (("status",), ("backups",), ("doctor",), ("log",)):
            done = process.run([*map(str, self.argv(*command))], check=False, timeout=60)
            files[f"elexgate {command[0]}"] = done.stdout + done.stderr
        return files

    def nothing_told(self):
        for place, text in self.places().items():
            for hint in HINTS:
                at = text.find(hint)
                assert at < 0, f"{place}: ...{text[max(0, at - 300):at + 100]}"


@pytest.fixture(scope="module")
def watched(session_folder, template, pki):
    from conftest import _Servers
    folder = session_folder / "quiet"
    servers, hook = _Servers(session_folder, template), Hook()
    server = servers()
    gate = Gate(folder / "gate", server, pki=pki, options={"proxy": {"grace": "200ms"}}).start()
    server.sql("DROP DATABASE IF EXISTS load_db; CREATE DATABASE load_db CHARACTER SET utf8mb4; CREATE TABLE load_db.t (i INT PRIMARY KEY, s TEXT); "
               f"INSERT INTO load_db.t VALUES (1, {QUOTED});")
    w = Watched(folder, server, gate, hook)
    yield w
    w.backup.stop_keeper()
    gate.stop()
    hook.close()
    servers.end()


def test_the_marker_would_be_found(watched):
    """The places that are looked at are the right ones: what stands in them is found."""
    (watched.backup.state / "probe").write_text(MARKER)
    with pytest.raises(AssertionError):
        watched.nothing_told()
    (watched.backup.state / "probe").unlink()
    watched.nothing_told()


@pytest.mark.parametrize("name", IMPORTS)
def test_a_failing_import(watched, name):
    text, words = IMPORTS[name]
    text = text if isinstance(text, bytes) else text.encode()
    folder = watched.backup.folder / "planted"
    folder.mkdir(exist_ok=True)
    path = folder / "text.sql"
    path.write_bytes(b"CREATE TABLE t (i INT PRIMARY KEY, s TEXT);\n" + text + b"\n" + END.encode())
    done = watched.cli("--json", "restore", "--sql", path, "--yes")
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode in (6, 9) and last["error"] and words in last["error"], last
    assert done.returncode == last["exit"], "the job ended by itself"
    watched.nothing_told()


def test_failing_programs_and_hooks(watched):
    """A dump program, hooks and a drill whose every word is a patient's; a table whose check would quote a row."""
    b = watched.backup
    program = b.folder / "planted" / "says"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\necho 'mariadb-dump: Error 1054: {MARKER} when dumping table `{MARKER}` at row: 7' >&2\necho '{MARKER}'\nexit 3\n")
    program.chmod(0o755)
    b.set("backup", dump_program=program)
    last = json.loads(watched.cli("--json", "backup", "--now", "elexisdb-sql").stdout.splitlines()[-1])
    assert "1054" in last["error"] and "at row 7" in last["error"], last
    watched.cli("backup", "--now", "elexisdb-sql")
    b.set("backup", dump_program=None)
    for hook in ("before_backup", "after_backup"):
        b.set("hooks", **{hook: program})
        watched.cli("backup", "--now", "elexisdb-sql")
        b.set("hooks", **{hook: None})
    watched.server.sql(
        "CREATE TABLE load_db.parts (n VARCHAR(99)) ENGINE=MyISAM PARTITION BY RANGE COLUMNS (n) (PARTITION a VALUES LESS THAN ('B'), "
        f"PARTITION z VALUES LESS THAN (MAXVALUE)); INSERT INTO load_db.parts VALUES ({QUOTED}); FLUSH TABLES")
    for ending in ("MYD", "MYI"):  # the row lies in a partition where it does not belong
        shutil.copyfile(watched.server.datadir / "load_db" / f"parts#P#z.{ending}", watched.server.datadir / "load_db" / f"parts#P#a.{ending}")
    watched.server.sql("FLUSH TABLES")
    assert "misplaced row" in str(watched.server.sql("CHECK TABLE load_db.parts"))
    assert watched.cli("backup", "--now", "elexisdb").returncode == 0
    done = watched.cli("--json", "drill", "latest", "--type", "elexisdb")
    assert done.returncode == 6 and "load_db.parts" in done.stdout, done.stdout
    watched.cli("restore", "latest", "elexisdb", "--dry-run")  # tells what was so before
    process.wait_until(lambda: b.call("status")["job"] is None, 60, "the restore has ended")
    watched.server.sql("DROP TABLE load_db.parts")
    assert watched.cli("backup", "--now", "elexisdb").returncode == 0
    b.set("drill", server_program=program)
    # as root the trial runs as somebody else, who need not get through to the program
    assert watched.cli("drill", "latest", "--type", "elexisdb").returncode in (1, 6)
    process.wait_until(lambda: watched.hook.got and watched.mailbox.mails(), 120, "somebody is told")
    watched.nothing_told()


def test_sessions_and_statements(watched):
    """What clients send: a statement that fails, a password that is wrong, a connection that breaks off."""
    client = watched.gate.connect()
    with pytest.raises(Exception):
        client.query(f"SELECT {QUOTED} FROM nowhere WHERE {MARKER}")
    with pytest.raises(Exception):
        watched.gate.connect("praxis", MARKER)
    client._sock.close() if client._sock else None
    watched.said.append(json.dumps(watched.gate.call("sessions") if hasattr(watched.gate, "call") else {}))
    watched.nothing_told()
