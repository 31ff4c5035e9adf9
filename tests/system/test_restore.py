"""A restore brings everything or nothing: what was backed up, what is there now, and no third thing."""
import json
import os

import pytest

from lib import process
from lib.backup import event
from lib.restore import Client, Site, hashes


@pytest.fixture
def site(folder, make_server, make_gate):
    server = make_server()
    gate = make_gate(server, options={"proxy": {"grace": "200ms"}})
    yield Site(folder, server, gate)


def test_under_ten_clients(site):
    """They are told why they wait, are back afterwards, and find the data of the backup."""
    site.prepare()
    clients = [Client(site) for _ in range(10)]
    for client in clients:
        client.start()
    process.wait_until(lambda: all(c.acknowledged > 3 for c in clients), what="all clients at work")
    lines = site.job("run", "latest")
    process.wait_until(lambda: all(c.after_restore > 3 for c in clients), what="all clients at work again")
    for client in clients:
        client.end.set()
    for client in clients:
        client.join(20)
    words = " ".join(w for c in clients for w in c.words)
    assert "wiederhergestellt" in words and "restored" in words, words[:2000]
    assert event(lines, "restored")[0]["blocked_ms"] > 0
    print("blocked", event(lines, "restored")[0]["blocked_ms"], "ms", site.phases(lines))
    sums = site.sums()
    changed = {k for k in set(sums) | set(site.then) if sums.get(k) != site.then.get(k)}
    assert changed <= {("load_db", "visits")}, changed
    assert site.documents_then == hashes(site.documents)
    assert site.is_open()
