"""elexgate restore for people: what it shows, the word that must be typed, the report; and for scripts."""
import json
import os
import pty
import select
import subprocess
import time

import pytest

from lib import paths
from lib.restore import Site, hashes


@pytest.fixture
def site(folder, make_server, make_gate):
    server = make_server()
    return Site(folder, server, make_gate(server, options={"proxy": {"grace": "200ms"}})).prepare()


def on_a_terminal(site, *args, answer=None, language="C.UTF-8", timeout=120):
    """Runs the command on a terminal, types the answer when it is asked. Returns (exit code, all that was shown)."""
    leader, follower = pty.openpty()
    env = dict(os.environ, LC_ALL=language, COLUMNS="160")
    child = subprocess.Popen([paths.CLI, "--config", site.backup.config, *args], stdin=follower, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    shown, typed, deadline = b"", False, time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not select.select([leader], [], [], 0.2)[0]:
            continue
        try:
            data = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        shown += data
        if answer is not None and not typed and (b"cancels" in shown or "bricht ab".encode() in shown):
            os.write(leader, answer.encode() + b"\n")
            typed = True
    os.close(leader)
    return child.wait(20), shown.decode(errors="replace")


def test_shows_asks_restores_and_reports(site):
    with site.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        code, shown = on_a_terminal(site, "restore", "latest", answer="restore")
    assert code == 0, shown
    for words in ("elexisdb", "10.11", "load_db.plain", "501", "500", "practice  127.0.0.1", "1 connections", "letting clients in",
                  "kept out for", str(site.staging[0]), "restore undo"):
        assert words in shown, f"{words!r} is not in:\n{shown}"
    assert site.side() == "new"
    code, shown = on_a_terminal(site, "restore", "undo", answer="undo")
    assert code == 0 and "from before the restore" in shown, shown
    assert site.side() == "old"
    code, shown = on_a_terminal(site, "restore", "accept", answer="accept")
    assert code == 0, shown
    site.nothing_left()


def test_in_german(site):
    code, shown = on_a_terminal(site, "restore", "latest", answer="wiederherstellen", language="de_CH.UTF-8")
    assert code == 0, shown
    assert "Niemand ist verbunden" in shown and "ausgesperrt" in shown and "VERLOREN" in shown, shown
    assert site.side() == "new"
    code, shown = on_a_terminal(site, "restore", "status", language="de_CH.UTF-8")
    assert code == 0 and "in Betrieb" in shown, shown


@pytest.mark.parametrize("answer", ["yes", "", "Restore", "restore please"])
def test_another_word_cancels(site, answer):
    code, shown = on_a_terminal(site, "restore", "latest", answer=answer)
    assert code == 10 and "nothing was changed" in shown, shown
    assert site.side() == "old" and site.documents_now == hashes(site.documents)
    site.nothing_left()


def test_without_a_terminal(site):
    for args in (["latest"], ["undo"], ["accept"], ["--sql", "x.sql"]):
        assert "--yes" in site.backup.cli("restore", *args, exit=2).stderr
    site.backup.cli("restore", exit=2)
    site.backup.cli("restore", "undo", "latest", exit=2)
    assert site.side() == "old"
    lines = [json.loads(line) for line in site.backup.cli("restore", "latest", "--yes").stdout.splitlines()]
    assert lines[-1]["done"] and lines[-1]["ok"]
    assert site.side() == "new"
    status = json.loads(site.backup.cli("--json", "restore", "status").stdout)
    assert status["phase"] == "kept" and status["new_live"]
    site.backup.cli("restore", "undo", "--yes")
    site.backup.cli("restore", "accept", "--yes")
    assert site.side() == "old"
    site.backup.cli("restore", "recover")
    site.nothing_left()
