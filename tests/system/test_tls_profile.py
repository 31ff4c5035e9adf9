"""[tls] tls_profile: what each profile takes and refuses, with OpenSSL as the client."""
import shutil
import ssl
import warnings

import pymysql
import pytest

from lib import certs, phrases, process, starttls

pytestmark = pytest.mark.sanitize

TLS10, TLS11, TLS12, TLS13 = (getattr(ssl.TLSVersion, name) for name in ("TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"))
NAMES = {TLS10: "TLSv1", TLS11: "TLSv1.1", TLS12: "TLSv1.2", TLS13: "TLSv1.3"}
CBC = "ECDHE-ECDSA-AES128-SHA"


def context(ca, version, ciphers="ALL"):
    """A client that speaks this version only, and whatever OpenSSL still can."""
    c = starttls.context(ca)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        c.minimum_version = TLS10
        c.maximum_version = version
        c.minimum_version = version
    c.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    return c


def login(gate, version, ciphers="ALL", ca=None):
    """(version, cipher) of a session that works, or None where the handshake failed."""
    ca = ca or gate.pki.ca_file
    try:
        sock = starttls.login(gate.port, ca, tls=context(ca, version, ciphers))
    except (ssl.SSLError, ConnectionError, EOFError):
        return None
    assert starttls.query(sock, "DO 1")[0] == 0
    (session,) = gate.sessions()
    assert session["tls_version"] == sock.version() and session["cipher"] == sock.cipher()[0]
    found = sock.version(), sock.cipher()[0]
    sock.close()
    process.wait_until(lambda: gate.sessions() == [], what="session gone")
    return found


def with_profile(make_gate, server, word, **tls):
    return make_gate(server, options={"tls": {"tls_profile": word, **tls}})


def codes(gate):
    return [w["code"] for w in gate.status()["warnings"]]


def test_modern_is_tls_1_3_only(make_gate, server):
    gate = with_profile(make_gate, server, "modern")
    assert login(gate, TLS13)[0] == "TLSv1.3"
    for version in (TLS12, TLS11, TLS10):
        assert login(gate, version) is None, version
    assert codes(gate) == []


@pytest.mark.parametrize("word", [None, "intermediate"])
def test_intermediate_is_the_default(make_gate, server, word):
    gate = with_profile(make_gate, server, word)
    assert login(gate, TLS13)[0] == "TLSv1.3"
    version, cipher = login(gate, TLS12)
    assert version == "TLSv1.2" and cipher == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert login(gate, TLS12, CBC) is None
    for version in (TLS11, TLS10):
        assert login(gate, version) is None, version
    assert codes(gate) == [] and "tls-profile-old" not in gate.log


def test_old_takes_all_and_says_so(make_gate, server):
    gate = with_profile(make_gate, server, "old")
    for version in (TLS10, TLS11, TLS12, TLS13):
        assert login(gate, version)[0] == NAMES[version]
    assert login(gate, TLS10, CBC) == ("TLSv1", CBC)
    assert login(gate, TLS12)[1] == "ECDHE-ECDSA-AES128-GCM-SHA256", "the good ones still come first"
    assert codes(gate) == ["tls-profile-old"]
    (warning,) = gate.status()["warnings"]
    assert "TLS 1.0 and 1.1" in warning["text"] and "erneuern" in phrases.german(warning)
    assert gate.log.count("level=warning program=elexgate-proxy event=tls-profile-old") == 1
    gate.control("reload")
    gate.wait_log("event=tls-profile-old", count=2)


def test_old_never_goes_as_far_as_no_encryption(make_gate, server):
    gate = with_profile(make_gate, server, "old")
    for ciphers in ("eNULL", "aNULL", "EXPORT:eNULL"):
        try:
            assert login(gate, TLS10, ciphers) is None, ciphers
            assert login(gate, TLS12, ciphers) is None, ciphers
        except ssl.SSLError as error:
            assert "no cipher" in str(error).lower(), error  # this client cannot even ask for them


def test_old_takes_key_exchange_by_rsa(make_gate, server, pki):
    """What Java 6 and 7 offer, with an RSA certificate."""
    leaf = pki.odd("rsa")
    gate = with_profile(make_gate, server, "old", certificate=leaf.certificate, key=leaf.key)
    assert login(gate, TLS10, "AES128-SHA") == ("TLSv1", "AES128-SHA")
    gate.sections["tls"]["tls_profile"] = "intermediate"
    gate.write_config()
    gate.control("reload")
    assert login(gate, TLS12, "AES128-SHA") is None and login(gate, TLS10, "AES128-SHA") is None


def test_reload_changes_the_profile_without_touching_sessions(make_gate, server):
    gate = with_profile(make_gate, server, "old")
    ca = gate.pki.ca_file
    inside = starttls.login(gate.port, ca, tls=context(ca, TLS10))
    gate.sections["tls"]["tls_profile"] = "modern"
    gate.write_config()
    assert gate.control("reload")["changed"] == ["[tls] tls_profile"]
    assert starttls.query(inside, "DO 1")[0] == 0 and inside.version() == "TLSv1"
    inside.close()
    process.wait_until(lambda: gate.sessions() == [], what="session gone")
    assert login(gate, TLS10) is None and login(gate, TLS13)[0] == "TLSv1.3"
    assert codes(gate) == []


def test_old_is_no_easier_on_client_certificates(folder, make_gate, server):
    pki = certs.Pki(folder / "pki")
    good, weak = pki.ca.issue("gut", client=True, dns=()), pki.ca.issue("schwach", client=True, dns=(), kind="rsa1024")
    gate = make_gate(server, pki=pki, options={"tls": {"tls_profile": "old"}}, listeners={
        "elexis": {"client_auth": "require", "client_ca": pki.ca_file}})
    tls = {"ca": str(pki.ca_file), "check_hostname": True, "verify_mode": "required"}
    gate.connect(ssl={**tls, "cert": str(good.certificate), "key": str(good.key)}).close()
    context_weak = starttls.context(pki.ca_file)
    context_weak.set_ciphers("DEFAULT:@SECLEVEL=0")
    context_weak.load_cert_chain(weak.certificate, weak.key)
    with pytest.raises(AssertionError, match="nicht anerkannt"):
        starttls.login(gate.port, pki.ca_file, tls=context_weak)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("word, version, good", [
    ("old", "-tls1_1", True), ("intermediate", "-tls1_2", True), ("intermediate", "-tls1_1", False),
    ("modern", "-tls1_3", True), ("modern", "-tls1_2", False)])
def test_openssl_s_client_agrees(make_gate, server, word, version, good):
    gate = with_profile(make_gate, server, word)
    done = process.run(["openssl", "s_client", "-starttls", "mysql", version, "-cipher", "ALL:@SECLEVEL=0", "-CAfile",
                        gate.pki.ca_file, "-verify_return_error", "-connect", f"127.0.0.1:{gate.port}"], 30,
                       check=False, input="")
    assert ("Verify return code: 0 (ok)" in done.stdout and "Cipher is (NONE)" not in done.stdout) is good, done.stdout


def test_a_wrong_word_is_refused(make_gate, server):
    gate = with_profile(make_gate, server, "old")
    gate.sections["tls"]["tls_profile"] = "ancient"
    gate.write_config()
    answer = gate.control("reload", check=False)
    assert not answer["ok"] and "tls_profile" in answer["error"] and "intermediate" in answer["error"]
    with pytest.raises(pymysql.err.MySQLError):
        gate.connect(user="nobody-of-that-name", password="x")
