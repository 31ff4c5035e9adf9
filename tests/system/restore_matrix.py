"""Every kind of backup onto every kind of disaster: afterwards either the new state whole or the old one, clients let in, and words that
say which. scripts/restore-matrix runs all of it, test_restore_matrix.py a few cells; docs/evidence/restore.md has the table."""
import json
import os
import pathlib
import shutil
import tarfile

import pymysql

from lib import mariadb, process
from lib.backup import Backup
from lib.restore import hashes

PHASES = ["extract", "boot", "check", "block", "stop", "swap", "start", "look", "open"]
SOURCES = ["physical", "foreign", "dump", "sql-10.11", "sql-11.8", "sql-mysql8", "sql-5.5"]
STATES = ["healthy", "orphan file", "discarded table", "crashed table", "broken view", "missing database", "dead server", "empty directory",
          "16M packets", "strict mode"]
CONDITIONS = STATES + [f"full disk at {phase}" for phase in PHASES] + [f"kill -9 at {phase}" for phase in PHASES]
BIG = 15_900_000  # bytes in one row: near the server's own default packet of 16M
MAKE = ("DROP DATABASE IF EXISTS load_db; CREATE DATABASE load_db CHARACTER SET utf8mb4; USE load_db;"
        "CREATE TABLE KONTAKT (id INT PRIMARY KEY, name VARCHAR(80), t LONGBLOB); INSERT INTO KONTAKT VALUES (1, 'Zürich', NULL), (2, 'then', NULL);"
        "CREATE TABLE FALL (id INT PRIMARY KEY, k INT, FOREIGN KEY (k) REFERENCES KONTAKT (id)); INSERT INTO FALL VALUES (1, 1);"
        "CREATE VIEW v AS SELECT id FROM KONTAKT; CREATE DATABASE IF NOT EXISTS altes; CREATE TABLE IF NOT EXISTS altes.t (n INT PRIMARY KEY)")
# What other servers' dumps have and this one must take: as their programs write it. (MySQL 8's own collation is replaced as the refusal
# of it says.)
TEXTS = {
    "sql-11.8": ("/*M!999999\\- enable the sandbox mode */ \n", "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci"),
    "sql-mysql8": ("-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)\n/*!50503 SET NAMES utf8mb4 */;\n/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, "
                   "SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n", "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci"),
    "sql-5.5": ("-- MySQL dump 10.13  Distrib 5.5.62, for debian-linux-gnu (x86_64)\n/*!40101 SET NAMES utf8 */;\n", "ENGINE=MyISAM DEFAULT CHARSET=utf8"),
}
TABLES = ("DROP TABLE IF EXISTS `KONTAKT`;\nCREATE TABLE `KONTAKT` (`id` int(11) NOT NULL, `name` varchar(80) DEFAULT NULL, `t` longblob, "
          "PRIMARY KEY (`id`)) {engine};\nLOCK TABLES `KONTAKT` WRITE;\nINSERT INTO `KONTAKT` VALUES (1,'Zürich',NULL),(2,'then',NULL);\n"
          "UNLOCK TABLES;\nDROP TABLE IF EXISTS `FALL`;\nCREATE TABLE `FALL` (`id` int(11) NOT NULL, `k` int(11) DEFAULT NULL, PRIMARY KEY (`id`)) "
          "{engine};\nINSERT INTO `FALL` VALUES (1,1);\n-- Dump completed on 2026-11-22 12:00:00\n")


class Matrix:
    """`disk` is a file system of its own for data and state, of 400 MB or so, which cells fill."""

    def __init__(self, folder, disk, template, gate_of):
        self.folder, self.disk = pathlib.Path(folder), pathlib.Path(disk)
        self.folder.mkdir(parents=True, exist_ok=True)
        process.run(["cp", "-a", template, self.disk / "data"])
        self.server = mariadb.MariaDB(self.folder / "db", datadir=self.disk / "data").start()
        self.gate = gate_of(self.server)
        self.backup = Backup(self.folder / "b", self.server, self.gate, {
            "backup": {"state_dir": self.disk / "state", "method": "both"},
            "restore": {"start_command": self.server.start_command(), "stale_clients": "0", "start_timeout": "15s", "stop_timeout": "20s"}})
        self.backup.account()
        self.server.sql(MAKE)
        self.server.sql(f"INSERT INTO load_db.KONTAKT VALUES (3, 'big', REPEAT(0xAB, {BIG}))")
        self.server.sql("DELETE FROM load_db.KONTAKT WHERE id = 3")  # the file is there; the row comes with the cell that is about it
        self.make_sources()
        self.server.sql("UPDATE load_db.KONTAKT SET name = 'now' WHERE id = 2; INSERT INTO altes.t VALUES (7)")
        self.server.stop()
        self.pristine = self.folder / "pristine"
        process.run(["cp", "-a", self.server.datadir, self.pristine])

    # --- what is restored ---

    def make_sources(self):
        lines = self.backup.job("backup", "--now")
        self.run = lines[-1]["run"]
        self.sql = {}
        for name, (head, engine) in TEXTS.items():
            self.sql[name] = self.folder / f"{name}.sql"
            self.sql[name].write_text(head + TABLES.format(engine=engine))
        self.sql["sql-10.11"] = self.folder / "sql-10.11.sql"
        self.sql["sql-10.11"].write_text(self.server.client(["load_db"], program="mariadb-dump").stdout)
        self.sql["sql-big"] = self.folder / "big.sql"
        self.sql["sql-big"].write_text(self.sql["sql-10.11"].read_text().replace(
            "-- Dump completed", f"INSERT INTO `KONTAKT` VALUES (3,'big',REPEAT('x',10)),(4,'raw','{'y' * BIG}');\n-- Dump completed"))
        self.server.stop()
        self.archive = self.folder / "elexisdb_old.tar.gz"
        with tarfile.open(self.archive, "w:gz", compresslevel=1) as archive:
            archive.add(self.server.datadir, arcname=".", filter=lambda m: m if m.isfile() or m.isdir() else None)
        self.server.start()

    def words(self, source, condition):
        if source == "physical":
            return [self.run, "elexisdb"]
        if source == "dump":
            return ["--accept-loss", self.run, "elexisdb-sql"]
        if source == "foreign":
            return ["--foreign", str(self.archive)]
        text = self.sql["sql-big"] if condition == "16M packets" and source == "sql-10.11" else self.sql[source]
        return ["--accept-loss", "--sql", str(text)]

    def job_words(self, source):
        """The same for elexgate-job, whose phases are told line by line."""
        words = self.words(source, None)
        if "--sql" in words:
            return ["sql", "--accept-loss", words[-1]]
        return ["run", *words]

    # --- on what ---

    def set_up(self, condition):
        if self.server.alive():
            self.server.kill()
        for path in (*self.disk.glob("data"), *self.disk.glob(".elexgate-restore-*")):
            shutil.rmtree(path)
        (self.disk / "state" / "restore.json").unlink(missing_ok=True)
        process.run(["cp", "-a", self.pristine, self.server.datadir])
        self.server.args = [a for a in self.server.args if a.startswith("--tmpdir")] + {
            "16M packets": ["--max-allowed-packet=16M"], "strict mode": ["--innodb-strict-mode=ON", "--sql-mode=TRADITIONAL"]}.get(condition, [])
        self.server.start_command()  # with these options
        self.server.start()
        folder = self.server.datadir / "altes"
        if condition == "orphan file":
            shutil.copy(folder / "t.frm", folder / "orphan.frm")
            shutil.copy(folder / "t.frm", self.server.datadir / "load_db" / "orphan.frm")
        elif condition == "discarded table":
            self.server.sql("CREATE TABLE altes.d (n INT); ALTER TABLE altes.d DISCARD TABLESPACE; CREATE TABLE load_db.d (n INT);"
                            "ALTER TABLE load_db.d DISCARD TABLESPACE")
        elif condition == "crashed table":
            self.server.sql("CREATE TABLE load_db.m (n INT, KEY (n)) ENGINE=MyISAM; INSERT INTO load_db.m SELECT seq FROM mysql.seq_1_to_5000; FLUSH TABLES")
            os.truncate(self.server.datadir / "load_db" / "m.MYI", 1000)
        elif condition == "broken view":
            self.server.sql("CREATE TABLE load_db.vt (i INT); CREATE VIEW load_db.broken AS SELECT * FROM load_db.vt; DROP TABLE load_db.vt")
        elif condition == "missing database":
            self.server.sql("DROP DATABASE load_db")
        elif condition == "dead server":
            self.server.kill()
            with open(self.server.datadir / "ibdata1", "r+b") as f:
                f.write(bytes(1 << 20))
        elif condition == "empty directory":
            self.server.kill()
            shutil.rmtree(self.server.datadir)
            self.server.datadir.mkdir()
        self.running = self.server.alive()
        self.before = self.seen() if self.running else hashes(self.server.datadir)

    def seen(self):
        """What the server holds, in the practice's tables and beside them; None where there is none."""
        seen = {}
        for table in ("load_db.KONTAKT", "load_db.FALL", "altes.t"):
            try:
                seen[table] = self.server.sql(f"SELECT {'id, name, LENGTH(t)' if 'KONTAKT' in table else '*'} FROM {table} ORDER BY 1")
            except pymysql.err.MySQLError as error:
                seen[table] = error.args[0]
        return str(seen)

    # --- a cell ---

    def restore(self, source, condition):
        """Runs it; (exit code, last words)."""
        kind, _, phase = condition.partition(" at ")
        if not phase:
            done = process.run([str(a) for a in self.cli("--json", "restore", "--yes", *self.words(source, condition))], check=False, timeout=300)
            lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            return done.returncode, next((line.get("error", "") for line in reversed(lines) if line.get("done")), done.stderr)
        job, lines = process.start_held(self.backup.argv("restore", *self.job_words(source)))
        told, filler, last = False, self.disk / "filler", {}
        for last in map(json.loads, lines):
            if not told and last.get("event") == "phase" and last["phase"] == phase:
                told = True
                if kind == "kill -9":
                    job.kill()
                    job.wait(60)
                else:
                    fill(filler)
        code = job.wait(300)
        filler.unlink(missing_ok=True)
        return code, last.get("error", "")

    def cli(self, *args):
        from lib import paths
        return [paths.CLI, "--config", self.backup.config, *args]

    def cell(self, source, condition):
        """("new" or "old", exit code, words); raises AssertionError for any third thing."""
        self.source, self.condition = source, condition
        self.set_up(condition)
        code, words = self.restore(source, condition)
        where = f"{source}, {condition}: exit {code}: {words}"
        if condition.startswith("kill -9") or self.gate.status()["state"] != "open":
            done = self.backup.run_job("restore", "recover")
            assert done.returncode == 0, f"{where}; recover: {done.stdout[-600:]}"
            assert condition.startswith(("kill", "full")), f"{where}: clients were kept out"
        assert self.gate.status()["state"] == "open", where
        side = self.side(where)
        if condition in STATES:
            assert (code == 0) == (side == "new"), f"{where}: but the {side} side is live"
        assert side == "new" or words or condition.startswith("kill"), f"{where}: without a word"
        if (self.disk / "state" / "restore.json").exists():
            done = self.backup.run_job("restore", "accept")
            assert done.returncode == 0, f"{where}; accept: {done.stdout[-600:]}"
        assert not list(self.disk.glob(".elexgate-restore-*")), f"{where}: something is left behind"
        return side, code, words

    def side(self, where):
        if not self.running and not self.server.alive():
            assert hashes(self.server.datadir) == self.before, f"{where}: the old files are not what they were"
            return "old"
        now = self.seen()
        if self.running and now == self.before:
            return "old"
        if self.condition in ("dead server", "empty directory") and self.source not in ("physical", "foreign"):
            now = now.replace("'altes.t': 1146", "")  # SQL brings the practice's database only; this one lies in what is kept
        assert "'then'" in now and "Zürich" in now and "1146" not in now and "1932" not in now, f"{where}: neither: {now}, before {self.before}"
        return "new"

    def end(self):
        self.server.kill()


def fill(path):
    """To the last byte."""
    with open(path, "wb", buffering=0) as f:
        for size in (1 << 20, 4096, 1):
            try:
                while f.write(bytes(size)):
                    pass
            except OSError:
                pass
