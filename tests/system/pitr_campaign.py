"""An Elexis-like load with a journal of what was acknowledged, and what can be asked of it afterwards: random moments, kills of the
stream, machines that are lost. scripts/pitr-campaign runs it for long, test_pitr.py in short."""
import random
import threading
import time

import pymysql

from lib.binlog import masked, server_file
from lib.mariadb import MariaDB


class Load:
    """Some workstations that write, and somebody who changes definitions and accounts. journal: {id: (sent, acknowledged)}, seconds since
    1970 by the one clock that server and tests share; acknowledged None: the answer never came."""

    def __init__(self, server, clients=3, pause=0.004):
        self.server, self.clients, self.pause = server, clients, pause
        self.journal, self.stop, self.threads, self.next = {}, threading.Event(), [], 0
        self.mutex = threading.Lock()
        server.sql("CREATE DATABASE IF NOT EXISTS load_db; CREATE TABLE IF NOT EXISTS load_db.journal (id INT PRIMARY KEY, text VARCHAR(200));"
                   "CREATE TABLE IF NOT EXISTS load_db.patient (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(80), n INT DEFAULT 0)")

    def work(self, number):
        rng = random.Random(number)
        while not self.stop.is_set():
            try:
                with self.server.connect(read_timeout=20) as c, c.cursor() as cursor:
                    while not self.stop.is_set():
                        self.visit(cursor, rng)
                        time.sleep(rng.uniform(0, 2 * self.pause))
            except (pymysql.Error, OSError):
                time.sleep(0.1)

    def visit(self, cursor, rng):
        with self.mutex:
            self.next += 1
            number = self.next
        self.journal[number] = (time.time(), None)
        cursor.execute(f"START TRANSACTION; INSERT INTO load_db.journal VALUES ({number}, 'Befund {number} {'x' * rng.randrange(150)}');"
                       f"INSERT INTO load_db.patient (name) VALUES ('Patient {number}');"
                       f"UPDATE load_db.patient SET n=n+1 WHERE id % 97 = {rng.randrange(97)} LIMIT 3; COMMIT")
        while cursor.nextset():
            pass
        self.journal[number] = (self.journal[number][0], time.time())

    def change(self):
        i = 0
        while not self.stop.is_set():
            try:
                self.server.sql(f"CREATE TABLE load_db.t{i} (a INT); ALTER TABLE load_db.patient ADD COLUMN IF NOT EXISTS c{i % 5} INT, COMMENT='{i}';"
                                f"CREATE OR REPLACE USER u{i % 7}@localhost IDENTIFIED BY 'x{i}'; GRANT SELECT ON load_db.* TO u{i % 7}@localhost; DROP TABLE load_db.t{i}")
            except (pymysql.Error, OSError):
                pass
            i += 1
            self.stop.wait(0.5)

    def start(self):
        self.stop.clear()
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(self.clients)] + [threading.Thread(target=self.change)]
        for thread in self.threads:
            thread.start()
        return self

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        return self

    def run(self, seconds):
        self.start()
        time.sleep(seconds)
        return self.end()


def ids_of(server):
    return {row[0] for row in server.sql("SELECT id FROM load_db.journal")}


class Campaign:
    """problems: words about what was not right."""

    def __init__(self, practice, seed=1):
        self.p, self.rng, self.problems = practice, random.Random(seed), []
        self.counts = {"moments": 0, "kills": 0, "lost": 0}
        self.load = Load(practice.server)

    def moments(self, n):
        """Each restored elsewhere and compared with the journal: what was acknowledged before is there, what was sent after is not."""
        journal = self.load.journal
        first, last = min(sent for sent, _ in journal.values()), max(ack or 0 for _, ack in journal.values())
        for i in range(n):
            moment = self.rng.randint(int(first) + 2, int(last))
            text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))
            target = self.p.folder / f"moment-{i}"
            self.p.backup.job("restore", "into", "--to", text, target)
            look = MariaDB(self.p.folder / f"look-moment-{i}", datadir=target / "elexisdb", tcp=False).start()
            try:
                have = ids_of(look)
            finally:
                look.stop()
            missing = [k for k, (_, ack) in journal.items() if ack and ack < moment and k not in have]
            too_much = [k for k in have if k in journal and journal[k][0] >= moment]
            if missing or too_much:
                self.problems.append(f"{text}: {len(missing)} acknowledged before are missing, {len(too_much)} sent after are there")
            self.counts["moments"] += 1
        return self

    def kills(self, n):
        """The stream is killed under load, again and again; at the end every file of the server's is there, byte for byte."""
        stream = self.p.stream
        self.load.start()
        for _ in range(n):
            time.sleep(self.rng.uniform(0.05, 1.2))
            stream.kill()
            stream.start(settled=False)
            self.counts["kills"] += 1
        self.load.end()
        stream.caught_up(timeout=60)
        timeline = stream.timelines()[-1]
        begun = {i["file"] for i in stream.indices() if i["timeline"] == timeline}
        for name in sorted(begun):
            have, theirs = stream.have(timeline, name), server_file(self.p.server, name)
            if masked(have) != masked(theirs[:len(have)]):
                self.problems.append(f"{name} differs from the server's")
        if len(stream.timelines()) != 1:
            self.problems.append(f"{len(stream.timelines())} timelines: nothing was wrong with the server's log")
        return self

    def lost(self, n, seconds, allowed):
        """Under load the server dies and its data directory is gone; of what was acknowledged more than `allowed` seconds before its end
        nothing may be missing. allowed 0: nothing at all."""
        server, backup = self.p.server, self.p.backup
        for _ in range(n):
            self.load.start()
            time.sleep(self.rng.uniform(0.5, 1) * seconds)
            server.kill()
            died = time.time()
            self.load.end()
            time.sleep(1)  # the stream notices that nothing more comes
            backup.job("restore", "accept", exit=0) if backup.state.joinpath("restore.json").exists() else None
            for path in server.datadir.iterdir():
                self.p.remove(path)
            backup.job("restore", "run", "--to", "latest")
            have = ids_of(server)
            missing = [ack for k, (_, ack) in self.load.journal.items() if ack and k not in have]
            worst = max((died - ack for ack in missing), default=0)
            self.counts["lost"] += 1
            if worst > allowed or (allowed == 0 and missing):
                self.problems.append(f"{len(missing)} acknowledged are missing, the oldest {worst:.2f} s before the end")
            for k, (_, ack) in list(self.load.journal.items()):  # from now on that is what there is
                if k not in have:
                    del self.load.journal[k]
                elif not ack:
                    self.load.journal[k] = (0, died)
            self.p.stream.caught_up(timeout=60)
        return self

    def table(self):
        return "\n".join(["| what | rounds |", "|---|---|", *(f"| {k} | {v} |" for k, v in self.counts.items()),
                          f"| transactions acknowledged | {sum(1 for _, ack in self.load.journal.values() if ack)} |", f"| problems | {len(self.problems)} |"])
