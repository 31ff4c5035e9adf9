"""Who came how, for the roll-out: seen by the gate, named by an admin, kept over restarts and upgrades, bounded."""
import json
import ssl

import pymysql
import pytest

from lib import process
from lib.certs import Authority


def rows(gate):
    return {r["address"]: r for r in gate.control({"cmd": "workstations"})["workstations"]}


def come(gate, address, listener="elexis", **kwargs):
    pymysql.connect(host="127.0.0.1", port=gate.ports[listener], user="root", bind_address=address, connect_timeout=10, **kwargs).close()


def tls(gate):
    return {"ssl": {"ca": str(gate.pki.ca_file), "check_hostname": False, "verify_mode": "required"}}


def test_each_way_of_coming(folder, make_gate, server, pki):
    gate = make_gate(server, listeners={"elexis": {"tls": "required", "deny": "127.0.0.66"}, "old": {"tls": "preferred"}, "web": {"tls": "off"}})
    come(gate, "127.0.0.11", **tls(gate))
    come(gate, "127.0.0.12", "old", ssl_disabled=True)
    come(gate, "127.0.0.13", "web", ssl_disabled=True)
    for address, more in (("127.0.0.14", {"ssl_disabled": True}), ("127.0.0.66", tls(gate)),
                          ("127.0.0.15", {"ssl": {"ca": str(Authority(folder, "fremd", "Fremd").file), "check_hostname": False, "verify_mode": "required"}})):
        with pytest.raises((pymysql.MySQLError, ssl.SSLError)):
            come(gate, address, **more)
    process.wait_until(lambda: len(rows(gate)) == 6, 20, "six addresses")
    seen = rows(gate)
    assert {a.rsplit(".")[-1]: r["how"] for a, r in seen.items()} == {
        "11": "tls", "12": "plain", "13": "plain", "14": "no_tls", "15": "distrust", "66": "refused"}, seen
    assert seen["127.0.0.13"]["tls_off"] and not seen["127.0.0.12"]["tls_off"] and seen["127.0.0.11"]["user"] == "root"

    gate.cli("workstations", "name", "127.0.0.11", "Empfang <1>")
    gate.cli("workstations", "forget", "127.0.0.66")
    assert "has come from" in gate.cli("workstations", "name", "127.0.0.99", "x", check=False).stderr
    come(gate, "127.0.0.14", **tls(gate))  # put right
    gate.restart()
    kept = rows(gate)
    assert kept["127.0.0.11"]["name"] == "Empfang <1>" and "127.0.0.66" not in kept
    assert kept["127.0.0.14"]["how"] == "tls" and kept["127.0.0.14"]["no_tls"] <= kept["127.0.0.14"]["tls"]
    text = gate.cli("workstations").stdout
    assert "2 of 4 use TLS" in text and "Empfang <1>" in text, text

    # what the file holds is addresses, names, users, times; and it is bounded, whoever comes
    state = gate.folder / "state" / "workstations.json"
    assert all(set(r) <= {"address", "name", "listener", "user", "program", "tls_off", "how", "seen", "tls", "plain", "no_tls", "distrust",
                          "refused", "certificate"} for r in json.loads(state.read_text()))
    for i in range(300):
        with pytest.raises(pymysql.MySQLError):
            come(gate, f"127.1.{i // 200}.{i % 200 + 1}", ssl_disabled=True)
    many = rows(gate)
    assert len(many) == 256 and many["127.0.0.11"]["name"] == "Empfang <1>" and "127.0.0.12" in many
    gate.stop()
    state.write_text("{broken")
    gate.start()
    assert rows(gate) == {} and "workstations-unreadable" in gate.log
