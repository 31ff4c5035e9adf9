"""The dialogue follower (proxy/wire/dialogue.h) against real clients and a real server.

A forwarder records what both send; dialogue-follow reads the recordings. It must never lose the thread, must see every
answer end, must know of every open transaction, and must say the same whichever pieces the bytes come in.
"""
import collections
import json
import os
import pathlib
import re
import shutil
import time

import pymysql
import pytest

import clients_matrix as matrix
from lib import mariadb, paths, process
from lib.recorder import Recorder

FOLLOW = paths.BUILD / "tests" / "tools" / "dialogue-follow"
READ, WRITE, ANSWERED, QUIT, USER, DB, LOST, FULL, LATE = (1 << n for n in range(9))
CLIENTS = [name for name in matrix.SCENARIOS]
# Not a matter of the command phase, or not to be recorded: TLS, logins that fail, compression.
LEFT_OUT = {"tls", "wrong_ca", "wrong_password", "unknown_database", "compress"}
KILLED = {"sleep", "kill_idle", "cancelled"}
pytestmark = pytest.mark.sanitize

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
                             args=["--local-infile=1", "--plugin-load-add=auth_ed25519", "--log-bin", "--server-id=1"])
    server.start()
    matrix.set_up(server)
    yield server
    server.kill()


@pytest.fixture
def recorder(server, folder):
    with Recorder(server.socket, folder / "recordings") as recorder:
        yield recorder


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
