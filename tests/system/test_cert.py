"""elexgate cert: what it makes is good by OpenSSL's strict rules, and what it refuses leaves everything as it was."""
import datetime
import hashlib
import json
import os
import pty
import pwd
import re
import select
import socket
import stat
import pathlib
import threading
import zipfile

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from lib import certs, paths, phrases, process
from lib.certs import Authority, Pki, make_key, pem, write_key

pytestmark = pytest.mark.sanitize

REFUSED, FAILED, USAGE, BUSY = 9, 1, 2, 7


def cert(*args, check=True, lang="C", config=None):
    """Runs elexgate cert; returns a CompletedProcess with text."""
    env = dict(os.environ, LANG=lang, LC_ALL=lang)
    env.pop("ELEXGATE_CONFIG", None)
    before = ["--config", config] if config else []
    return process.run([paths.CLI, *before, "cert", *args], 60, check, None, env=env)


def answer(*args, **kwargs):
    return json.loads(cert(*args, "--json", **kwargs).stdout)


def init(folder, *args, host="praxis-server"):
    return answer("init", "--dir", folder, "--host", host, *args)


def verify(ca, leaf, *args, check=True):
    return process.run(["openssl", "verify", "-x509_strict", "-CAfile", ca, *args, leaf], 20, check)


def load(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def digests(folder):
    """What a reader of the two names gets; to show that a refusal replaced nothing."""
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("server.pem", "server.key")]


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_init_makes_a_strictly_valid_chain(folder):
    a = init(folder / "tls", "--host", "srv.praxis.lan", "--ip", "192.168.1.5", "--ip", "fd00::5",
             "--organisation", "Praxis Dr. Müller")
    tls = folder / "tls"
    for extra in (["-verify_hostname", "praxis-server"], ["-verify_hostname", "srv.praxis.lan"],
                  ["-verify_ip", "192.168.1.5"], ["-verify_ip", "fd00::5"]):
        verify(tls / "ca.pem", tls / "server.pem", "-purpose", "sslserver", *extra)
    assert verify(tls / "ca.pem", tls / "server.pem", "-verify_hostname", "elsewhere", check=False).returncode != 0
    assert mode(tls / "ca.key") == 0o600 and mode(tls / "server.key") == 0o600
    assert (tls / "server.pem").read_bytes().count(b"BEGIN CERTIFICATE") == 2
    leaf, ca = load(tls / "server.pem"), load(tls / "ca.pem")
    assert leaf.serial_number.bit_length() > 64 and ca.serial_number != leaf.serial_number
    assert (leaf.not_valid_after - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)).days in (396, 397)
    assert (ca.not_valid_after - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)).days in (3649, 3650)
    assert leaf.public_key().curve.name == "secp256r1"
    assert "Praxis Dr. Müller" in leaf.subject.rfc4514_string()
    assert a["certificate"]["names"] == ["praxis-server", "srv.praxis.lan", "192.168.1.5", "fd00::5"]
    assert a["certificate"]["fingerprint_sha256"] == hashlib.sha256(
        leaf.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    assert a["certificate"]["warnings"] == []


@pytest.mark.parametrize("address", ["10.0.0.5", "fd00::5", "203.0.113.5"])
def test_a_server_with_an_address_only(folder, address):
    """A common name that looks like a host would be held against the CA's constraints."""
    answer("init", "--dir", folder / "tls", "--ip", address)
    verify(folder / "tls/ca.pem", folder / "tls/server.pem", "-verify_ip", address)
    for known_as in (["--verify-hostname", address], ["--verify-purpose", "1.3.6.1.5.5.7.3.1"]):  # GnuTLS holds any common name to the constraints
        process.run(["certtool", "--verify", "--load-ca-certificate", folder / "tls/ca.pem", *known_as], 60,
                    input=(folder / "tls/server.pem").read_text())
    cert("csr", "--dir", folder / "there", "--ip", address)
    cert("sign", "--dir", folder / "tls", folder / "there/server.csr", "--out", folder / "out.pem")
    verify(folder / "tls/ca.pem", folder / "out.pem", "-verify_ip", address)
    refused = cert("init", "--dir", folder / "x", "--ip", address, "--name", "www.bank.example", check=False)
    assert refused.returncode == REFUSED and "may not issue for www.bank.example:" in refused.stderr
    assert not (folder / "x/ca.key").exists()


@pytest.mark.parametrize("option,name", [("--rsa", "RSA 3072"), ("--ed25519", "Ed25519")])
def test_other_kinds_of_keys(folder, option, name):
    a = init(folder / "tls", option)
    verify(folder / "tls/ca.pem", folder / "tls/server.pem", "-verify_hostname", "praxis-server")
    assert a["certificate"]["key"] == name
    assert answer("renew", "--dir", folder / "tls")["certificate"]["key"] == name  # the kind stays


def test_a_ca_is_not_overwritten(folder):
    tls = folder / "tls"
    init(tls)
    before = (tls / "ca.key").read_bytes()
    refused = cert("init", "--dir", tls, "--host", "x", check=False)
    assert refused.returncode == REFUSED and "holds a CA already" in refused.stderr
    assert (tls / "ca.key").read_bytes() == before
    init(tls, "--force")
    assert (tls / "ca.key").read_bytes() != before
    kept = list(tls.glob("ca.key.replaced-*"))
    assert len(kept) == 1 and kept[0].read_bytes() == before
    verify(tls / "ca.pem", tls / "server.pem")


def test_ca_is_bound_to_the_practice(folder):
    """Whoever steals the CA's key cannot speak for a bank: OpenSSL, hence every client, refuses."""
    tls = folder / "tls"
    init(tls, "--permit", "praxis-muster.ch", "--permit", "203.0.113.0/24")
    ca_key = serialization.load_pem_private_key((tls / "ca.key").read_bytes(), None)
    authority = Authority.__new__(Authority)
    authority.folder, authority.key, authority.chain = folder, ca_key, (load(tls / "ca.pem"),)
    authority.name = load(tls / "ca.pem").subject
    for number, (dns, ips, good) in enumerate([
            (["www.bank.example"], [], False), ([], ["8.8.8.8"], False), (["praxis-server"], ["10.1.2.3"], True),
            (["db.praxis-muster.ch"], ["203.0.113.9"], True), (["printer.lan"], ["192.168.7.7"], True)]):
        leaf = authority.issue(f"leaf{number}", dns=dns, ips=ips, common_name="x")
        result = verify(tls / "ca.pem", leaf.certificate, check=False)
        assert (result.returncode == 0) == good, result.stderr
        if not good:
            assert "permitted subtree violation" in result.stdout + result.stderr
    before = digests(tls)
    refused = cert("renew", "--dir", tls, "--host", "www.bank.example", check=False)
    assert refused.returncode == REFUSED and "may not issue for www.bank.example:" in refused.stderr
    outside = answer("renew", "--dir", tls, "--host", "www.bank.example", "--host", "gut.lan", "--ip", "8.8.8.8", check=False)
    assert outside["field"] == "names" and phrases.german(outside, "error").startswith("Für www.bank.example, 8.8.8.8 darf die"), outside
    assert digests(tls) == before
    assert "203.0.113.0/24" in cert("show", tls / "ca.pem").stdout


def test_encrypted_ca_key(folder):
    tls, word = folder / "tls", folder / "word"
    word.write_text("viele geheime Wörter\n")
    word.chmod(0o600)
    init(tls, "--encrypt-ca", "--ca-passphrase-file", word)
    assert "ENCRYPTED PRIVATE KEY" in (tls / "ca.key").read_text()
    before = digests(tls)
    without = process.run(["setsid", paths.CLI, "cert", "renew", "--dir", tls], 20, False)
    assert without.returncode != 0 and "--ca-passphrase-file" in without.stderr
    wrong = folder / "wrong"
    wrong.write_text("falsch\n")
    wrong.chmod(0o600)
    refused = cert("renew", "--dir", tls, "--ca-passphrase-file", wrong, check=False)
    assert refused.returncode == REFUSED and "password does not open" in refused.stderr
    wrong.chmod(0o644)
    refused = cert("renew", "--dir", tls, "--ca-passphrase-file", wrong, check=False)
    assert refused.returncode != 0 and "chmod 600" in refused.stderr
    assert digests(tls) == before
    cert("renew", "--dir", tls, "--ca-passphrase-file", word)
    assert digests(tls) != before
    verify(tls / "ca.pem", tls / "server.pem")


def on_terminal(argv, answers):
    """Runs a command on a terminal of its own; each answer is typed when something new has been asked. Returns exit
    code and everything shown."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["LC_ALL"] = "C"
        os.execv(str(argv[0]), [str(a) for a in argv])
    shown, asked = b"", 0
    try:
        while True:
            ready, _, _ = select.select([fd], [], [], 30)
            assert ready, shown
            try:
                data = os.read(fd, 4096)
            except OSError:  # the other end is closed
                break
            shown += data
            if shown.rstrip(b" ").endswith(b":") and asked < len(answers):
                os.write(fd, answers[asked].encode() + b"\n")
                asked += 1
                shown += b"|"
    finally:
        os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_passphrase_on_a_terminal(folder):
    tls = folder / "tls"
    new = [paths.CLI, "cert", "init", "--dir", tls, "--host", "praxis-server", "--encrypt-ca"]
    code, shown = on_terminal(new, ["Wörter geheim", "andere"])
    assert code != 0 and "the two passphrases differ" in shown and not (tls / "ca.key").exists()
    code, shown = on_terminal(new, ["Wörter geheim", "Wörter geheim"])
    assert code == 0 and "Wörter" not in shown  # never echoed
    assert "ENCRYPTED" in (tls / "ca.key").read_text()
    code, shown = on_terminal([paths.CLI, "cert", "renew", "--dir", tls], ["falsch"])
    assert code == REFUSED and "password does not open" in shown
    code, shown = on_terminal([paths.CLI, "cert", "renew", "--dir", tls], ["Wörter geheim"])
    assert code == 0 and "renewed" in shown


def test_ca_kept_elsewhere(folder):
    """csr here, sign where the CA's key is, install here."""
    here, vault = folder / "here", folder / "vault"
    init(vault)
    cert("csr", "--dir", here, "--host", "praxis-server", "--host", "srv.lan", "--organisation", "Praxis")
    assert mode(here / "pending.key") == 0o600 and not (here / "server.pem").exists()
    again = cert("csr", "--dir", here, "--host", "x", check=False)
    assert again.returncode == REFUSED and "is out already" in again.stderr
    cert("sign", "--dir", vault, here / "server.csr", "--out", folder / "answer.pem")
    cert("install", "--dir", here, folder / "answer.pem")
    verify(vault / "ca.pem", here / "server.pem", "-verify_hostname", "srv.lan", "-purpose", "sslserver")
    assert not (here / "pending.key").exists()
    # Taken out of the vault for a renewal, the key itself may come along on a stick.
    (here / "ca.pem").write_bytes((vault / "ca.pem").read_bytes())
    due = cert("renew", "--dir", here, check=False)
    assert due.returncode != 0 and "kept elsewhere" in due.stderr
    cert("renew", "--dir", here, "--ca-key", vault / "ca.key")
    verify(vault / "ca.pem", here / "server.pem", "-verify_hostname", "srv.lan")


def test_sign_checks_the_request(folder):
    vault = folder / "vault"
    init(vault)
    cert("csr", "--dir", folder / "a", "--host", "www.bank.example")
    refused = cert("sign", "--dir", vault, folder / "a/server.csr", "--out", folder / "out.pem", check=False)
    assert refused.returncode == REFUSED and "may not issue" in refused.stderr
    text = (folder / "a/server.csr").read_text().split("\n")
    text[2] = text[2][:10] + ("A" if text[2][10] != "A" else "B") + text[2][11:]
    (folder / "bent.csr").write_text("\n".join(text))
    refused = cert("sign", "--dir", vault, folder / "bent.csr", "--out", folder / "out.pem", check=False)
    assert refused.returncode != 0
    assert "signature is wrong" in refused.stderr or "holds no request" in refused.stderr
    assert not (folder / "out.pem").exists()


def test_self_signed_with_the_fields_of_the_old_form(folder):
    tls = folder / "tls"
    cert("self-signed", "--dir", tls, "--host", "praxis", "--ip", "10.0.0.5", "--name", "Praxis Muster", "--country",
         "CH", "--canton", "BE", "--place", "Bern", "--organisation", "Praxis Muster", "--department", "IT")
    verify(tls / "server.pem", tls / "server.pem", "-verify_hostname", "praxis", "-purpose", "sslserver")
    assert load(tls / "server.pem").subject.rfc4514_string() == \
        "CN=Praxis Muster,OU=IT,O=Praxis Muster,L=Bern,ST=BE,C=CH"
    refused = cert("renew", "--dir", tls, check=False)
    assert refused.returncode == REFUSED and "is self-signed" in refused.stderr


@pytest.fixture
def bought(folder):
    """A leaf from an intermediate of a root, as bought certificates are."""
    root = Authority(folder, "root", "Root")
    middle = Authority(folder, "middle", "Intermediate", parent=root)
    leaf = middle.issue("bought", dns=("praxis-server",), ips=())
    only = folder / "leaf.pem"
    only.write_bytes(pem(leaf.x509))
    return root, middle, leaf, only


def test_install_puts_the_chain_in_order(folder, bought):
    root, middle, leaf, only = bought
    jumble = folder / "jumble.pem"
    jumble.write_bytes(pem(root.certificate) + pem(middle.certificate) + pem(leaf.x509))
    cert("install", "--dir", folder / "tls", jumble, leaf.key)
    got = (folder / "tls/server.pem").read_bytes()
    assert got == pem(leaf.x509) + pem(middle.certificate) + pem(root.certificate)
    # DER, each in a file of its own, the root only as what workstations know
    for name, data in (("leaf", leaf.x509), ("middle", middle.certificate)):
        (folder / f"{name}.der").write_bytes(data.public_bytes(serialization.Encoding.DER))
    (folder / "key.der").write_bytes(leaf.private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    cert("install", "--dir", folder / "der", folder / "leaf.der", folder / "key.der", folder / "middle.der",
         "--trust", folder / "root.pem")
    assert (folder / "der/server.pem").read_bytes() == pem(leaf.x509) + pem(middle.certificate)
    # PKCS#12 with a password
    (folder / "all.p12").write_bytes(pkcs12.serialize_key_and_certificates(
        b"x", leaf.private_key, leaf.x509, [root.certificate, middle.certificate],
        serialization.BestAvailableEncryption(b"geheim")))
    refused = cert("install", "--dir", folder / "p12", folder / "all.p12", check=False)
    assert refused.returncode == REFUSED and "password" in refused.stderr
    word = folder / "word"
    word.write_text("geheim\n")
    word.chmod(0o600)
    cert("install", "--dir", folder / "p12", folder / "all.p12", "--passphrase-file", word)
    assert (folder / "p12/server.pem").read_bytes() == got


def refusals(folder, bought):
    """What must be refused: name, arguments, words."""
    root, middle, leaf, only = bought
    pki = Pki(folder / "pki")
    other = make_key()
    write_key(folder / "other.key", other)
    write_key(folder / "locked.key", leaf.private_key, password="geheim")
    (folder / "junk").write_bytes(os.urandom(4000))
    (folder / "huge").write_bytes(b"\0" * 10 * 1024 * 1024)
    (folder / "empty").write_bytes(b"")
    expired, future, weak, no_san = (pki.odd(k) for k in ("expired", "future", "weak", "no-san"))
    client = pki.ca.issue("client", client=True, dns=(), ips=())
    chain = [folder / "middle.pem", folder / "root.pem"]
    return [
        ("expired", [expired.certificate, expired.key, pki.ca_file], "expired on 20"),
        ("future", [future.certificate, future.key, pki.ca_file], "is not valid before 20"),
        ("weak", [weak.certificate, weak.key, pki.ca_file], "too weak (rsaEncryption, 1024 bits)"),
        ("no-san", [no_san.certificate, no_san.key, pki.ca_file], "names no host"),
        ("client", [client.certificate, client.key, pki.ca_file], "not made for servers"),
        ("wrong key", [only, folder / "other.key", *chain], "belongs to the private key"),
        ("locked key", [only, folder / "locked.key", *chain], "is encrypted and no password was given"),
        ("no key", [only, *chain], "no private key was named"),
        ("no intermediate", [only, leaf.key], "an intermediate certificate is missing: CN=bought was issued by "
                                              "CN=Intermediate"),
        ("unknown root", [only, leaf.key, folder / "only-middle.pem"], "was issued by CN=Root"),
        ("junk", [folder / "junk"], "neither PEM nor DER nor PKCS#12"),
        ("empty", [folder / "empty"], "neither PEM nor DER nor PKCS#12"),
        ("huge", [folder / "huge"], "larger than 1 MB"),
        ("missing", [folder / "none.pem"], "none.pem"),
        ("two keys", [leaf.certificate, leaf.key, folder / "other.key"], "a second private key"),
    ]


def test_install_refuses_and_replaces_nothing(folder, bought):
    root, middle, leaf, only = bought
    (folder / "only-middle.pem").write_bytes(pem(middle.certificate))
    (folder / "middle.pem").write_bytes(pem(middle.certificate))
    tls = folder / "tls"
    init(tls)
    before = digests(tls)
    sentences = set()
    for name, files, words in refusals(folder, bought):
        result = cert("install", "--dir", tls, *files, check=False)
        assert result.returncode in (REFUSED, FAILED), (name, result)
        assert words in result.stderr, (name, result.stderr)
        sentences.add(re.sub(r"/\S+", "", result.stderr))
        assert digests(tls) == before, name
    assert len(sentences) >= 14
    lenient = Pki(folder / "pki2").odd("no-san")
    arguments = ["install", "--dir", tls, lenient.certificate, lenient.key, folder / "pki2/ca.pem", "--allow-no-san"]
    refused = cert(*arguments, check=False)
    assert refused.returncode == REFUSED and "lacks the name praxis-server, which" in refused.stderr and "--other-names" in refused.stderr
    assert digests(tls) == before
    warned = cert(*arguments, "--other-names")
    assert "names no host" in warned.stdout and "lacks the name praxis-server" in warned.stderr


def test_names_in_use_stay_covered(folder, bought):
    """Each kind of name; a wildcard covers; an answer to our own request has the names that were asked for."""
    root, middle, leaf, only = bought
    tls = folder / "tls"

    def install(check=True, **kwargs):
        new = middle.issue(f"n{len(list(folder.iterdir()))}", **kwargs)
        return cert("install", "--dir", tls, new.certificate, new.key, "--trust", root.file, check=check)

    install(dns=("db.praxis.example", "srv.praxis.example"), ips=("10.0.0.5",))  # a first one: any names
    for lost, dns, ips in (("srv.praxis.example", ("db.praxis.example",), ("10.0.0.5",)), ("10.0.0.5", ("*.praxis.example",), ()),
                           ("db.praxis.example, srv.praxis.example", ("praxis.example", "*.example"), ("10.0.0.5",)),
                           ("db.praxis.example, srv.praxis.example, 10.0.0.5", ("shop.example",), ())):
        before = digests(tls)
        refused = install(False, dns=dns, ips=ips)
        assert refused.returncode == REFUSED and f"lacks the name {lost}, which the present one has" in refused.stderr
        assert digests(tls) == before
    assert "lacks" not in install(dns=("*.Praxis.example",), ips=("10.0.0.5", "10.0.0.6")).stderr
    init(folder / "vault")
    cert("csr", "--dir", tls, "--host", "praxis-server")
    cert("sign", "--dir", folder / "vault", tls / "server.csr", "--out", folder / "answer.pem")
    assert "lacks the name *.Praxis.example" in cert("install", "--dir", tls, folder / "answer.pem", "--trust", folder / "vault/ca.pem").stderr


def test_what_an_exchange_means_for_the_workstations(folder, bought):
    """Said before it happens, for each kind of CA before and after; the way back is open, and looking changes nothing."""
    root, middle, leaf, only = bought
    tls, before = folder / "tls", None

    def check(new, *more):
        return answer("install", "--check", "--dir", tls, new.certificate, new.key, *more)

    init(tls)
    before, listing = digests(tls), sorted(p.name for p in tls.rglob("*"))
    assert "no earlier certificate" in cert("back", "--dir", tls, check=False).stderr and "previous" not in answer("show", "--dir", tls)
    bad = check(leaf, root.file)
    assert bad["workstations"] == "new-ca" and bad["certificate"]["issuer"] == "CN=Intermediate" and "lost_names" not in bad
    assert "Jeder" not in cert("install", "--check", "--dir", tls, leaf.certificate, leaf.key, root.file).stdout
    assert digests(tls) == before and sorted(p.name for p in tls.rglob("*")) == listing
    cert("renew", "--dir", tls)
    shown = answer("show", "--dir", tls)
    assert shown["renewable"] and shown["previous"]["workstations"] == "same-ca" and shown["previous"]["fits"]

    now = digests(tls)
    cert("install", "--dir", tls, leaf.certificate, leaf.key, root.file)
    shown = answer("show", "--dir", tls)
    assert not shown["renewable"] and shown["previous"]["workstations"] == "new-ca"
    refused = answer("renew", "--dir", tls, check=False)
    assert "nicht von einer Zertifizierungsstelle in" in phrases.german(refused, "error")
    other = middle.issue("other", dns=("anders",), ips=())
    assert check(other, root.file)["workstations"] == "same-ca" and check(other, root.file)["lost_names"] == "praxis-server"
    assert check(certs.Authority(folder, "fremd", "Fremd").issue("x", dns=("praxis-server",), ips=()), folder / "fremd.pem")["workstations"] == "new-ca"
    cert("back", "--dir", tls)
    assert digests(tls) == now
    cert("back", "--dir", tls)  # and forth again
    assert load(tls / "server.pem").issuer.rfc4514_string() == "CN=Intermediate"


def convert(*args, input=None):
    process.run(["openssl", *args], 60, input=input)


def test_forms_of_other_systems(folder, bought):
    """p7b, an encrypted DER key, a password file with a byte order mark; what is not understood is named."""
    root, middle, leaf, only = bought
    (folder / "chain.pem").write_bytes(only.read_bytes() + pem(middle.certificate))
    convert("crl2pkcs7", "-nocrl", "-certfile", folder / "chain.pem", "-out", folder / "chain.p7b", "-outform", "DER")
    convert("crl2pkcs7", "-nocrl", "-certfile", folder / "chain.pem", "-out", folder / "chain.p7c")
    convert("pkcs8", "-topk8", "-in", leaf.key, "-outform", "DER", "-out", folder / "sealed.der", "-passout", "pass:geheim")
    word = folder / "word"
    word.write_bytes(b"\xef\xbb\xbfgeheim\r\n")
    word.chmod(0o600)
    for form in ("chain.p7b", "chain.p7c"):
        tls = folder / form.replace(".", "-")
        cert("install", "--dir", tls, folder / form, folder / "sealed.der", folder / "root.pem", "--passphrase-file", word)
        assert load(tls / "server.pem") == leaf.x509
    refused = cert("install", "--dir", folder / "x", folder / "chain.p7b", folder / "sealed.der", check=False)
    assert "is encrypted and no password was given: give it with --passphrase-file" in refused.stderr
    (folder / "wrong").write_text("falsch\n")
    (folder / "wrong").chmod(0o600)
    refused = cert("install", "--dir", folder / "x", folder / "sealed.der", "--passphrase-file", folder / "wrong", check=False)
    assert "the password does not open the private key" in refused.stderr
    for name, data, words in [("utf16.pem", only.read_text().encode("utf-16"), "UTF-16"), ("store.jks", b"\xfe\xed\xfe\xed" + bytes(40), "keytool -importkeystore"),
                              ("text.pem", b"-----BEGIN PGP MESSAGE-----\n\naGFsbG8=\n-----END PGP MESSAGE-----\n", "PKCS#7 and PKCS#12 are")]:
        (folder / name).write_bytes(data)
        refused = cert("install", "--dir", folder / "x", folder / name, check=False)
        assert words in refused.stderr and "cert install`" not in refused.stderr, (name, refused.stderr)


def test_the_best_chain_is_chosen(folder):
    """What openssl verify takes is taken: an expired old root, an old cross-signature, an old leaf first; and what is left out is named."""
    new = certs.Authority(folder, "new-root", "New Root")
    old = certs.Authority(folder, "old-root", "Old Root", not_after=-0.5)
    middle = certs.Authority(folder, "middle", "Middle", parent=new)
    cross = certs.cross_sign(new, old, not_after=-0.5)
    leaf = middle.issue("leaf", dns=("praxis-server",), ips=())
    earlier = middle.issue("earlier", dns=("praxis-server",), ips=(), not_before=-400, not_after=-10, key=leaf.private_key)
    bundle = folder / "bundle.pem"
    bundle.write_bytes(b"".join(pem(c) for c in (earlier.x509, old.certificate, cross, leaf.x509, middle.certificate)) + leaf.key.read_bytes())
    done = cert("install", "--dir", folder / "tls", bundle, "--trust", new.file)
    assert [load(folder / "tls/server.pem")] == [leaf.x509]
    written = (folder / "tls/server.pem").read_bytes()
    assert written == pem(leaf.x509) + pem(middle.certificate)
    assert "Left out: CN=Old Root" in done.stderr and done.stderr.count("Left out:") == 3
    # A cross-signature that is still good stays, for old clients.
    good_old = certs.Authority(folder, "good-old", "Good Old Root")
    bundle.write_bytes(b"".join(pem(c) for c in (certs.cross_sign(new, good_old), leaf.x509, middle.certificate)) + leaf.key.read_bytes())
    cert("install", "--dir", folder / "tls", bundle, "--trust", new.file)
    assert (folder / "tls/server.pem").read_bytes().count(b"BEGIN CERT") == 3
    # An underscore passes no more than in init.
    under = middle.issue("under", dns=("praxis_server",), ips=())
    refused = cert("install", "--dir", folder / "tls", under.certificate, under.key, "--trust", new.file, check=False)
    assert refused.returncode == REFUSED and "praxis_server contains an underscore" in refused.stderr
    # keys that nobody takes
    for curve in (ec.BrainpoolP256R1(), ec.SECP256K1()):
        odd = middle.issue("odd", dns=("praxis-server",), ips=(), key=ec.generate_private_key(curve))
        refused = cert("install", "--dir", folder / "tls", odd.certificate, odd.key, "--trust", new.file, check=False)
        assert refused.returncode == REFUSED and "Java and other clients do not take" in refused.stderr


@pytest.mark.parametrize("permit,refused", [("*.praxis.ch", None), ("PRAXIS.CH", None), ("*", "host name"), ("a_b.ch", "underscore"), ("*.*.ch", "host name"),
                                            ("10.0.0.300", "never a number"), ("", "1 to 253"), ("x..ch", "host name"), ("10.0.0.0/33", "host name")])
def test_permit_has_the_grammar_of_names(folder, permit, refused):
    done = cert("init", "--dir", folder / "tls", "--host", "praxis.ch", "--permit", permit, check=False)
    if refused:
        assert done.returncode in (REFUSED, 2) and refused in done.stderr and not (folder / "tls/ca.pem").exists()
        return
    cert("renew", "--dir", folder / "tls", "--host", "db.praxis.ch")
    verify(folder / "tls/ca.pem", folder / "tls/server.pem", "-verify_hostname", "db.praxis.ch")


def age(tls, not_before, not_after, dns=("praxis-server",)):
    """Puts a certificate of the folder's own CA there whose days (from now) are as given."""
    authority = Authority.__new__(Authority)
    authority.folder, authority.chain = tls.parent, (load(tls / "ca.pem"),)
    authority.key = serialization.load_pem_private_key((tls / "ca.key").read_bytes(), None)
    authority.name = load(tls / "ca.pem").subject
    leaf = authority.issue("aged", dns=dns, ips=("10.0.0.5",), not_before=not_before, not_after=not_after)
    for name, source in (("server.pem", leaf.certificate), ("server.key", leaf.key)):
        (tls / name).unlink()
        source.rename(tls / name)


def test_renew_only_when_due(folder):
    tls = folder / "tls"
    init(tls)
    before = digests(tls)
    assert answer("renew", "--dir", tls, "--if-needed")["renewed"] is False
    age(tls, -300, 31)
    assert answer("renew", "--dir", tls, "--if-needed")["renewed"] is False
    assert answer("show", "--dir", tls)["certificates"][0]["warnings"] == []
    age(tls, -300, 29, ("praxis-server", "zweit.lan"))
    assert "expires soon" in answer("show", "--dir", tls)["certificates"][0]["warnings"][0]
    assert "bald ab" in cert("show", "--dir", tls, lang="de_CH.UTF-8").stdout
    old = load(tls / "server.pem")
    renewed = answer("renew", "--dir", tls, "--if-needed", "--host", "neu.lan")
    new = load(tls / "server.pem")
    assert renewed["renewed"] is True and renewed["certificate"]["days_left"] == 397
    assert set(renewed["certificate"]["names"]) == {"praxis-server", "zweit.lan", "neu.lan", "10.0.0.5"}
    assert new.subject == old.subject and new.serial_number != old.serial_number
    assert new.public_key().public_numbers() != old.public_key().public_numbers()
    verify(tls / "ca.pem", tls / "server.pem")
    assert digests(tls) != before and answer("renew", "--dir", tls, "--if-needed")["renewed"] is False


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a small disk")
def test_a_full_disk_leaves_nothing_behind(folder):
    tls = folder / "tls"
    tls.mkdir()
    script = (f'mount -t tmpfs -o size=64k tmpfs {tls} && "$0" cert init --dir {tls} --host praxis-server >/dev/null && ls {tls}/generations && '
              f'dd if=/dev/zero of={tls}/full bs=1k 2>/dev/null; "$0" cert renew --dir {tls}; echo code $?; ls {tls}/generations; '
              f'rm {tls}/full; "$0" cert renew --dir {tls} >/dev/null && echo renewed')
    done = process.run(["unshare", "--mount", "sh", "-c", script, paths.CLI], 60)
    lines = done.stdout.split()
    assert lines[1:3] == ["code", lines[2]] and lines[2] != "0" and "renewed" in lines, done.stdout
    assert lines[3] == lines[0] and lines.count(lines[0]) == 2, "a stray folder in generations/"
    assert "No space left" in done.stderr


def test_expired_certificate_is_renewed(folder):
    """Whoever notices late gets out by the same command."""
    tls = folder / "tls"
    init(tls)
    age(tls, -400, -3)
    expired = (tls / "server.pem").read_bytes()
    assert "has expired" in cert("show", "--dir", tls).stdout
    assert answer("renew", "--dir", tls, "--if-needed")["renewed"] is True
    verify(tls / "ca.pem", tls / "server.pem", "-verify_ip", "10.0.0.5")
    assert expired in [p.read_bytes() for p in (tls / "generations").glob("*/server.pem")]  # nothing is lost


def test_not_ours_is_not_renewed(folder, bought):
    root, middle, leaf, only = bought
    short = middle.issue("short", dns=("praxis-server",), not_before=-300, not_after=5)
    cert("install", "--dir", folder / "tls", short.certificate, short.key, folder / "root.pem")
    result = cert("renew", "--dir", folder / "tls", "--if-needed", check=False)
    assert result.returncode == REFUSED and "was issued by CN=Intermediate, not by a CA in" in result.stderr


def test_client_certificates_and_revocation(folder):
    tls = folder / "tls"
    init(tls)
    a = answer("client", "Labor Anna Müller", "--dir", tls)
    b = answer("client", "empfang-1", "--dir", tls, "--rsa", "--old-format")
    assert a["pkcs12_file"].endswith("clients/labor-anna-mueller/client.p12")
    for made in (a, b):
        assert all(mode(made[k]) == 0o600 for k in ("key_file", "pkcs12_file", "password_file"))
        verify(tls / "ca.pem", made["certificate_file"], "-purpose", "sslclient")
        assert verify(tls / "ca.pem", made["certificate_file"], "-purpose", "sslserver", check=False).returncode != 0
        with open(made["pkcs12_file"], "rb") as f, open(made["password_file"], "rb") as w:
            key, leaf, others = pkcs12.load_key_and_certificates(f.read(), w.read().strip())
        assert key.public_key().public_numbers() == leaf.public_key().public_numbers() and len(others) == 1
    again = cert("client", "empfang-1", "--dir", tls, check=False)
    assert again.returncode == REFUSED and "is there already" in again.stderr
    assert cert("client", "../../etc", "--dir", tls, check=False).returncode == REFUSED
    nobody = cert("revoke", "niemand", "--dir", tls, check=False)
    assert nobody.returncode != 0 and "has issued nothing" in nobody.stderr
    assert answer("revoke", "Labor Anna Müller", "--dir", tls)["added"] == 1
    crl = ["-crl_check", "-CRLfile", tls / "crl.pem"]
    gone = verify(tls / "ca.pem", a["certificate_file"], *crl, check=False)
    assert gone.returncode != 0 and "revoked" in gone.stderr
    verify(tls / "ca.pem", b["certificate_file"], *crl)
    assert answer("revoke", b["certificate"]["serial"], "--dir", tls)["revoked"] == 2
    assert answer("crl", "--dir", tls)["revoked"] == 2


@pytest.mark.parametrize("target", ["jdbc", "windows", "macos", "linux", "webelexis"])
def test_export_in_two_languages(folder, target):
    tls = folder / "tls"
    init(tls)
    fingerprint = ":".join(re.findall("..", answer("fingerprint", tls / "ca.pem")["fingerprint_sha256"]))
    texts = {}
    for lang in ("de", "en"):
        out = folder / f"out-{lang}"
        texts[lang] = cert("export", "--dir", tls, "--for", target, "--out", out, "--lang", lang, "--port", "3399",
                           "--database", "praxisdb").stdout
        html = next(out.glob("*.html")).read_text()
        assert f'lang="{lang}"' in html and "<script" not in html and "praxis-server" in html
        if target == "webelexis":
            assert not (out / "elexgate-ca.pem").exists()
        else:
            assert fingerprint in html
            verify(out / "elexgate-ca.pem", tls / "server.pem")
    assert texts["de"] != texts["en"] and "praxis-server" in texts["de"]
    if target == "jdbc":
        assert "praxisdb?sslMode=VERIFY_IDENTITY&trustCertificateKeyStoreUrl=file:/C:/" in texts["de"]
        assert "jdbc:mysql://praxis-server:3399/praxisdb?" in texts["en"]
        assert "&amp;trustCertificateKeyStoreType=PKCS12" in html


def test_a_package_for_a_workstation(folder):
    """One ZIP with all that a workstation needs: what is in it is what stands beside it, and it says the same as the guide."""
    tls = folder / "tls"
    init(tls)
    for lang, name, words in (("de", "elexgate-arbeitsplatz.zip", ["Menü «Datei», «Verbindung...»", "Elexis 3.13 und neuer", "So sieht Erfolg aus", "Zum Abhaken", "Neue Verbindung erstellen"]),
                              ("en", "elexgate-workstation.zip", ["menu File", "Elexis 3.13 and later", "what success looks like", "To tick off"])):
        out = folder / lang
        done = answer("export", "--dir", tls, "--for", "package", "--out", out, "--lang", lang, "--database", "praxisdb")
        with zipfile.ZipFile(out / name) as z:
            assert z.testzip() is None
            inside = {i.filename: z.read(i) for i in z.infolist()}
        assert {out / n for n in inside} | {out / name} == {pathlib.Path(p) for p in done["files"]} and len(inside) == 9
        assert all((out / n).read_bytes() == data for n, data in inside.items())
        html = inside[next(n for n in inside if n.endswith(".html"))].decode()
        assert [w for w in words if w not in html] == [] and "<script" not in html and html.count("☐") == 42
        line = inside["line-windows.txt"].decode()
        assert line == ("praxisdb?sslMode=VERIFY_IDENTITY&trustCertificateKeyStoreUrl=file:/C:/elexgate/elexgate-trust.p12&trustCertificateKeyStoreType=PKCS12"
                        "&trustCertificateKeyStorePassword=elexgate&sendFractionalSeconds=false&z=")
        assert line.replace("&", "&amp;") in html and "file:/opt/elexgate/" in inside["line-macos-linux.txt"].decode()
        assert inside["line-system-store.txt"] == b"praxisdb?sslMode=VERIFY_IDENTITY&sendFractionalSeconds=false&z="
        script = inside["einrichten.cmd" if lang == "de" else "setup.cmd"]
        assert script.isascii() and script.count(b"\r\n") == script.count(b"\n") and b"certutil -addstore -f Root" in script
        for used in re.findall(rb"(?:copy /y|set line=)\s*(\S+)", script):
            assert used.decode() in inside
        pkcs12.load_pkcs12(inside["elexgate-trust.p12"], b"elexgate")
    # of a public CA nothing needs to be installed
    leaf = Authority(folder, "root", "Root").issue("leaf", dns=("praxis-server",), ips=())
    cert("install", "--dir", folder / "bought", leaf.certificate, leaf.key, "--trust", folder / "root.pem")
    cert("export", "--dir", folder / "bought", "--for", "package", "--out", folder / "public")
    assert "line-windows.txt" not in zipfile.ZipFile(folder / "public/elexgate-workstation.zip").namelist()


def test_export_only_for_names_in_the_certificate(folder):
    init(folder / "tls")
    result = cert("export", "--dir", folder / "tls", "--for", "jdbc", "--host", "other", "--out", folder / "o", check=False)
    assert result.returncode == REFUSED and "does not name other" in result.stderr


def test_options_are_checked(folder):
    for args, words in [
            ([], "what shall be done"), (["polish"], "no subcommand"), (["init", "--dir", folder / "x"], "--host NAME"),
            (["init", "--host"], "needs a value"), (["show", "--force"], "there is no option --force"), (["init", "x"], "\"x\""),
            (["init", "--host", "a", "--days", "0"], "from 1 to"), (["init", "--host", "praxis_server"], "underscore"),
            (["install"], "an argument is missing"), (["export", "--for", "amiga"], "--for jdbc"),
            (["init", "--force=1", "--host", "a"], "takes no value")]:
        result = cert(*args, check=False)
        assert result.returncode == USAGE and words in result.stderr, (args, result.stderr)
    assert not (folder / "x").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_gives_only_the_servers_files_away(folder):
    """The proxy's user can read its key, and can neither read the CA's nor put files in anybody's way."""
    nobody = 65534
    tls = folder / "tls"
    result = process.run(["sh", "-c", 'umask 077; exec "$0" "$@"', paths.CLI, "cert", "init", "--dir", tls, "--host", "a",
                          "--owner", "nobody"], 60)
    assert "Certificate" in result.stdout
    owners = {n: os.stat(tls / n).st_uid for n in ("server.key", "server.pem", "ca.key", "ca.pem", "generations", "current")}
    assert owners == {"server.key": nobody, "server.pem": nobody, "ca.key": 0, "ca.pem": 0, "generations": 0, "current": 0}
    assert mode(tls / "current") == 0o755 and mode(tls / "generations") == 0o755 and mode(tls / "server.key") == 0o600
    answer("renew", "--dir", tls)
    assert os.stat(tls / "server.key").st_uid == nobody  # remembered
    os.chown(tls, nobody, nobody)
    before = digests(tls)
    refused = cert("renew", "--dir", tls, check=False)
    assert refused.returncode == REFUSED and "belongs to another user" in refused.stderr
    assert digests(tls) == before
    assert cert("renew", "--dir", tls, "--owner", "niemand-den-es-gibt", check=False).returncode != 0


def test_looking_changes_nothing(folder):
    assert cert("show", "--dir", folder / "none", check=False).returncode == FAILED
    assert not (folder / "none").exists()
    init(folder / "tls")
    before = sorted((p, p.lstat().st_mtime_ns) for p in (folder / "tls").rglob("*"))
    cert("show", "--dir", folder / "tls")
    cert("export", "--dir", folder / "tls", "--for", "linux", "--out", folder / "out")
    assert sorted((p, p.lstat().st_mtime_ns) for p in (folder / "tls").rglob("*")) == before


def test_manual_names_every_option_and_subcommand():
    manual = (paths.ROOT / "docs/man/elexgate-cert.1").read_text()
    code = (paths.ROOT / "cli/cert/cmd_cert.c").read_text()
    options = re.findall(r'^        \{CERT_\w+, \{"--([a-z0-9-]+)=?"', code, re.M)
    assert len(options) > 25
    assert [o for o in options if f"-{o}" not in manual] == []
    subs = re.findall(r'^    \{"([a-z-]+)",? ?(?:\n|CERT_)', "".join(
        f.read_text() for f in (paths.ROOT / "cli/cert").glob("cmd_cert_*.c")), re.M)
    assert len(subs) == 14
    assert [name for name in subs if name not in manual] == []


class FakeProxy:
    """Answers one kind of reload; a real proxy does not fail on request."""

    def __init__(self, path, reply):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.reply, self.requests = reply, []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            with c:
                line = c.makefile().readline()
                if line:
                    self.requests.append(json.loads(line))
                    c.sendall(json.dumps(self.reply).encode() + b"\n")


def config_for(folder):
    config = folder / "elexgate.ini"
    config.write_text(f"[tls]\ncertificate = {folder}/tls/server.pem\nkey = {folder}/tls/server.key\n"
                      f"[proxy]\ncontrol_socket = {folder}/p.sock\n")
    return config


def test_export_names_the_port_and_the_database_of_the_configuration(folder):
    config = config_for(folder)
    with config.open("a") as f:
        f.write("[database]\nname = praxisdb\n[listen inside]\nport = 3399\ntls = off\n[listen elexis]\nport = 3377\n")
    answer("init", "--host", "praxis-server", "--no-reload", config=config)
    told = cert("export", "--for", "jdbc", "--out", folder / "a", "--lang", "en", config=config).stdout
    assert "jdbc:mysql://praxis-server:3377/praxisdb?" in told
    told = cert("export", "--for", "jdbc", "--out", folder / "b", "--lang", "en", "--port", "4000", config=config).stdout
    assert "jdbc:mysql://praxis-server:4000/praxisdb?" in told


def test_proxy_is_told(folder):
    config = config_for(folder)
    away = answer("init", "--host", "praxis-server", config=config)
    assert away["reload"] == "not-running" and (folder / "tls/ca.pem").exists()
    proxy = FakeProxy(folder / "p.sock", {"ok": True, "changed": [], "restart_needed": []})
    assert answer("renew", config=config)["reload"] == "done"
    assert proxy.requests == [{"cmd": "reload"}]
    assert answer("renew", "--no-reload", config=config)["reload"] == "off"
    assert len(proxy.requests) == 1
    proxy.reply = {"ok": False, "code": "EINVAL", "error": "the certificate is not to my taste"}
    result = cert("renew", config=config, check=False)
    assert result.returncode == FAILED and "not to my taste" in result.stderr
    assert "what it had serves on" in result.stdout
    # Another folder than the proxy's is none of its business.
    assert answer("init", "--dir", folder / "elsewhere", "--host", "a", config=config)["reload"] == "off"


def test_the_page_has_a_key_of_its_own(folder, bought):
    """In the folder console beneath that of [tls], of a CA that no workstation knows: who takes the page over cannot pass for the gate."""
    config, tls = folder / "elexgate.ini", folder / "tls"
    page = tls / "console"
    text = f"[tls]\ncertificate = {tls}/server.pem\nkey = {tls}/server.key\n[console]\nuser = daemon\ncertificate = {{0}}/server.pem\nkey = {{0}}/server.key\n"
    config.write_text(text.format(page))
    said = answer("init", "--host", "praxis-server", "--ip", "10.0.0.5", "--no-reload", config=config)
    assert said["page_ca_file"] == str(page / "ca.pem") and mode(page / "ca.key") == 0o600
    ca, seen = load(page / "ca.pem"), []
    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    assert x509.DNSName("praxis-server") in constraints.permitted_subtrees

    def both():
        leaves = [load(d / "server.pem") for d in (tls, page)]
        names = [leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value for leaf in leaves]
        assert names[0] == names[1] and leaves[0].public_key().public_numbers() != leaves[1].public_key().public_numbers()
        assert leaves[1].public_key().public_numbers() == serialization.load_pem_private_key((page / "server.key").read_bytes(), None).public_key().public_numbers()
        verify(page / "ca.pem", page / "server.pem", "-verify_hostname", "praxis-server")
        for trusted, shown in ((tls, page), (page, tls)):
            refused = verify(trusted / "ca.pem", shown / "server.pem", "-untrusted", shown / "server.pem", check=False)
            assert refused.returncode and "self-signed certificate in certificate chain" in refused.stderr
        seen.extend(leaf.serial_number for leaf in leaves)
        assert len(seen) == len(set(seen))
    both()
    if os.geteuid() == 0:
        st = os.stat(page / "server.key")
        assert (st.st_uid, st.st_gid, mode(page / "server.key")) == (0, pwd.getpwnam("daemon").pw_gid, 0o640)
    answer("renew", config=config)
    both()
    before = digests(page)
    answer("renew", "--if-needed", config=config)
    assert digests(page) == before
    answer("back", config=config)
    answer("renew", "--new-ca", config=config)
    both()
    assert "page_ca_file" not in answer("renew", "--host", "praxis.lan", config=config) and load(page / "ca.pem") == ca
    both()
    # where the admin put one elsewhere, it is his
    config.write_text(text.format(folder))
    answer("renew", config=config)
    assert not (folder / "server.pem").exists()
    refused = cert("page", config=config, check=False)
    assert f"set [console] certificate to {page}/server.pem" in refused.stderr
    # the gate's is of another CA: the page's is still of its own, which may not issue for that name, and makes place for one that may
    config.write_text(text.format(page))
    root, middle, leaf, only = bought
    leaf = middle.issue("elsewhere", dns=("gate.praxis.example",), ips=())
    only.write_bytes(pem(leaf.x509))
    cert("install", "--other-names", only, leaf.key, folder / "middle.pem", folder / "root.pem", config=config)
    assert load(page / "ca.pem") != ca and len(list(page.glob("ca.key.replaced-*"))) == 1
    verify(page / "ca.pem", page / "server.pem")
    assert load(page / "server.pem").public_key() != load(tls / "server.pem").public_key()
    # with its CA's key lost there is another one
    (page / "ca.key").unlink()
    assert answer("page", "--days", "20", config=config)["page_ca_file"] == str(page / "ca.pem")


def test_names_of_the_configuration_are_used(folder):
    config = folder / "elexgate.ini"
    config.write_text(f"[tls]\ncertificate = {folder}/tls/gate.crt\nkey = {folder}/tls/gate.key\n")
    answer("init", "--host", "praxis-server", config=config)
    verify(folder / "tls/ca.pem", folder / "tls/gate.crt", "-verify_hostname", "praxis-server")
    assert mode(folder / "tls/gate.key") == 0o600
    config.write_text(f"[tls]\ncertificate = {folder}/tls/gate.crt\nkey = {folder}/other/gate.key\n")
    result = cert("renew", config=config, check=False)
    assert result.returncode == REFUSED and "different folders" in result.stderr
