"""A network that goes away, clients that die, blocks, holds, reloads and handovers, for long; and at every quiet moment the gate's sessions and
transactions are the server's. Needs root: server and gate live in a network namespace, the clients in another one, with a veth pair in between
that is taken down. The short form is test_rough_soak.py, the long one scripts/rough-soak.

    rough_soak.py SECONDS [SEED]                          all of it, in a namespace of its own
    rough_soak.py clients ADDRESS PORT CA FILE N SEED     the clients, as they are started in theirs
"""
import os
import pathlib
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE, THERE = "10.98.0.1", "10.98.0.2"
CLIENTS, STRETCH, WAIT = 24, 15, 90


# -- the clients' process -----------------------------------------------------------------------------------------------


class Client(threading.Thread):
    """Connects, works in transactions, errs, deadlocks, keeps silent, and goes in all the ways that there are."""

    paused = 0

    def __init__(self, address, port, ca, flag, rng):
        super().__init__(daemon=True)
        self.where, self.ca, self.flag, self.rng = (address, port), ca, pathlib.Path(flag), rng

    def run(self):
        import pymysql
        while True:
            try:
                c = pymysql.connect(host=self.where[0], port=self.where[1], user="soak", password="soak", database="soak", connect_timeout=10,
                                    read_timeout=15, write_timeout=15, ssl={"ca": self.ca, "check_hostname": False, "verify_mode": "required"})
                while self._step(c):
                    self._pause()
            except (pymysql.err.Error, OSError, EOFError, AttributeError):
                time.sleep(0.1 + self.rng.random())

    def _pause(self):
        if not self.flag.exists():
            return
        with open(self.flag.with_suffix(f".{os.getpid()}.{self.ident}"), "w", encoding="ascii"):
            pass
        while self.flag.exists():
            time.sleep(0.05)
        self.flag.with_suffix(f".{os.getpid()}.{self.ident}").unlink(missing_ok=True)

    def _run(self, c, sql):
        import pymysql
        try:
            with c.cursor() as cursor:
                cursor.execute(sql)
                cursor.fetchall()
        except pymysql.err.MySQLError as e:
            if e.args[0] not in (1062, 1213, 1205, 1146, 1050, 1644):
                raise

    def _step(self, c):
        """False: this connection is over."""
        rng = self.rng
        i = rng.randrange(1, 40)
        sql = rng.choice(["BEGIN", "COMMIT", "COMMIT", "ROLLBACK", f"UPDATE t SET v = v + 1 WHERE id = {i}", f"UPDATE t SET v = v + 1 WHERE id = {i}",
                          f"INSERT INTO t VALUES ({i}, 1)", "SELECT COUNT(*) FROM t", "SELECT seq, REPEAT('x', 400) FROM seq_1_to_3000", "CALL half()",
                          "SET autocommit = 0", "SET autocommit = 1", "TRUNCATE nowhere", "CREATE TABLE t (a INT)", "DO SLEEP(0.2)"])
        how = rng.random()
        if how > 0.03:
            self._run(c, sql)
            time.sleep(rng.random() * 0.1)
            return True
        sock = c._sock
        if how < 0.005:
            c.close()
        elif how < 0.02:  # dies, perhaps in mid-statement
            if how < 0.012:
                c._execute_command(3, sql)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c._force_close()
        else:
            c._execute_command(3, sql)
            c._force_close()
        return False


def clients_main(address, port, ca, flag, n, seed):
    rng = random.Random(int(seed))
    threads = [Client(address, int(port), ca, flag, random.Random(rng.random())) for _ in range(int(n))]
    for t in threads:
        t.start()
    while True:
        time.sleep(3600)


# -- the rest -----------------------------------------------------------------------------------------------------------


def run(*argv):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


class Rough:
    def __init__(self, folder, seed, clients=CLIENTS, say=print):
        from lib import mariadb
        from lib.certs import Pki
        from lib.gate import Gate
        self.folder, self.rng, self.seed, self.n, self.say = folder, random.Random(seed), seed, clients, say
        run("ip", "link", "set", "lo", "up")
        self.there = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there")
        while os.readlink(f"/proc/{self.there.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        run("ip", "link", "set", "there", "netns", str(self.there.pid))
        run("ip", "addr", "add", f"{HERE}/30", "dev", "here")
        run("ip", "link", "set", "here", "up")
        run(*self._inside("ip", "addr", "add", f"{THERE}/30", "dev", "there"))
        run(*self._inside("ip", "link", "set", "there", "up"))
        mariadb.install_template(folder / "template")
        self.server = mariadb.MariaDB(folder / "server", template=folder / "template", args=["--innodb-lock-wait-timeout=2"]).start()
        self.server.sql("CREATE DATABASE soak; USE soak; CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB")
        self.server.sql("CREATE PROCEDURE half() BEGIN INSERT IGNORE INTO t VALUES (50, 1); SIGNAL SQLSTATE '45000'; END", "soak")
        self.server.sql("INSERT INTO t SELECT seq, 0 FROM seq_1_to_30", "soak")
        self.server.add_user("soak", "soak", "ALL ON soak.*")
        self.pki = Pki(folder / "pki")
        # silent peers are given up after 6 and 7 s
        self.gate = Gate(folder / "gate", self.server, self.pki, listeners={"elexis": {"address": HERE}},
                         options={"proxy": {"keepalive": "2s"}, "log": {"level": "info"}}).start()
        self.old = []
        self.flag = folder / "pause"
        self.clients = subprocess.Popen(self._inside(sys.executable, __file__, "clients", HERE, str(self.gate.port), str(self.pki.ca_file),
                                                     str(self.flag), str(clients), str(seed)))
        self.counts = {}

    def _inside(self, *argv):
        return ["nsenter", "-t", str(self.there.pid), "-n", *argv]

    def close(self):
        for p in (self.clients, self.there):
            p.kill()
            p.wait()
        for child in [*self.old, self.gate.process]:
            child.kill()
        self.server.kill()

    def _disturb(self):
        from test_handover import take_over
        what = self.rng.choice(["cut", "cut", "cut", "block", "hold", "hold", "reload", "kill", "handover"])
        self.counts[what] = self.counts.get(what, 0) + 1
        if what == "cut":
            run("ip", "link", "set", "here", "down")
            time.sleep(self.rng.choice((0.2, 1, 3, 9)))
            run("ip", "link", "set", "here", "up")
        elif what == "block":
            self.gate.control({"cmd": "block", "grace_ms": self.rng.choice((0, 300)), "reason": "Dauerlauf"}, check=False)
            time.sleep(self.rng.random())
            self.gate.control("open", check=False)
        elif what == "hold":
            with self.gate.watch() as w:
                w.send({"cmd": "hold", "timeout_ms": 1500, "max_ms": 3000})
                while "held" not in (answer := w.receive()) and "error" not in answer:
                    pass
                if answer.get("held"):
                    time.sleep(0.3)  # INNODB_TRX is a snapshot that may be 0.1 s old
                    if n := self._open_on_server():
                        raise RuntimeError(f"held, and the server has open transactions: {n}; {self.gate.idle()}; {self.gate.sessions()}")
        elif what == "kill":
            sessions = self.gate.sessions()
            if sessions:
                self.gate.control({"cmd": "kill", "session": self.rng.choice(sessions)["id"]}, check=False)
        elif what == "handover":
            self.old.append(take_over(self.gate))
        else:
            self.gate.control("reload")

    def _open_on_server(self):
        return sorted(row[0] for row in self.server.sql("SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE trx_rows_modified > 0"))

    def stretch(self, seconds):
        """Disturbed for so long, then a quiet moment at which both sides must agree."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._disturb()
            time.sleep(self.rng.random() * 1.5)
        self._quiet()

    def _facts(self):
        """What differs; empty: nothing."""
        sessions = [s for s in self.gate.sessions() if s["state"] in ("relay", "finishing")]
        idle = self.gate.idle()
        mine = {s["thread_id"] for s in sessions}
        theirs = {row[0] for row in self.server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'soak'")}
        open_here = {s["thread_id"] for s in sessions if s["in_transaction"] is not False}
        open_there = {row[0] for row in self.server.sql("SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX")}
        wrong = []
        if mine != theirs:
            wrong.append(f"sessions: only at the gate {mine - theirs}, only at the server {theirs - mine}")
        if not open_there <= open_here:
            wrong.append(f"transactions that only the server knows: {open_there - open_here}")
        if idle["transactions"] != len(open_here) or idle["transactions_unknown"]:
            wrong.append(f"{len(open_here)} sessions with a transaction, counted {idle['transactions']} and {idle['transactions_unknown']}")
        if idle["sessions"] != len(sessions) or idle["in_flight"] or idle["write_in_flight"]:
            wrong.append(f"{len(sessions)} sessions, counted {idle}")
        return wrong

    def _quiet(self):
        self.flag.touch()
        deadline = time.monotonic() + WAIT
        while len(list(self.folder.glob("pause.*"))) < self.n or self._facts():
            if time.monotonic() > deadline:
                sockets = subprocess.run(["ss", "-tnoi"], capture_output=True, text=True).stdout
                theirs = subprocess.run(self._inside("ss", "-tnoi"), capture_output=True, text=True).stdout
                odd = [s for s in self.gate.sessions() if s["in_flight"] or s["state"] != "relay"]
                raise RuntimeError(f"seed {self.seed}: {len(list(self.folder.glob('pause.*')))} of {self.n} pause; {self._facts()}; {odd}\n"
                                   f"here:\n{sockets}\nthere:\n{theirs}")
            time.sleep(0.2)
        # What the gate takes for open without InnoDB: BEGIN alone, or autocommit off behind a read. A second look, without the first one's luck.
        self.say(f"quiet: {len(self.gate.sessions())} sessions, {self.gate.idle()['transactions']} open, so far {self.counts}")
        self.flag.unlink()
        for child in [*self.old, self.gate.process]:
            if "check failed" in child.log() or "dialogue-lost" in child.log():
                raise RuntimeError("a process failed:\n" + child.log()[-3000:])


def main(seconds, seed):
    if os.environ.get("ROUGH_SOAK") != "inside":
        os.environ["ROUGH_SOAK"] = "inside"
        os.execvp("unshare", ["unshare", "-n", sys.executable, "-u", __file__, str(seconds), str(seed)])
    folder = pathlib.Path(tempfile.mkdtemp(prefix="elexgate-rough-"))
    rough, begun = Rough(folder, seed), time.monotonic()
    try:
        while time.monotonic() - begun < seconds:
            rough.stretch(min(STRETCH, seconds))
            print(f"{time.monotonic() - begun:6.0f} s", flush=True)
    except Exception:
        print(f"failed; files in {folder}")
        raise
    finally:
        rough.close()
    shutil.rmtree(folder, ignore_errors=True)
    print("good")


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    if sys.argv[1] == "clients":
        clients_main(*sys.argv[2:])
    else:
        main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time()))
