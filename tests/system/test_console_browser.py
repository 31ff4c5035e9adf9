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

from lib import control, paths, process
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


BUSY = 7  # the exit code of elexgate


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Console:
    """A demo with an account, and what runs scenarios against it."""

    def __init__(self, folder):
        self.folder, self.started, self.process = folder, 0, None
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
        a restore wait before it blocks, for as long as the file `hold` is there: a small database is back before a browser looks.
        The keeper's own backups, such as after each restore, wait for less silence."""
        hook = self.folder / "wait-for-browser"
        hook.write_text(f"#!/bin/sh\nwhile [ -e {self.hold} ]; do sleep 0.1; done\n")
        hook.chmod(0o755)
        config = self.demo.dir / "elexgate.ini"
        text = config.read_text()
        assert "\n[hooks]\n" not in text and "\nidle_for = 30s\n" in text
        text = text.replace("[restore]\n", "[restore]\nstale_clients = 0\n").replace("\nidle_for = 30s\n", "\nidle_for = 15s\n")
        config.write_text(text + f"\n[hooks]\nbefore_restore = {hook}\n")
        os.kill(int((self.demo.dir / "pid" / "elexgate-keeper").read_text()), signal.SIGHUP)

    def cli(self, *args, check=True, timeout=200):
        """Of what the keeper lets one at a time do: it makes backups of its own, which end."""
        run = lambda: process.run([self.env["ELEXGATE_CLI"], "--config", self.env["ELEXGATE_CONFIG"], *args], timeout=timeout, check=False)
        done = process.wait_until(lambda: (d := run()).returncode != BUSY and d, 200, f"elexgate {' '.join(args)}: not busy", 0.5)
        assert not check or done.returncode == 0, f"{args}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def status(self):
        return json.loads(self.cli("--json", "status").splitlines()[0])

    def admin(self, statement):
        """Past the gate."""
        return process.run(["mariadb", "--no-defaults", f"--socket={self.env['ELEXGATE_DB_SOCKET']}", "--user=root", "-N", "-e", statement],
                           env=dict(os.environ, MYSQL_PWD=self.env["ELEXGATE_DB_PASSWORD"])).stdout

    def at_rest(self):
        """What the keeper says once it has no job and all that the server wrote is archived, in the timeline that it is in."""
        keeper = self.status()["keeper"]
        log = keeper["binlog"]
        file, position, *_ = self.admin("SHOW MASTER STATUS").split("\t")
        return not keeper["job"] and log["state"] == "following" and log["file"] == file and log["position"] >= int(position) \
            and log["base"] and keeper

    def begin(self):
        """What every test begins from, whatever an earlier one left: console and gate work, nothing that a restore kept is asked about,
        no row of a test, no backup that waits, and one at least that leads to this second."""
        self.hold.unlink(missing_ok=True)
        if not alive(self.pid()):
            self.start()
        process.wait_until(self.at_rest, 200, "nothing goes on", 0.2)
        if (self.demo.dir / "state" / "keeper" / "restore.json").exists():
            self.cli("restore", "accept", "--yes")
        self.admin("DELETE FROM elexis.CONFIG WHERE PARAM LIKE 'browser/%'")
        keeper = process.wait_until(self.at_rest, 200, "nothing goes on", 0.2)
        if keeper["pending"]:
            with control.Control(self.demo.dir / "keeper.sock") as c:
                c.call({"cmd": "cancel"})  # it waits for silence; this one does not
        if keeper["binlog"]["base"]["base"] != "own" or not self.backups():
            self.cli("backup", "--now")
        ready = lambda: (k := self.at_rest()) and not k["pending"] and k["binlog"]["base"]["base"] == "own"
        process.wait_until(ready, 200, "a backup leads to this second", 0.2)
        status = self.status()
        assert status["state"] == "open" and not status["keeper"]["opened"], status

    def backups(self):
        return list(self.demo.dir.glob("backup/elexisdb_*.tar.gz"))

    def pid(self):
        return int((self.demo.dir / "pid" / "elexgate-console").read_text())

    def end(self, number=signal.SIGTERM):
        """The console alone. Its port is free afterwards."""
        os.kill(self.pid(), number)
        if self.process:
            self.process.wait(30)
        process.wait_until(lambda: not alive(self.pid()), 30, "the console has ended")

    def start(self, program=paths.CONSOLE):
        """The console alone, once more, as systemd would."""
        self.started += 1
        self.process = process.Child("elexgate-console", [program, "--config", self.demo.dir / "elexgate.ini"],
                                     self.demo.dir / "log" / f"elexgate-console-{self.started}.log")
        (self.demo.dir / "pid" / "elexgate-console").write_text(f"{self.process.pid}\n")
        self.process.wait_log("event=ready", 60)
        return self.process

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
def shared(session_folder):
    folder = session_folder / "console"
    folder.mkdir()
    made = Console(folder)
    try:
        made.scenario("setup", made.setup_link())
        yield made
    finally:
        made.demo.end()


@pytest.fixture
def console(shared):
    shared.begin()
    return shared


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
        browser.wait_log("BEGUN", timeout=300)
    finally:
        console.hold.unlink()
    assert browser.wait(timeout=400) == 0, browser.log()
    worker.end()
    assert any("wird wiederhergestellt, bitte warten" in error for error in worker.errors), worker.errors
    assert rows(console, "probe") == 0
    console.scenario("story", "undo")
    assert rows(console, "probe") == 1
    console.scenario("story", "accept")


def rows(console, name):
    """Those that a test wrote, counted past the gate."""
    return int(console.admin(f"SELECT COUNT(*) FROM elexis.CONFIG WHERE PARAM='browser/{name}'"))


def archived(console, moment):
    """Waits for the one row that was written since."""
    changes = lambda: console.cli("--json", "changes", "--from", moment, "--table", "CONFIG").replace(" ", "")
    process.wait_until(lambda: '"inserted":1' in changes(), 60, "the change is archived")


def test_a_moment_is_chosen_in_the_timeline(console):
    """The day drawn and told, a click, the plan with what is lost, and back to that second."""
    process.clear_of_midnight(300)
    time.sleep(1.05 - time.time() % 1)
    moment = time.strftime("%Y-%m-%d %H:%M:%S")
    console.ask("INSERT INTO CONFIG (PARAM, WERT) VALUES ('browser/verloren', 'nachher')")
    archived(console, moment)
    day = lambda: json.loads(console.cli("--json", "timeline").splitlines()[0])
    process.wait_until(lambda: any(day()["minutes"]), 60, "the minute is counted")
    console.scenario("timeline", moment, "CONFIG")
    assert rows(console, "verloren") == 0
    console.scenario("story", "undo")
    assert rows(console, "verloren") == 1
    console.scenario("story", "accept")


def test_a_backup_opened_for_reading(console):
    """From its own page and from a moment's plan: the line that the page gives shows the state of then, and only of then."""
    time.sleep(1.05 - time.time() % 1)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    console.ask("INSERT INTO CONFIG (PARAM, WERT) VALUES ('browser/gelesen', 'seither')")
    archived(console, since)
    count = "SELECT COUNT(*) FROM CONFIG WHERE PARAM='browser/gelesen'"
    console.scenario("opened", count, "0", "latest", "1")
    assert console.ask(count) == ((1,),), "nothing live was touched"
    place, = console.demo.dir.glob("**/opened")
    assert [name for name in os.listdir(place) if name != ".lock"] == [], "the disk is given back"
    audit, = console.demo.dir.glob("**/audit.log")
    lines = [json.loads(line) for line in audit.read_text().splitlines()]
    did = [(line.get("action"), line.get("account"), line.get("result")) for line in lines if "open-backup" in str(line.get("action"))]
    assert ("open-backup", "praxis", "ok") in did and ("open-backup", "praxis", "refused") in did, did


@pytest.mark.slow
def test_the_console_dies_during_a_restore(console):
    """The restore goes on, and the page that was open finds it again without a click."""
    console.hold.touch()
    with contextlib.closing(console.client()):
        browser = console.start_scenario("story", "begin-restore", "watch-restore")
        browser.wait_log("BEGUN", timeout=300)
    console.end(signal.SIGKILL)
    job = console.status()["keeper"]["job"]
    assert job and job["kind"] == "restore", "the restore was over before the console was killed"
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
    while len(console.backups()) < 2:
        console.cli("backup", "--now")
    console.scenario("story", "delete", "keep-the-only-one")


def test_in_the_pseudo_language(console):
    """Every sentence is looked up, and there is room for a third more: on a phone, with a client, after a backup."""
    console.end()
    pseudo = console.start(paths.CONSOLE_PSEUDO)
    try:
        with contextlib.closing(console.client()):
            console.scenario("pseudo")
        assert pseudo.alive()
    finally:
        console.end()
        console.start()
