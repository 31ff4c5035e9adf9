"""The CA's own end: told a year ahead, and a successor that cuts nobody off: OpenSSL, GnuTLS and Java with the old CA, the new
one, or both."""
import datetime
import json
import os
import re
import shutil

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from lib import certs, paths, process
from lib.clock import LIBRARIES, Clock

pytestmark = pytest.mark.skipif(not LIBRARIES or not shutil.which("certtool"), reason="no faketime or no certtool")
DAYS = 1200

# What Connector/J does (a path validator, no builder) and what Java's own TLS does.
JAVA = """
import java.io.*; import java.security.GeneralSecurityException; import java.security.KeyStore; import java.security.cert.*;
import java.security.cert.Certificate; import java.util.*;
public final class Ask {
    public static void main(String[] a) throws Exception {
        CertificateFactory f = CertificateFactory.getInstance("X.509");
        Date when = new Date(Long.parseLong(a[1]) * 1000);
        List<Certificate> chain = new ArrayList<>(f.generateCertificates(new FileInputStream(a[0])));
        chain.removeIf(c -> ((X509Certificate) c).getBasicConstraints() >= 0 && selfSigned((X509Certificate) c));
        for (int i = 2; i < a.length; i++) {
            KeyStore s = KeyStore.getInstance("PKCS12"); s.load(null);
            int n = 0;
            for (Certificate c : f.generateCertificates(new FileInputStream(a[i]))) s.setCertificateEntry("ca" + n++, c);
            PKIXParameters p = new PKIXParameters(s); p.setRevocationEnabled(false); p.setDate(when);
            try {
                CertPathValidatorResult r = CertPathValidator.getInstance("PKIX").validate(f.generateCertPath(chain), p);
                ((PKIXCertPathValidatorResult) r).getTrustAnchor().getTrustedCert().checkValidity(when);
                System.out.println(a[i] + " good");
            } catch (GeneralSecurityException e) { System.out.println(a[i] + " " + e.getMessage()); }
        }
    }
    static boolean selfSigned(X509Certificate c) {
        try { c.verify(c.getPublicKey()); return true; } catch (Exception e) { return false; }
    }
}
"""


class Office:
    def __init__(self, folder, gate=None):
        self.folder, self.tls, self.clock, self.gate = folder, folder / "tls", Clock(), gate

    def cert(self, *args, check=True):
        config = ["--config", str(self.gate.config)] if self.gate else []
        where = [] if self.gate else ["--dir", str(self.tls)]
        done = process.run([paths.CLI, *config, "--json", "cert", args[0], *where, *args[1:]], 60, check, env={**os.environ, **self.clock.env()})
        return json.loads(done.stdout.splitlines()[-1]) if check else done

    def trust(self):
        """Files of old, new and both CAs."""
        pems = re.findall(r"-----BEGIN.*?-----END CERTIFICATE-----\n", (self.tls / "ca.pem").read_text(), re.S)
        return pems

    def openssl(self, ca):
        at = int(datetime.datetime.now().timestamp()) + int(self.clock.offset * 86400)
        done = process.run(["openssl", "verify", "-x509_strict", "-no-CApath", "-no-CAfile", "-purpose", "sslserver", "-attime", str(at), "-CAfile", ca,
                            "-untrusted", self.sent(), self.tls / "server.pem"], check=False)
        return done.returncode == 0

    def sent(self):
        """What goes over the wire: without roots."""
        out = self.folder / "sent.pem"
        pems = re.findall(r"-----BEGIN.*?-----END CERTIFICATE-----\n", (self.tls / "server.pem").read_text(), re.S)
        roots = self.trust()
        out.write_text("".join(p for p in pems if p not in roots))
        return out

    def gnutls(self, ca):
        done = process.run(["certtool", "--verify", "--load-ca-certificate", ca, "--verify-hostname", "localhost"], check=False,
                           input=self.sent().read_text(), env={**os.environ, **self.clock.env()})
        return done.returncode == 0

    def java(self, *cas):
        source = self.folder / "Ask.java"
        source.write_text(JAVA)
        at = int(datetime.datetime.now().timestamp()) + int(self.clock.offset * 86400)
        done = process.run(["java", source, self.tls / "server.pem", str(at), *cas], 120)
        return [line.endswith(" good") for line in done.stdout.splitlines()]


def verify(office, old, new, both, expected):
    """expected: (old only, new only, both) for those who look at everything as OpenSSL and GnuTLS do."""
    for i, ca in enumerate((old, new, both)):
        assert office.openssl(ca) == expected[i], (i, "OpenSSL")
        assert office.gnutls(ca) == expected[i], (i, "GnuTLS")


def test_a_year_ahead_and_to_the_end(folder, make_gate, server):
    gate = make_gate(server, start=False, options={"tls": {"certificate": folder / "tls/server.pem", "key": folder / "tls/server.key"}})
    o = Office(folder, gate)
    gate.env = o.clock.env()
    o.cert("init", "--host", "localhost", "--ca-days", DAYS)
    old, new, both = (folder / f"{n}.pem" for n in ("old", "new", "both"))
    shutil.copy(o.tls / "ca.pem", old)
    gate.start()
    codes = lambda: [w["code"] for w in gate.status()["certificate"]["warnings"]]
    o.cert("client", "anna")
    o.clock.days(DAYS - 300)
    short = o.cert("renew")  # 300 days instead of 397: said
    assert short["certificate"]["days_left"] in (299, 300) and "ends together with its CA" in short["certificate"]["warnings"][0]
    assert codes() == ["ca-ends"] and "elexgate cert renew --new-ca" in gate.status()["certificate"]["warnings"][0]["text"]
    o.clock.days(DAYS - 17)  # what is advised works
    assert codes() == ["certificate-expires"] and "cert renew --new-ca" in gate.status()["certificate"]["warnings"][0]["text"]
    refused = o.cert("renew", check=False)
    assert refused.returncode != 0 and "elexgate cert renew --new-ca" in refused.stderr

    o.clock.days(DAYS - 290)
    made = o.cert("renew", "--new-ca")
    assert made["cross_signed"] and made["reload"] == "done" and made["certificate"]["days_left"] == 397
    new.write_text(o.trust()[0])
    shutil.copy(o.tls / "ca.pem", both)
    assert o.trust()[1] == old.read_text() and codes() == []
    verify(o, old, new, both, (True, True, True))
    if shutil.which("java"):
        assert o.java(old, both) == [True, True]
    export = o.cert("export", "--for", "windows", "--out", folder / "out")
    assert {os.path.basename(f) for f in export["files"]} >= {"elexgate-ca.cer", "elexgate-ca-2.cer", "elexgate-ca.pem"}
    assert (folder / "out/elexgate-ca.pem").read_text() == both.read_text()
    # a further one would leave behind who knows only the first; one revocation list does for both
    assert "follows another one already" in o.cert("renew", "--new-ca", check=False).stderr
    assert o.cert("revoke", "anna")["added"] == 1
    crl = process.run(["openssl", "crl", "-in", o.tls / "crl.pem", "-noout", "-text", "-CAfile", new], check=False)
    assert "Serial Number" in crl.stdout

    o.clock.days(DAYS - 60)
    assert codes() == ["ca-changes"]
    verify(o, old, new, both, (True, True, True))
    o.clock.days(DAYS - 2)
    assert o.cert("renew", "--if-needed")["renewed"] is False  # only the cross-signature goes
    verify(o, old, new, both, (False, True, True))
    o.clock.days(DAYS + 5)
    o.cert("renew", "--if-needed")
    assert o.trust() == [new.read_text()] and codes() == []
    verify(o, old, new, both, (False, True, True))
    if shutil.which("java"):
        assert o.java(new, both) == [True, True]


def test_a_ca_that_may_have_none_below_it(folder):
    """CAs of earlier versions have path length 0; and one that has ended is followed without its word."""
    o = Office(folder)
    o.tls.mkdir()
    key, now = certs.make_key(), datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Old CA")])
    ca = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
          .serial_number(4711).not_valid_before(now).not_valid_after(now + datetime.timedelta(400))
          .add_extension(x509.BasicConstraints(True, 0), critical=True)
          .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
          .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False).sign(key, hashes.SHA256()))
    (o.tls / "ca.pem").write_bytes(certs.pem(ca))
    certs.write_key(o.tls / "ca.key", key)
    process.run([paths.CLI, "cert", "csr", "--dir", folder / "there", "--host", "localhost"])
    process.run([paths.CLI, "cert", "sign", "--dir", o.tls, folder / "there/server.csr", "--out", folder / "signed.pem"])
    o.cert("install", folder / "signed.pem", folder / "there/pending.key")
    old, new, both = (folder / f"{n}.pem" for n in ("old", "new", "both"))
    shutil.copy(o.tls / "ca.pem", old)
    o.cert("renew", "--new-ca")
    new.write_text(o.trust()[0])
    shutil.copy(o.tls / "ca.pem", both)
    # OpenSSL and Java let the same name sign itself, as RFC 5280 says; GnuTLS counts it, and needs the new one.
    assert all(o.openssl(ca) for ca in (old, new, both)) and o.gnutls(new) and o.gnutls(both)
    if shutil.which("java"):
        assert o.java(old, both) == [True, True]
    # Everything has been forgotten for a year: the advice works still.
    o.clock.days(4100)
    assert "cert renew --new-ca" in o.cert("renew", check=False).stderr
    ended = o.cert("renew", "--new-ca")
    assert ended["cross_signed"] is False and len(o.trust()) == 1 and ended["certificate"]["days_left"] == 397
    new.write_text(o.trust()[0])
    assert o.openssl(new) and o.gnutls(new)


def test_the_pages_own_certificate_has_dates_of_its_own(folder):
    """--if-needed looks at them too, whatever the gate's are."""
    office, page, config = Office(folder), folder / "tls/console", folder / "elexgate.ini"
    config.write_text(f"[tls]\ncertificate = {folder}/tls/server.pem\nkey = {folder}/tls/server.key\n"
                      f"[console]\nuser = daemon\ncertificate = {page}/server.pem\nkey = {page}/server.key\n")

    def run(*args):
        process.run([paths.CLI, "--config", config, "--json", "cert", *args], 60, env={**os.environ, **office.clock.env()})
        return [x509.load_pem_x509_certificate((d / "server.pem").read_bytes()) for d in (folder / "tls", page)]

    run("init", "--host", "praxis-server", "--no-reload")
    gate, made = run("page", "--days", "20")
    assert run("renew", "--if-needed") == [gate, made]
    office.clock.days(15)
    now, renewed = run("renew", "--if-needed")
    assert now == gate and renewed != made and renewed.not_valid_after > datetime.datetime.now() + datetime.timedelta(300)
