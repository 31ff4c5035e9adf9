"""A load on a MariaDB server that stops and starts, with tables of every kind that a practice may have.

Load(server).setup() makes the database `load`; start() runs writers, a reader, DDL and transactions left open, over
connections of their own; pause() returns when every one of them stands between two transactions, resume() lets them go
on. What was acknowledged is counted, so that `lost(server)` can tell whether a copy misses any of it.
"""
import random
import threading
import time

import pymysql

TABLES = """
CREATE DATABASE load_db;
USE load_db;
CREATE TABLE plain (id INT AUTO_INCREMENT PRIMARY KEY, who INT, n BIGINT, body VARCHAR(500), big LONGBLOB, KEY (who)) ENGINE=InnoDB;
CREATE TABLE squeezed (id INT AUTO_INCREMENT PRIMARY KEY, who INT, body TEXT) ENGINE=InnoDB ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8;
CREATE TABLE page_squeezed (id INT AUTO_INCREMENT PRIMARY KEY, who INT, body TEXT) ENGINE=InnoDB PAGE_COMPRESSED=1;
CREATE TABLE words (id INT AUTO_INCREMENT PRIMARY KEY, who INT, body TEXT, FULLTEXT KEY (body)) ENGINE=InnoDB;
CREATE TABLE parts (id INT AUTO_INCREMENT PRIMARY KEY, who INT, body VARCHAR(200)) ENGINE=InnoDB PARTITION BY HASH (id) PARTITIONS 4;
CREATE TABLE transient_stats (id INT AUTO_INCREMENT PRIMARY KEY, who INT, body VARCHAR(200), KEY (body)) ENGINE=InnoDB STATS_PERSISTENT=0;
CREATE TABLE old (id INT AUTO_INCREMENT PRIMARY KEY, who INT, body TEXT, FULLTEXT KEY (body)) ENGINE=MyISAM;
CREATE TABLE aria_safe (id INT AUTO_INCREMENT PRIMARY KEY, who INT, body TEXT) ENGINE=Aria TRANSACTIONAL=1;
CREATE TABLE aria_fast (id INT AUTO_INCREMENT PRIMARY KEY, who INT, body TEXT) ENGINE=Aria TRANSACTIONAL=0;
CREATE TABLE log (who INT, n BIGINT, PRIMARY KEY (who, n)) ENGINE=InnoDB;
CREATE SEQUENCE numbers CACHE 20;
CREATE VIEW recent AS SELECT id, who FROM plain ORDER BY id DESC LIMIT 10;
CREATE TRIGGER plain_touch BEFORE UPDATE ON plain FOR EACH ROW SET NEW.n = COALESCE(OLD.n, 0) + 1;
CREATE PROCEDURE tidy() DELETE FROM plain WHERE id < 0;
CREATE EVENT nightly ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01' DO DELETE FROM plain WHERE id < 0;
"""
KINDS = ["plain", "squeezed", "page_squeezed", "words", "parts", "transient_stats", "old", "aria_safe", "aria_fast"]


class Load:
    def __init__(self, server, seed=1, writers=3, pace=0.002, connect=None):
        self.server, self.seed, self.writers, self.pace = server, seed, writers, pace
        self._connect = connect or (lambda: server.connect(database="load_db"))
        self._condition = threading.Condition()
        self._paused = self._stopping = False
        self._standing = 0
        self._threads = []
        self.acknowledged = {}   # writer -> highest number whose commit the server has acknowledged
        self.errors = []

    def setup(self):
        self.server.sql(TABLES)
        return self

    def start(self):
        for i in range(self.writers):
            self._thread(self._writer, i)
        self._thread(self._reader, 100)
        self._thread(self._ddl, 101)
        self._thread(self._slow_transaction, 102)
        return self

    def _thread(self, target, number):
        thread = threading.Thread(target=self._run, args=(target, number), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, target, number):
        try:
            connection = self._connect()
            try:
                target(connection, number, random.Random(self.seed * 1000 + number))
            finally:
                connection.close()
        except Exception as error:  # a thread that dies would be a load that silently is none
            self.errors.append(f"{target.__name__} {number}: {error!r}")
            with self._condition:
                self._threads.remove(threading.current_thread())
                self._condition.notify_all()

    def _gate(self):
        """Between two transactions: stands still while paused. False when the load ends."""
        with self._condition:
            self._standing += 1
            self._condition.notify_all()
            while self._paused and not self._stopping:
                self._condition.wait()
            self._standing -= 1
            return not self._stopping

    def pause(self):
        with self._condition:
            self._paused = True
            if not self._condition.wait_for(lambda: self._standing == len(self._threads), 60):
                raise TimeoutError("the load does not come to rest")

    def resume(self):
        with self._condition:
            self._paused = False
            self._condition.notify_all()

    def stop(self):
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        for thread in list(self._threads):
            thread.join(60)
        if self.errors:
            raise RuntimeError("; ".join(self.errors))

    def _writer(self, connection, me, rng):
        n = 0
        with connection.cursor() as c:
            while self._gate():
                if self._deadlock_free(c, lambda: self._write(c, me, n + 1, rng)):
                    n += 1
                    self.acknowledged[me] = n
                time.sleep(self.pace * rng.random() * 2)

    @staticmethod
    def _deadlock_free(c, transaction):
        """Runs a transaction; False when it was the victim of a deadlock, as clients of a database must expect."""
        try:
            transaction()
            return True
        except pymysql.err.OperationalError as error:
            if error.args[0] not in (1205, 1213):
                raise
            c.execute("ROLLBACK")
            return False

    @staticmethod
    def _write(c, me, n, rng):
        table = rng.choice(KINDS)
        text = " ".join(rng.choice(("Husten", "Fieber", "Rezept", "Labor", "Befund", "Röntgen")) for _ in range(rng.randint(5, 40)))
        c.execute("BEGIN")
        c.execute("INSERT INTO log VALUES (%s, %s)", (me, n))
        c.execute(f"INSERT INTO {table} (who, body) VALUES (%s, %s)", (me, text[:190]))
        what = rng.random()
        if what < 0.2:
            c.execute("INSERT INTO plain (who, n, body, big) VALUES (%s, NEXTVAL(numbers), %s, %s)", (me, text[:190], rng.randbytes(rng.randint(1, 60000))))
        elif what < 0.4:
            c.execute("UPDATE plain SET body = %s WHERE who = %s ORDER BY id DESC LIMIT 20", (text[:190], me))
        elif what < 0.5:
            c.execute(f"DELETE FROM {table} WHERE who = %s ORDER BY id LIMIT 3", (me,))
        c.execute("COMMIT")

    def _reader(self, connection, me, rng):
        with connection.cursor() as c:
            while self._gate():
                c.execute(rng.choice((
                    "SELECT COUNT(*), MAX(id) FROM plain", "SELECT * FROM recent", "SELECT COUNT(*) FROM old",
                    "SELECT COUNT(*) FROM words WHERE MATCH (body) AGAINST ('Husten')")))
                c.fetchall()
                time.sleep(0.01)

    def _ddl(self, connection, me, rng):
        n = 0
        with connection.cursor() as c:
            while self._gate():
                n += 1
                c.execute(f"CREATE TABLE scratch_{n} (id INT PRIMARY KEY, body TEXT) ENGINE={rng.choice(('InnoDB', 'Aria', 'MyISAM'))}")
                c.execute(f"INSERT INTO scratch_{n} VALUES (1, REPEAT('x', 5000))")
                c.execute(f"ALTER TABLE scratch_{n} ADD COLUMN more INT DEFAULT {n}")
                if n > 4:
                    c.execute(f"DROP TABLE scratch_{n - 4}")
                if n % 5 == 0:
                    c.execute("ALTER TABLE squeezed ENGINE=InnoDB")
                if n % 7 == 0:
                    c.execute("OPTIMIZE TABLE words")
                    c.fetchall()
                time.sleep(0.05)

    def _slow_transaction(self, connection, me, rng):
        """Leaves transactions open for a while; some are rolled back."""
        with connection.cursor() as c:
            while self._gate():
                self._deadlock_free(c, lambda: self._slow(c, rng))

    @staticmethod
    def _slow(c, rng):
        c.execute("BEGIN")
        c.execute("UPDATE plain SET body = 'in a long transaction' WHERE who = %s LIMIT 50", (rng.randrange(3),))
        c.execute("INSERT INTO parts (who, body) SELECT 102, LEFT(body, 190) FROM plain LIMIT 20")
        time.sleep(0.1)
        c.execute(rng.choice(("COMMIT", "ROLLBACK")))

    def lost(self, server, acknowledged):
        """Which of the acknowledged commits a copy does not have."""
        missing = []
        for who, n in acknowledged.items():
            count = server.value(f"SELECT COUNT(*) FROM load_db.log WHERE who = {who} AND n <= {n}")
            if count != n:
                missing.append(f"writer {who}: {n - count} of {n}")
        return missing


def tables(server):
    return server.sql("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE','SEQUENCE') "
                      "AND TABLE_SCHEMA NOT IN ('information_schema','performance_schema','sys') ORDER BY 1, 2")


def checksums(server):
    """{(schema, table): checksum} of all tables, read row by row."""
    result = {}
    with server.connect() as c, c.cursor() as cursor:
        for schema, name in tables(server):
            cursor.execute(f"CHECKSUM TABLE `{schema}`.`{name}` EXTENDED")
            result[schema, name] = cursor.fetchall()[0][1]
    return result


def damaged(server):
    """What CHECK TABLE EXTENDED complains about."""
    bad = []
    with server.connect() as c, c.cursor() as cursor:
        for schema, name in tables(server):
            try:
                cursor.execute(f"CHECK TABLE `{schema}`.`{name}` EXTENDED")
                bad += [row for row in cursor.fetchall() if row[2] in ("error", "warning") or (row[2] == "status" and row[3] != "OK")]
            except pymysql.err.MySQLError as error:
                bad.append((f"{schema}.{name}", "check", "error", str(error)))
    return [row for row in bad if "doesn't support check" not in str(row[3])]


def recovered(server):
    """True when InnoDB or Aria had to recover from a crash at the start. (With the binary log on a copy always says
    "Recovering after a crash using" that log: its last file is open while the server runs. That is not meant.)"""
    return "InnoDB: Starting crash recovery" in server.log or "Aria engine: starting recovery" in server.log
