"""A name server that is silent: logins go on with the last good address, and no healthy server is called DOWN."""
import os
import shutil

import pytest

from lib import paths, process
from lib.nameserver import NameServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root, for a mount namespace")


@pytest.fixture
def dns(folder):
    n = NameServer(folder, {"db.practice.test": "127.0.0.1"})
    yield n
    n.close()


def start(gate, dns, monkeypatch):
    child = process.Child
    monkeypatch.setattr(process, "Child", lambda name, argv, *a, **kw: child(name, dns.wrap(argv), *a, **kw))
    gate.start()
    monkeypatch.undo()


def test_logins_go_on_with_the_last_good_address(make_gate, server, dns, monkeypatch):
    gate = make_gate(server, start=False, options={"database": {"socket": None, "host": "db.practice.test", "port": server.port}})
    start(gate, dns, monkeypatch)
    gate.connect().close()
    dns.silent = True
    asked = dns.asked
    # until the answer is no longer fresh and a look-up has begun, which takes glibc ten seconds
    process.wait_until(lambda: gate.connect().close() or dns.asked > asked, 30, "asked again")
    for _ in range(3):
        gate.connect().close()
    assert "event=name-server" not in gate.log, "the logins waited for the look-up"
    gate.wait_log("event=name-server host=db.practice.test", 40)  # in words, once
    gate.connect().close()
    assert "its last address is used on" in gate.log and gate.log.count("event=name-server") == 1


def test_no_healthy_server_is_down(make_gate, server, make_server, dns, monkeypatch):
    gate = make_gate(start=False, options={
        "database": {"probe_interval": "200ms", "probe_timeout": "1s", "probe_fall": "2"},
        "backend named": {"host": "db.practice.test", "port": server.port},
        "backend number": {"host": "127.0.0.1", "port": server.port},
        **{f"backend dead{i}": {"host": f"dead{i}.practice.test", "port": 3306} for i in range(6)}})
    start(gate, dns, monkeypatch)
    states = lambda: {b["name"]: b["state"] for b in gate.status()["backends"]}
    process.wait_until(lambda: states()["named"] == states()["number"] == "alive", 20, "both answer")
    dns.silent = True
    asked = dns.asked
    process.wait_until(lambda: dns.asked > asked + 4, 60, "the name server is asked in vain")
    process.wait_until(lambda: "host=db.practice.test" in gate.log, 60, "the look-up has failed")
    assert states()["named"] == states()["number"] == "alive", gate.status()["backends"]
    assert "name=named" not in "".join(line for line in gate.log.splitlines() if "state=down" in line)
    gate.connect().close()
