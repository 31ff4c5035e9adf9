"""Certificates through the keeper's control socket: made, installed, handed out; and what is junk leaves everything in place."""
import base64
import os
import shutil

import pytest

from lib import load, process
from lib.backup import Backup


@pytest.fixture
def keeper(folder, server):
    server.sql("CREATE DATABASE IF NOT EXISTS load_db")
    tls = folder / "tls"
    b = Backup(folder / "b", server, None, {"tls": {"certificate": tls / "server.pem", "key": tls / "server.key"}}).account()
    b.tls = tls
    b.start_keeper()
    yield b
    b.stop_keeper()


def cert(b, action, check=True, **options):
    return b.call({"cmd": "cert", "action": action, "options": options}, check=check, timeout=60)


def refused(b, code, action, words="", **options):
    answer = cert(b, action, check=False, **options)
    assert answer["ok"] is False and (code is None or answer["code"] == code) and words in answer["error"], answer
    return answer


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def files(answer):
    return {f["name"]: base64.b64decode(f["content"], validate=True) for f in answer["result"]["files"]}


def state(b):
    """Everything in the folder: name, mode, content."""
    return {str(p.relative_to(b.tls)): (oct(p.stat().st_mode), p.read_bytes() if p.is_file() else None)
            for p in sorted(b.tls.rglob("*")) if p.name != ".lock"} if b.tls.exists() else {}


def work_is_empty(b):
    work = b.state / "cert-work"
    return not work.exists() or not list(work.iterdir())


def openssl(*args, **kwargs):
    return process.run(["openssl", *map(str, args)], **kwargs).stdout


def make_pair(folder, name="gate.example"):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "k.pem", "-out",
            folder / "c.pem", "-days", "90", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
    return (folder / "c.pem").read_bytes(), (folder / "k.pem").read_bytes()


@pytest.mark.sanitize
def test_init_show_export_guide_client_revoke_renew(keeper):
    refused(keeper, None, "show")
    made = cert(keeper, "init", host=["gate.praxis.example", "gate"], ip=["127.0.0.1"], name="Praxis Müller", country="CH",
                canton="BE", place="Bern", organisation="Praxis --force")
    assert made["result"]["certificate"]["subject"] and (keeper.tls / "server.pem").exists()
    shown = cert(keeper, "show")["result"]["certificates"][0]
    assert "gate.praxis.example" in str(shown)
    print_ = cert(keeper, "fingerprint")["result"]
    assert shown["fingerprint_sha256"].lower()[:16] in str(print_).lower().replace(":", "")
    # made once; again only with force
    before = state(keeper)
    refused(keeper, None, "init", "force", host=["other.example"])
    assert state(keeper) == before

    exported = files(cert(keeper, "export", **{"for": "jdbc", "lang": "de"}))
    assert any(name.endswith(".p12") for name in exported) and any(name.endswith(".pem") for name in exported)
    (text,) = [v.decode() for name, v in exported.items() if name.endswith(".txt")]
    assert "gate.praxis.example" in text
    assert files(cert(keeper, "guide", **{"for": "windows", "lang": "en"}))

    client = cert(keeper, "client", name="Labor Anna Müller")
    made = files(client)
    assert {"client.pem", "client.key", "client.p12"} <= set(made) and b"PRIVATE KEY" in made["client.key"]
    assert not any(k.endswith("_file") for k in client["result"])
    assert cert(keeper, "revoke", name="Labor Anna Müller")["result"]["added"] == 1

    old = (keeper.tls / "server.pem").read_bytes()
    assert cert(keeper, "renew", host=["neu.gate.praxis.example"])["result"]["renewed"]
    assert (keeper.tls / "server.pem").read_bytes() != old and "neu.gate.praxis.example" in str(cert(keeper, "show"))
    assert work_is_empty(keeper)


def test_self_signed_and_request(keeper):
    assert cert(keeper, "self-signed", host="gate.example")["result"]
    request = files(cert(keeper, "csr", host=["gate.example"], name="Praxis"))
    assert request["request.csr"].startswith(b"-----BEGIN CERTIFICATE REQUEST-----")
    assert work_is_empty(keeper)


@pytest.mark.parametrize("form", ["pem", "one-file", "der", "pkcs12", "encrypted-key"])
def test_install(keeper, folder, form):
    cert(keeper, "self-signed", host=["old.example"])
    certificate, key = make_pair(folder)
    options = {"certificate": b64(certificate), "key": b64(key)}
    if form == "one-file":
        options = {"certificate": base64.encodebytes(certificate + key).decode()}  # with line breaks
    elif form == "der":
        openssl("x509", "-in", folder / "c.pem", "-outform", "DER", "-out", folder / "c.der")
        options = {"certificate": b64((folder / "c.der").read_bytes()), "key": b64(key)}
    elif form == "pkcs12":
        openssl("pkcs12", "-export", "-in", folder / "c.pem", "-inkey", folder / "k.pem", "-passout", "pass:geheim ü", "-out", folder / "x.p12")
        options = {"certificate": b64((folder / "x.p12").read_bytes()), "password": "geheim ü"}
    elif form == "encrypted-key":
        openssl("pkcs8", "-topk8", "-in", folder / "k.pem", "-passout", "pass:secret", "-out", folder / "e.pem")
        options = {"certificate": b64(certificate), "key": b64((folder / "e.pem").read_bytes()), "password": "secret"}
    refused(keeper, None, "install", **options)  # old.example would be lost
    answer = cert(keeper, "install", other_names=True, **options)
    assert "gate.example" in str(answer["result"]["certificate"])
    assert b"PRIVATE KEY" in (keeper.tls / "server.key").read_bytes() and (keeper.tls / "server.key").stat().st_mode & 0o007 == 0
    assert work_is_empty(keeper) and "secret" not in keeper.keeper.log() and "geheim" not in keeper.keeper.log()


@pytest.mark.sanitize
def test_junk_leaves_everything_in_place(keeper, folder):
    cert(keeper, "self-signed", host=["gate.example"])
    certificate, key = make_pair(folder)
    (folder / "other").mkdir()
    _, other_key = make_pair(folder / "other")
    before = state(keeper)
    cases = [
        {"certificate": b64("no certificate")}, {"certificate": b64(os.urandom(3000))}, {"certificate": "*** no base64 ***"},
        {"certificate": ""}, {"certificate": 5}, {"certificate": ["x"]}, {"certificate": b64(certificate)},
        {"certificate": b64(certificate), "key": b64(other_key)}, {"certificate": b64(certificate[:200]), "key": b64(key)},
        {"certificate": b64(certificate), "key": b64(key[:100])}, {"key": b64(key)}, {},
        {"certificate": b64(b"x" * 300000)}, {"certificate": b64(certificate), "key": b64(key), "chain": b64("junk")},
        {"certificate": b64(certificate), "key": b64(key), "password": "a\nb"},
        {"certificate": b64(certificate), "key": b64(key), "owner": "nobody"},
        {"certificate": b64(certificate), "key": b64(key), "dir": str(folder)},
    ]
    for options in cases:
        refused(keeper, None, "install", **options)
        assert state(keeper) == before, options
    assert work_is_empty(keeper)


@pytest.mark.sanitize
def test_bad_input(keeper):
    for action in (None, "", "sign", "--help", "../x", 5, ["show"]):
        answer = keeper.call({"cmd": "cert", "action": action}, check=False)
        assert answer["code"] == "EINVAL" and "action" in answer["error"]
    assert keeper.call({"cmd": "cert", "action": "show", "options": "x"}, check=False)["code"] == "EINVAL"
    for options in ({"out": "/tmp/x"}, {"ca-key": "/x"}, {"passphrase-file": "/x"}, {"trust": "/x"}, {"owner": "root"}, {"dir": "/x"},
                    {"encrypt-ca": True}, {"no-reload": True}, {"--host": "x"}, {"": "x"}):
        refused(keeper, "EINVAL", "init", "no option", host=["a.example"], **options)
    for options in ({"host": [5]}, {"host": ["a\nb"]}, {"host": {"a": 1}}, {"host": ["x"] * 61}, {"host": ["x" * 500]},
                    {"days": "5"}, {"rsa": "yes"}, {"name": ["x"]}, {"name": "x" * 500}):
        refused(keeper, "EINVAL", "init", **{"host": ["a.example"], **options})
    refused(keeper, None, "init", host=["not a name"])
    refused(keeper, None, "init", host=["--force"])
    refused(keeper, "EINVAL", "client")
    refused(keeper, None, "client", name="--out=/tmp/x")
    refused(keeper, None, "client", name="../../x")
    refused(keeper, None, "export", **{"for": "--out=/tmp/x"})
    refused(keeper, None, "revoke", name="nobody")
    assert state(keeper) == {} or not (keeper.tls / "server.pem").exists()
    assert work_is_empty(keeper) and keeper.keeper.alive()


def test_what_a_killed_keeper_left_is_removed(keeper):
    keeper.keeper.kill()
    left = keeper.state / "cert-work" / "7"
    left.mkdir(parents=True)
    (left / "key").write_text("PRIVATE")
    keeper.start_keeper()
    process.wait_until(lambda: work_is_empty(keeper), 20, "the key to be removed")
