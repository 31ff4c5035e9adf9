"""The dialogue follower (proxy/wire/dialogue.h) against real clients and a real server.

A forwarder records what both send; dialogue-follow reads the recordings. It must never lose the thread, must see every
answer end, must know of every open transaction, and must say the same whichever pieces the bytes come in.
"""
import collections
import json
import os
import pathlib
import shutil

import pymysql
import pytest

import clients_matrix as matrix
from lib import mariadb, paths, process
from lib import rawclient as raw
from lib.recorder import Recorder

FOLLOW = paths.BUILD / "tests" / "tools" / "dialogue-follow"
READ, WRITE, ANSWERED, QUIT, USER, DB, LOST, FULL, LATE = (1 << n for n in range(9))
CLIENTS = [name for name in matrix.SCENARIOS]
# Not a matter of the command phase, or not to be recorded: TLS, logins that fail, compression.
LEFT_OUT = {"tls", "wrong_ca", "wrong_password", "unknown_database", "compress"}
KILLED = {"sleep", "kill_idle", "cancelled"}

Followed = collections.namedtuple("Followed", "pieces end")


def follow(recording):
    """What dialogue-follow says: [piece ...] and the end."""
    lines = [json.loads(line) for line in process.run([FOLLOW, recording.path], timeout=300).stdout.splitlines()]
    assert lines[-1].get("end")
    return Followed(lines[:-1], lines[-1])


def check_followed(recording):
    followed = follow(recording)
    assert followed.end["lost"] == ""
    return followed


def was_killed(followed):
    """The server closes a killed connection without an answer to what runs."""
    return followed.end["outstanding"] == 1 and followed.pieces[-1]["from"] == "client"


@pytest.fixture(scope="module")
def programs():
    return matrix.build_programs()


@pytest.fixture(scope="module")
def files(session_folder):
    folder = session_folder / "dialogue-files"
    folder.mkdir()
    return matrix.Files(folder)


@pytest.fixture(scope="module")
def server(session_folder, template):
    server = mariadb.MariaDB(session_folder / "dialogue-db", template,
                             args=["--local-infile=1", "--plugin-load-add=auth_ed25519", "--log-bin", "--server-id=1", matrix.LONG_PACKETS])
    server.start()
    matrix.set_up(server)
    yield server
    server.kill()


@pytest.fixture
def recorder(server, folder):
    with Recorder(server.socket, folder / "recordings") as recorder:
        yield recorder


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
def test_real_clients(recorder, programs, files, server, client, folder):
    scenarios = [s for s in matrix.SCENARIOS[client] if s not in LEFT_OUT]
    target = matrix.Target("recorded", "127.0.0.1", recorder.port, "", "", "off")
    results = matrix.run(programs[client], target, f"recorded-{client}", scenarios, server, files)
    assert len(recorder.recordings) >= 1
    wrong = {s: r["error"] for s, r in results.items() if "error" in r and s not in KILLED}
    assert not wrong
    keep = os.environ.get("ELEXGATE_KEEP_RECORDINGS")
    if keep:
        (pathlib.Path(keep) / f"{client}.login").write_bytes(recorder.recordings[0].login)
        (pathlib.Path(keep) / f"{client}.greeting").write_bytes(recorder.recordings[0].greeting)
        shutil.copytree(recorder.folder, pathlib.Path(keep) / client, dirs_exist_ok=True)
    all_followed = [check_followed(recording) for recording in recorder.recordings]
    unanswered = [f for f in all_followed if f.end["outstanding"] > 0]
    assert len(unanswered) <= len(KILLED & set(scenarios)) and all(map(was_killed, unanswered))
    assert sum(f.end["reads"] for f in all_followed) > 0
    assert sum(f.end["writes"] for f in all_followed) > 0 or client == "mariadb-dump"


# A statement, what the follower must call it, and whether the server then holds a transaction open is asked after each.
STATEMENTS = [
    ("CREATE OR REPLACE TABLE follow (id INT PRIMARY KEY, a INT)", WRITE),
    ("INSERT INTO follow VALUES (1, 1), (2, 2)", WRITE),
    ("BEGIN", READ),
    ("SELECT * FROM follow", READ),
    ("COMMIT", READ),
    ("BEGIN", READ),
    ("UPDATE follow SET a = a + 1", WRITE),
    ("SELECT * FROM follow", READ),
    ("SAVEPOINT s", READ),
    ("INSERT INTO follow VALUES (1, 1)", WRITE),  # a duplicate
    ("ROLLBACK TO SAVEPOINT s", WRITE),
    ("COMMIT", WRITE),
    ("START TRANSACTION READ ONLY", READ),
    ("SELECT * FROM follow", READ),
    ("ROLLBACK", READ),
    ("SET autocommit = 0", READ),
    ("SELECT * FROM follow FOR UPDATE", READ),
    ("COMMIT", READ),
    ("DELETE FROM follow WHERE id = 2", WRITE),
    ("ROLLBACK AND CHAIN", WRITE),
    ("ROLLBACK", WRITE),
    ("UPDATE follow SET a = 7", WRITE),
    ("SET autocommit = 1", WRITE),
    ("BEGIN", READ),
    ("INSERT INTO follow VALUES (3, 3)", WRITE),
    ("CREATE OR REPLACE TABLE follow2 (id INT)", WRITE),  # commits
    ("SELECT 1; INSERT INTO follow VALUES (4, 4)", LATE),
    ("SELECT 1; SELECT 2", LATE),
    ("/* c */ (SELECT 1)", READ),
    ("/*!40101 SET NAMES utf8mb4 */", READ),
    ("SET STATEMENT max_statement_time = 5 FOR SELECT 1", READ),
    ("SET STATEMENT max_statement_time = 5 FOR UPDATE follow SET a = 8", WRITE),
    ("BEGIN NOT ATOMIC UPDATE follow SET a = 9; END", WRITE),
    ("EXPLAIN UPDATE follow SET a = 10", READ),
    ("ANALYZE UPDATE follow SET a = 11", WRITE),
    ("WITH x AS (SELECT * FROM follow) SELECT * FROM x", READ),
    ("SELECT broken FROM nowhere", READ),
    ("CHECKSUM TABLE follow", READ),
    ("DO RELEASE_LOCK('x')", READ),
    ("LOCK TABLES follow WRITE", WRITE),
    ("UNLOCK TABLES", READ),
    ("CALL two_results()", WRITE),
    ("SET PASSWORD = PASSWORD('')", WRITE),
    ("DROP TABLE follow2", WRITE),
]


def exchanges(pieces):
    """Groups pieces into (events, the piece that ended it): what a client sent and what the server answered."""
    groups = []
    for before, piece in zip([{"from": "server"}, *pieces], pieces):
        if piece["from"] == "client" and before["from"] == "server":
            groups.append([0, None])
        groups[-1][0] |= piece["events"]
        groups[-1][1] = piece
    return groups


def binlog_position(server):
    return server.sql("SHOW MASTER STATUS")[0][:2]


@pytest.mark.sanitize
def test_reads_writes_and_transactions(recorder, server):
    asked, moved = [], []
    c = pymysql.connect(host="127.0.0.1", port=recorder.port, user="root", database=matrix.DATABASE, autocommit=None,
                        client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
    with c, c.cursor() as cursor:
        for sql, _ in STATEMENTS:
            before = binlog_position(server)
            try:
                cursor.execute(sql)
                while cursor.nextset():
                    pass
            except pymysql.err.MySQLError:
                pass
            moved.append(binlog_position(server) != before)
            cursor.execute("SELECT @@in_transaction")
            asked.append(bool(cursor.fetchone()[0]))
    followed = check_followed(recorder.recordings[0])
    groups = exchanges(followed.pieces)[-2 * len(STATEMENTS) - 1:-1]  # the last is COM_QUIT
    for (sql, kind), (events, last), in_transaction, wrote in zip(STATEMENTS, groups[::2], asked, moved):
        assert events & (READ | WRITE | LATE) == (kind | READ if kind == LATE else kind), sql
        # An error that may have moved the transaction leaves it unknown (null), and what is said is true.
        assert last["in_transaction"] in (in_transaction, None) and (last["in_transaction"] is not None or last["error"]), sql
        assert last["outstanding"] == 0 and last["between"], sql
        # The second witness: what the server wrote to its binary log was called a write.
        assert kind != READ or not wrote, sql
    assert sum(moved) > 10


CAPS = [raw.USUAL, raw.USUAL | raw.DEPRECATE_EOF, raw.USUAL | raw.CACHE_METADATA,
        raw.USUAL | raw.CACHE_METADATA | raw.DEPRECATE_EOF]


@pytest.mark.sanitize
@pytest.mark.parametrize("caps", CAPS, ids=["plain", "no-eof", "cached-metadata", "cached-metadata-no-eof"])
def test_every_form_of_answer(recorder, server, caps):
    """Commands that drivers seldom send; each answer must end exactly where the next one begins."""
    answers = []
    with raw.RawClient("127.0.0.1", recorder.port, caps) as c:
        def ask(payload, kind=0):
            answers.append((payload[:1], kind))
            c.command(payload, b"\x09")  # STATISTICS right behind: its answer shows where this one ended
            packets = [c.packet()]
            while not packets[-1].startswith(b"Uptime: "):
                packets.append(c.packet())
            return packets[:-1]

        number = ask(b"\x16SELECT 7 AS a, ? AS b")[0][1:5]
        second = ask(b"\x16UPDATE elx_clients.things SET num = 1 WHERE id = ?")[0][1:5]
        typed, untyped = b"\1\0\0\0\0\1\x08\0" + bytes(8), b"\1\0\0\0\0\0" + bytes(8)
        ask(b"\x17" + number + b"\0" + typed, READ)
        again = ask(b"\x17" + number + b"\0" + untyped, READ)
        ask(b"\x17" + second + b"\0" + typed, WRITE)
        ask(b"\x17" + number + b"\1" + untyped, READ)  # opens a cursor
        ask(b"\x1c" + number + b"\5\0\0\0")
        ask(b"\x1c" + number + b"\5\0\0\0")
        ask(b"\x17" + number + b"\1" + untyped, READ)  # and one that stays open
        ask(b"\x03SELECT 8", READ)
        for payload in (b"\x1a" + number, b"\x1b\0\0", b"\x0d", b"\x0a", b"\x0e", b"\x04nothing\0", b"\x02mysql",
                        b"\x0c\xff\xff\0\0"):
            ask(payload)
        ask(b"\x1f", WRITE)  # it rolls back, and behind an error nobody knows whether there is anything
        ask(b"\x17" + number + b"\0" + typed, WRITE)  # forgotten by the reset
        ask(b"")
        ask(b"\x05created", WRITE)
    # With cached metadata the two definitions are left out the second time; the EOF behind them is not.
    eofs = 1 if caps & raw.DEPRECATE_EOF else 2
    assert len(again) == 1 + (0 if caps & raw.CACHE_METADATA else 2) + 1 + eofs
    groups = exchanges(check_followed(recorder.recordings[0]).pieces)
    assert len(groups) == len(answers)
    for (command, kind), (events, last) in zip(answers, groups):
        assert events & (READ | WRITE | LATE | ANSWERED) == kind | ANSWERED, command
        assert last["between"], command


def test_change_user_to_another_plugin(recorder, programs, server):
    """The server switches to ed25519: the client's proof is no command."""
    server.add_user("elx_ed", matrix.PASSWORD, plugin="ed25519")
    target = matrix.Target("recorded", "127.0.0.1", recorder.port, "", "", "off")
    scenario = f"change_user:elx_ed:{matrix.PASSWORD}"
    result = matrix.run(programs["libmariadb"], target, "recorded-ed", [scenario], server)[scenario]
    assert result["user"].startswith("elx_ed@")
    groups = exchanges(check_followed(recorder.recordings[0]).pieces)
    assert sum(bool(events & USER) for events, _ in groups) == 1
    assert max(last["outstanding"] for _, last in groups) == 1


def test_a_binlog_stream(recorder, server):
    name = binlog_position(server)[0]
    done = process.run(["mariadb-binlog", "--no-defaults", "--read-from-remote-server", "--host=127.0.0.1", "--user=root",
                        f"--port={recorder.port}", "--skip-ssl", name])
    assert "CREATE TABLE" in done.stdout
    streamed = max(recorder.recordings, key=lambda r: r.path.stat().st_size)
    assert check_followed(streamed).end["outstanding"] == 0
