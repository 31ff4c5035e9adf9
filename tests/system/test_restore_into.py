"""A run unpacked elsewhere, a throwaway server on it, one table pulled out of it; the live data stay as they are."""
import hashlib
import json
import os
import pty
import pwd
import re
import shutil
import signal
import stat
import subprocess

import pytest

from lib import paths, process
from lib.backup import event
from lib.restore import Site, hashes
from test_restore_archives import malicious_archive


@pytest.fixture
def site(folder, make_server):
    return Site(folder, make_server(), None)


def encrypted(site):
    key = site.folder / "key.txt"
    process.run(["age-keygen", "-o", key])
    public = next(line.split()[-1] for line in key.read_text().splitlines() if "public key" in line)
    site.backup.set("archive", recipients=public, identity_file=key)
    return site


def in_the_job(site, *args, exit=0):
    return site.job("into", *args, exit=exit)


class Serving:
    """`elexgate restore … --serve` in the background."""

    def __init__(self, site, *args):
        self.log = site.folder / "serve.log"
        self.log.unlink(missing_ok=True)
        self.socket = site.folder / "old.sock"
        self.child = process.Child("restore --serve", [paths.CLI, "--config", site.backup.config, "--json", "restore", *args,
                                                       "--serve", self.socket], self.log)
        process.wait_until(lambda: self.event("serving") or not self.child.alive(), 120, "the throwaway server")
        assert self.child.alive(), self.child.log()

    def event(self, name):
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        return event(lines, name)

    def client(self, program, *args, check=True):
        return process.run([program, "--no-defaults", f"--socket={self.socket}", "--user=root", *args], check=check).stdout

    def value(self, sql):
        return self.client("mariadb", "-N", "-e", sql).strip()

    def stop(self):
        self.child.signal(signal.SIGTERM)
        assert self.child.wait(60) == 0, self.child.log()
        assert not self.socket.exists()


def servers_on(folder, option="--datadir="):
    """Pids of servers whose data directory lies in the folder; option "": of whatever names it."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f"{option}{folder}".encode() in f.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def test_unpacks_a_run_elsewhere(site):
    """Byte for byte what was backed up; nothing live is touched; no server is needed for it."""
    site.prepare()
    elsewhere = site.folder / "elsewhere"
    documents = hashes(site.documents)
    site.server.stop()
    lines = in_the_job(site, elsewhere, "latest")
    unpacked = event(lines, "unpacked")[0]
    assert unpacked["folder"] == str(elsewhere) and unpacked["run"] in site.archive
    assert {t["type"] for t in unpacked["types"]} == {"elexisdb", "documents"}
    assert [p["bytes"] for p in event(lines, "progress") if p["phase"] == "extract"]
    assert hashes(elsewhere / "documents") == site.documents_then
    stock = site.folder / "stock"
    stock.mkdir()
    process.run(["tar", "-C", stock, "-xzf", site.backup.archives / site.archive], timeout=120)
    assert hashes(elsewhere / "elexisdb") == hashes(stock)
    assert hashes(site.documents) == documents
    assert stat.S_IMODE((elsewhere / "elexisdb").stat().st_mode) == 0o700
    site.server.start()
    assert site.side() == "old"


def test_one_type_into_an_empty_folder(site):
    site.prepare()
    elsewhere = site.folder / "there"
    elsewhere.mkdir()
    in_the_job(site, elsewhere, "latest", "documents")
    assert hashes(elsewhere / "documents") == site.documents_then and not (elsewhere / "elexisdb").exists()
    done = site.backup.run_job("restore", "serve", elsewhere, site.folder / "s")
    assert done.returncode == 9 and "neither files nor a dump" in done.stdout


def test_where_it_may_not_go(site):
    site.prepare()
    full = site.folder / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    live, inside = site.server.datadir, site.server.datadir / "look"
    link = site.folder / "link"
    link.symlink_to(live)
    stranger = site.folder / "stranger"
    stranger.mkdir()
    (stranger / "ibdata1").write_bytes(b"")
    for place, words in ((full, "not empty"), (live, "live data"), (inside, "live data"), (link / "look", "live data"),
                         (inside / ".." / "look", "live data" if inside.exists() else "cannot find"),
                         (site.documents, "live data"), (site.documents / "look", "live data"),
                         (stranger / "look", "live data"), (site.folder / "no" / "such", "cannot find"),
                         (full / "mine.txt", "cannot")):
        done = site.backup.run_job("restore", "into", place, "latest")
        assert done.returncode in (1, 9) and words in done.stdout, (place, done.stdout)
    assert (full / "mine.txt").read_text() == "mine" and not inside.exists() and os.listdir(full) == ["mine.txt"]
    assert hashes(site.documents) == site.documents_now and site.side() == "old"


def test_too_little_space_is_said_before_anything_is_written(site):
    site.prepare()
    site.backup.edit_manifest(site.archive, lambda head: re.sub(  # as if it were far larger
        r'("content":\{[^}]*"bytes":)\d+', r"\g<1>400000000000000", head))
    elsewhere = site.folder / "elsewhere"
    error = in_the_job(site, elsewhere, "latest", "elexisdb", exit=5)[-1]["error"]
    assert "about 400 TB are needed" in error and str(elsewhere) in error and not elsewhere.exists()


def test_what_is_damaged_leaves_nothing(site):
    site.prepare()
    path = site.backup.archives / site.archive
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    elsewhere = site.folder / "elsewhere"
    in_the_job(site, elsewhere, "latest", exit=6)
    assert not elsewhere.exists()
    elsewhere.mkdir()
    in_the_job(site, elsewhere, "latest", exit=6)
    assert os.listdir(elsewhere) == [], "the folder was there before, so it stays, empty"


@pytest.mark.parametrize("there_before", [False, True])
def test_a_stop_in_the_middle_leaves_nothing(site, there_before):
    with open(site.documents / "large.img", "wb") as f:
        f.write(os.urandom(1 << 20) * 150)
    site.backup.job("backup", "--now", "documents")
    elsewhere = site.folder / "elsewhere"
    if there_before:
        elsewhere.mkdir()
    job = site.backup.start_job("restore", "into", elsewhere, "latest", "documents")
    for line in job.stdout:
        if json.loads(line).get("event") == "progress":
            job.send_signal(signal.SIGINT)
            break
    last = json.loads(job.communicate(timeout=60)[0].splitlines()[-1])
    assert last["exit"] == 10, last
    assert elsewhere.exists() == there_before and (not there_before or os.listdir(elsewhere) == [])


def test_serves_the_old_state_and_gives_one_table_back(site):
    """The doctor lost a table; it comes out of the backup while the practice works on."""
    site.prepare()
    site.server.sql("DELETE FROM load_db.old")
    live = site.sums()
    elsewhere = site.folder / "elsewhere"
    serving = Serving(site, "--into", elsewhere)
    told = serving.event("serving")[0]
    assert told["socket"] == str(serving.socket)
    assert {"load_db", "gone_since"} <= {d["name"] for d in told["databases"] if d["tables"] > 0}
    assert serving.value("SELECT COUNT(*) FROM load_db.old") == "50"
    assert serving.value("SELECT COUNT(*) FROM gone_since.t") == "0", "the state of then"
    assert serving.value("SELECT @@skip_networking, @@event_scheduler, @@log_bin") in ("1\tOFF\t0", "1\tDISABLED\t0")  # of 10.11, of 11.8
    assert stat.S_IMODE(os.stat(serving.socket).st_mode) == 0o600
    table = serving.client("mariadb-dump", "load_db", "old")
    serving.stop()
    assert servers_on(elsewhere) == []
    assert site.sums() == live, "nothing live was touched"
    site.server.client(["load_db"], input=table)
    assert site.sums()[("load_db", "old")] == site.then[("load_db", "old")]

    again = Serving(site, "--into", elsewhere)
    assert not again.event("unpacked"), "served again without unpacking"
    assert again.value("SELECT COUNT(*) FROM load_db.old") == "50"
    second = site.backup.run_job("restore", "serve", elsewhere, site.folder / "other.sock")
    assert second.returncode == 7 and "another server" in second.stdout
    third = site.backup.run_job("restore", "serve", elsewhere, again.socket)
    assert third.returncode != 0
    again.child.signal(signal.SIGKILL)  # the command itself: its server ends with it
    again.child.wait(20)
    process.wait_until(lambda: servers_on(elsewhere, "") == [], 60, "the server is gone, and the job with its lock")
    last = Serving(site, "--into", elsewhere)
    assert last.value("SELECT COUNT(*) FROM load_db.old") == "50"
    last.stop()


def test_the_socket_may_not_be_somebody_elses(site):
    site.prepare()
    elsewhere = site.folder / "elsewhere"
    in_the_job(site, elsewhere, "latest", "elexisdb")
    busy = site.backup.run_job("restore", "serve", elsewhere, site.server.socket)
    assert busy.returncode == 1 and "listens on" in busy.stdout
    file = site.folder / "file"
    file.write_text("mine")
    assert "no socket" in site.backup.run_job("restore", "serve", elsewhere, file).stdout
    assert "too long" in site.backup.run_job("restore", "serve", elsewhere, site.folder / ("s" * 120)).stdout
    assert file.read_text() == "mine" and servers_on(elsewhere) == []
    other = site.folder / "other"
    other.mkdir()
    (other / "mine").write_text("mine")
    assert site.backup.run_job("restore", "serve", other, site.folder / "s").returncode == 9, "nothing was unpacked there, and nothing is"
    assert [f.name for f in other.iterdir()] == ["mine"]


def test_an_encrypted_run(site):
    encrypted(site).prepare()
    assert site.archive.endswith(".age")
    elsewhere = site.folder / "elsewhere"
    serving = Serving(site, "--into", elsewhere, "latest", "elexisdb")
    assert serving.value("SELECT COUNT(*) FROM load_db.plain") == "500"
    serving.stop()
    shutil.rmtree(elsewhere)
    site.backup.set("archive", identity_file=None)
    locked = in_the_job(site, elsewhere, "latest", exit=9)[-1]["error"]
    assert "identity" in locked or "key" in locked, locked
    assert not elsewhere.exists()


@pytest.mark.parametrize("sealed", [False, True])
def test_a_dump_is_unpacked_and_served(site, sealed):
    """Imported into a server of its own, once."""
    if sealed:
        encrypted(site)
    site.backup.job("backup", "--now", "elexisdb-sql")
    site.server.sql("DROP TABLE load_db.old")
    elsewhere = site.folder / "elsewhere"
    in_the_job(site, elsewhere, "latest")
    assert "CREATE TABLE `old`" in (elsewhere / "elexisdb-sql" / "load_db.sql").read_text(errors="replace")
    serving = Serving(site, "--into", elsewhere)
    assert "import" in [line["phase"] for line in serving.event("phase")]
    assert serving.value("SELECT COUNT(*) FROM load_db.old") == "50"
    serving.stop()
    again = Serving(site, "--into", elsewhere)
    assert "import" not in [line["phase"] for line in again.event("phase")]
    assert again.value("SELECT COUNT(*) FROM load_db.old") == "50"
    again.stop()


def test_served_in_a_sandbox(site, session_folder):
    """As root: the server is not root, sees nothing, and another user of the machine cannot read patients' data through it."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for folder in (session_folder, site.folder):
        folder.chmod(0o755)
    site.prepare()
    elsewhere = site.folder / "elsewhere"
    in_the_job(site, elsewhere, "latest", "elexisdb")
    serving = Serving(site, "--into", elsewhere)
    pid, = servers_on(elsewhere)
    assert pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name == "elexgate-trial"
    for space in ("user", "mnt", "pid", "net", "ipc"):
        assert os.readlink(f"/proc/{pid}/ns/{space}") != os.readlink(f"/proc/self/ns/{space}")
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0 and status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert sorted(os.listdir(f"/proc/{pid}/root")) == sorted({"dev", "etc", str(elsewhere).split("/")[1], "usr", "bin", "lib", "sbin"} | (
        {"lib64"} if os.path.lexists("/lib64") else set()) | ({"lib32"} if os.path.lexists("/lib32") else set()))
    # The machine's zone, so that NOW() and TIMESTAMP read there as here.
    assert set(os.listdir(f"/proc/{pid}/root/etc")) == {"ld.so.cache"} | ({"localtime"} if os.path.exists("/etc/localtime") else set())
    assert serving.value("SELECT LOAD_FILE('/etc/passwd') IS NULL") == "1"
    assert serving.value("SELECT COUNT(*) FROM load_db.old") == "50"
    other = process.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "mariadb", "--no-defaults",
                         f"--socket={serving.socket}", "-e", "SELECT 1"], check=False)
    assert other.returncode != 0 and "(13)" in other.stderr
    serving.stop()


def test_a_host_that_knows_no_names(site):
    """mariadb-install-db would refuse it: neither its own name nor localhost can be looked up."""
    nameless = ["unshare", "--uts", "--mount", "--net", "sh", "-ec", "hostname nowhere.invalid; for f in hosts resolv.conf nsswitch.conf; "
                "do mount --bind /dev/null /etc/$f; done; exec \"$@\"", "sh"]
    if process.run([*nameless, "true"], check=False).returncode != 0:
        pytest.skip("this user may make no namespaces")
    site.backup.job("backup", "--now", "elexisdb-sql")
    in_the_job(site, site.folder / "e", "latest")
    job = subprocess.Popen([*nameless, *site.backup.argv("restore", "serve", site.folder / "e", site.folder / "s")],
                           stdout=subprocess.PIPE, text=True, preexec_fn=process._die_with_parent)
    lines = []
    for line in job.stdout:
        lines.append(json.loads(line))
        if lines[-1].get("event") == "serving":
            job.send_signal(signal.SIGTERM)
    assert job.wait(60) == 0 and event(lines, "serving"), lines


def test_an_archive_of_the_old_system(site):
    site.then = site.sums()
    path = site.folder / "elexisdb_2024-05-06-0300.tar.gz"
    site.server.stop()
    process.run(["tar", "-C", site.server.datadir.parent, "-czf", path, "--exclude=*.sock", site.server.datadir.name], timeout=120)
    site.server.start()
    serving = Serving(site, "--foreign", "--into", site.folder / "elsewhere", path)
    assert serving.value("SELECT COUNT(*) FROM load_db.plain") == "500"
    serving.stop()


@pytest.mark.parametrize("kind", ["absolute", "dots inside", "through a symlink", "hard link", "fifo", "setuid", "duplicate"])
def test_an_archive_made_to_do_harm(site, kind):
    """Refused, and nothing stays."""
    outside, elsewhere = site.folder / "outside", site.folder / "elsewhere"
    outside.mkdir()
    (outside / "victim").write_text("untouched")
    path = malicious_archive(site.folder, outside, kind)
    in_the_job(site, "--foreign", elsewhere, path, exit=6)
    assert not elsewhere.exists() and os.listdir(outside) == ["victim"] and os.stat(outside / "victim").st_nlink == 1
    assert not (site.folder.parent / "planted").exists() and not [p for p in site.folder.rglob("planted")]


def test_words_and_mistakes(site):
    site.prepare()
    for args in (["--serve", "s"], ["--into", "x", "--dry-run"], ["--into", "x", "--sql", "y"], ["--into"]):
        site.backup.cli("restore", *args, exit=2)
    help = site.backup.cli("restore", "--help").stdout
    assert "--into DIR" in help and "--serve" in help


@pytest.mark.parametrize("language, words", [
    ("C.UTF-8", ["every file as in its manifest", "To take one table out of it", "Ctrl-C ends it", "is stopped"]),
    ("de_CH.UTF-8", ["ausgepackt nach", "Eine Tabelle herausholen", "Ctrl-C beendet ihn", "ist beendet"])])
def test_on_a_terminal(site, language, words):
    """What is printed works when it is typed."""
    site.prepare()
    socket = site.folder / "s"
    leader, follower = pty.openpty()
    child = subprocess.Popen([paths.CLI, "--config", site.backup.config, "restore", "--into", site.folder / "e", "--serve", socket],
                             stdin=follower, stdout=follower, stderr=follower, env=dict(os.environ, LC_ALL=language, COLUMNS="160"),
                             preexec_fn=process._die_with_parent)
    os.close(follower)
    shown, asked = b"", False
    while True:
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
        if not asked and b"Ctrl-C" in shown and shown.endswith(b"\n"):
            asked = True
            line = next(x for x in shown.decode().splitlines() if "mariadb-dump" in x).strip()
            command = line.split(" > ")[0].replace("TABELLE", "old").replace("TABLE", "old")
            assert "CREATE TABLE `old`" in process.run(["sh", "-c", command]).stdout
            child.send_signal(signal.SIGINT)
    os.close(leader)
    assert child.wait(30) == 0
    text = shown.decode()
    for word in words:
        assert word in text, text
