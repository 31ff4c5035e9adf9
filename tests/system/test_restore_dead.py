"""A restore when the disaster has happened: the server does not start, its files are damaged or gone, its socket is missing, or it lets
nobody in. One command brings a working server, from the command line and as the page asks for it."""
import json
import os
import shutil
import signal
import subprocess

import pymysql
import pytest

from lib import process
from lib.backup import event
from lib.gate import Gate
from lib.mariadb import MariaDB
from lib.phrases import german
from lib.restore import Site, hashes

MYSQL_TABLES = ["global_priv.MAI", "global_priv.MAD", "db.MAI", "plugin.MAD"]


@pytest.fixture(scope="module")
def site(session_folder, template, pki):
    folder = session_folder / "restore-dead"
    server = MariaDB(folder / "db", template).start()
    gate = Gate(folder / "gate", server, pki, options={"proxy": {"grace": "200ms"}}).start()
    site = Site(folder, server, gate, {"restore": {"start_timeout": "20s", "stop_timeout": "20s"}})
    site.take_backup()
    yield site
    site.backup.stop_keeper()
    gate.stop()
    server.kill()


@pytest.fixture(autouse=True)
def as_backed_up(request, site):
    """After each test the state of the backup again, and nothing kept."""
    yield
    if site.journal.exists():
        site.job("accept")
    if not site.server.alive():
        site.server.start()


def crash(site):
    site.server.kill()


def zeroed(site):
    crash(site)
    with open(site.server.datadir / "ibdata1", "r+b") as f:
        f.write(bytes(1 << 20))


def system_tables_damaged(site):
    crash(site)
    for name in MYSQL_TABLES:
        (site.server.datadir / "mysql" / name).write_bytes(b"\0" * 100)


def emptied(site):
    crash(site)
    shutil.rmtree(site.server.datadir)
    site.server.datadir.mkdir()


def removed(site):
    crash(site)
    shutil.rmtree(site.server.datadir)


def emptied_beneath_the_server(site):
    for path in site.server.datadir.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def log_missing(site):
    crash(site)
    (site.server.datadir / "ib_logfile0").unlink()


def database_dropped(site):
    site.server.sql("DROP DATABASE load_db")


def socket_missing(site):
    os.unlink(site.server.socket)


def account_dropped(site):
    site.server.sql("DROP USER elexgate@localhost")


DISASTERS = [crash, zeroed, system_tables_damaged, emptied, removed, emptied_beneath_the_server, log_missing, database_dropped,
             socket_missing, account_dropped]


@pytest.mark.parametrize("disaster", DISASTERS, ids=lambda f: f.__name__)
def test_one_command(site, disaster):
    """Dry run and plan, then the restore: everybody is back, on files that belong to whom they belonged."""
    datadir = site.server.datadir
    owner = os.stat(datadir)
    disaster(site)
    lost = disaster in (emptied, removed)
    before = hashes(datadir) if not site.server.alive() else None
    if disaster in (zeroed, removed):
        site.job("run", "--dry-run", "latest", "elexisdb")
    plan = event(site.job("plan", "latest", "elexisdb"), "plan")[0]
    assert plan["parts"][0]["live"] == str(datadir)
    assert bool(plan.get("server_down")) == (disaster is not database_dropped and disaster is not emptied_beneath_the_server)
    if before is not None:
        assert datadir.exists() == (disaster is not removed) and (hashes(datadir) if datadir.exists() else {}) == before
    lines = site.job("run", "latest", "elexisdb")
    assert site.side() == "new" and site.is_open()
    with site.connect() as connection:
        connection.ping()
    now = os.stat(datadir)
    assert (now.st_uid, now.st_gid, now.st_mode) == (owner.st_uid, owner.st_gid, owner.st_mode)
    assert site.journal.exists(), "what was there is kept"
    old = site.staging[0] / "old"
    assert not [p for p in (*old.rglob("*"), *datadir.rglob("*")) if p.is_file() and p.read_bytes()[:9] == b"stands in"]
    assert not lost or list(old.iterdir()) == []
    assert event(lines, "restored")[0]["new_live"]


def test_the_page_asks_the_keeper(site):
    """Plan and restore by the keeper's socket, as the console asks for them, and the keeper started on a dead server."""
    zeroed(site)
    site.backup.start_keeper()
    plan = site.backup.call({"cmd": "restore", "action": "plan", "which": "latest"}, timeout=60)["plan"]
    assert plan["server_down"] and len(plan["parts"]) == 2
    runs = len(site.backup.runs("restore"))
    site.backup.call({"cmd": "restore", "action": "run", "which": "latest", "types": ["elexisdb"]})
    process.wait_until(lambda: len(site.backup.runs("restore")) > runs, 120, "the restore's end")
    assert all(run["result"] == "good" for run in site.backup.runs("restore")), site.backup.runs("restore")
    assert site.side() == "new" and site.is_open()
    site.backup.stop_keeper()


def test_undo_to_a_dead_side_and_back(site):
    """The old data do not start: undo says so and ends on the restored ones, which are let in."""
    zeroed(site)
    site.job("run", "latest", "elexisdb")
    lines = site.job("undo", exit=1)
    assert "as it was before" in lines[-1]["error"]
    assert site.side() == "new" and site.is_open()


def test_undo_from_a_dead_side(site):
    """What was restored dies later; the data from before come back with one command."""
    site.server.sql("INSERT INTO load_db.visits (n) VALUES (1)")
    site.now = site.sums()
    site.job("run", "latest", "elexisdb")
    zeroed(site)
    site.job("undo")
    assert site.side() == "old" and site.is_open()
    site.server.sql("DELETE FROM load_db.visits; ALTER TABLE load_db.visits AUTO_INCREMENT = 1")


def test_a_dead_server_and_a_restore_that_fails(site):
    """What is restored does not start either: the old files are there byte for byte, clients are let in, the server is left as it was."""
    crash(site)
    before = hashes(site.server.datadir)
    site.backup.set("restore", start_command="/bin/false")
    lines = site.job("run", "latest", "elexisdb", exit=1)
    site.backup.set("restore", start_command=site.server.start_command())
    assert "as it was before" in lines[-1]["error"]
    assert "did not run before" in " ".join(line["text"] for line in event(lines, "note"))
    assert hashes(site.server.datadir) == before and not site.server.alive()
    site.nothing_left()


class Loop:
    """systemd with Restart=always, or a container's restart policy, on a server that cannot start."""

    def __init__(self, server):
        command = f"while :; do {' '.join(map(str, server._argv()))}; sleep 0.1; done"
        self.process = subprocess.Popen(["/bin/sh", "-c", command], start_new_session=True, stdin=subprocess.DEVNULL,
                                        stdout=open(server.folder / "loop.log", "ab"), stderr=subprocess.STDOUT)

    def end(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.mark.parametrize("disaster", [zeroed, emptied], ids=lambda f: f.__name__)
def test_a_server_that_is_started_again_and_again(site, disaster):
    """It takes none of the files in between, and runs on the restored ones in the end."""
    disaster(site)
    loop = Loop(site.server)
    site.backup.set("restore", start_command="/bin/true")
    try:
        site.job("run", "latest", "elexisdb")
        assert site.side() == "new" and site.is_open()
    finally:
        loop.end()
        site.backup.set("restore", start_command=site.server.start_command())


def test_a_server_that_answers_elsewhere_is_not_touched(site):
    """The configuration looks at the wrong place: a running server is not stopped for that."""
    pid = site.server.pid if site.server.process.alive() else site.server.started_pid()
    site.backup.set("database", socket=site.folder / "elsewhere.sock")
    lines = site.job("run", "latest", "elexisdb", exit=9)
    site.backup.set("database", socket=site.server.socket)
    assert "nothing answers where the configuration looks" in lines[-1]["error"] and german(lines[-1], "error")
    assert os.path.exists(f"/proc/{pid}") and site.side() == "new"
    site.nothing_left()


def given_away(site):
    emptied(site)
    os.chown(site.server.datadir, 1234, 1235)
    site.server.datadir.chmod(0o750)


@pytest.mark.parametrize("disaster", [zeroed, given_away], ids=lambda f: f.__name__)
def test_a_new_machine(site, disaster):
    """No backup was ever made here, so nothing is remembered: [backup] datadir says where, the folder that is there whose it is. After
    the restore all of it is known, so that the next one needs no backup in between."""
    site.backup.set("backup", datadir=None)
    disaster(site)
    owner = os.stat(site.server.datadir)
    memory = site.backup.state / "server.json"
    memory.unlink()
    refused = site.job("run", "latest", "elexisdb", exit=9)
    assert "[backup] datadir" in refused[-1]["error"] and "[backup] datadir" in german(refused[-1], "error")
    site.backup.set("backup", datadir=site.server.datadir)
    site.job("run", "latest", "elexisdb")
    assert site.side() == "new" and site.is_open()
    now, known = os.stat(site.server.datadir), json.loads(memory.read_text())
    assert (now.st_uid, now.st_gid, now.st_mode) == (owner.st_uid, owner.st_gid, owner.st_mode)
    assert os.stat(site.server.datadir / "ibdata1").st_uid == owner.st_uid
    assert (known["uid"], known["gid"], known["datadir"]) == (owner.st_uid, owner.st_gid, str(site.server.datadir))
    site.backup.set("backup", datadir=None)


# --- SQL, and no server to copy


@pytest.fixture
def written(site):
    """What the practice has; afterwards the whole server comes back as it was backed up."""
    if site.side() != "new":
        site.job("run", "latest", "elexisdb")
        site.job("accept")
    site.text = site.folder / "practice.sql"
    site.text.write_text(site.server.client(["--hex-blob", "load_db"], program="mariadb-dump").stdout)
    site.backup.set("backup", method="both")
    site.run = site.backup.job("backup", "--now", "elexisdb-sql")[-1]["run"]
    site.practice = {k: v for k, v in site.sums().items() if k[0] == "load_db"}
    yield site
    site.backup.set("backup", method=None)
    if site.journal.exists():
        site.job("accept")
    site.job("run", "latest", "elexisdb")
    assert site.side() == "new"


def hopeless(site):
    """Where the log is whole, a server may put the pages right again."""
    crash(site)
    for name in ("ibdata1", "ib_logfile0"):
        path = site.server.datadir / name
        path.write_bytes(bytes(path.stat().st_size))


def a_file_in_the_way(site):
    emptied(site)
    (site.server.datadir / "notes.txt").write_text("mine")


@pytest.mark.parametrize("disaster,form", [(emptied, "text"), (hopeless, "archive"), pytest.param(removed, "archive", marks=pytest.mark.slow),
                                           pytest.param(a_file_in_the_way, "text", marks=pytest.mark.slow)], ids=lambda x: getattr(x, "__name__", x))
def test_sql_onto_nothing(written, disaster, form):
    """A new installation, made and tried out in staging, with the accounts that a restore needs; all else that was there is named and kept."""
    site = written
    owner = os.stat(site.server.datadir)
    disaster(site)
    owner = os.stat(site.server.datadir) if disaster is a_file_in_the_way else owner
    before = hashes(site.server.datadir) if site.server.datadir.exists() else {}
    command = ["sql", site.text] if form == "text" else ["run", site.run, "elexisdb-sql"]
    site.job(command[0], "--dry-run", "--accept-loss", *command[1:])
    assert (hashes(site.server.datadir) if site.server.datadir.exists() else {}) == before and site.is_open()
    if disaster is hopeless:  # files of other databases are there, on which no server starts
        refused = site.job(*command, exit=9)
        assert "gone_since" in refused[-1]["error"] and "gone_since" in german(refused[-1], "error")
        assert hashes(site.server.datadir) == before and site.is_open()
        command.insert(1, "--accept-loss")
    lines = site.job(*command)
    said = " ".join(line.get("text", "") for line in event(lines, "note"))
    assert "new installation" in said
    assert "practice" in said if form == "archive" else "accounts" in said
    assert {k: v for k, v in site.sums().items() if k[0] == "load_db"} == site.practice and site.is_open()
    users = {row[0] for row in site.server.sql("SELECT User FROM mysql.global_priv")}
    assert users == {"root", "mariadb.sys", "elexgate"}
    with pytest.raises(pymysql.err.OperationalError, match="1045|1130|1698"):
        site.server.connect(tcp=True)  # root has no password: nobody else may be it
    now = os.stat(site.server.datadir)
    assert (now.st_uid, now.st_gid, now.st_mode) == (owner.st_uid, owner.st_gid, owner.st_mode)
    assert hashes(site.staging[0] / "old") == before, "what was there is kept"
    site.backup.job("backup", "--now", "elexisdb-sql")  # the keeper's account does all that it has to


def test_undo_of_sql_onto_nothing(written):
    """No server starts on an empty folder: undo says so and ends on what was restored."""
    site = written
    emptied(site)
    site.job("sql", site.text)
    site.server.sql("INSERT INTO load_db.visits (n) VALUES (1)")
    site.job("undo", exit=1)
    assert site.server.value("SELECT COUNT(*) FROM load_db.visits") == 1 and site.is_open()
