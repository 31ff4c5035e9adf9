"""One verdict: page, status, doctor, metrics, alerts and messages tell what the keeper finds, the same of it, in its words."""
import json
import re

import pytest

from lib import paths, process
from lib.backup import Backup
from lib.console import Console
from lib.phrases import german
from test_notify import Mailbox

pytestmark = pytest.mark.sanitize
#: Of these, the ones that are worth a message at once.
TOLD = {"backup-failed", "disk-low", "certificate-expires"}


@pytest.fixture
def broken(folder, server, make_gate):
    """A practice where the disk is full, the certificate ends in ten days, and the backup cannot be made."""
    gate = make_gate(server, start=False)
    soon = gate.pki.ca.issue("soon", not_before=-200, not_after=10.5)
    gate.sections["tls"] = {**gate.sections["tls"], "certificate": soon.certificate, "key": soon.key}
    gate.write_config()
    gate.start()
    mailbox = Mailbox(folder)
    server.sql("CREATE DATABASE IF NOT EXISTS load_db; CREATE TABLE IF NOT EXISTS load_db.t (a INT PRIMARY KEY)")
    b = Backup(folder / "b", server, gate, {
        "backup": {"method": "dump", "schedule": "0 3 1 * *", "dump_program": "/bin/false"},
        "tls": {"certificate": soon.certificate, "key": soon.key},
        "notify": {"mail_to": "it@praxis.example", "sendmail": mailbox.program, "min_free": "900000G"}}).account()
    b.start_keeper()
    yield b, mailbox
    b.stop_keeper()


def steady(text):
    """Others write on this disk too."""
    return re.sub(r"\d+[.,]\d GB", "some GB", text)


def cli(b, *args):
    return steady(process.run([paths.CLI, "--config", b.config, *args], check=False).stdout)


def found_by(b):
    found = b.call("status")["findings"]
    return [{key: steady(value) if isinstance(value, str) else value for key, value in f.items()} for f in found]


def test_all_tell_the_same(broken, pki):
    b, mailbox = broken
    b.call({"cmd": "run", "mode": "now"})
    process.wait_until(lambda: b.runs() and b.call("status")["job"] is None, 60, "the backup")
    findings = found_by(b)
    codes = [f["code"] for f in findings]
    assert codes == ["no-backup", "backup-failed", "disk-low", "certificate-expires"], findings
    assert {f["code"]: f["level"] for f in findings} == {"no-backup": "bad", "backup-failed": "bad", "disk-low": "bad", "certificate-expires": "warn"}
    assert [w["code"] for w in b.gate.status()["certificate"]["warnings"] if w.get("date")] == ["certificate-expires"], "the gate sees it too"
    # elexgate status: each text, once, and nothing more
    status = cli(b, "status")
    assert [f["text"] for f in findings] == re.findall(r"^(?:BAD|WARNING) +(.*)$", status, re.MULTILINE)
    # elexgate doctor: the same words, the same gravity, each with its advice
    lines = [json.loads(line) for line in cli(b, "--json", "doctor").splitlines()]
    told = [(line["text"], line["level"], line.get("fix")) for line in lines if line.get("event") == "check"]
    for f in findings:
        assert (f["text"], "critical" if f["level"] == "bad" else "warning", f["advice"]) in told
    areas = {f["area"] for f in findings}
    said = [line for line in lines if line.get("name") in areas and not line["good"]]
    assert {line["text"] for line in said} == {f["text"] for f in findings}, "the doctor judges by itself"
    # metrics, of which the alert rules are made
    found = re.findall(r'^elexgate_finding\{code="([^"]+)",level="([^"]+)",title="([^"]+)"', cli(b, "metrics"), re.MULTILINE)
    assert found == [(f["code"], f["level"], f["title"]) for f in findings]
    # messages: each that is worth one, in these words
    process.wait_until(lambda: len(mailbox.told()) >= len(TOLD), 60, "the messages")
    assert set(mailbox.told()) == {(code, "raised") for code in TOLD}
    for mail in mailbox.mails():
        f = next(f for f in findings if f["code"] == mail["X-Elexgate-Event"])
        text = steady(" ".join(mail.get_content().split()))
        for key in "text", "advice":
            for words in f[key], steady(german(f, key)):
                assert " ".join(words.split()) in text, (f["code"], key)
        assert german(f, "title") in mail["Subject"]
    # the page: the same codes and gravity, in both languages, worst first
    console = Console(b.folder / "console", pki, sections={"proxy": {"control_socket": b.gate.control_socket}, "backup": {"control_socket": b.socket}})
    console.start()
    try:
        browser = console.admin()
        for lang, said in (("en", lambda f: f["text"]), ("de", lambda f: steady(german(f)))):
            browser.lang = lang
            problems = browser.api("/api/overview")["problems"]
            assert [(p["code"], p["level"]) for p in problems] == [(f["code"], f["level"]) for f in findings]
            for p, f in zip(problems, findings):
                assert steady(p["text"]).rstrip(".") == said(f)[0].upper() + said(f)[1:].rstrip(".") and p["action"]
    finally:
        console.stop()


def test_without_the_gate_status_says_what_the_keeper_finds(broken):
    b, _ = broken
    b.gate.stop()
    process.wait_until(lambda: "proxy-down" in [f["code"] for f in b.call("status")["findings"]], 30, "the keeper notices")
    done = process.run([paths.CLI, "--config", b.config, "status"], check=False)
    assert done.returncode == 3 and "elexgate-proxy" in done.stderr
    for f in found_by(b):
        assert f["text"][:60] in steady(done.stdout), f


def test_without_the_keeper_nothing_is_said_to_be_well(broken, pki):
    b, _ = broken
    b.stop_keeper()
    assert "elexgate-keeper is not running" in cli(b, "status")
    lines = [json.loads(line) for line in cli(b, "--json", "doctor").splitlines()]
    assert [line["level"] for line in lines if line.get("name") == "keeper"] == ["critical"]
    assert not [line for line in lines if line.get("name") in ("backup", "drill", "disk") and line["good"]]
    assert "elexgate_finding" not in cli(b, "metrics")
