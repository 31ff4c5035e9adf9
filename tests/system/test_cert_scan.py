"""The listener as scanners see it, on the default settings: testssl.sh and sslscan both speak MySQL's STARTTLS."""
import json
import re
import shutil

import pytest

from lib import process

TESTSSL = shutil.which("testssl") or shutil.which("testssl.sh")

# What a private CA cannot have, or what is the scanner's own trouble; each with its reason.
EXPECTED = {
    "cert_chain_of_trust": "a private CA is in no public store",
    "cert_revocation": "a private CA publishes neither list nor OCSP; crl.pem is a local file",
    "DNS_CAArecord": "localhost has no DNS zone",
    "engine_problem": "the scanner would like GOST",
    "sessionresumption_ticket": "the scanner cannot try that through MySQL's STARTTLS",
}
BAD = {"LOW", "MEDIUM", "HIGH", "CRITICAL", "WARN"}


@pytest.fixture
def scanned(folder, make_gate, server):
    tls = folder / "tls"
    gate = make_gate(server, pki=None, start=False, options={
        "tls": {"certificate": tls / "server.pem", "key": tls / "server.key"}})
    gate.cli("cert", "init", "--host", "localhost", "--ip", "127.0.0.1")
    return gate.start()


@pytest.mark.slow
@pytest.mark.skipif(TESTSSL is None, reason="testssl.sh is not installed")
def test_testssl_finds_nothing(scanned, folder):
    out = folder / "testssl.json"
    process.run([TESTSSL, "--quiet", "--color", "0", "--starttls", "mysql", "--protocols", "--std",
                 "--server-defaults", "--server-preference", "--vulnerable", "--ip", "127.0.0.1", "--jsonfile", out,
                 f"localhost:{scanned.port}"], 540, check=False)
    findings = json.loads(out.read_text())
    seen = {f["id"] for f in findings}
    # it really looked
    assert {"TLS1_2", "TLS1_3", "heartbleed", "ROBOT", "cert_subjectAltName"} <= seen, seen
    assert [name for name in seen if name.startswith("cipherlist_STRONG")], seen  # 3.2 says which have forward secrecy
    bad = [f"{f['id']}: {f['severity']}: {f['finding']}" for f in findings
           if f["severity"] in BAD and f["id"].split(" ")[0] not in EXPECTED]
    assert bad == []


@pytest.mark.skipif(shutil.which("sslscan") is None, reason="sslscan is not installed")
def test_sslscan_sees_only_modern_tls(scanned):
    text = process.run(["sslscan", "--no-colour", "--starttls-mysql", f"localhost:{scanned.port}"], 120).stdout
    for version in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
        assert re.search(rf"^{version}\s+disabled$", text, re.M), text
    for version in ("TLSv1.2", "TLSv1.3"):
        assert re.search(rf"^{version}\s+enabled$", text, re.M), text
    ciphers = re.findall(r"^(?:Preferred|Accepted)\s+(\S+)\s+\d+ bits\s+(\S+)", text, re.M)
    assert len(ciphers) >= 4
    for version, name in ciphers:
        assert version == "TLSv1.3" or re.match(r"ECDHE-.*(GCM|CHACHA20)", name), name
    assert re.search(r"^Compression disabled|OpenSSL version does not support compression", text, re.M), text
    assert len(re.findall(r"^TLSv1.[23] not vulnerable to heartbleed", text, re.M)) == 2, text
