"""What the proxy says of a certificate that is near its end: in the log once a step, in the status always."""
import datetime
import re
import socket

import pymysql
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from lib import certs, phrases, process, starttls

pytestmark = pytest.mark.sanitize


def use(gate, leaf):
    gate.sections["tls"] = {"certificate": leaf.certificate, "key": leaf.key}
    gate.write_config()


def codes(gate):
    return [w["code"] for w in gate.status()["certificate"]["warnings"]]


def lines(gate):
    return [line for line in gate.log.splitlines() if "event=certificate-expires" in line]


@pytest.fixture
def ca(folder):
    return certs.Pki(folder / "pki")


def test_a_year_left_is_nothing_to_say(make_gate, server, ca):
    gate = make_gate(server, pki=ca)
    assert codes(gate) == [] and gate.status()["warnings"] == []
    assert lines(gate) == []


@pytest.mark.parametrize("days", [25, 10, 2])
def test_its_last_days_are_told_at_start_and_at_reload(make_gate, server, ca, days):
    soon = ca.ca.issue("soon", not_before=-200, not_after=days + 0.5)
    gate = make_gate(server, pki=ca, start=False)
    use(gate, soon)
    gate.start()
    gate.connect().close()
    (line,) = lines(gate)
    assert "level=warning" in line and f"days_left={days}" in line and "elexgate cert renew" in line
    assert codes(gate) == ["certificate-expires"]
    (warning,) = gate.status()["certificate"]["warnings"]
    until = gate.status()["certificate"]["not_after"][:10]
    assert f"in {days} days" in warning["text"] and until in warning["text"]
    assert f"in {days} Tagen" in phrases.german(warning) and "läuft" in phrases.german(warning)
    shown = gate.cli("status").stdout
    assert re.search(rf"^(WARNING|WARNUNG) .*{until}", shown, re.M), shown
    gate.control("reload")
    gate.wait_log("event=certificate-expires", count=2)

    use(gate, ca.server)
    gate.control("reload")
    assert codes(gate) == [] and len(lines(gate)) == 2


def test_a_day_before_the_first_step(make_gate, server, ca):
    gate = make_gate(server, pki=ca, start=False)
    use(gate, ca.ca.issue("later", not_before=-200, not_after=32))
    gate.start()
    assert codes(gate) == [] and lines(gate) == []


def test_an_unwise_certificate_is_named(make_gate, server, ca):
    gate = make_gate(server, pki=ca, start=False)
    use(gate, ca.odd("no-san"))
    gate.start()
    (warning,) = gate.status()["certificate"]["warnings"]
    assert warning["code"] == "certificate" and "no subject alternative name" in warning["text"]
    assert "Servernamen" in phrases.german(warning)


def test_without_tls_there_is_nothing_to_warn_of(make_gate, server):
    gate = make_gate(server, listeners={"inside": {"tls": "off"}}, options={"tls": {"tls_profile": "old"}})
    status = gate.status()
    assert status["certificate"] is None and status["warnings"] == []


def fail_in_the_handshake(gate):
    with starttls.connect(gate.port) as s:
        starttls.read_packet(s)
        s.sendall(starttls.ssl_request() + b"no TLS at all")
        s.settimeout(20)
        while s.recv(4096):
            pass


def ends(gate, level):
    return [line for line in gate.log.splitlines() if f"level={level} " in line and "event=end " in line]


def test_a_scanner_does_not_fill_the_log(gate):
    """Twenty lines a minute, then silence, and how many more there were. The tests log at level debug."""
    for _ in range(30):
        fail_in_the_handshake(gate)
    process.wait_until(lambda: len(ends(gate, "warning")) + len(ends(gate, "debug")) == 30, what="all ends logged")
    assert len(ends(gate, "warning")) == 20 and gate.status()["totals"]["handshakes_failed"] == 30
    with pytest.raises(pymysql.err.OperationalError):
        gate.connect(user="nobody-of-that-name", password="x")
    process.wait_until(lambda: len(ends(gate, "warning")) == 21, what="the end of one who has said who they are")
    assert "event=login-failed" in gate.log
    assert "event=lines-kept-back" not in gate.log
    gate.control("reload")
    gate.wait_log("event=lines-kept-back listener=elexis count=10")
    fail_in_the_handshake(gate)
    process.wait_until(lambda: len(ends(gate, "warning")) == 22, what="told again after the reload")


@pytest.mark.parametrize("addresses,words", [("0.0.0.0, ::", None), ("::, 0.0.0.0", None), ("*, 127.0.0.1", "by another address of [listen]"),
                                             ("127.0.0.1, 127.0.0.1", "by another address of [listen]")])
def test_addresses_side_by_side(make_gate, server, addresses, words):
    gate = make_gate(server, start=False, listeners={"elexis": {"address": addresses}})
    if words:
        with pytest.raises(RuntimeError) as refused:
            gate.start()
        assert words in str(refused.value)
        return
    gate.start()
    for host in ("127.0.0.1", "::1"):
        with socket.create_connection((host, gate.port), 20) as s:
            assert s.recv(5)


def test_a_stale_revocation_list_is_told(make_gate, server, ca, folder):
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    crl = (x509.CertificateRevocationListBuilder().issuer_name(ca.ca.name).last_update(now - datetime.timedelta(30))
           .next_update(now - datetime.timedelta(2)).sign(ca.ca.key, hashes.SHA256()))
    file = folder / "crl.pem"
    file.write_bytes(crl.public_bytes(serialization.Encoding.PEM))
    gate = make_gate(server, pki=ca, listeners={"elexis": {"client_auth": "request", "client_ca": ca.ca_file, "client_crl": file}})
    (warning,) = gate.status()["warnings"]
    assert warning["code"] == "crl-stale" and str((now - datetime.timedelta(2)).date()) in warning["text"] and "Gesperrte" in phrases.german(warning)
    assert "event=crl-stale" in gate.log and "client_crl" in gate.cli("status").stdout
    gate.connect().close()
