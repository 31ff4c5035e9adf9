"""elexgate(1) against the real proxy; against a scripted control socket only for faults that a real one will not make."""
import json
import os
import pty
import re
import select
import socket
import struct
import fcntl
import subprocess
import termios
import threading
import time

import pymysql
import pytest

from lib import paths, phrases, process
from lib.gate import write_config

GOOD, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3
ENGLISH = {"LC_ALL": "C.UTF-8"}
GERMAN = {"LC_ALL": "de_CH.UTF-8"}
pytestmark = pytest.mark.sanitize


def elexgate(*args, env=None, code=GOOD, config=None):
    """Runs it and checks its exit code; returns the finished process with text output."""
    environment = {key: value for key, value in os.environ.items() if key not in ("ELEXGATE_CONFIG", "LANG", "LC_MESSAGES", "COLUMNS")}
    environment |= ENGLISH | (env or {})
    argv = [paths.CLI, *(["--config", config] if config else []), *args]
    done = subprocess.run([str(arg) for arg in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == code, f"{argv} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


# Without a proxy

def test_help_and_version():
    text = elexgate("--help").stdout
    assert text.startswith("Usage: elexgate")
    for name in ("status", "sessions", "watch", "block", "open", "drain", "kill", "reload", "log-level", "config"):
        assert f"\n  {name} " in text
        help_text = elexgate(name, "--help").stdout
        assert help_text.startswith(f"Usage: elexgate {name}")
        assert elexgate("--help", name).stdout == help_text
    assert re.fullmatch(r"elexgate \d+\.\d+\.\d+\n", elexgate("--version").stdout)
    assert elexgate("block", "--help").stdout.count("--until") >= 2


@pytest.mark.parametrize("args,says", [
    ([], "Usage: elexgate"),
    (["stauts"], 'there is no command "stauts"; did you mean "status"?'),
    (["zebra"], 'there is no command "zebra"'),
    (["status", "now"], '"now" is not expected here'),
    (["status", "--verbose"], "there is no option --verbose"),
    (["--config"], "--config needs a file"),
    (["watch", "--events", "state,sesion"], 'there is no event "sesion"'),
    (["watch", "--interval", "5"], "--interval must be from 100ms to 1h"),
    (["watch", "--count", "0"], "--count must be a number above 0"),
    (["block", "--until", "25:00"], "--until must be a time such as"),
    (["block", "--until", "2020-01-01 00:00"], "is in the past"),
    (["block", "--grace", "1d"], "--grace must be from 0 to 10m"),
    (["block", "--reason"], "--reason needs a value"),
    (["block", "now"], '"now" is not expected here'),
    (["drain", "--timeout", "soon"], "--timeout must be from 0 to 1d"),
    (["kill"], "an argument is missing"),
    (["kill", "elexis"], "is not a session's number"),
    (["kill", "-1"], "there is no option -1"),
    (["kill", "1", "2"], '"2" is not expected here'),
    (["log-level", "loud"], "must be error, warning, info or debug"),
    (["config"], "an argument is missing"),
    (["config", "chekc"], 'there is no "config chekc"'),
    (["config", "--sample", "x"], '"x" is not expected here'),
])
def test_wrong_usage(args, says):
    done = elexgate(*args, code=USAGE)
    assert says in done.stderr
    assert done.stdout == ""


def test_options_with_equals_and_after_the_command(tmp_path):
    config = tmp_path / "a.ini"
    config.write_text("[log]\nlevel = debug\n")
    for args in (["config", "show", f"--config={config}", "--json"], ["--json", "--config", config, "config", "show"]):
        options = json.loads(elexgate(*args).stdout)["options"]
        assert [o["value"] for o in options if o["key"] == "level" and o["section"] == "log"] == ["debug"]
    options = json.loads(elexgate("--json", "config", "show", env={"ELEXGATE_CONFIG": str(config)}).stdout)["options"]
    assert [o["value"] for o in options if o["key"] == "level" and o["section"] == "log"] == ["debug"]


def test_config_check_and_show(tmp_path):
    config = tmp_path / "a.ini"
    config.write_text("[database]\nhost = db\n\n[listen elexis]\n[listen web]\nport = 3313\n")
    assert elexgate("config", "check", config).stdout == f"{config} is good.\n"
    shown = elexgate("config", "show", config, env={"DBPORT": "3307"}).stdout
    assert re.search(r"^host = db +# line 2$", shown, re.M)
    assert re.search(r"^port = 3307 +# environment DBPORT$", shown, re.M)
    assert re.search(r"^\[listen web\]\naddress = \* +# default\nport = 3313 +# line 6$", shown, re.M)
    config.write_text("[database]\nhots = db\n")
    done = elexgate("config", "check", config, code=FAILED)
    assert done.stderr == f'elexgate config: {config}:2: [database] has no option "hots"; did you mean "host"?\n'
    done = elexgate("--json", "config", "check", config, code=FAILED)
    assert json.loads(done.stdout) == {"ok": False, "code": "EINVAL", "exit_code": 1,
                                       "error": f'{config}:2: [database] has no option "hots"; did you mean "host"?',
                                       "error_phrase": [["%s:%d", str(config), "2"],
                                                        ['[%s] has no option "%s"; did you mean "%s"?', "database", "hots", "host"]]}
    elexgate("config", "check", tmp_path / "missing.ini", code=FAILED)


@pytest.mark.parametrize("command", [["status"], ["sessions"], ["watch"], ["block"], ["open"], ["drain"], ["kill", "1"],
                                     ["reload"], ["log-level", "info"]], ids=lambda c: c[0])
def test_not_reachable(folder, command):
    config = folder / "a.ini"
    write_config(config, {"proxy": {"control_socket": folder / "none.sock"}})
    done = elexgate(*command, config=config, code=UNREACHABLE)
    assert f"elexgate-proxy cannot be reached at {folder}/none.sock (No such file or directory)" in done.stderr
    assert "systemctl start elexgate-proxy" in done.stderr
    done = elexgate(*command, config=config, code=UNREACHABLE, env=GERMAN)
    assert "nicht erreichbar" in done.stderr
    answer = json.loads(elexgate("--json", *command, config=config, code=UNREACHABLE).stdout)
    assert (answer["ok"], answer["code"], answer["exit_code"]) == (False, "ENOENT", UNREACHABLE)


def test_output_that_cannot_be_written(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run([paths.CLI, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == FAILED
    assert "cannot write the output" in done.stderr


# Against a scripted control socket: faults only

class Scripted:
    """Takes one connection, reads a line, sends what it was told to, and hangs up (or stays silent)."""

    def __init__(self, folder, answer, silent=False):
        self.path = folder / "scripted.sock"
        self.config = folder / "scripted.ini"
        write_config(self.config, {"proxy": {"control_socket": self.path}})
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen(4)
        self._answer, self._silent = answer, silent
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        connection, _ = self._listener.accept()
        with connection:
            self.request = connection.recv(65536)
            try:
                connection.sendall(self._answer)
                if self._silent:
                    connection.recv(1)
            except OSError:
                pass

    def close(self):
        self._listener.close()
        self._thread.join(10)


@pytest.mark.parametrize("answer,code,says", [
    (b"", UNREACHABLE, "closed the connection"),
    (b'{"ok":tru', UNREACHABLE, "closed the connection"),
    (b"SSH-2.0-OpenSSH\r\n", FAILED, "not a line of JSON"),
    (b"[1]\n", FAILED, "a JSON object is expected"),
    (b'{"state":"open"}\n', FAILED, "without words"),
    (b'{"ok":false,"code":"ENOSPC","error":"disk full"}\n', 5, "disk full"),
    (b'{"ok":false,"code":"EBUSY","error":"another run"}\n', 7, "another run"),
    (b"x" * 1100000, FAILED, "longer than 1048576 bytes"),
], ids=range(8))
def test_faults_of_the_peer(folder, answer, code, says):
    peer = Scripted(folder, answer)
    done = elexgate("status", config=peer.config, code=code)
    peer.close()
    assert says in done.stderr
    assert done.stdout == ""


def test_a_job_that_ends_at_once(folder):
    """Its last line comes in one read with the answer, and is not lost."""
    last = {"event": "result", "done": True, "ok": False, "exit": 9, "error": "refused as planned"}
    peer = Scripted(folder, b'{"ok":true}\n' + json.dumps(last).encode() + b"\n")
    write_config(peer.config, {"backup": {"control_socket": peer.path}})
    elexgate("backup", "--now", config=peer.config, code=9)
    peer.close()


def test_a_silent_peer(folder):
    peer = Scripted(folder, b"", silent=True)
    done = elexgate("status", config=peer.config, code=UNREACHABLE)
    peer.close()
    assert "did not answer within" in done.stderr


def test_names_from_clients_do_not_reach_the_terminal(folder):
    evil = "\x1b]0;owned\x07\x1b[2J\u202eroot"
    session = {"id": 1, "user": evil, "peer": "10.0.0.1", "database": evil, "program": evil, "attributes": {},
               "tls_version": "TLSv1.3", "since": "2026-11-22T10:00:00.000Z", "state": "ready", "last_kind": "read"}
    peer = Scripted(folder, json.dumps({"ok": True, "sessions": [session]}).encode() + b"\n")
    shown = elexgate("sessions", config=peer.config).stdout
    peer.close()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
    assert "root" in shown and "?" in shown


def test_a_status_with_missing_members(folder):
    """A newer or older proxy: what is not there is left out, and nothing breaks."""
    for answer in ({"ok": True}, {"ok": True, "state": "mellow", "listeners": 7, "idle": [], "certificate": None, "totals": "x"}):
        part = folder / str(len(answer))
        part.mkdir()
        peer = Scripted(part, json.dumps(answer).encode() + b"\n")
        shown = elexgate("status", config=peer.config).stdout
        peer.close()
        assert shown.startswith("Gate ")


SINCE = "2026-11-30T02:15:07.000Z"
STATUS = {"ok": True, "state": "blocked", "reason": "an update of Elexis, which takes longer than was thought this morning when it began", "since": SINCE, "until": SINCE,
          "sessions": 3, "idle": {"write_ms": 7200000, "statement_ms": 60000, "in_flight": 12, "transactions": 34},
          "listeners": [{"name": "elexis", "address": "2001:db8:1234:5678:9abc:def0:1234:5678", "port": 3306, "tls": "required", "announce": "server"}],
          "certificate": {"subject": "CN=a-server-with-a-long-name.practice.example", "issuer": "CN=Elexgate CA of practice.example", "not_after": SINCE, "days_left": 412,
                          "fingerprint_sha256": "0123456789abcdef" * 4},
          "warnings": [{"text": "the listener elexis has been taking clients without TLS since this morning, and nobody has come with TLS: `elexgate workstations` lists them"}],
          "totals": {"accepted": 1234567, "statements_read": 123456789, "statements_write": 12345678, "bytes_in": 12345678901, "bytes_out": 12345678901},
          "program": "elexgate-proxy", "version": "1.0.0", "pid": 1234567, "workers": 16, "uptime_ms": 86400000}


@pytest.mark.parametrize("language", ["C.UTF-8", "de_CH.UTF-8", "fr_CH.UTF-8", "it_CH.UTF-8"])
def test_a_status_in_eighty_columns(folder, language):
    """Wrapped by words below the text, not below the labels; nothing is cut off, and in a pipe a line stays a line."""
    shown = {}
    for columns in ("80", ""):
        peer = Scripted(folder, json.dumps(STATUS).encode() + b"\n")
        shown[columns] = elexgate("status", config=peer.config, env={"LC_ALL": language, "COLUMNS": columns}).stdout
        peer.close()
        peer.path.unlink()
    lines = shown["80"].splitlines()
    assert max(map(len, lines)) <= 80 < max(map(len, shown[""].splitlines()))
    assert "".join(shown["80"].split()) == "".join(shown[""].split())
    assert len(lines) > len(shown[""].splitlines()) and all(line[:1] != " " or line[:13].isspace() for line in lines)
    assert not [word for word in shown[""].split() if len(word) < 66 and word not in shown["80"].split()], "torn apart"
    assert shown["80"].replace("\n", " ").count("when it began") == 1, "a block's reason, once"


# Against the real proxy

def test_status(gate):
    with gate.connect() as connection:
        connection.cursor().execute("SELECT 1")
        shown = elexgate("status", config=gate.config).stdout
        assert re.search(r"^Gate +open since \w{3} \d{4}-\d\d-\d\d \d\d:\d\d$", shown, re.M)
        assert re.search(r"^Clients +1$", shown, re.M)
        assert re.search(r"^Idle +last write .+, last statement .+$", shown, re.M)
        assert re.search(rf"^Listens on +127\.0\.0\.1 port {gate.port} \(elexis\), TLS required, announces ", shown, re.M)
        assert re.search(r"^Certificate +.+, by .+\n +valid until \w{3} \d{4}-\d\d-\d\d .*\(\d+ days\)\n +SHA-256 [0-9A-F:]{95}$", shown, re.M)
        assert re.search(rf"^Program +elexgate-proxy \S+, process {gate.pid}, 2 workers, running for ", shown, re.M)
        german = elexgate("status", config=gate.config, env=GERMAN).stdout
        assert re.search(r"^Zugang +offen seit \w\w \d\d\.\d\d\.\d{4} \d\d:\d\d$", german, re.M)
        assert "Zertifikat" in german and "gültig bis" in german
        answer = json.loads(elexgate("--json", "status", config=gate.config).stdout)
        assert answer["ok"] and answer["state"] == "open" and answer["sessions"] == 1 and answer["pid"] == gate.pid
        assert "idle" in answer and "totals" in answer and "certificate" in answer


def test_sessions(gate):
    assert elexgate("sessions", config=gate.config).stdout == "Nobody is connected.\n"
    with gate.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE IF NOT EXISTS cli")
        cursor.execute("CREATE TABLE IF NOT EXISTS cli.a (a INT)")
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO cli.a VALUES (1)")
        process.wait_until(lambda: gate.sessions()[0]["last_kind"] == "write", what="write seen")
        lines = elexgate("sessions", config=gate.config).stdout.splitlines()
        assert lines[0].split() == ["ID", "USER", "FROM", "DATABASE", "PROGRAM", "TLS", "FOR", "LAST", "STATE"]
        assert len(lines) == 2
        assert " root " in lines[1] and "127.0.0.1" in lines[1] and "TLSv1.3" in lines[1] and " write " in lines[1]
        assert lines[1].endswith("in transaction")
        german = elexgate("sessions", config=gate.config, env=GERMAN).stdout.splitlines()
        assert german[0].split()[1:4] == ["BENUTZER", "VON", "DATENBANK"] and german[1].endswith("in Transaktion")
        narrow = elexgate("sessions", config=gate.config, env={"COLUMNS": "60"}).stdout.splitlines()
        assert max(map(len, narrow)) <= 60 and "…" in narrow[1]
        connection.rollback()
    answer = json.loads(elexgate("--json", "sessions", config=gate.config).stdout)
    assert answer["ok"] and isinstance(answer["sessions"], list)


def test_sessions_fit_a_terminal(gate):
    """On a terminal the table is as wide as that; umlauts count as one column."""
    with gate.connect(), gate.connect():
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
        env = {key: value for key, value in os.environ.items() if key != "COLUMNS"} | GERMAN
        done = subprocess.Popen([paths.CLI, "--config", gate.config, "sessions"], stdin=follower, stdout=follower, stderr=follower, env=env)
        os.close(follower)
        text = b""
        while select.select([leader], [], [], 20)[0]:
            try:
                data = os.read(leader, 65536)
            except OSError:
                break
            if not data:
                break
            text += data
        os.close(leader)
        assert done.wait(20) == GOOD
        lines = text.decode().replace("\r", "").splitlines()
        assert len(lines) == 3
        assert max(map(len, lines)) <= 50


def test_block_and_open(gate):
    with gate.connect():
        done = elexgate("block", "--reason", "Serverumzug", "--until", "+30m", "--grace", "0",
                        config=gate.config)
        assert re.match(r"Blocked\. Sessions ended: 1, within .+\. New clients are told:\n  Serverumzug\n", done.stdout)
        assert "elexgate open" in done.stdout
    shown = elexgate("status", config=gate.config).stdout
    assert re.search(r"^Gate +BLOCKED since .+, until about \w{3} \d{4}-\d\d-\d\d \d\d:\d\d\nReason +Serverumzug$", shown, re.M)
    german = elexgate("status", config=gate.config, env=GERMAN).stdout
    assert re.search(r"^Zugang +GESPERRT seit .+, bis etwa .+\nGrund +Serverumzug$", german, re.M)
    # PyMySQL takes six characters off the message, as it expects an SQL state even before the greeting.
    with pytest.raises(pymysql.err.OperationalError, match="umzug .* / Serverumzug"):
        gate.connect()
    assert elexgate("open", config=gate.config).stdout == "Open: clients are let in.\n"
    with gate.connect():
        pass
    done = elexgate("block", "--reason=Nur so", config=gate.config, env=GERMAN)
    assert "Neue Clients erhalten die Meldung:\n  Nur so\n" in done.stdout
    status = gate.status()
    assert status["reason"] == "Nur so"
    elexgate("open", config=gate.config)
    answer = json.loads(elexgate("--json", "block", config=gate.config).stdout)
    assert answer["ok"] and answer["ended"] == 0
    status = gate.status()
    assert status["reason"] == "The practice database is under maintenance"
    assert phrases.german(status, "reason") == "Die Praxis-Datenbank wird gewartet"


def test_a_reason_that_is_not_utf8(gate):
    done = subprocess.run([paths.CLI, "--config", gate.config, "block", "--reason", b"f\xfcr"], capture_output=True, timeout=60)
    assert done.returncode == USAGE
    assert b"not UTF-8" in done.stderr
    assert gate.status()["state"] == "open"


def test_drain(gate):
    with gate.connect():
        started = time.monotonic()
        done = elexgate("drain", "--timeout", "300ms", config=gate.config)
        assert time.monotonic() - started >= 0.3
        assert "Drained" in done.stdout and "waiting up to < 1 s" in done.stderr
    with pytest.raises(pymysql.err.OperationalError):
        gate.connect()
    elexgate("open", config=gate.config)
    with gate.connect():
        pass


def test_kill(gate):
    with gate.connect() as victim, gate.connect() as other:
        thread = victim.thread_id()
        session = next(s for s in gate.sessions() if s["thread_id"] == thread)
        assert elexgate("kill", session["id"], config=gate.config).stdout == f"Session {session['id']} was ended.\n"
        with pytest.raises(pymysql.err.Error):
            victim.cursor().execute("SELECT 1")
        other.cursor().execute("SELECT 1")
    done = elexgate("kill", "999999", config=gate.config, code=FAILED)
    assert "999999" in done.stderr


def test_reload(gate):
    done = elexgate("reload", config=gate.config)
    assert done.stdout == "Reloaded: configuration and certificates.\n"
    gate.sections["proxy"]["login_timeout"] = "7s"
    gate.sections["proxy"]["workers"] = 3
    gate.write_config()
    done = elexgate("reload", config=gate.config)
    assert "Changed:" in done.stdout and "login_timeout" in done.stdout
    assert "Needs a restart:" in done.stdout and "workers" in done.stdout
    gate.sections["proxy"]["login_timeout"] = "soon"
    gate.write_config()
    # The configuration is read by the command too, which would stop there: another one shows the proxy's refusal.
    other = gate.folder / "other.ini"
    write_config(other, {"proxy": {"control_socket": gate.control_socket}})
    done = elexgate("reload", config=other, code=FAILED)
    assert "login_timeout must be a duration" in done.stderr
    assert gate.status()["ok"]


def test_log_level(gate):
    assert "level warning" in elexgate("log-level", "warning", config=gate.config).stdout
    before = len(gate.log)
    with gate.connect():
        pass
    elexgate("log-level", "debug", config=gate.config)
    with gate.connect():
        pass
    gate.wait_log("event=login")
    assert "event=login" in gate.log[before:]


class Watching:
    def __init__(self, gate, *args):
        self.popen = subprocess.Popen([str(a) for a in (paths.CLI, "--config", gate.config, *args)], stdout=subprocess.PIPE,
                                      stdin=subprocess.DEVNULL, text=True, env=os.environ | ENGLISH)

    def line(self, timeout=20):
        assert select.select([self.popen.stdout], [], [], timeout)[0], "no event came"
        return self.popen.stdout.readline()

    def end(self):
        self.popen.terminate()
        self.popen.wait(20)
        self.popen.stdout.close()


def test_watch(gate):
    """One line an event, each at once."""
    watch = Watching(gate, "watch", "--events", "idle,session,write,state", "--interval", "100ms")
    try:
        assert re.match(r"\d\d:\d\d:\d\d idle +state=open write_ms=\d+ ", watch.line())
        with gate.connect() as connection:
            lines = []
            process.wait_until(lambda: lines.append(watch.line()) or " connect " in lines[-1], what="connect event")
            assert re.match(r"\d\d:\d\d:\d\d connect +session=\d+ peer=127\.0\.0\.1 ", lines[-1])
            connection.cursor().execute("CREATE DATABASE IF NOT EXISTS watched")
            process.wait_until(lambda: " write " in watch.line(), what="write event")
        process.wait_until(lambda: " disconnect " in watch.line(), what="disconnect event")
        gate.control({"cmd": "block", "reason": "a b", "grace_ms": 0})
        process.wait_until(lambda: ' reason="a b"' in watch.line(), what="state event")
    finally:
        watch.end()


def test_watch_json_and_count(gate):
    done = elexgate("--json", "watch", "--events=idle", "--interval=100ms", "--count=3", config=gate.config)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(events) == 3 and all(e["event"] == "idle" and "idle" in e for e in events)


def test_watch_ends_with_the_proxy(gate):
    watch = Watching(gate, "watch", "--events", "idle", "--interval", "100ms")
    watch.line()
    gate.stop()
    assert watch.popen.wait(20) == UNREACHABLE
    watch.popen.stdout.close()


def test_watch_ends_with_its_reader(gate):
    watch = Watching(gate, "watch", "--events", "idle", "--interval", "100ms")
    watch.line()
    watch.popen.stdout.close()
    watch.popen.wait(20)


def raw_words(config, *args, code=(GOOD,), program=paths.CLI_PSEUDO):
    """What stands outside of the pseudo-language's brackets and has three letters: it was never looked up."""
    done = subprocess.run([program, "--config", str(config), *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                          env={**os.environ, "LC_ALL": "fr_CH.UTF-8"})
    text = done.stdout + done.stderr
    assert done.returncode in code and "⟦" in text, done
    outside, depth = "", 0
    for c in re.sub(r"SHA-256|(?:[0-9A-F]{2}:){31}[0-9A-F]{2}|`[^`]*`|\"[^\"]*\"|/\S+", " ", text):
        depth += c == "⟦"
        outside += " " if depth else c
        depth -= c == "⟧"
    return text, set(re.findall(r"[^\W\d_]{3,}", outside))


def test_in_the_pseudo_language(gate):
    """status and sessions while a workstation works: names alone are not looked up."""
    with gate.connect():
        for command in ("status", "sessions"):
            text, raw = raw_words(gate.config, command)
            assert raw <= {"root", "pymysql", "TLS", "TLSv"}, (raw, text)
