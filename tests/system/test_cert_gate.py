"""Certificates and the running proxy: a renewal drops nobody, and a bad pair never gets in."""
import json
import os
import pathlib
import shutil
import ssl

import pytest

from lib import paths, process

pytestmark = pytest.mark.sanitize

JAR = pathlib.Path("/usr/share/java/mariadb-java-client.jar")


class Practice:
    """A gate whose certificates elexgate cert made, in a folder of their own."""

    def __init__(self, folder, make_gate, server):
        self.tls = folder / "tls"
        self.gate = make_gate(server, pki=None, start=False, options={
            "tls": {"certificate": self.tls / "server.pem", "key": self.tls / "server.key"}})
        self.cert("init", "--host", "localhost", "--ip", "127.0.0.1")
        self.gate.start()

    def cert(self, *args, check=True):
        result = self.gate.cli("--json", "cert", *args, check=check)
        lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
        return result if not check else json.loads(lines[-1])

    def connect(self):
        return self.gate.connect(ca=self.tls / "ca.pem")

    def served(self):
        """SHA-256 of the certificate that a new client gets."""
        connection = self.connect()
        try:
            der = connection._sock.getpeercert(binary_form=True)
        finally:
            connection.close()
        return ssl.DER_cert_to_PEM_cert(der)


@pytest.fixture
def practice_gate(folder, make_gate, server):
    return Practice(folder, make_gate, server)


def query(connection):
    with connection.cursor() as c:
        c.execute("SELECT CONNECTION_ID()")
        return c.fetchone()[0]


def test_renewal_drops_nobody(practice_gate):
    p = practice_gate
    session = p.connect()
    before, number = p.served(), query(session)
    answer = p.cert("renew")
    assert answer["reload"] == "done" and answer["renewed"]
    after = p.served()
    assert after != before and after in (p.tls / "server.pem").read_text()
    assert query(session) == number
    session.close()
    status = p.gate.status()["certificate"]
    assert status["fingerprint_sha256"].replace(":", "").upper() == answer["certificate"]["fingerprint_sha256"]


def test_the_page_cannot_pass_for_the_gate(folder, make_gate, server):
    """Who took the page over answers with its certificate, which has the gate's names. A workstation knows the gate's CA only."""
    tls, page = folder / "tls", folder / "tls/console"
    gate = make_gate(server, pki=None, start=False, options={"tls": {"certificate": tls / "server.pem", "key": tls / "server.key"},
                                                             "console": {"certificate": page / "server.pem", "key": page / "server.key"}})
    gate.cli("cert", "init", "--host", "localhost", "--ip", "127.0.0.1")
    other = make_gate(server, pki=None, options={"tls": {"certificate": page / "server.pem", "key": page / "server.key"}})

    def client(at, ca):
        return at.client(["--ssl-verify-server-cert", "-Ne", "SELECT 1"], ca=ca, check=False)
    gate.start()
    assert client(gate, tls / "ca.pem").stdout == client(other, page / "ca.pem").stdout == "1\n"
    refused = client(other, tls / "ca.pem")
    assert refused.returncode and "certificate" in refused.stderr


def test_bad_pair_leaves_the_old_one_serving(practice_gate):
    """Somebody copies files into place by hand, past `cert install`: the proxy refuses them on reload."""
    p = practice_gate
    before, session = p.served(), p.connect()
    good = (p.tls / "server.key").read_bytes()
    other = p.tls.parent / "other"
    p.gate.cli("cert", "init", "--dir", other, "--host", "localhost")
    (p.tls / "server.key").unlink()
    shutil.copy(other / "server.key", p.tls / "server.key")
    refused = p.gate.cli("reload", check=False)
    assert refused.returncode != 0 and "does not belong to the certificate" in refused.stdout + refused.stderr
    assert p.served() == before
    query(session)
    (p.tls / "server.key").write_bytes(good)
    (p.tls / "server.key").chmod(0o644)
    refused = p.gate.cli("reload", check=False)
    assert refused.returncode != 0 and "chmod 600" in refused.stdout + refused.stderr
    assert p.served() == before
    (p.tls / "server.key").chmod(0o600)
    p.gate.cli("reload")
    query(session)
    session.close()


def test_many_renewals_under_new_connections(practice_gate):
    """While certificates change, every login works: certificate and key of two generations never meet."""
    p = practice_gate
    seen = set()
    for _ in range(8):
        assert p.cert("renew")["reload"] == "done"
        for _ in range(3):
            seen.add(p.served())
    assert len(seen) == 8


@pytest.mark.skipif(not JAR.exists() or shutil.which("java") is None, reason="no Java or no libmariadb-java")
def test_java_through_the_gate_with_exported_files(practice_gate, server):
    """As a workstation would: the files of `cert export`, through the gate, also after a renewal."""
    p = practice_gate
    export = p.cert("export", "--for", "jdbc", "--out", p.tls.parent / "out", "--port", p.gate.port)
    store = next(f for f in export["files"] if f.endswith(".p12"))
    server.sql("CREATE OR REPLACE USER certjava@'%' IDENTIFIED BY 'geheim'")
    server.sql("CREATE OR REPLACE USER certjava@localhost IDENTIFIED BY 'geheim'")
    source = p.tls.parent / "Ask.java"
    source.write_text("""
        import java.sql.*;
        public final class Ask {
            public static void main(String[] a) throws Exception {
                try (Connection c = DriverManager.getConnection(a[0], "certjava", "geheim");
                     ResultSet r = c.createStatement().executeQuery("SELECT 6*7")) {
                    r.next();
                    System.out.println("answer " + r.getInt(1));
                }
            }
        }""")
    url = (f"jdbc:mariadb://localhost:{p.gate.port}/?useSsl=true&trustStore=file:{store}&trustStoreType=PKCS12"
           f"&trustStorePassword={export['trust_password']}")
    for _ in range(2):
        done = process.run(["java", "-cp", str(JAR), source, url], 120, env=dict(os.environ))
        assert "answer 42" in done.stdout
        p.cert("renew")
