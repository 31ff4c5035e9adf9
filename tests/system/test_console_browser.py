"""The console in a real Chromium, in front of a whole demo: every page, every form, backup, upload and restore to the end.

The scenarios are node scripts in tests/console/, driven by playwright-core with Debian's Chromium. What only the outside can
do is done here: clients that work, a console that is killed.
"""
import contextlib
import hashlib
import json
import os
import shutil
import signal
import threading
import time

import pymysql
import pytest

from lib import paths, process
from lib.demo import Demo

SOURCES = paths.ROOT / "tests" / "console"
pytestmark = pytest.mark.timeout(900)  # a browser, a database and a restore on a machine that does other things, too


def node_modules():
    """npm's packages as package-lock.json pins them, kept in the build folder."""
    names = ("package.json", "package-lock.json", ".npmrc")
    digest = hashlib.sha256(b"".join((SOURCES / name).read_bytes() for name in names)).hexdigest()[:16]
    folder = paths.BUILD / "clients" / f"console-{digest}"
    if not folder.exists():
        making = folder.with_name(f"{folder.name}.{os.getpid()}")  # renamed when whole: two runs do not see half of it
        making.mkdir(parents=True)
        for name in names:
            shutil.copy(SOURCES / name, making / name)
        process.run(["npm", "ci", "--ignore-scripts"], timeout=300, cwd=making)
        try:
            making.rename(folder)
        except OSError:
            shutil.rmtree(making)
    return folder / "node_modules"


class Console:
    """A demo with an account, and what runs scenarios against it."""

    def __init__(self, folder):
        self.folder, self.started = folder, 0
        self.demo = Demo(folder)
        self.scripts = folder / "scripts"  # ECMAScript modules look for packages beside themselves
        self.scripts.mkdir()
        for source in SOURCES.glob("*.js"):
            shutil.copy(source, self.scripts)
        shutil.copy(SOURCES / "package.json", self.scripts)
        (self.scripts / "node_modules").symlink_to(node_modules())
        self.demo.run("--detach")
        self.env = self.demo.env()
        self.hold = folder / "hold"
        self.prepare_restores()
        self.url = self.env["ELEXGATE_CONSOLE_URL"]

    def scenario(self, name, *args, timeout=400):
        env = dict(os.environ, ELEXGATE_CONSOLE_URL=self.url, ELEXGATE_PICTURES=str(self.folder), TZ="Europe/Zurich")
        return process.run(["node", self.scripts / f"{name}.js", *args], timeout=timeout, env=env, cwd=self.folder)

    def start_scenario(self, name, *args):
        env = dict(os.environ, ELEXGATE_CONSOLE_URL=self.url, ELEXGATE_PICTURES=str(self.folder), TZ="Europe/Zurich")
        self.started += 1  # a log each: what an earlier one said is not said by this one
        return process.Child(name, ["node", self.scripts / f"{name}.js", *args], self.folder / f"{name}-{self.started}.log", env=env,
                             cwd=self.folder)

    def setup_link(self):
        return (self.demo.dir / "state" / "console" / "setup-link").read_text().strip()

    def prepare_restores(self):
        """After a restore our clients come back at once; that others are told to restart Elexis is tested elsewhere. A hook makes
        a restore wait before it blocks, for as long as the file `hold` is there: a small database is back before a browser looks."""
        hook = self.folder / "wait-for-browser"
        hook.write_text(f"#!/bin/sh\nwhile [ -e {self.hold} ]; do sleep 0.1; done\n")
        hook.chmod(0o755)
        config = self.demo.dir / "elexgate.ini"
        text = config.read_text()
        assert "\n[hooks]\n" not in text
        config.write_text(text.replace("[restore]\n", "[restore]\nstale_clients = 0\n") + f"\n[hooks]\nbefore_restore = {hook}\n")
        os.kill(int((self.demo.dir / "pid" / "elexgate-keeper").read_text()), signal.SIGHUP)

    def pid(self):
        return int((self.demo.dir / "pid" / "elexgate-console").read_text())

    def start(self, program=paths.CONSOLE):
        """The console alone, once more, as systemd would."""
        child = process.Child("elexgate-console", [program, "--config", self.demo.dir / "elexgate.ini"],
                              self.demo.dir / "log" / "elexgate-console-2.log")
        (self.demo.dir / "pid" / "elexgate-console").write_text(f"{child.pid}\n")
        child.wait_log("event=ready")
        return child

    def client(self):
        """A workstation: TLS, verified."""
        e = self.env
        return pymysql.connect(host=e["ELEXGATE_HOST"], port=int(e["ELEXGATE_PORT"]), user=e["ELEXGATE_USER"],
                               password=e["ELEXGATE_PASSWORD"], database=e["ELEXGATE_DATABASE"], autocommit=True,
                               ssl_ca=e["ELEXGATE_CA"], ssl_verify_identity=False, connect_timeout=10, read_timeout=30)

    def ask(self, statement):
        with contextlib.closing(self.client()) as c, c.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()


@pytest.fixture(scope="module")
def console(session_folder):
    folder = session_folder / "console"
    folder.mkdir()
    made = Console(folder)
    made.scenario("setup", made.setup_link())
    yield made
    made.demo.end()


@pytest.mark.sanitize
def test_every_page(console):
    """Four languages, screen and phone, axe-core, the pages' policy, without JavaScript. With a client, so that there is a row."""
    with contextlib.closing(console.client()):
        console.scenario("pages")


@pytest.mark.sanitize
def test_every_form(console):
    """Good and bad input; what the old page never told is told."""
    other = console.demo.dir / "tls" / "other"
    process.run([paths.CLI, "cert", "init", "--dir", other, "--host", "localhost"], 60)
    with contextlib.closing(console.client()):
        console.scenario("forms", str(console.demo.dir / "tls"))
    # what the schedule's form saved stands in the file; its comments and other sections are still there
    text = (console.demo.dir / "elexgate.ini").read_text()
    assert "# every night at a quarter past three" in text and "[data documents]" in text
    assert "schedule = 15 3 * * *" in text and "keep = 9" in text


class Worker:
    """A workstation that asks something again and again, and remembers what it was told."""

    def __init__(self, console):
        self._console, self._stop, self.errors = console, threading.Event(), []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self):
        connection = None
        while not self._stop.wait(0.2):
            try:
                connection = connection or self._console.client()
                with connection.cursor() as cursor:
                    cursor.execute("SELECT COUNT(*) FROM KONTAKT")
            except pymysql.MySQLError as error:
                self.errors.append(str(error))
                connection = None
        if connection:
            connection.close()

    def end(self):
        self._stop.set()
        self._thread.join(40)


@pytest.fixture
def worker(console):
    made = Worker(console)
    yield made
    made.end()


@pytest.mark.slow
def test_backup_proven_and_restored(console, worker):
    """The whole way of a new user, with a workstation that reads all the time and is told to wait."""
    console.scenario("story", "backup", "prove")
    console.ask("INSERT INTO CONFIG (PARAM, WERT) VALUES ('browser/probe', 'nachher')")
    console.scenario("story", "look-into")
    console.hold.touch()
    browser = console.start_scenario("story", "begin-restore", "watch-restore")
    try:
        browser.wait_log("BEGUN", timeout=120)
    finally:
        console.hold.unlink()
    assert browser.wait(timeout=400) == 0, browser.log()
    worker.end()
    assert any("wird wiederhergestellt, bitte warten" in error for error in worker.errors), worker.errors
    assert probes(console) == "0\n"
    console.scenario("story", "undo")
    assert probes(console) == "1\n"
    console.scenario("story", "accept")


def test_a_moment_is_chosen_in_the_timeline(console):
    """The day drawn and told, a click, the plan with what is lost, and back to that second."""
    elexgate = [console.env["ELEXGATE_CLI"], "--config", console.env["ELEXGATE_CONFIG"]]
    if not list(console.demo.dir.glob("backup/elexisdb_*.tar.gz")):
        console.scenario("story", "backup")
    process.run([*elexgate, "backup", "--now"], timeout=120)  # an undo of another test began a timeline that has none yet
    before = probes(console)
    time.sleep(1.05 - time.time() % 1)
    moment = time.strftime("%Y-%m-%d %H:%M:%S")
    console.ask("INSERT INTO CONFIG (PARAM, WERT) VALUES ('browser/verloren', 'nachher')")
    saved = [*elexgate, "--json", "changes", "--from", moment, "--table", "CONFIG"]
    process.wait_until(lambda: '"inserted":1' in process.run(saved).stdout.replace(" ", ""), 60, "the change is archived")
    day = lambda: json.loads(process.run([*elexgate, "--json", "timeline"]).stdout.splitlines()[0])
    process.wait_until(lambda: any(day()["minutes"]), 60, "the minute is counted")
    console.scenario("timeline", moment, "CONFIG")
    assert probes(console) == before and console.ask("SELECT COUNT(*) FROM CONFIG WHERE PARAM='browser/verloren'") == ((0,),)
    console.scenario("story", "undo")
    assert console.ask("SELECT COUNT(*) FROM CONFIG WHERE PARAM='browser/verloren'") == ((1,),)
    console.scenario("story", "accept")


def test_a_backup_opened_for_reading(console):
    """From its own page and from a moment's plan: the line that the page gives shows the state of then, and only of then."""
    elexgate = [console.env["ELEXGATE_CLI"], "--config", console.env["ELEXGATE_CONFIG"]]
    process.run([*elexgate, "backup", "--now"], timeout=120)
    console.ask("DELETE FROM CONFIG WHERE PARAM='browser/gelesen'")
    time.sleep(1.05 - time.time() % 1)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    console.ask("INSERT INTO CONFIG (PARAM, WERT) VALUES ('browser/gelesen', 'seither')")
    saved = [*elexgate, "--json", "changes", "--from", since, "--table", "CONFIG"]
    process.wait_until(lambda: '"inserted":1' in process.run(saved).stdout.replace(" ", ""), 60, "the change is archived")
    count = "SELECT COUNT(*) FROM CONFIG WHERE PARAM='browser/gelesen'"
    console.scenario("opened", count, "0", "latest", "1")
    assert console.ask(count) == ((1,),), "nothing live was touched"
    place, = console.demo.dir.glob("**/opened")
    assert [name for name in os.listdir(place) if name != ".lock"] == [], "the disk is given back"
    audit, = console.demo.dir.glob("**/audit.log")
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    did = [(line.get("action"), line.get("account"), line["result"]) for line in lines if "open-backup" in str(line.get("action"))]
    assert ("open-backup", "praxis", "ok") in did and ("open-backup", "praxis", "refused") in did, did


def probes(console):
    """Rows that were written after the backup, counted past the gate."""
    return process.run(["mariadb", "--no-defaults", f"--socket={console.env['ELEXGATE_DB_SOCKET']}", "--user=root", "-N", "-e",
                        "SELECT COUNT(*) FROM elexis.CONFIG WHERE PARAM='browser/probe'"],
                       env=dict(os.environ, MYSQL_PWD=console.env["ELEXGATE_DB_PASSWORD"])).stdout


@pytest.mark.slow
def test_the_console_dies_during_a_restore(console):
    """The restore goes on, and the page that was open finds it again without a click."""
    if not list(console.demo.dir.glob("backup/elexisdb_*.tar.gz")):
        console.scenario("story", "backup")
    console.hold.touch()
    try:
        with contextlib.closing(console.client()):
            browser = console.start_scenario("story", "begin-restore", "watch-restore")
            browser.wait_log("BEGUN", timeout=120)
    except BaseException:
        console.hold.unlink()  # those that come after need the keeper
        raise
    os.kill(console.pid(), signal.SIGKILL)
    status = process.run([console.env["ELEXGATE_CLI"], "--config", console.env["ELEXGATE_CONFIG"], "--json", "status"]).stdout
    assert '"kind":"restore"' in status.replace(" ", ""), "the restore was over before the console was killed"
    console.hold.unlink()
    again = console.start()
    assert browser.wait(timeout=400) == 0, browser.log()
    console.scenario("story", "find-restore", "accept")
    assert again.alive()


@pytest.mark.slow
def test_sql_file_uploaded_in_pieces_and_imported(console, folder):
    """Broken off, taken up again, paused, cancelled; and what the file says is in the database afterwards."""
    dump = folder / "praxis.sql"
    with open(dump, "wb") as out:
        done = process.run(["mariadb-dump", "--no-defaults", f"--socket={console.env['ELEXGATE_DB_SOCKET']}", "--user=root", "--hex-blob", "elexis"],
                           env=dict(os.environ, MYSQL_PWD=console.env["ELEXGATE_DB_PASSWORD"]), timeout=120)
        statements, end = done.stdout.rsplit("-- Dump completed", 1)  # the last line says that the dump is whole
        out.write(statements.encode())
        out.write(b"INSERT INTO CONFIG (PARAM, WERT) VALUES ('browser/aus-der-datei', 'ja');\n")
        line = b"-- " + b"x" * 997 + b"\n"
        while out.tell() < 30_000_000:  # four pieces
            out.write(line)
        out.write(f"-- Dump completed{end}".encode())
    with contextlib.closing(console.client()):
        console.scenario("upload", dump, "import")
    assert console.ask("SELECT WERT FROM CONFIG WHERE PARAM='browser/aus-der-datei'") == (("ja",),)


@pytest.mark.slow
def test_downloaded_and_deleted(console):
    """The oldest of two may go; what is then the only good one of its kind is kept."""
    folder = console.demo.dir / "backup"
    while len(list(folder.glob("elexisdb_*.tar.gz"))) < 2:
        time.sleep(61 - time.localtime().tm_sec)  # a run is named by its minute
        process.run([console.env["ELEXGATE_CLI"], "--config", console.env["ELEXGATE_CONFIG"], "backup", "--now"], timeout=200)
    console.scenario("story", "delete", "keep-the-only-one")


def test_in_the_pseudo_language(console):
    """Every sentence is looked up, and there is room for a third more: on a phone, with a client, after a backup."""
    os.kill(console.pid(), signal.SIGTERM)
    pseudo = console.start(paths.CONSOLE_PSEUDO)
    try:
        if not list(console.demo.dir.glob("backup/elexisdb_*.tar.gz")):
            process.run([console.env["ELEXGATE_CLI"], "--config", console.env["ELEXGATE_CONFIG"], "backup", "--now"], timeout=200)
        with contextlib.closing(console.client()):
            console.scenario("pseudo")
    finally:
        os.kill(console.pid(), signal.SIGTERM)
        pseudo.wait(30)
        console.start()
