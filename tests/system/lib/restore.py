"""A practice whose database can be restored: server with a start command, gate, backups, documents, and what it holds."""
import hashlib
import json
import os
import pathlib
import threading
import time

import pymysql

from lib import load, process
from lib.backup import Backup, archive_of

OWN = {("mysql", "innodb_table_stats"), ("mysql", "innodb_index_stats")}  # the server writes them by itself
PHASES = ["extract", "boot", "check", "block", "stop", "swap", "start", "look", "open"]


class Site:
    """`server` on a data directory of its own, everybody comes through `gate`. `then` is what backup() took, `now` what
    the tables hold since change(): {(schema, table): checksum}."""

    def __init__(self, folder, server, gate, options=None):
        self.folder, self.server, self.gate = pathlib.Path(folder), server, gate
        self.documents = self.folder / "documents"
        (self.documents / "Briefe").mkdir(parents=True)
        (self.documents / "Briefe" / "Übung Müller.txt").write_text("Nächster Termin: 24.11.")
        (self.documents / "Röntgen.img").write_bytes(os.urandom(50000))
        server.sql("DROP DATABASE IF EXISTS load_db")
        load.Load(server).setup()
        server.sql("INSERT INTO load_db.plain (who, body, big) SELECT seq, 'Befund', REPEAT(CHAR(seq % 250), 500) FROM load_db.seq_1_to_500;"
                   "INSERT INTO load_db.old (who, body) SELECT seq, 'Rezept' FROM load_db.seq_1_to_50;"
                   "INSERT INTO load_db.aria_safe (who, body) SELECT seq, 'Labor' FROM load_db.seq_1_to_50;"
                   "CREATE TABLE load_db.visits (id INT AUTO_INCREMENT PRIMARY KEY, n INT);"
                   "CREATE DATABASE gone_since; CREATE TABLE gone_since.t (n INT PRIMARY KEY)")
        server.add_user("practice", "Übung", "ALL ON *.*")
        self.backup = Backup(self.folder / "b", server, gate, {
            "data documents": {"path": self.documents},
            "restore": {"start_command": server.start_command(), "stale_clients": "0"}})
        for section, keys in (options or {}).items():
            self.backup.set(section, **keys)
        self.backup.account()
        self.then = self.now = self.archive = None

    @property
    def journal(self):
        return self.backup.state / "restore.json"

    @property
    def staging(self):
        """Where staging lies, beside the data directory and beside the documents."""
        return [self.server.datadir.parent / f".elexgate-restore-{self.server.datadir.name}",
                self.documents.parent / f".elexgate-restore-{self.documents.name}"]

    def sums(self):
        return {k: v for k, v in load.checksums(self.server).items() if k not in OWN}

    def take_backup(self, *more):
        lines = self.backup.job("backup", "--now", *more)
        self.archive = archive_of(lines)
        self.then = self.sums()
        self.documents_then = hashes(self.documents)
        return lines

    def change(self):
        """What a practice does after the backup: the two states differ in tables, files and databases."""
        self.server.sql("INSERT INTO load_db.plain (who, body) VALUES (7, 'after the backup');"
                        "UPDATE load_db.old SET body = 'changed' WHERE id = 3; DELETE FROM load_db.aria_safe WHERE id = 5;"
                        "DROP DATABASE gone_since; CREATE DATABASE new_since; CREATE TABLE new_since.t (n INT PRIMARY KEY);"
                        "CREATE TABLE load_db.later (n INT PRIMARY KEY) ENGINE=MyISAM")
        (self.documents / "neu.txt").write_text("seither")
        (self.documents / "Röntgen.img").unlink()
        self.now = self.sums()
        self.documents_now = hashes(self.documents)
        assert self.now != self.then
        return self

    def prepare(self):
        self.take_backup()
        return self.change()

    def job(self, *args, exit=0, timeout=300):
        return self.backup.job("restore", *args, exit=exit, timeout=timeout)

    def side(self):
        """"new" or "old": which one the server holds, whole; else what differs."""
        sums = self.sums()
        if sums == self.then:
            return "new"
        if sums == self.now:
            return "old"
        other = {".".join(k) for k in set(sums) | set(self.now) if sums.get(k) != self.now.get(k)}
        return f"neither; differs from the old one in {sorted(other)}"

    def nothing_left(self):
        """No staging, no journal, and clients can work."""
        assert [p for p in self.staging if p.exists()] == []
        assert not self.journal.exists()
        assert self.is_open()

    def is_open(self):
        return self.gate.status()["state"] == "open"

    def connect(self):
        return self.gate.connect("practice", "Übung", "load_db")

    def tls(self):
        """For connections to an address instead of a name: the certificate is verified, the name is not."""
        return {"ca": str(self.gate.pki.ca_file), "check_hostname": False, "verify_mode": "required"}

    def phases(self, lines):
        return [line["phase"] for line in lines if line.get("event") == "phase"]

    def kill_at(self, *args, phase=None, after=None):
        return self.backup.kill_at("restore", *args, phase=phase, after=after)


class Client(threading.Thread):
    """One workstation through the gate: writes and reads until told to end, connects again when it was cut off, and notes
    the words it was refused with. `acknowledged`: the ids it was given."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site, self.words, self.acknowledged, self.end = site, [], 0, threading.Event()
        self.after_restore = 0
        self.cut = False

    def run(self):
        while not self.end.is_set():
            try:
                with self.site.connect() as connection, connection.cursor() as cursor:
                    while not self.end.is_set():
                        cursor.execute("INSERT INTO visits (n) VALUES (1)")
                        cursor.execute("SELECT COUNT(*) FROM visits")
                        cursor.fetchall()
                        self.acknowledged += 1
                        self.after_restore += self.cut
                        time.sleep(0.02)
            except pymysql.err.MySQLError as error:
                self.cut = True
                self.words.append(str(error))
                time.sleep(0.05)


def hashes(folder, leave=()):
    """{path: SHA-256} of the regular files beneath a folder."""
    folder = pathlib.Path(folder)
    result = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not path.is_symlink() and name not in leave:
            result[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return result
