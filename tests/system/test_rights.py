"""What a program that was taken over can ask for: the page's program at the keeper's and the gate's control sockets, and
whoever puts a socket of his own where ours should be."""
import contextlib
import json
import os
import re
import pwd
import socket
import threading

import pytest

from lib import control, paths, process
from lib.backup import Backup
from lib.sealed import seal, with_sealed

pytestmark = [pytest.mark.sanitize, pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")]
PAGE = "nobody"  # stands for elexgate-console
PASSWORD = "ein langes Passwort für Tests"
ADMIN = {"account": "anna", "role": "admin"}


def as_user(name, path, request, times=1):
    """A request as another user: the kernel tells the server who asked. times: on one connection; the last answer."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            who = pwd.getpwnam(name)
            os.setgroups([])
            os.setgid(who.pw_gid)
            os.setuid(who.pw_uid)
            with control.Control(path) as c:
                for _ in range(times):
                    answer = c.call(request)
        except Exception as e:  # pylint: disable=broad-except
            answer = {"ok": False, "code": "EXCEPTION", "error": repr(e)}
        os.write(write, json.dumps(answer).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as f:
        answer = json.loads(f.read())
    os.waitpid(pid, 0)
    return answer


@pytest.fixture
def keeper(folder, server):
    folder.parent.chmod(0o711)
    folder.chmod(0o711)
    b = Backup(folder / "b", server, options={"backup": {"method": "dump"}, "console": {"user": PAGE}})
    b.folder.chmod(0o711)
    b.start_keeper()
    yield b
    b.stop_keeper()


def ask(b, cmd, user=PAGE, **more):
    return as_user(user, b.socket, with_sealed(b.socket, {"cmd": cmd, **more}))


@pytest.mark.parametrize("cmd,more", [
    ("fetch", {"which": "2026-11-22-0315", "type": "elexisdb"}),
    ("reload", {}), ("log-level", {"level": "debug"}),
    ("delete", {"which": "2026-11-22-0315", "force": True}),
    ("delete", {"which": "2026-11-22-0315", "force": 1}),
    ("restore", {"action": "run", "which": "latest", "no_trial": True}),
    ("cert", {"action": "init", "options": {"force": True}}),
    ("cert", {"action": "init", "options": {"no-constraints": True}}),
    ("cert", {"action": "init", "options": {"no_constraints": True}}),
    ("cert", {"action": "init", "options": {"allow-no_san": True}}),
    ("cert", {"action": "renew", "options": {"host": ["nas.local"]}}),
    ("cert", {"action": "renew", "options": {"ip": ["192.168.1.1"]}}),
    ("cert", {"action": "renew", "options": {"days": 10000}}),
    ("cert", {"action": "client", "options": {"name": "x"}}),
    ("cert", {"action": "init", "options": {}}),
    ("cert", {"action": "csr", "options": {}}),
    ("cert", {"action": "install", "options": {"certificate": "eA=="}}),
    ("delete", {"which": "2026-11-22-0315"}),
    ("config-set", {"values": {"retention.keep": 1}}), ("restore", {"action": "accept"}),
    ("restore", {"action": "sql", "upload": "x"}),
    ("restore", {"action": "run", "which": "old.tar.gz", "foreign": True}),
    ("account", {"action": "add", "name": "eve", "role": "admin", "password": PASSWORD}),
    ("account", {"action": "role", "name": "eve", "role": "admin"}),
    ("account", {"action": "remove", "name": "anna"}),
])
def test_a_page_that_was_taken_over(keeper, cmd, more):
    """It says that an admin asks, and has no password of one."""
    assert ask(keeper, "account", action="first", name="anna", role="admin", password=PASSWORD)["ok"]
    for confirm in ({}, {"confirm": ""}, {"confirm": ["x"]}, {"confirm": "x" * 300}):
        answer = ask(keeper, cmd, **{"as": ADMIN, **more, **confirm})
        assert not answer["ok"] and answer["code"] in ("EPERM", "ENOKEY", "ENOSYS", "EACCES"), answer
        if answer["code"] == "EACCES":
            break
    answer = ask(keeper, cmd, **more)
    assert not answer["ok"] and answer["code"] in ("EPERM", "ENOSYS"), answer
    assert ask(keeper, "status")["ok"] and keeper.keeper.alive()


def test_who_confirms(keeper):
    assert ask(keeper, "account", action="first", name="anna", role="admin", password=PASSWORD)["ok"]
    # a second first one is none, with or without the machine's rights
    assert ask(keeper, "account", action="first", name="eve", role="admin", password=PASSWORD)["code"] == "EEXIST"
    delete = {"which": "2026-11-22-0315"}
    # whom the keeper does not know may read, whatever the page says
    assert ask(keeper, "delete", **{"as": {"account": "eve", "role": "admin"}}, confirm=PASSWORD, **delete)["code"] == "EPERM"
    assert ask(keeper, "run", **{"as": {"account": "ghost", "role": "admin"}})["code"] == "EPERM"
    assert ask(keeper, "account", action="remove", name="anna", confirm=PASSWORD, **{"as": ADMIN})["code"] == "EPERM"  # the last
    right = ask(keeper, "delete", **{"as": ADMIN}, confirm=PASSWORD, **delete)
    assert right["code"] == "ENOENT" and "2026-11-22-0315" in right["error"], right  # the keeper looked for it
    # everybody's records in the clear: an admin, and the password once more
    opening = {"which": "2026-11-22-0315", "as": ADMIN}
    assert ask(keeper, "open-backup", **opening)["code"] == "ENOKEY"
    assert ask(keeper, "open-backup", **{**opening, "as": {"account": "anna", "role": "viewer"}}, confirm=PASSWORD)["code"] == "EPERM"
    assert ask(keeper, "open-backup", **opening, confirm=PASSWORD)["ok"]
    # a viewer of the keeper's own list stays one, whatever the page says
    assert ask(keeper, "account", action="add", name="mpa", role="viewer", password=PASSWORD + "2", confirm=PASSWORD, **{"as": ADMIN})["ok"]
    mpa = {"account": "mpa", "role": "admin"}
    assert ask(keeper, "delete", **{"as": mpa}, confirm=PASSWORD + "2", **delete)["code"] == "EPERM"
    assert ask(keeper, "run", **{"as": mpa})["code"] == "EPERM"
    assert ask(keeper, "account", action="role", name="mpa", role="admin", confirm=PASSWORD + "2", **{"as": mpa})["code"] == "EPERM"
    # her own password she may change, with the old one
    new = {"action": "set", "name": "mpa", "password": PASSWORD + "3", "as": mpa}
    assert ask(keeper, "account", confirm=PASSWORD, **new)["code"] == "EACCES"
    process.wait_until(lambda: ask(keeper, "account", confirm=PASSWORD + "2", **new)["ok"], 20, "the pause after a wrong password")
    assert ask(keeper, "account", action="set", name="anna", password=PASSWORD, confirm=PASSWORD + "3", **{"as": mpa})["code"] == "EPERM"
    # a right one of her own does not end the row of wrong ones that she guesses for another, whose pause is none of hers
    for row in (2, 3, 4, 5):  # a longer row where the machine is slower than the pause, which doubles
        for _ in range(row):
            process.wait_until(lambda: ask(keeper, "delete", **{"as": ADMIN}, confirm="guessed at " + PASSWORD, **delete)["code"] == "EACCES", 40, "a guess")
            assert ask(keeper, "account", confirm=PASSWORD + "3", **new)["ok"]
        paused = ask(keeper, "delete", **{"as": ADMIN}, confirm=PASSWORD, **delete)
        left = re.search(r"once more in (\d+) s", paused["error"])
        if left and int(left[1]) > 1:
            break
    assert paused["code"] == "EAGAIN" and left and int(left[1]) > 1, paused
    # over a restart
    keeper.stop_keeper()
    keeper.start_keeper()
    assert ask(keeper, "account", action="first", name="eve", role="admin", password=PASSWORD)["code"] == "EEXIST"
    people = keeper.state / "people.json"
    assert people.stat().st_mode & 0o777 == 0o600 and PASSWORD not in people.read_text()


def test_a_damaged_list_ends_no_keeper(keeper):
    """The accounts are off, and nothing else; nobody becomes an admin by it, and what was mended counts without a restart."""
    def found():
        return [f for f in keeper.call("status")["findings"] if f["code"] == "accounts-damaged"]
    assert ask(keeper, "account", action="first", name="anna", role="admin", password=PASSWORD)["ok"] and not found()
    people = keeper.state / "people.json"
    good = people.read_text()
    keeper.stop_keeper()
    people.write_text(good.replace('"admin"', '""'))
    keeper.start_keeper()
    finding, = found()
    assert "people.json" in finding["text"] and "(anna)" in finding["text"] and "remove it" not in finding["text"], finding
    assert ask(keeper, "run", **{"as": ADMIN})["code"] == "EPERM"
    assert ask(keeper, "account", action="first", name="eve", role="admin", password=PASSWORD)["code"] == "EBADMSG"
    keeper.call({"cmd": "run", "mode": "now", "types": ["elexisdb-sql"]})
    process.wait_until(keeper.runs, 90, "a backup all the same")
    people.write_text(good)
    process.wait_until(lambda: not found(), 40, "the mended list")
    assert ask(keeper, "delete", **{"as": ADMIN}, which="2026-11-22-0315", confirm=PASSWORD)["code"] == "ENOENT"


def test_the_keeper_sees_no_password(keeper):
    """It hands on what the page has sealed to a job of root's, which says yes or no."""
    assert ask(keeper, "account", action="first", name="anna", role="admin", password=PASSWORD)["ok"]
    key, pub = keeper.state / "password.key", keeper.folder / "password.pub"
    assert key.stat().st_mode & 0o777 == 0o600 and key.stat().st_uid == 0 and pub.stat().st_uid == 0 and pub.stat().st_mode & 0o777 == 0o644
    delete = {"cmd": "delete", "which": "2026-11-22-0315", "as": ADMIN}
    # in the clear it is none, and a longer one is another
    for wrong in (PASSWORD, seal(keeper.socket, PASSWORD + "x" * 300)):
        process.wait_until(lambda: as_user(PAGE, keeper.socket, {**delete, "confirm": wrong})["code"] == "EACCES", 40, "a wrong one")  # pylint: disable=cell-var-from-loop
    process.wait_until(lambda: ask(keeper, **delete, confirm=PASSWORD)["code"] == "ENOENT", 40, "the right one")
    for text in ("short", "x" * 201, ""):
        assert ask(keeper, "account", action="add", name="mpa", role="viewer", password=text, confirm=PASSWORD, **{"as": ADMIN})["code"] == "ERANGE"
    # what was sealed to the key of an earlier start is of no use any more
    old = seal(keeper.socket, PASSWORD)
    keeper.stop_keeper()
    keeper.start_keeper()
    assert as_user(PAGE, keeper.socket, {**delete, "confirm": old})["code"] == "EACCES"
    # the job that opens them refuses a key that others can read, and says so
    key.chmod(0o644)
    process.wait_until(lambda: "password.key" in (no := ask(keeper, **delete, confirm=PASSWORD))["error"] and no["code"] == "EIO", 40, "a key that is no secret")


def test_the_audit_log_names_whom_the_kernel_names(keeper):
    ask(keeper, "account", action="first", name="anna", role="admin", password=PASSWORD)
    ask(keeper, "cert", action="client", options={"name": "x"}, **{"as": ADMIN})
    ask(keeper, "audit", who="root", action="restore", object="all", **{"as": {"account": "", "role": "admin"}})
    log = keeper.folder / "audit.log"
    process.wait_until(lambda: "event=console" in log.read_text() or '"console"' in log.read_text(), 10, "the audit log")
    text = log.read_text()
    assert PASSWORD not in text and "root" not in [line for line in text.splitlines() if "console" in line][-1].replace("by", "")
    refused = [line for line in text.splitlines() if "cert" in line and "client" in line]
    assert len(refused) == 1 and "refused" in refused[0] and PAGE in refused[0] and "anna" in refused[0], text


def test_a_stranger_is_told_nothing(keeper):
    answer = ask(keeper, "status", user="daemon")
    assert not answer["ok"]


def test_the_page_at_the_gate(make_gate, server):
    gate = make_gate(server, options={"console": {"user": PAGE}})
    for part in (gate.control_socket.parent, *gate.control_socket.parent.parents):
        if part.stat().st_uid == os.geteuid() and not part.stat().st_mode & 1:
            part.chmod(0o711)
    path = gate.control_socket
    for cmd in ("hold", "release", "stop", "reload", "upgrade", "handover", "handover-take", "log-level"):
        answer = as_user(PAGE, path, {"cmd": cmd, "as": ADMIN, "level": "debug"})
        assert answer["code"] == "EPERM", (cmd, answer)
    assert as_user(PAGE, path, {"cmd": "block", "reason": "x"})["code"] == "EPERM"
    assert as_user(PAGE, path, {"cmd": "block", "reason": "x", "as": {"account": "mpa", "role": "viewer"}})["code"] == "EPERM"
    assert as_user(PAGE, path, {"cmd": "sessions"})["ok"] and as_user(PAGE, path, {"cmd": "status"})["ok"]
    assert as_user(PAGE, path, {"cmd": "block", "reason": "x", "as": ADMIN})["ok"]
    assert as_user(PAGE, path, {"cmd": "open", "as": ADMIN})["ok"]
    with open(f"/proc/{gate.pid}/status") as status:
        assert "\nSeccomp:\t2\n" in status.read()


def refusals(gate):
    return [line for line in gate.log.splitlines() if "event=control-refused" in line]


def test_a_flood_of_refusals_is_counted(make_gate, server, keeper):
    """One line for a connection that asks for the same again and again; so many a minute of all connections; what is done keeps its line."""
    gate = make_gate(server, options={"console": {"user": PAGE}})
    for part in (gate.control_socket.parent, *gate.control_socket.parent.parents):
        if part.stat().st_uid == os.geteuid() and not part.stat().st_mode & 1:
            part.chmod(0o711)
    as_user(PAGE, gate.control_socket, {"cmd": "stop", "as": ADMIN}, times=300)
    process.wait_until(lambda: any("again=299" in line for line in refusals(gate)), 20, "the number of further ones")
    assert len(refusals(gate)) == 2, refusals(gate)
    for _ in range(80):
        as_user("daemon", gate.control_socket, {"cmd": "status"})
    assert 20 < len(refusals(gate)) <= 62
    assert ask(keeper, "account", action="first", name="anna", role="admin", password=PASSWORD)["ok"]
    as_user(PAGE, keeper.socket, {"cmd": "cert", "action": "client", "options": {"name": "x"}, "as": ADMIN}, times=300)
    as_user(PAGE, keeper.socket, {"cmd": "audit", "action": "flood", "as": ADMIN}, times=300)
    keeper.call({"cmd": "log-level", "level": "info"})
    log = keeper.folder / "audit.log"
    process.wait_until(lambda: "log-level" in log.read_text(), 20, "what was done")
    text = log.read_text()
    assert 30 < text.count('"refused"') <= 60 and 60 < text.count('"flood"') <= 120, text[-500:]


@contextlib.contextmanager
def squatter(path, user):
    """Somebody else answers on a socket where ours is expected, and notes what he is told."""
    heard = []
    s = socket.socket(socket.AF_UNIX)
    who = pwd.getpwnam(user)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgid(who.pw_gid)
        os.setuid(who.pw_uid)
        s.bind(str(path))
        s.listen()
        os.write(write, b"!")
        while True:
            c, _ = s.accept()
            c.settimeout(2)
            with contextlib.suppress(OSError):
                data = c.recv(65536)
                os.write(write, data or b"")
                c.sendall(b'{"ok":true}\n')
            c.close()
    os.close(write)
    assert os.read(read, 1) == b"!"

    def listen():
        while chunk := os.read(read, 65536):
            heard.append(chunk)
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        s.close()
        thread.join(5)
        os.close(read)
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("mode", [0o1777, 0o1775, 0o777, 0o755])
def test_a_socket_that_is_not_ours(folder, mode):
    """Root's request does not go to whoever sits on the socket, unless the folder is his alone."""
    folder.parent.chmod(0o711)
    folder.chmod(0o711)
    there = folder / "run"
    there.mkdir()
    who = pwd.getpwnam(PAGE)
    os.chown(there, who.pw_uid if mode in (0o777, 0o755) else 0, who.pw_gid)
    there.chmod(mode)
    config = folder / "elexgate.ini"
    config.write_text(f"[backup]\ncontrol_socket = {there}/keeper.sock\n[proxy]\ncontrol_socket = {there}/keeper.sock\n")
    with squatter(there / "keeper.sock", PAGE) as heard:
        done = process.run([paths.CLI, "--config", config, "log"], check=False)
        if mode == 0o755:
            process.wait_until(lambda: heard, 10, "the request")  # whose folder it is may answer there, as the proxy does
        else:
            assert done.returncode != 0 and not heard, (done.stdout, done.stderr, heard)
