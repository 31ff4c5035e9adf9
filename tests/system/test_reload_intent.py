"""A reload finds a file that was emptied, cut off, or lacks what it had: nothing opens that was closed."""
import signal

import pytest

from lib import process
from lib.backup import Backup
from lib.console import Console

pytestmark = pytest.mark.sanitize


def test_every_prefix_of_a_valid_file(make_gate, server):
    gate = make_gate(server, listeners={"elexis": {"deny": "192.0.2.0/24", "allow": "127.0.0.0/8", "announce": "server"}})
    whole = gate.config.read_bytes()
    shown = gate.status()["listeners"]
    # Byte by byte is the unit test's (test_config_intent.c); here through the program: around each line's ends, and in between.
    places = {0, len(whole) // 2} | {i + d for i, b in enumerate(whole) if b == 10 for d in (-3, 0)}
    for n in sorted(p for p in places if p >= 0):
        gate.config.write_bytes(whole[:n])
        answer = gate.control("reload", check=False)
        if answer["ok"]:
            assert answer["changed"] == answer["restart_needed"] == [], n
        assert gate.status()["listeners"] == shown, n
    gate.config.write_bytes(b"")
    gate.process.signal(signal.SIGHUP)  # what logrotate does
    gate.wait_log("event=reload-failed")
    gate.connect().close()
    refused = gate.control("upgrade", check=False)
    assert not refused["ok"] and "reload --force" in refused["error"]
    gate.config.write_bytes(whole)
    gate.control("reload")


def test_an_option_of_an_earlier_version_is_told_and_passed_over(make_gate, server):
    gate = make_gate(server, options={"proxy": {"user_timeout": "3m"}})
    line = 1 + (gate.folder / "elexgate.ini").read_text().splitlines().index("user_timeout = 3m")
    assert gate.log.count("event=retired-option") == 1 and f"elexgate.ini:{line}: [proxy] user_timeout is passed over" in gate.log
    done = gate.cli("config", "check")
    assert f"elexgate.ini:{line}: [proxy] user_timeout" in done.stderr and done.returncode == 0
    gate.cli("reload")
    process.wait_until(lambda: gate.log.count("event=retired-option") == 2, what="said again")


def test_an_option_taken_out_needs_a_word(make_gate, server):
    gate = make_gate(server, options={"proxy": {"max_sessions": 17}})
    del gate.sections["proxy"]["max_sessions"]
    gate.write_config()
    refused = gate.cli("reload", check=False)
    assert refused.returncode != 0 and "[proxy] max_sessions" in refused.stderr and "elexgate reload --force" in refused.stderr
    assert "[proxy] max_sessions" in gate.cli("reload", "--force").stdout
    gate.cli("reload")


def test_keeper_and_console(folder, server, pki):
    b = Backup(folder / "b", server, options={"retention": {"keep": "14"}, "audit": {"keep": "400d"}}).start_keeper()
    console = Console(folder / "c", pki, sections={"log": {"level": "debug"}}).start()
    whole = b.config.read_bytes()
    for n in (0, whole.index(b"[retention]"), len(whole) - 5):
        b.config.write_bytes(whole[:n])
        assert not b.call("reload", check=False)["ok"], n
    b.config.write_bytes(whole)
    b.cli("config", "set", "retention.keep=")  # taken out by our own editor: meant
    assert b"keep = 14" not in b.config.read_bytes() and b.call("reload")["changed"] == []
    b.stop_keeper()

    text = console.config.read_text()
    console.config.write_text(text.replace("level = debug", ""))
    console.process.signal(signal.SIGHUP)
    console.process.wait_log("event=reload-failed")
    assert "[log] level" in console.process.log()
    console.stop()
