"""The fence by itself: the measurement of the design, repeated, and what must not pass it.

The copying is done by tar, so that only the fence is under test. Backups as a whole: test_backup.py.
"""
import json
import os
import select
import subprocess
import threading
import time

import pytest

from lib import load, paths, process

TOOL = paths.BUILD / "tests" / "tools" / "fence-tool"
SETTLE = int(os.environ.get("ELEXGATE_TEST_SETTLE_MS", "12000"))


class Fence:
    """fence-tool with its conversation."""

    def __init__(self, server, folder, *args, settle=0):
        self.popen = subprocess.Popen([TOOL, server.socket, "root", folder / "globals.json", f"settle_ms={settle}", *args],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def receive(self, timeout=90):
        ready, _, _ = select.select([self.popen.stdout], [], [], timeout)
        assert ready, "fence-tool says nothing"
        return json.loads(self.popen.stdout.readline())

    def say(self, text=""):
        self.popen.stdin.write(text + "\n")
        self.popen.stdin.flush()

    def held(self):
        event = self.receive()
        if event["event"] == "ready":
            event = self.receive()
        assert event["event"] == "held", event
        return event

    def check(self, changed=False):
        self.say("check changed" if changed else "check")
        return self.receive()

    def end(self):
        self.popen.stdin.close()
        code = self.popen.wait(60)
        self.popen.stdout.close()
        return code


@pytest.fixture
def fence(folder):
    started = []

    def make(server, *args, **kwargs):
        started.append(Fence(server, folder, *args, **kwargs))
        return started[-1]

    yield make
    for f in started:
        f.popen.kill()
        f.popen.wait()


def settings(server):
    return server.sql("SELECT @@innodb_stats_auto_recalc, @@aria_checkpoint_interval, @@innodb_max_dirty_pages_pct, "
                      "@@innodb_io_capacity, @@innodb_io_capacity_max")


def tar_copy(server, target):
    """Stock tar, in the order that the fence asks for. Returns tar's exit status."""
    target.mkdir()
    names = sorted(n for n in os.listdir(server.datadir) if n not in ("ibtmp1", "aria_log_control", "ib_logfile0"))
    order = ["aria_log_control", *names, "ib_logfile0"]
    packed = target.parent / "copy.tar"
    status = subprocess.run(["tar", "-C", server.datadir, "-cf", packed, *order], stderr=subprocess.DEVNULL).returncode
    subprocess.run(["tar", "-C", target, "-xf", packed], stderr=subprocess.DEVNULL, check=False)
    packed.unlink()
    return status


SERVERS = {
    "plain": [],
    "binary log and undo tablespaces": ["--log-bin", "--innodb-undo-tablespaces=3"],
    "encrypted": ["--plugin-load-add=file_key_management", "--file-key-management-filename={folder}/keys", "--innodb-encrypt-tables=ON",
                  "--innodb-encrypt-log=ON", "--aria-encrypt-tables=ON", "--innodb-encryption-threads=0"],
}


@pytest.mark.parametrize("args", SERVERS.values(), ids=SERVERS)
def test_a_copy_under_the_fence_is_whole(make_server, folder, fence, args):
    """Load up to the hold; the copy starts without recovery, equal in all tables, with every acknowledged commit."""
    (folder / "keys").write_text("1;770A8A65DA156D24EE2A093277530142\n")
    args = [arg.format(folder=folder) for arg in args]
    server = make_server(args=args)
    work = load.Load(server).setup().start()
    f = fence(server, "ask", settle=SETTLE)
    assert f.receive()["event"] == "ready"
    before = settings(server)
    work.pause()
    acknowledged = dict(work.acknowledged)
    f.say()
    held = f.held()
    tar_copy(server, folder / "copy")
    expected = load.checksums(server)
    verdict = f.check()
    assert f.end() == 0
    print(held, verdict, len(expected), "tables", sum(acknowledged.values()), "commits")
    assert verdict["verdict"] == "clean", verdict
    work.resume()
    work.stop()
    assert before != settings(server), "the statistics thread was not stopped"
    assert min(acknowledged.values()) > 0
    copy = make_server(datadir=folder / "copy", tcp=False, args=[*args, "--event-scheduler=OFF"])
    assert not load.recovered(copy), copy.log
    assert load.checksums(copy) == expected
    assert load.damaged(copy) == []
    assert work.lost(copy, acknowledged) == []


def test_the_same_check_catches_a_naive_copy(make_server, folder):
    """The negative control: tar of the live directory under the same load."""
    server = make_server()
    work = load.Load(server, pace=0.0005).setup().start()
    time.sleep(4)
    acknowledged = dict(work.acknowledged)
    tar_copy(server, folder / "copy")
    work.stop()
    copy = make_server(datadir=folder / "copy", tcp=False, start=False)
    try:
        copy.start()
    except (RuntimeError, TimeoutError):
        return  # it does not even start
    found = load.damaged(copy) + work.lost(copy, acknowledged)
    print("recovered" if load.recovered(copy) else "not recovered", found)
    assert found or load.recovered(copy)


@pytest.mark.sanitize
def test_settings_come_back(server, folder, fence):
    before = settings(server)
    f = fence(server)
    f.held()
    assert settings(server) != before
    assert f.check()["verdict"] == "clean"
    assert f.end() == 0
    assert settings(server) == before
    assert not (folder / "globals.json").exists()


@pytest.mark.parametrize("how", [[], ["old-server"]], ids=["checkpoint-now", "old-server"])
def test_settings_come_back_after_a_kill(server, folder, fence, how):
    before = settings(server)
    f = fence(server, *how)
    f.held()
    f.popen.kill()
    f.popen.wait()
    assert settings(server) != before
    assert (folder / "globals.json").exists()
    f = fence(server)
    f.held()
    f.check()
    assert f.end() == 0
    assert settings(server) == before


def test_without_checkpoint_now(make_server, folder, fence):
    """The way for servers that do not have innodb_log_checkpoint_now. Their last checkpoint cannot be asked for and may come
    in the middle of a copy, which is then rejected, and the next attempt is good."""
    server = make_server()
    work = load.Load(server).setup().start()
    before = settings(server)
    time.sleep(3)
    work.pause()
    for attempt in range(4):
        f = fence(server, "old-server", settle=SETTLE)
        print(f.held())
        assert server.value("SELECT @@innodb_max_dirty_pages_pct") == 90  # put back before copying
        tar_copy(server, folder / f"copy{attempt}")
        expected = load.checksums(server)
        verdict = f.check()
        assert f.end() == 0
        if verdict["verdict"] != "reject":
            break
    work.stop()
    assert verdict["verdict"] in ("clean", "recoverable"), verdict
    assert settings(server) == before
    copy = make_server(datadir=folder / f"copy{attempt}", tcp=False)
    assert verdict["verdict"] == "recoverable" or not load.recovered(copy)
    assert load.checksums(copy) == expected
    assert load.damaged(copy) == []


@pytest.mark.sanitize
def test_it_lets_go_for_a_writer(server, fence):
    """The longest wait of a writer is printed; the bench compares it with its goal."""
    server.sql("CREATE OR REPLACE DATABASE yields; CREATE TABLE yields.t (n INT PRIMARY KEY)")
    waits = []
    with server.connect() as c, c.cursor() as cursor:
        for n in range(10):
            f = fence(server)
            f.held()
            time.sleep(0.013 * n)
            start = time.monotonic()
            cursor.execute("INSERT INTO yields.t VALUES (%s)", (n,))
            waits.append(time.monotonic() - start)
            event = f.receive()
            assert event["event"] == "yielded" and "INSERT INTO yields.t" in event["text"], event
            assert f.end() == 4
    print(f"a writer waited {max(waits) * 1000:.0f} ms at most, {sum(waits) / len(waits) * 1000:.0f} ms on average")
    assert settings(server)[0][:2] == (1, 30)


def test_it_lets_go_while_it_waits_for_the_lock(server, fence):
    """A long statement keeps the lock from coming, and a writer behind the waiting lock must not pay for that."""
    server.sql("CREATE OR REPLACE DATABASE yields; CREATE TABLE yields.slow (n INT) ENGINE=MyISAM; CREATE TABLE yields.t (n INT) ENGINE=MyISAM")
    slow = threading.Thread(target=lambda: server.sql("INSERT INTO yields.slow SELECT SLEEP(5)"))
    slow.start()
    try:
        f = fence(server)
        process.wait_until(lambda: server.value(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'FLUSH TABLES WITH%'"), 30, "the lock is asked for")
        start = time.monotonic()
        server.sql("INSERT INTO yields.t VALUES (1)")
        print(f"a writer behind the waiting lock waited {(time.monotonic() - start) * 1000:.0f} ms")
        assert f.receive()["event"] == "ready"
        event = f.receive()
        assert event["event"] == "yielded" and "yields.t" in event["text"], event
        assert slow.is_alive(), "the writer waited for the long statement"
        assert f.end() == 4
    finally:
        slow.join(30)


def test_an_old_read_view_is_not_quiet(server, fence):
    server.sql("CREATE OR REPLACE DATABASE views; CREATE TABLE views.t (n INT PRIMARY KEY); INSERT INTO views.t VALUES (1)")
    with server.connect() as reader, reader.cursor() as r:
        r.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        server.sql("UPDATE views.t SET n = 2")
        f = fence(server)
        assert f.receive()["event"] == "ready"
        event = f.receive()
        assert event["event"] == "busy" and "history" in event["text"], event
        f.end()


def test_an_open_transaction_is_not_quiet(server, fence):
    server.sql("CREATE OR REPLACE DATABASE open_t; CREATE TABLE open_t.t (n INT PRIMARY KEY)")
    with server.connect() as writer, writer.cursor() as w:
        w.execute("BEGIN")
        w.execute("INSERT INTO open_t.t VALUES (1)")
        f = fence(server)
        assert f.receive()["event"] == "ready"
        event = f.receive()
        assert event["event"] == "busy" and "transaction" in event["text"], event
        f.end()
        w.execute("ROLLBACK")


def test_reads_go_on(server, fence):
    server.sql("CREATE OR REPLACE DATABASE readers; CREATE TABLE readers.t (n INT PRIMARY KEY); INSERT INTO readers.t VALUES (1)")
    f = fence(server)
    f.held()
    assert server.value("SELECT COUNT(*) FROM readers.t") == 1
    with server.connect() as c, c.cursor() as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute("SELECT * FROM readers.t")
        cursor.execute("COMMIT")
    assert f.check()["verdict"] == "clean"
    f.end()


def test_what_moves_under_the_lock_is_noticed(server, fence):
    server.sql("CREATE OR REPLACE DATABASE moves; CREATE TABLE moves.t (n INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO moves.t VALUES (1)")
    f = fence(server, "no-yield")
    f.held()
    server.sql("CREATE TEMPORARY TABLE moves.x (n INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO moves.x VALUES (1), (2)")
    verdict = f.check()
    print(verdict)
    assert verdict["verdict"] != "clean" and verdict["text"]
    f.end()


def test_pages_written_under_the_lock_reject_the_copy(server, fence):
    server.sql("CREATE OR REPLACE DATABASE moves; CREATE TABLE moves.t (n INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO moves.t VALUES (1)")
    f = fence(server, "no-yield")
    f.held()
    server.sql("CREATE TEMPORARY TABLE moves.x (n INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO moves.x VALUES (1), (2); "
               "SET GLOBAL innodb_log_checkpoint_now=ON")
    verdict = f.check()
    assert verdict["verdict"] == "reject", verdict
    f.end()


def test_a_changed_file_rejects_the_copy(server, fence):
    f = fence(server)
    f.held()
    assert f.check(changed=True)["verdict"] == "reject"
    f.end()


def test_a_lost_lock_rejects_the_copy(server, fence):
    f = fence(server, "no-yield")
    f.held()
    for (number,) in server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE ID<>CONNECTION_ID() AND COMMAND='Sleep'"):
        server.sql(f"KILL CONNECTION {number}")
    verdict = f.check()
    assert verdict["verdict"] == "reject" and "lost" in verdict["text"], verdict
    f.end()
