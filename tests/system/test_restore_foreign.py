"""Archives of the old system never end with the practice locked out: {cold, hot, without the keeper's account, other case of names,
older and newer series}, and a server that lets nobody in."""
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import tarfile
import tempfile

import pymysql
import pytest

from lib import newer, paths, process, trixie as lib_trixie
from lib.backup import Backup, event
from lib.gate import Gate
from lib.mariadb import MARIADBD, MariaDB
from lib.phrases import german
from lib.restore import Site

START = {"start_timeout": "20s", "stop_timeout": "20s"}


def pack(datadir, path):
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        archive.add(datadir, arcname="mysql-data", filter=lambda m: m if m.isfile() or m.isdir() else None)
    return path


def old_system(folder, template, hot, names=()):
    """The archive of another machine's server, which never heard of elexgate."""
    server = MariaDB(folder, template, args=["--skip-log-bin"]).start()
    server.sql("CREATE DATABASE load_db; CREATE TABLE load_db.KONTAKT (n INT PRIMARY KEY, t TEXT); INSERT INTO load_db.KONTAKT VALUES (1, 'alt');"
               "CREATE TABLE load_db.FALL (n INT) ENGINE=MyISAM; CREATE TABLE load_db.plain (n INT)")
    for name in names:
        server.sql(f"CREATE TABLE load_db.{name} (n INT)")
    server.add_user("practice", "Übung", "ALL ON *.*")
    if hot:
        server.sql("SET GLOBAL innodb_max_dirty_pages_pct_lwm=0; SET GLOBAL innodb_max_dirty_pages_pct=99;"
                   "INSERT INTO load_db.KONTAKT SELECT seq + 10, 'heiss' FROM mysql.seq_1_to_500")
    server.kill() if hot else server.stop()
    return pack(server.datadir, folder / f"elexisdb_{'hot' if hot else 'cold'}.tar.gz")


@pytest.fixture(scope="module")
def archives(session_folder, template):
    folder = session_folder / "foreign-archives"
    folder.mkdir()
    return {"cold": old_system(folder / "c", template, False), "hot": old_system(folder / "h", template, True)}


@pytest.fixture(scope="module")
def site(session_folder, template, pki):
    folder = session_folder / "restore-foreign"
    server = MariaDB(folder / "db", template).start()
    gate = Gate(folder / "gate", server, pki, options={"proxy": {"grace": "200ms"}}).start()
    site = Site(folder, server, gate, {"restore": START})
    site.now = site.sums()
    yield site
    gate.stop()
    server.kill()


def notes(lines):
    return " ".join(line["text"] for line in event(lines, "note"))


def back(site):
    site.job("undo")
    site.job("accept")
    site.nothing_left()
    assert site.sums() == site.now


@pytest.mark.parametrize("how", ["cold", "hot"])
def test_without_the_keepers_account(site, archives, how):
    """It is made in what is restored, with the rights and the password that it has now; so is that of elexgate-proof."""
    site.server.sql("CREATE USER 'elexgate-proof'@localhost IDENTIFIED BY 'p'; GRANT SELECT ON mysql.global_priv TO 'elexgate-proof'@localhost")
    site.backup.set("listen elexis", zero_config_proof="yes", announce="server")
    grants = site.server.sql("SHOW GRANTS FOR elexgate@localhost")
    site.job("run", "--dry-run", "--foreign", str(archives[how]))
    lines = site.job("run", "--foreign", str(archives[how]))
    assert "elexgate@localhost was not in the backup" in notes(lines) and "elexgate-proof@localhost" in notes(lines)
    assert site.is_open() and site.server.value("SELECT t FROM load_db.KONTAKT WHERE n = 1") == "alt"
    assert site.server.sql("SHOW GRANTS FOR elexgate@localhost") == grants
    assert "global_priv" in str(site.server.sql("SHOW GRANTS FOR 'elexgate-proof'@localhost"))
    with site.connect() as connection:
        connection.ping()
    site.job("undo")
    site.server.sql("DROP USER 'elexgate-proof'@localhost")
    site.job("accept")
    site.nothing_left()
    assert site.sums() == site.now


def test_with_another_password(site):
    """A backup from before `elexgate init` was run again: the present password is put into what is restored."""
    site.backup.job("backup", "--now", "elexisdb")
    secret = site.folder / "b" / "admin.secret"
    was = secret.read_text()
    secret.write_text("ein neues\n")
    site.server.sql("ALTER USER elexgate@localhost IDENTIFIED BY 'ein neues'")
    lines = site.job("run", "latest", "elexisdb")
    assert "elexgate@localhost" in notes(lines) and "neues" not in str(lines)
    back_again = site.job("undo")
    assert event(back_again, "restored")
    site.job("accept")
    secret.write_text(was)
    site.backup.account()
    site.now = site.sums()


def test_without_a_trial_it_goes_back_by_the_real_cause(site):
    """The restored server runs and refuses the keeper: no lock-out, and the stop needs no account."""
    secret = site.folder / "b" / "admin.secret"
    was = secret.read_text()
    secret.write_text("noch eins\n")
    site.server.sql("ALTER USER elexgate@localhost IDENTIFIED BY 'noch eins'")
    site.now = site.sums()
    lines = site.job("run", "--no-trial", "latest", "elexisdb", exit=1)
    assert "does not let the keeper in" in lines[-1]["error"] and "as it was before" in lines[-1]["error"], lines[-1]
    assert "Access denied" in lines[-1]["error"] or "1045" in lines[-1]["error"], lines[-1]
    assert site.sums() == site.now
    site.nothing_left()
    secret.write_text(was)
    site.backup.account()
    site.now = site.sums()


def test_a_dead_server_and_an_archive_without_account(site, archives):
    """The account is made from the configuration, under the host that it had."""
    site.backup.job("backup", "--now", "elexisdb")  # so that it is remembered
    site.server.kill()
    site.job("run", "--foreign", str(archives["cold"]))
    assert site.is_open() and "elexgate" in str(site.server.sql("SELECT user, host FROM mysql.user WHERE user='elexgate' AND host='localhost'"))
    site.backup.job("doctor")
    back(site)


def test_names_of_another_case(site, session_folder, template):
    """Windows and the old containers write kontakt; Elexis asks for KONTAKT: refused before anybody is blocked."""
    site.server.sql("CREATE TABLE load_db.KONTAKT (n INT)")
    server = MariaDB(session_folder / "lower", template, args=["--lower-case-table-names=1"]).start()
    server.sql("CREATE DATABASE load_db; CREATE TABLE load_db.KONTAKT (n INT)")
    server.stop()
    path = pack(server.datadir, session_folder / "lower" / "elexisdb.tar.gz")
    lines = site.job("run", "--foreign", str(path), exit=9)
    assert "lower_case_table_names" in lines[-1]["error"] and "kontakt" in german(lines[-1], "error")
    assert "block" not in site.phases(lines) and "boot" not in site.phases(lines)
    site.nothing_left()
    site.server.sql("DROP TABLE load_db.KONTAKT")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def with_log(archive, target, creator, format):
    """The same archive, its InnoDB log and its last mariadb-upgrade said to be another version's."""
    folder = target / "unpacked"
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    data = folder / "mysql-data"
    with open(data / "ib_logfile0", "r+b") as log:
        block = bytearray(log.read(512))
        block[:4], block[16:48] = format, creator.encode().ljust(32, b"\0")
        block[508:] = crc32c(block[:508]).to_bytes(4, "big")
        log.seek(0)
        log.write(block)
    for info in data.glob("*_upgrade_info"):
        info.write_text(creator.split()[1] + "-MariaDB")
    return pack(data, target / "elexisdb.tar.gz")


@newer.needs_both
def test_of_a_newer_series(site, archives, folder):
    path = with_log(archives["cold"], folder, "MariaDB 11.8.2", b"Phys")
    lines = site.job("run", "--foreign", str(path), exit=9)
    assert "11.8.2" in lines[-1]["error"] and "boot" not in site.phases(lines)
    site.nothing_left()


@newer.needs_both
def test_a_log_that_a_newer_server_went_on_with(site, archives, folder):
    """Its maker's version stays in it; the newer server's mariadb-upgrade tells."""
    path = with_log(archives["cold"], folder, "MariaDB 11.8.2", b"Phys")
    with_old_log = folder / "again"
    with_old_log.mkdir()
    with tarfile.open(path) as tar:
        tar.extractall(with_old_log)
    log = with_old_log / "mysql-data" / "ib_logfile0"
    log.write_bytes(log.read_bytes().replace(b"MariaDB 11.8.2", b"MariaDB 10.6.2", 1))
    lines = site.job("run", "--foreign", str(pack(with_old_log / "mysql-data", folder / "elexisdb.tar.gz")), exit=9)
    assert "11.8.2" in lines[-1]["error"]
    site.nothing_left()


@newer.needs_both
def test_hot_of_an_older_series(site, archives, folder):
    """The log of a 10.5 that was not shut down: the server's own refusal, named with the version and the way out."""
    path = with_log(archives["hot"], folder, "MariaDB 10.5.8", b"PHYS")
    lines = site.job("run", "--foreign", str(path), exit=6)
    assert "10.5.8" in lines[-1]["error"] and "--recover-with" in lines[-1]["error"] and "--recover-with" in german(lines[-1], "error"), lines[-1]
    assert "block" not in site.phases(lines)
    site.nothing_left()


@newer.needs_both
def test_of_an_older_series_shut_down(site, archives, folder):
    """Its system tables are brought up to this server in the trial."""
    path = with_log(archives["cold"], folder, "MariaDB 10.6.18", b"Phys")
    lines = site.job("run", "--foreign", str(path))
    assert "system tables were those of MariaDB 10.6.18" in notes(lines)
    assert site.server.value("SELECT t FROM load_db.KONTAKT WHERE n = 1") == "alt" and site.is_open()
    back(site)


@newer.needs_both
def test_recover_with_another_program(site, archives, folder, request):
    """A server from a folder of its own puts a hot archive in order, once, before this one sees it."""
    place = tempfile.mkdtemp(prefix="elexgate-old-", dir="/tmp")  # everybody gets through to it, as to /opt
    request.addfinalizer(lambda: shutil.rmtree(place))
    os.chmod(place, 0o755)
    program = shutil.copy(MARIADBD, place)
    lines = site.job("run", "--foreign", "--recover-with", str(program), str(archives["hot"]))
    assert f"{program} has put the files of MariaDB 10.11" in notes(lines)
    assert site.server.value("SELECT COUNT(*) FROM load_db.KONTAKT") == 501
    back(site)
    refused = site.job("run", "--foreign", "--recover-with", str(folder / "none"), str(archives["hot"]), exit=1)
    assert "none" in refused[-1]["error"]
    site.nothing_left()


@pytest.fixture(scope="module")
def new_site(session_folder, pki):
    """A practice whose server is MariaDB 11.8, and whose trial server and mariadb-upgrade are too."""
    trixie = lib_trixie.root()
    folder = session_folder / "restore-foreign-new"
    folder.mkdir()
    server = lib_trixie.NewServer(folder / "db", trixie).start()
    gate = Gate(folder / "gate", server, pki, options={"proxy": {"grace": "200ms"}}).start()
    path = os.environ["PATH"]
    with tempfile.TemporaryDirectory(prefix="elexgate-new-", dir="/tmp") as programs:
        bin = lib_trixie.programs(trixie, pathlib.Path(programs))
        os.environ["PATH"] = f"{bin}:{path}"
        site = Site(folder, server, gate, {"restore": START, "drill": {"server_program": f"{bin}/mariadbd"}})
        site.now = site.sums()
        yield site
    os.environ["PATH"] = path
    gate.stop()
    server.kill()


@newer.needs_both
@pytest.mark.parametrize("how", ["cold", "hot"])
def test_of_an_older_series_onto_a_newer_server(new_site, archives, how):
    """10.11 under 11.8, really: the cold one as it is, the hot one put in order by its own series first."""
    site, more = new_site, ["--recover-with", MARIADBD] if how == "hot" else []
    lines = site.job("run", "--foreign", *more, str(archives[how]))
    assert site.server.value("SELECT t FROM load_db.KONTAKT WHERE n = 1") == "alt"
    assert site.server.value("SELECT COUNT(*) FROM load_db.KONTAKT") == (501 if how == "hot" else 1)
    assert "system tables were those of MariaDB 10.11" in notes(lines)
    assert how == "cold" or f"{MARIADBD} has put the files of MariaDB 10.11" in notes(lines)
    assert site.server.value("SELECT VERSION()").startswith("11.8")
    back(site)


class Container:
    """Docker's restart policy around `docker/database wait`, the entrypoint of the database's container."""

    def __init__(self, server, environment):
        command = shlex.join(map(str, [paths.ROOT / "docker" / "database", "wait", *server._argv()]))
        self.process = subprocess.Popen(["/bin/sh", "-c", f"while :; do {command}; sleep 0.1; done"], env=environment, start_new_session=True,
                                        stdin=subprocess.DEVNULL, stdout=open(server.folder / "container.log", "ab"), stderr=subprocess.STDOUT)

    def end(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.mark.parametrize("trial", [True, False], ids=["made in the trial", "without"])
def test_in_containers(template, archives, folder, trial):
    """The database stops where it runs, whatever its accounts are: a refused login is a running server, never one that is down."""
    server = MariaDB(folder / "db", template).start()
    server.add_user("elexgate", "adm", host="%")
    server.sql("CREATE DATABASE load_db; CREATE TABLE load_db.KONTAKT (n INT, t TEXT)")
    server.stop()
    (folder / "password").write_text("adm\n")
    (folder / "password").chmod(0o600)
    environment = {**os.environ, "ELEXGATE_HOLD": str(folder), "ELEXGATE_PASSWORD_FILE": str(folder / "password"), "DBHOST": "127.0.0.1",
                   "DBPORT": str(server.port), "STOP_SECONDS": "20"}
    container = Container(server, environment)
    script = paths.ROOT / "docker" / "database"
    env = " ".join(f"{k}={v}" for k, v in environment.items() if k not in os.environ)
    backup = Backup(folder / "b", server, None, {
        "database": {"host": "127.0.0.1", "port": server.port}, "backup": {"datadir": server.datadir, "ask_proxy": "no"},
        "admin": {"password_file": folder / "password"}, "drill": {"server_program": MARIADBD},
        "restore": {**START, "stop_command": f"/usr/bin/env {env} {script} stop", "start_command": f"/usr/bin/env {env} {script} start"}})
    del backup.sections["database"]["socket"]
    backup.write_config()
    try:
        process.wait_until(lambda: server_answers(server), 30, "the container's server")
        if trial:
            lines = backup.job("restore", "run", "--foreign", str(archives["cold"]))
            assert "elexgate@% was not in the backup" in notes(lines)
            assert server.value("SELECT t FROM load_db.KONTAKT") == "alt"
        else:
            backup.job("backup", "--now", "elexisdb")
            server.sql("ALTER USER elexgate@'%' IDENTIFIED BY 'anders'")
            (folder / "password").write_text("anders\n")
            lines = backup.job("restore", "run", "--no-trial", "latest", exit=1)
            assert "does not let the keeper in" in lines[-1]["error"] and "as it was before" in lines[-1]["error"], lines
            assert server.value("SELECT COUNT(*) FROM load_db.KONTAKT") == 0
        assert not (folder / "hold").exists()
    finally:
        container.end()


def server_answers(server):
    try:
        return server.connect().open
    except pymysql.err.MySQLError:
        return False
