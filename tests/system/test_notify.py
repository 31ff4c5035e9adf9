"""Notifications: mail through a stand-in for sendmail, a webhook on a real HTTP server; none is lost, none comes twice."""
import email
import email.policy
import http.server
import json
import os
import re
import subprocess
import threading
import time

import pytest

from lib import paths, ports, process
from lib.backup import Backup
from lib.phrases import german

pytestmark = pytest.mark.sanitize
SENDMAIL = """#!/bin/sh
[ -e "{folder}/hang" ] && sleep 60
[ -e "{folder}/refuse" ] && {{ echo "no route to the mail server" >&2; exit 75; }}
n=$(ls "{folder}" | grep -c "^mail" || true)
printf '%s\\n' "$@" >"{folder}/args$n"
cat >"{folder}/new" && mv "{folder}/new" "{folder}/mail$n"
"""


class Mailbox:
    def __init__(self, folder):
        self.folder = folder / "mailbox"
        self.folder.mkdir()
        self.program = folder / "sendmail"
        self.program.write_text(SENDMAIL.format(folder=self.folder))
        self.program.chmod(0o700)

    def mails(self):
        files = sorted(self.folder.glob("mail*"), key=lambda p: int(p.name[4:]))
        return [email.message_from_bytes(f.read_bytes(), policy=email.policy.default) for f in files]

    def told(self):
        return [(m["X-Elexgate-Event"], m["X-Elexgate-State"]) for m in self.mails()]

    def args(self):
        return [f.read_text().splitlines() for f in sorted(self.folder.glob("args*"))]


class Hook:
    """A web server on this machine; status: what it answers."""

    def __init__(self):
        self.got, self.status, hook = [], 200, self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((self.path, dict(self.headers), json.loads(body), hook.status))
                self.send_response(hook.status)
                if hook.status == 302:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.port = ports.free_port()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hook():
    h = Hook()
    yield h
    h.close()


@pytest.fixture
def mailbox(folder):
    return Mailbox(folder)


@pytest.fixture
def setup(folder, server, mailbox):
    def make(**notify):
        server.sql("CREATE DATABASE IF NOT EXISTS load_db; CREATE TABLE IF NOT EXISTS load_db.t (a INT PRIMARY KEY)")
        b = Backup(folder / "b", server, options={
            "backup": {"method": "dump"}, "tls": {"certificate": folder / "none.pem"},
            "notify": {"mail_to": "it@praxis.example, chef@praxis.example", "sendmail": mailbox.program, "min_free": "1", **notify}})
        made.append(b)
        return b.account()
    made = []
    yield make
    for b in made:
        b.stop_keeper()


def test_test(setup, mailbox, hook, folder):
    token = folder / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    b = setup(webhook=hook.url, webhook_token_file=token, mail_from="gate@praxis.example")
    text = b.cli("notify", "--test").stdout
    assert "mail: sent" in text and "webhook: sent" in text
    mail, = mailbox.mails()
    assert mail["To"] == "it@praxis.example, chef@praxis.example" and mail["From"] == "Elexgate <gate@praxis.example>"
    assert "ein Test, alles in Ordnung" in mail["Subject"] and mail["Date"].datetime and mail["Message-ID"]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "verlangt" in mail.get_content() and "was asked for" in mail.get_content()
    assert mailbox.args()[0] == ["-i", "-f", "gate@praxis.example", "--", "it@praxis.example", "chef@praxis.example"]
    path, headers, body, _ = hook.got[0]
    assert path == "/hook" and headers["Authorization"] == "Bearer s3cret" and headers["Content-Type"] == "application/json"
    assert body["event"] == "test" and "ein Test" in body["subject"] and body["language"] == "de"
    assert [(l["language"], "a test" in l["subject"], "was asked for" in l["text"]) for l in body["letters"]] == [("de", False, False), ("en", True, True)]


def test_messages_are_in_the_languages_that_are_set(setup, mailbox):
    b = setup(languages="fr it")
    b.cli("notify", "--test")
    mail, = mailbox.mails()
    text = mail.get_content()
    assert "un test, tout va bien" in mail["Subject"] and text.index("a été demandé") < text.index("è stato chiesto")
    assert "verlangt" not in text and "was asked for" not in text
    b.config.write_text(b.config.read_text().replace("languages = fr it", "languages = de, rm"))
    refused = b.cli("config", "check", exit=1).stderr
    assert '[notify] languages must be a list of de, en, fr or it, not "rm"' in refused, refused


def test_failures_are_told(setup, mailbox, hook):
    b = setup(webhook=hook.url, timeout="1s")
    (mailbox.folder / "refuse").touch()
    hook.status = 503
    done = b.cli("notify", "--test", exit=1)
    assert "no route to the mail server" in done.stderr and "answered with 503" in done.stderr
    hook.status = 302
    assert "answered with 302" in b.cli("notify", "--test", exit=1).stderr and len(hook.got) == 2
    (mailbox.folder / "refuse").unlink()
    (mailbox.folder / "hang").touch()
    begun = time.monotonic()
    assert "did not end in time" in b.cli("notify", "--test", exit=1).stderr
    assert time.monotonic() - begun < 30
    (mailbox.folder / "hang").unlink()
    b.set("notify", webhook=f"http://127.0.0.1:{ports.free_port()}/")
    done = b.cli("notify", "--test", exit=1)
    assert "mail: sent" in done.stdout and "webhook: the webhook did not answer" in done.stderr


@pytest.mark.parametrize("notify,says", [
    ({"mail_to": None}, "nobody is to be told"),
    ({"mail_to": "-oQ/tmp"}, "is no address"),
    ({"mail_to": "a@b.example<x>"}, "is no address"),
    ({"mail_from": "a b"}, "is no address"),
    ({"mail_to": None, "webhook": "file:///etc/passwd"}, "did not answer"),
])
def test_bad_settings(setup, mailbox, notify, says):
    b = setup(**notify)
    assert says in b.cli("notify", "--test", exit=1).stderr and mailbox.mails() == []


def wait_told(mailbox, wanted, timeout=60):
    process.wait_until(lambda: mailbox.told() == wanted or len(mailbox.told()) > len(wanted), timeout, f"{wanted}")
    assert mailbox.told() == wanted


def run_backup(b):
    before = len(b.runs())
    b.call({"cmd": "run", "mode": "now"})
    process.wait_until(lambda: len(b.runs()) > before and b.call("status")["job"] is None, 60, "the backup")


def test_a_failed_backup_and_its_recovery(setup, mailbox, hook):
    """One message when it fails, none when it fails again, also across a restart; one when it is good again."""
    b = setup(webhook=hook.url)
    b.set("backup", dump_program="/bin/false")
    b.start_keeper()
    run_backup(b)
    wait_told(mailbox, [("backup-failed", "raised")])
    assert "die Sicherung misslang" in mailbox.mails()[0]["Subject"] and "journalctl" in mailbox.mails()[0].get_content()
    run_backup(b)
    b.stop_keeper()
    b.start_keeper()
    run_backup(b)
    time.sleep(11)  # two looks
    assert mailbox.told() == [("backup-failed", "raised")]
    b.set("backup", dump_program="mariadb-dump")
    b.call("reload")
    run_backup(b)
    wait_told(mailbox, [("backup-failed", "raised"), ("backup-failed", "recovered")])
    assert "behoben" in mailbox.mails()[1]["Subject"]
    process.wait_until(lambda: len(hook.got) >= 2, 20, "the webhook")
    assert [(body["event"], body["state"]) for _, _, body, _ in hook.got] == mailbox.told()


def test_a_mail_server_that_is_away(setup, mailbox):
    """The message waits, in the file of the keeper; backups go on."""
    b = setup()
    (mailbox.folder / "refuse").touch()
    b.set("backup", dump_program="/bin/false")
    b.start_keeper()
    run_backup(b)
    process.wait_until(lambda: "event=notify-failed" in b.keeper.log(), 60, "a failed attempt")
    run_backup(b)
    b.stop_keeper()
    state = json.loads((b.own / "notify.json").read_text())
    message, = state["outbox"]
    assert message["event"] == "backup-failed" and message["tries"] == 1 and message["channels"] == ["mail"]
    message["next"] = 0  # time goes by
    (b.own / "notify.json").write_text(json.dumps(state))
    (mailbox.folder / "refuse").unlink()
    b.start_keeper()
    wait_told(mailbox, [("backup-failed", "raised")])


def test_a_hanging_mail_server_holds_no_backup_up(setup, mailbox):
    b = setup(timeout="20s")
    (mailbox.folder / "hang").touch()
    b.set("drill", server_program="/bin/false")
    b.start_keeper()
    run_backup(b)
    b.call({"cmd": "drill"}, check=False)
    process.wait_until(lambda: b.runs("drill"), 60, "the drill")
    process.wait_until(lambda: subprocess.run(["pgrep", "-f", str(mailbox.program)], stdout=subprocess.DEVNULL).returncode == 0, 30,
                       "sendmail to hang")
    run_backup(b)
    assert [run["exit"] for run in b.runs()] == [0, 0]
    (mailbox.folder / "hang").unlink()
    b.stop_keeper()  # at once, although somebody waits for sendmail


def test_the_disk_and_the_certificate(setup, mailbox, pki, folder):
    b = setup(min_free="900000G")
    b.set("tls", certificate=pki.ca.issue("soon", not_before=-200, not_after=10).certificate)
    b.start_keeper()
    wanted = {("disk-low", "raised"), ("certificate-expires", "raised")}
    process.wait_until(lambda: set(mailbox.told()) >= wanted, 60, "the messages")
    assert set(mailbox.told()) == wanted and len(mailbox.told()) == len(wanted)
    text = " ".join(" ".join(m.get_content() for m in mailbox.mails()).split())
    assert re.search(r"in (9|10) days", text) and re.search(r"in (9|10) Tagen", text)
    b.set("tls", certificate=pki.ca.issue("sooner", not_before=-200, not_after=2).certificate)  # graver: told at once, though not a day has gone by
    b.call("reload")
    process.wait_until(lambda: mailbox.told().count(("certificate-expires", "raised")) == 2, 60, "the graver message")
    b.set("notify", min_free="1")
    b.call("reload")
    process.wait_until(lambda: ("disk-low", "recovered") in mailbox.told(), 60, "its end")


def test_a_backup_that_was_missed(setup, mailbox):
    """Due an hour ago and more, and none was made: whoever set the deadline to nothing is told."""
    b = setup()
    b.set("backup", schedule="0 0 1 1 *", deadline="1h")
    b.state.mkdir(exist_ok=True)
    now = int(time.time() * 1000)
    (b.state / "notify.json").write_text(json.dumps({"born": now - 500 * 86_400_000}))
    b.set("backup", schedule=time.strftime("%M %H * * *", time.localtime(time.time() - 3 * 3600)), catch_up=False)
    b.start_keeper()
    wait_told(mailbox, [("backup-missed", "raised")])
    assert "last good backup: never" in mailbox.mails()[0].get_content()
    run_backup(b)
    wait_told(mailbox, [("backup-missed", "raised"), ("backup-missed", "recovered")])


@pytest.mark.parametrize("notify,says,nobody", [
    ({"mail_to": None}, "nobody is told", True),
    ({"mail_to": "a; b"}, '"a;" is no address', False),
    ({"mail_from": "x@y@<z>"}, "is no address", False),
    ({"sendmail": "/nonexistent/sendmail"}, "/nonexistent/sendmail cannot be run", False),
    ({"smtp": "mail.example:25"}, "begins neither with smtp://", False),
    ({"mail_to": None, "webhook": "praxis.example/hook"}, "begins neither with http://", False),
    ({"webhook": "https://praxis.example/", "webhook_token_file": "/nonexistent/token"}, "token cannot be read", False),
])
def test_that_nobody_would_be_told_is_told(setup, notify, says, nobody):
    b = setup(**notify)
    assert says in b.cli("config", "check").stderr and says in json.loads(b.cli("--json", "config", "check").stdout)["warnings"][0]
    lines = [json.loads(line) for line in process.run([paths.CLI, "--config", b.config, "--json", "doctor"], check=False).stdout.splitlines()]
    line = next(line for line in lines if line.get("name") == "notify")
    assert line["level"] == ("warning" if nobody else "critical") and says in line["text"]
    b.start_keeper()
    status = b.call("status")["notify"]
    assert not status["good"] and status["nobody"] == nobody and says in status["text"] and german(status) != status["text"]
    assert "elexgate_notify_working 0" in process.run([paths.CLI, "--config", b.config, "metrics"], check=False).stdout


def test_a_failed_alarm_is_an_alarm(setup, mailbox, hook, make_gate, server):
    gate = make_gate(server)
    b = setup(webhook=hook.url)
    b.set("proxy", control_socket=gate.control_socket)
    b.set("tls", certificate=gate.pki.ca.issue("soon", not_before=-200, not_after=10).certificate)
    (mailbox.folder / "refuse").touch()
    b.start_keeper()
    process.wait_until(lambda: not b.call("status")["notify"]["good"], 60, "the failed message shows")
    assert "no route to the mail server" in b.call("status")["notify"]["text"]
    assert "no route to the mail server" in b.cli("status").stdout
    process.wait_until(lambda: "notify-failed" in [body["event"] for _, _, body, _ in hook.got], 60, "told by the other way")
    (mailbox.folder / "refuse").unlink()
    b.call("reload")  # tried again at once
    process.wait_until(lambda: b.call("status")["notify"]["good"], 60, "good again")
    assert ("certificate-expires", "raised") in mailbox.told()
