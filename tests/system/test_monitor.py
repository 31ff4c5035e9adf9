"""elexgate-monitor against a keeper that was taken over: here a test sits at the keeper's end of the socket."""
import array
import ctypes
import fcntl
import json
import os
import pwd
import socket
import struct
import subprocess
import sys

import pytest

from lib import grant, paths, process
from lib.backup import Backup
from lib.sealed import seal

pytestmark = pytest.mark.sanitize
MONITOR = paths.BUILD / "backup" / "elexgate-monitor"
LAYOUT = struct.Struct("=IIII208sI2624s4096s")  # struct monitor_request
ANSWER = struct.Struct("=iiqqQiBBBBi504s1500s")  # struct monitor_answer, with struct monitor_state and struct err in it
EVENT = struct.Struct("=Iii")
START, STOP, TRAIL, STOP_RESTORE, STATE, CONFIG, RELOAD, AUDIT, CLOSED, PEOPLE = range(10)
KINDS = ("backup drill put-back alarm verify list info remove mark restore restore-plan restore-status open cert-renew notify "
         "binlog look page-cert page-config page-audit page-retention page-password prove timeline page-account").split()
NOW, DUMP = 1 << 0, 1 << 1
DAC_READ_SEARCH = 2
F_OFD_SETLK = 37


def no_new_privs():
    """As the unit and Docker start the keeper."""
    process._die_with_parent()
    assert ctypes.CDLL(None).prctl(38, 1, 0, 0, 0) == 0


class Monitor:
    def __init__(self, backup):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        self.log = open(backup.folder / "monitor.log", "ab+")
        self.process = subprocess.Popen([MONITOR, "--config", backup.config], stdin=theirs, stdout=subprocess.PIPE, stderr=self.log,
                                        preexec_fn=no_new_privs)
        theirs.close()
        assert self.ask(act=STATE)[0] == 0  # it serves, and its door is open

    def raw(self, message, fds=()):
        """(result, pid, words, descriptor or None)"""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.socket.sendmsg([message], rights)
        data, got, _, _ = self.socket.recvmsg(ANSWER.size + 1, socket.CMSG_SPACE(16))
        if not data:
            return None
        result, pid, *_, words, _ = ANSWER.unpack(data)
        fd = struct.unpack("i", got[0][2])[0] if got else None
        return result, pid, words.split(b"\0")[0].decode(), fd

    def ask(self, kind=0, act=START, flags=0, job=1, which=b"", types=(), count=None, text=b"", fds=()):
        kind = KINDS.index(kind) if isinstance(kind, str) else kind
        names = b"".join(t.ljust(41, b"\0") for t in types)
        return self.raw(LAYOUT.pack(act, kind, flags, job, which, len(types) if count is None else count, names, text), fds)

    def end(self):
        return EVENT.unpack(self.process.stdout.read(EVENT.size))

    def children(self):
        return open(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read().split()

    def close(self):
        self.socket.close()
        code = self.process.wait(20)
        self.log.close()
        return code


@pytest.fixture
def backup(folder, server):
    return Backup(folder, server)


@pytest.fixture
def monitor(backup):
    m = Monitor(backup)
    yield m
    if m.process.poll() is None:
        assert m.close() == 0


def said(fd):
    with os.fdopen(fd) as f:
        return [json.loads(line) for line in f]


def test_what_it_is_there_for(monitor, backup):
    result, pid, words, fd = monitor.ask("list", job=7)
    assert result == 0 and pid > 0 and words == ""
    assert said(fd)[-1]["done"] and monitor.end() == (7, 0, 0)
    result, pid, words, fd = monitor.ask("verify", job=8, which=b"2026-11-22-0315", types=[b"elexisdb"])
    assert result == 0 and "elexisdb" in str(said(fd)[-1]) and monitor.end()[:2] == (8, 1)


def refused(monitor, **request):
    result, pid, words, fd = monitor.ask(**request)
    assert result < 0 and pid == 0 and fd is None and words, request
    assert monitor.children() == [], request


def test_nothing_outside_the_table(monitor):
    for kind in (len(KINDS), 255, 0xFFFFFFFF):
        refused(monitor, kind=kind)
    for act in (10, 99, 0xFFFFFFFF):
        refused(monitor, kind="list", act=act)
    refused(monitor, kind="list", act=STOP)  # of nothing that it has started
    for kind in KINDS:
        refused(monitor, kind=kind, flags=1 << 31, which=b"latest")
    refused(monitor, kind="list", flags=1 << 5)
    refused(monitor, kind="drill", flags=1 << 12, which=b"latest")  # no such flag; --foreign is for a person at the machine
    refused(monitor, kind="put-back", text=b"x")
    refused(monitor, kind="alarm")
    assert "monitor-refuses" in open(monitor.log.name).read()


def test_nobody_is_put_above_a_trial_or_a_rule(monitor):
    """Those words are root's, with elexgate(1): what a keeper asks for, whoever sits in it, is tried out and keeps the last good backup."""
    for action in ("run", "sql", "plan"):
        refused(monitor, kind="restore-plan" if action == "plan" else "restore", text=request(action, which="2026-11-22-0315", no_trial=True))
    for flag in range(11, 32):  # the table ends before: there is no flag for it
        for kind in ("remove", "drill"):
            refused(monitor, kind=kind, flags=1 << flag, which=b"2026-11-22-0315")


PATHS = [b"/etc/passwd", b"../x", b"x/y", b".", b"..", b"-x", b"--into", b"-", b"/dev/stdin", b"2026-11-22-0315/..", b"x\n", b"\xff", b"A" * 208]


@pytest.mark.parametrize("kind, flags", [("restore", 0), ("restore-plan", 0), ("drill", 0), ("verify", 0), ("remove", 0)])
def test_no_path_and_no_option(monitor, kind, flags):
    for name in PATHS:
        refused(monitor, kind=kind, flags=flags, which=name)
    for name in PATHS:
        refused(monitor, kind=kind, flags=flags, which=b"2026-11-22-0315", types=[name[:41]])
    refused(monitor, kind=kind, flags=flags, which=b"2026-11-22-0315", count=65)
    refused(monitor, kind=kind, flags=flags, which=b"2026-11-22-0315", count=0xFFFFFFFF)


def request(action, **members):
    return json.dumps({"action": action, **members}).encode()


@pytest.mark.parametrize("kind, action", [("restore", "run"), ("restore", "sql"), ("restore-plan", "plan"), ("open", "open")])
def test_a_restore_names_no_path(monitor, kind, action):
    """The same reader as the keeper's and the job's, and here it is not root who asks."""
    for name in PATHS:
        for foreign in (False, True):
            refused(monitor, kind=kind, text=request(action, which=name.decode("latin-1"), foreign=foreign))
        refused(monitor, kind=kind, text=request(action, which="latest", types=[name.decode("latin-1")]))
    for name in ("file", "recover_with", "folder", "socket"):
        refused(monitor, kind=kind, text=request(action, which="latest", **{name: "/etc/passwd"}))
    for text in (b"", b"{", b"[]", b"run", request("into", which="latest", folder="/tmp/x"), request("serve", folder="/tmp/x", socket="/tmp/y"),
                 request("run" if action == "plan" else "plan", which="latest"), request("status"), request(action, which="latest") + b"x"):
        refused(monitor, kind=kind, text=text)


def test_an_upload_is_a_plain_file_of_the_folder(monitor, backup, folder):
    uploads = folder / "uploads"
    uploads.mkdir()
    (folder / "secret").write_text("x")
    (uploads / "link").symlink_to(folder / "secret")
    os.link(folder / "secret", uploads / "second")
    os.mkfifo(uploads / "pipe")
    (uploads / "folder").mkdir()
    backup.set("console", upload_dir=uploads)
    for name in (*PATHS, b"none", b"link", b"second", b"pipe", b"folder"):
        refused(monitor, kind="restore", text=request("sql", upload=name.decode("latin-1")))
        refused(monitor, kind="restore", text=request("run", foreign=True, upload=name.decode("latin-1")))
    refused(monitor, kind="restore", text=request("sql"))
    refused(monitor, kind="restore", text=request("sql", upload="x", which="latest"))


def test_text_is_no_option(monitor):
    for text in (b"--config", b"-", b"a\nb", b"\x1b[0m", b"x" * 4096):
        refused(monitor, kind="alarm", text=text)


def test_a_label_is_one_line(monitor):
    """Only where somebody gives one, and then it is a value: it may begin like an option, or be empty."""
    label, run = 1 << 6, b"2026-11-22-0315"
    for text in (b"a\nb", b"\x1b[0m", b"\xff", b"x" * 121, "\u202eback".encode()):
        refused(monitor, kind="mark", which=run, flags=label, text=text)
    refused(monitor, kind="mark", which=run, text=b"without its flag")
    refused(monitor, kind="drill", which=run, flags=label, text=b"before 3.13")
    refused(monitor, kind="mark", which=b"latest", flags=label, text=b"before 3.13")
    for text in (b"--protect", b"", "vor dem Einspielen von 3.13".encode()):
        result, pid, words, fd = monitor.ask(kind="mark", which=run, flags=label, text=text)
        assert result == 0 and pid > 0, words
        os.close(fd)
        monitor.end()


def test_a_day_is_digits(monitor):
    """And nothing that could be a path or an option; without one it is today."""
    for text in (b"../etc", b"-1", b"2026-11-30x", b"2026-11-300", b"--day", b"2026\n"):
        refused(monitor, kind="timeline", text=text)
    for text in (b"2026-11-30", b""):
        result, pid, words, fd = monitor.ask(kind="timeline", text=text)
        assert result == 0 and pid > 0, words
        os.close(fd)
        monitor.end()


def test_descriptors_only_where_one_is_read(monitor):
    with open("/dev/null") as f:
        refused(monitor, kind="list", fds=[f.fileno()])
        refused(monitor, kind="restore", text=request("sql", upload="x"), fds=[f.fileno()])
    refused(monitor, kind="notify")
    refused(monitor, kind="page-cert")


@pytest.mark.parametrize("message", [b"", b"x", b"\0" * (LAYOUT.size - 1), b"\0" * (LAYOUT.size + 1)])
def test_what_is_no_request_ends_it(monitor, message):
    assert monitor.raw(message) is None
    assert monitor.process.wait(20) == 0


def test_more_descriptors_than_one_end_it(monitor):
    with open("/dev/null") as f:
        try:
            answer = monitor.ask("page-cert", fds=[f.fileno()] * 2)
        except OSError:
            answer = None
    assert answer is None and monitor.process.wait(20) == 0


def look(monitor, job=1):
    r, w = os.pipe()
    result, pid, words, fd = monitor.ask("look", job=job, fds=[r])
    os.close(r)
    assert result == 0, words
    return pid, w, os.fdopen(fd)


def test_a_job_has_the_rights_of_its_kind(monitor):
    pid, questions, answers = look(monitor)
    os.write(questions, b"\n")
    assert json.loads(answers.readline())["event"] == "look"  # it has become its program
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines())
    assert status["NoNewPrivs"] == "1"
    if os.geteuid() == 0:
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 1 << DAC_READ_SEARCH
    os.close(questions)
    assert monitor.end() == (1, 0, 0)
    answers.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give")
@pytest.mark.parametrize("hooks", [False, True])
def test_a_backup_may_read_and_nothing_else(backup, server, folder, hooks):
    """Seen by a program that it runs; with hooks, which are the admin's own, it may more."""
    server.sql("CREATE DATABASE IF NOT EXISTS load_db; CREATE OR REPLACE TABLE load_db.t (a INT)")
    program, status = folder / "dump", folder / "status"
    program.write_text(f"#!/bin/sh\ncat /proc/self/status >{status}\nexit 1\n")
    program.chmod(0o755)
    backup.account().set("backup", dump_program=program)
    if hooks:
        backup.set("hooks", after_backup="/bin/true")
    m = Monitor(backup)
    result, pid, words, fd = m.ask("backup", flags=NOW | DUMP, types=[b"elexisdb-sql"])
    assert result == 0, words
    lines = said(fd)
    assert status.exists(), lines
    rights = int(dict(line.split(":\t", 1) for line in status.read_text().splitlines())["CapEff"], 16)
    chown, setuid, lease, admin = 1 << 0, 1 << 7, 1 << 28, 1 << 21
    assert rights & (lease | admin) == 0 and (rights == 1 << DAC_READ_SEARCH if not hooks else rights & chown and rights & setuid), hex(rights)
    assert m.close() == 0


def test_jobs_end_with_the_keeper(monitor):
    pid, questions, answers = look(monitor)
    assert monitor.ask("list", job=1)[0] < 0  # the number is taken
    assert monitor.close() == 0
    process.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 20, "its end")
    os.close(questions)
    answers.close()


def test_a_job_is_stopped_by_its_number_only(monitor):
    pid, questions, answers = look(monitor, job=3)
    assert monitor.ask(act=STOP, job=4)[0] < 0
    assert monitor.ask(act=STOP, job=3)[0] == 0
    assert monitor.end() == (3, 1, 15)
    os.close(questions)
    answers.close()


RUN = "2026-11-22-0315"
ACCEPT_SMALLER, UNPROTECT = 1 << 4, 1 << 8
DELETE = {"cmd": "delete", "which": RUN}
PASSWORD = "ein langes Passwort für Tests"


def memory(content):
    fd = os.memfd_create("request")
    os.write(fd, content if isinstance(content, bytes) else json.dumps(content).encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def asked(monitor, kind, request=None, **more):
    """A job that is told a request, or one with arguments; what it says, or None where it is refused because nobody confirmed it."""
    fd = memory(request) if request is not None else None
    result, pid, words, out = monitor.ask(kind=kind, fds=[] if fd is None else [fd], **more)
    if fd is not None:
        os.close(fd)
    if result < 0:
        assert "nobody confirmed" in words and pid == 0 and out is None, words
        return None
    lines = said(out)
    monitor.end()
    return lines


def asked_page(monitor, kind, request):
    lines = asked(monitor, kind, request)
    answers = [line["answer"] for line in lines if line.get("event") == "answer"]
    assert answers, lines
    return answers[0]


def removes(monitor):
    return asked(monitor, "remove", which=RUN.encode()) is not None


CONFIRMED = [
    ("remove", {"which": RUN.encode()}, None), ("mark", {"which": RUN.encode(), "flags": UNPROTECT}, None),
    ("restore", {"text": request("accept")}, None), ("restore", {"text": request("run", which="old.tar.gz", foreign=True)}, None),
    ("restore-plan", {"text": request("plan", which="old.tar.gz", foreign=True)}, None),
    ("open", {"text": request("open", which=RUN)}, None), ("backup", {"flags": NOW | ACCEPT_SMALLER}, None),
    ("page-cert", {}, {"cmd": "cert", "action": "init", "options": {}}), ("page-cert", {}, {"cmd": "cert", "action": "renew", "options": {"force": True}}),
    ("page-config", {}, {"cmd": "config-set", "values": {"retention.keep": "1"}}),
    ("page-account", {}, {"cmd": "account", "action": "add", "name": "eve", "role": "admin", "password": "x"}),
    ("page-account", {}, {"cmd": "account", "action": "set", "name": "eve", "password": "x", "as": {"account": "anna", "role": "admin"}}),
]


@pytest.mark.parametrize("kind, more, told", CONFIRMED)
def test_what_a_person_must_confirm(monitor, backup, kind, more, told):
    """Neither by itself nor with what was granted for something else."""
    assert asked(monitor, kind, told, **more) is None
    grant.by_hand(backup.socket, DELETE if kind != "remove" else {**DELETE, "which": "2026-11-22-0316"})
    assert asked(monitor, kind, told, **more) is None and monitor.children() == []


def test_an_act_of_another_command(monitor):
    """Whose row asks for less: a job answers its own."""
    for kind in ("page-cert", "page-config", "page-account"):
        for told in ({"cmd": "status"}, {"cmd": "run"}, {}, {"cmd": "nonsense"}, {"cmd": "restore", "action": "status"}):
            fd = memory(told)
            refused(monitor, kind=kind, fds=[fd])
            os.close(fd)
        for told in (b"", b"[]", b"{", b'{"cmd":"account","cmd":"status"}', b"x" * 100):
            fd = memory(told)
            refused(monitor, kind=kind, fds=[fd])
            os.close(fd)
        r, w = os.pipe()
        refused(monitor, kind=kind, fds=[r])
        os.close(r), os.close(w)


def test_a_grant_is_for_one_request_once_and_not_for_long(monitor, backup):
    good = grant.message(DELETE)
    for wrong in (grant.message({**DELETE, "type": "elexisdb"}), grant.message({**DELETE, "which": "2026-11-23-0315"}), good[:-1], good + b"x", b"",
                  grant.message(DELETE, at_ms=grant.now_ms() - 61000), grant.message(DELETE, at_ms=grant.now_ms() + 60000),
                  grant.message(DELETE, account="mpa", level=grant.VIEWER), grant.message(DELETE, level=grant.NOBODY), grant.message(DELETE, at_ms=0)):
        grant.tell(backup.socket, wrong)
        assert not removes(monitor), wrong
    grant.tell(backup.socket, good)
    assert removes(monitor) and not removes(monitor)
    grant.tell(backup.socket, good)  # once more
    assert not removes(monitor)
    grant.tell(backup.socket, grant.message(DELETE, at_ms=grant.now_ms() - 50000))
    assert removes(monitor)
    log = open(monitor.log.name).read()
    assert "grant-refused" in log and "it was told before" in log and "monitor-refuses" in log
    lines = audit_lines(backup, "confirmed", 2)
    assert lines[0]["program"] == "elexgate-monitor" and lines[0]["who"] == pwd.getpwuid(os.geteuid()).pw_name and "account" not in lines[0]
    assert lines[0]["action"] == "delete" and lines[0]["object"] == RUN


def test_a_flood_at_the_door_is_counted(monitor, backup):
    for _ in range(200):
        grant.tell(backup.socket, b"no grant")
    assert not removes(monitor)
    assert 10 < open(monitor.log.name).read().count("event=grant-refused") <= 30
    grant.by_hand(backup.socket, DELETE)
    assert removes(monitor)


def audit_lines(backup, event, count):
    def found():
        text = (backup.folder / "audit.log").read_text() if (backup.folder / "audit.log").exists() else ""
        return [line for line in map(json.loads, text.splitlines()) if line["event"] == event]
    process.wait_until(lambda: len(found()) >= count, 20, f"the {event} lines of the audit log")
    return found()


def test_a_password_confirms_what_was_sealed_with_it(monitor, backup):
    """The keeper brings the box to the job that compares, which tells the monitor past it; it can put nothing of its own in."""
    key = backup.socket
    first = {"cmd": "account", "action": "first", "name": "anna", "role": "admin", "password": seal(key, PASSWORD)}
    assert asked_page(monitor, "page-account", first)["ok"]
    assert asked_page(monitor, "page-account", {**first, "name": "eve"})["code"] == "EEXIST"  # there is one
    people = (backup.state / "people.json").read_text()
    fd = monitor.ask(act=PEOPLE)[3]
    assert json.loads(os.pread(fd, 1000, 0)) == [{"name": "anna", "role": "admin"}] and "argon2id" in people  # no hash for the keeper
    os.close(fd)

    def compare(box, account="anna", **more):
        return asked_page(monitor, "page-password", {"account": account, "sealed": box, **more})
    # another password, one in the clear, a hash of its own, another's account, the box of a new password
    for box, more in ((seal(key, "another password", grant.act(DELETE)), {}), (PASSWORD, {}), ("", {}),
                      (seal(key, "x", grant.act(DELETE)), {"hash": json.loads(people)["people"][0]["hash"]})):
        assert compare(box, **more)["fits"] is False and not removes(monitor)
    assert compare(seal(key, PASSWORD, grant.act(DELETE)), account="eve")["code"] == "ENOENT" and not removes(monitor)
    assert compare(first["password"])["fits"] and not removes(monitor)
    # of something else, and of more than a minute ago
    for box in (seal(key, PASSWORD, grant.act({**DELETE, "which": "2026-11-23-0315"})), seal(key, PASSWORD, grant.act(DELETE), at_ms=grant.now_ms() - 61000)):
        assert compare(box)["fits"] and not removes(monitor)
    box = seal(key, PASSWORD, grant.act(DELETE))
    assert compare(box)["fits"] and removes(monitor) and not removes(monitor)
    assert compare(box)["fits"] and not removes(monitor)  # kept by the keeper, and shown once more
    confirmed = audit_lines(backup, "confirmed", 1)
    assert [(line["program"], line["account"], line["action"]) for line in confirmed] == [("elexgate-monitor", "anna", "delete")]
    # in anna's name nobody else's act is done, nor hers in somebody else's
    change = {"cmd": "account", "action": "add", "name": "mpa", "role": "viewer", "password": seal(key, PASSWORD + "2")}
    assert compare(seal(key, PASSWORD, grant.act(change)))["fits"]
    assert asked(monitor, "page-account", {**change, "as": {"account": "eve", "role": "admin"}}) is None
    assert asked(monitor, "page-account", change) is None  # as if it came from the machine
    assert asked_page(monitor, "page-account", {**change, "as": {"account": "anna", "role": "admin"}})["ok"]
    # a viewer confirms what a viewer may: her own password
    assert compare(seal(key, PASSWORD + "2", grant.act(DELETE)), account="mpa")["fits"] and not removes(monitor)
    mpa = {"account": "mpa", "role": "admin"}
    for act, allowed in (({"cmd": "account", "action": "role", "name": "mpa", "role": "admin"}, False), ({"cmd": "account", "action": "remove", "name": "anna"}, False),
                         ({"cmd": "account", "action": "set", "name": "mpa", "password": seal(key, PASSWORD + "3")}, True)):
        assert compare(seal(key, PASSWORD + "2", grant.act(act)), account="mpa")["fits"]
        answer = asked_page(monitor, "page-account", {**act, "as": mpa})
        assert answer["ok"] is allowed and (allowed or answer["code"] == "EPERM"), answer


@pytest.mark.parametrize("role", ["", "root", ["admin"], [""], {"x": 1}, 0, True])
def test_a_viewer_cannot_damage_the_list(monitor, backup, role):
    """Her own password, and with it a role that nobody could read afterwards."""
    key = backup.socket
    first = {"cmd": "account", "action": "first", "name": "mpa", "password": seal(key, PASSWORD)}
    assert asked_page(monitor, "page-account", {**first, "role": role})["code"] == "EINVAL"
    assert asked_page(monitor, "page-account", {**first, "role": "admin"})["ok"]
    people = backup.state / "people.json"
    people.write_text(people.read_text().replace('"admin"', '"viewer"'))
    kept = people.read_text()
    change = {"cmd": "account", "action": "set", "name": "mpa", "role": role, "password": seal(key, PASSWORD + "2")}
    box = seal(key, PASSWORD, grant.act(change))
    assert asked_page(monitor, "page-password", {"account": "mpa", "sealed": box})["fits"]
    answer = asked_page(monitor, "page-account", {**change, "as": {"account": "mpa", "role": "viewer"}})
    assert answer["code"] == "EPERM" and people.read_text() == kept, answer
    grant.by_hand(backup.socket, change)  # nor does somebody at the machine
    assert asked_page(monitor, "page-account", change)["code"] == "EINVAL" and people.read_text() == kept


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_who_may_tell(backup, server):
    """Root; whoever is named in control_users, for himself; never the keeper."""
    for part in (backup.folder, *backup.folder.parents):
        if part.stat().st_mode & 5 != 5 and part != part.parent:
            part.chmod(part.stat().st_mode | 5)

    def tell_as(user, data):
        program = f"import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(bytes.fromhex({data.hex()!r}), {str(backup.folder / 'grant.sock')!r})"
        user = pwd.getpwnam(user)
        return subprocess.run([sys.executable, "-c", program], user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/", capture_output=True, text=True,
                              timeout=60, check=False)
    m = Monitor(backup)
    assert not removes(m)  # it is up, and so is its door
    assert "PermissionError" in tell_as("elexgate-keeper", grant.message(DELETE)).stderr and not removes(m)
    assert m.close() == 0 and not (backup.folder / "grant.sock").exists()
    backup.set("backup", control_users="root, nobody")
    m = Monitor(backup)
    assert not removes(m)
    for user, data, allowed in (("elexgate-keeper", grant.message(DELETE), False), ("nobody", grant.message(DELETE, account="anna", level=grant.ADMIN), False),
                                ("nobody", grant.message(DELETE), True)):
        done = tell_as(user, data)
        assert done.returncode == 0 and removes(m) is allowed, (user, done.stderr)
    assert audit_lines(backup, "confirmed", 1)[-1]["who"] == "nobody"
    assert m.close() == 0


def audit(monitor, *lines):
    fd = os.memfd_create("lines")
    os.write(fd, b"".join(line + b"\n" for line in lines))
    answer = monitor.ask(act=AUDIT, fds=[fd])
    os.close(fd)
    return answer[0]


def test_the_audit_log_is_only_added_to(monitor, backup):
    """And what is added is one line of JSON, whoever sends it."""
    log = backup.folder / "audit.log"
    good = b'{"time":"2026-11-22T03:15:00.000Z","program":"elexgate-keeper","event":"job","run":"x"}'
    assert audit(monitor, good) == 0
    process.wait_until(lambda: log.exists() and log.read_bytes() == good + b"\n", 20, "the line")
    for bad in (b"x", b"[]", b"{}", good + b"}", good[:-1], b'{"event":"a\x01"}', b"\xff" * 20, good.replace(b",", b",\t"),
                good.replace(b"keeper", b"monitor"), good.replace(b"program", b"programme"), good.replace(b'"elexgate-keeper"', b'["elexgate-keeper"]')):
        assert audit(monitor, bad) < 0, bad
    assert audit(monitor, *[good] * 1000) < 0  # too much at once
    r, w = os.pipe()
    assert monitor.ask(act=AUDIT, fds=[r])[0] < 0 and monitor.ask(act=AUDIT)[0] < 0
    os.close(r), os.close(w)
    assert audit(monitor, good) == 0
    process.wait_until(lambda: log.read_bytes() == 2 * (good + b"\n"), 20, "both lines and no other")


def test_the_audit_log_takes_so_much_a_minute(monitor, backup):
    line = json.dumps({"program": "elexgate-keeper", "event": "x", "text": "y" * 60000}).encode()
    taken = sum(audit(monitor, line) == 0 for _ in range(160))
    assert 120 <= taken <= 140
    assert audit(monitor, b'{"program":"elexgate-keeper","event":"job"}') < 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give")
def test_doctor_names_a_keeper_whose_jobs_keep_all_rights(backup, server):
    backup.account()
    backup.start_keeper()
    assert backup.call("status")["jobs_bound"] is True
    backup.stop_keeper()
    backup.keeper = process.Child("elexgate-keeper", ["setpriv", "--bounding-set=-setpcap", paths.KEEPER, "--config", backup.config],
                                  backup.folder / "keeper.log")
    process.wait_until(backup.ready, 20, "the keeper")
    told = process.run([paths.CLI, "--config", backup.config, "--json", "doctor"], check=False).stdout
    backup.stop_keeper()
    assert '"job-rights"' in told and "CAP_SETPCAP" in told, told


def test_descriptors_that_come_back_can_only_be_read(monitor, backup):
    fd = monitor.ask(act=CONFIG)[3]
    assert os.pread(fd, 1 << 20, 0) == backup.config.read_bytes()
    os.write(fd, b"changed")  # a copy
    os.close(fd)
    assert b"changed" not in backup.config.read_bytes()
    assert monitor.ask(act=TRAIL)[0] < 0 and monitor.ask(act=STOP_RESTORE)[0] < 0  # there is none
    backup.state.mkdir(exist_ok=True)
    bystander = subprocess.Popen(["sleep", "60"])
    try:  # what stands in the lock's file is nobody's right to be ended
        with open(backup.state / "run.lock", "w+b") as lock:
            lock.write(b"%d\n" % bystander.pid)
            lock.flush()
            fcntl.fcntl(lock, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
            assert monitor.ask(act=STOP_RESTORE)[0] < 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    (backup.state / "restore.trail").write_text("said\n")
    fd = monitor.ask(act=TRAIL)[3]
    with pytest.raises(OSError):
        os.write(fd, b"x")
    os.close(fd)


def test_only_a_socket_is_removed(monitor, backup):
    backup.socket.write_text("a file")
    monitor.ask(act=CLOSED)
    assert backup.socket.read_text() == "a file"


def test_not_by_hand():
    done = subprocess.run([MONITOR], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2 and "elexgate-keeper" in done.stderr


def status_of(pid):
    return dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines())


def as_keeper(program):
    """Runs a piece of Python as the keeper's user."""
    user = pwd.getpwnam("elexgate-keeper")
    return subprocess.run([sys.executable, "-c", program], user=user.pw_uid, group=user.pw_gid, extra_groups=[], cwd="/", capture_output=True,
                          text=True, timeout=60, check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_the_keeper_is_a_user_without_rights(backup, server):
    server.sql("CREATE DATABASE IF NOT EXISTS load_db; CREATE OR REPLACE TABLE load_db.t (a INT)")
    backup.account()
    backup.job("backup", "--now", "--dump")
    for part in (backup.folder, *backup.folder.parents):  # the folders above are not what keeps it out
        if part.stat().st_mode & 5 != 5 and part != part.parent:
            part.chmod(part.stat().st_mode | 5)
    backup.start_keeper()
    user = pwd.getpwnam("elexgate-keeper")
    s = status_of(backup.keeper.pid)
    assert s["Uid"].split() == [str(user.pw_uid)] * 4 and s["Gid"].split() == [str(user.pw_gid)] * 4
    assert int(s["CapEff"], 16) == int(s["CapPrm"], 16) == 0 and s["NoNewPrivs"] == "1" and s["Seccomp"] == "2" and s["Groups"].split() in ([], [str(user.pw_gid)])
    secrets = [backup.folder / "admin.secret", *(p for p in backup.state.rglob("*") if p.is_file() and backup.own not in p.parents),
               *(p for p in backup.archives.iterdir() if p.is_file())]
    assert any(p.parent.name == "seal" for p in secrets) and len(secrets) > 4, secrets
    program = f"""
import os
import pwd
for path in {[str(p) for p in secrets]}:
    try:
        os.close(os.open(path, os.O_RDONLY))
        print('read', path)
    except PermissionError:
        pass
for folder in {[str(p) for p in (backup.state, backup.archives, backup.folder)]}:
    try:
        os.close(os.open(folder + '/planted', os.O_WRONLY | os.O_CREAT))
        print('wrote', folder)
    except PermissionError:
        pass
"""
    done = as_keeper(program)
    assert done.returncode == 0 and done.stdout == "", done.stdout + done.stderr
    assert backup.own.stat().st_uid == user.pw_uid and backup.state.stat().st_uid == 0
    backup.call({"cmd": "run", "mode": "now", "types": ["elexisdb-sql"]})
    process.wait_until(lambda: backup.runs(), 90, "a run")
    assert backup.runs()[0]["result"] == "good", backup.runs()
    backup.stop_keeper()
    assert not backup.socket.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_as_root_without_the_user_it_does_not_run(backup):
    for name, words in (("nobody-of-that-name", "useradd"), ("root", "is root")):
        backup.set("backup", user=name)
        done = process.run([paths.KEEPER, "--config", backup.config], check=False)
        assert done.returncode == 1 and words in done.stderr and name in done.stderr, done.stderr
    assert not backup.socket.exists() and not (backup.own).exists()


def test_what_older_versions_kept_moves(backup):
    backup.state.mkdir()
    (backup.state / "keeper.json").write_text(json.dumps({"version": 1, "backup_seen_ms": 1, "drill_seen_ms": 1, "runs": []}))
    (backup.state / "people.json").write_text('{"people":[]}')
    (backup.state / "people.json").chmod(0o600)
    backup.start_keeper()
    assert not (backup.state / "keeper.json").exists() and (backup.own / "keeper.json").exists()
    backup.stop_keeper()
    # the accounts are root's: what a version between kept in the keeper's folder comes back, but over none that there are
    people, kept = backup.state / "people.json", backup.own / "people.json"
    kept.write_text('{"people":[{"name":"eve","role":"admin","hash":"x"}]}')
    backup.start_keeper()
    backup.stop_keeper()
    assert not kept.exists() and people.read_text() == '{"people":[]}' and people.stat().st_uid == os.geteuid()
    kept.write_text('{"people":[{"name":"anna","role":"admin","hash":"x"}]}')
    people.unlink()
    backup.start_keeper()
    assert not kept.exists() and "anna" in people.read_text() and people.stat().st_uid == os.geteuid() and people.stat().st_mode & 0o777 == 0o600
    backup.stop_keeper()
