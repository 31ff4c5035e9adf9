"""elexgate-job backup against a real server: what is taken is whole, and what fails leaves no trace.

The long form of the campaign is scripts/backup-campaign; $ELEXGATE_CAMPAIGN sets the number of rounds here.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import stat
import struct
import subprocess
import threading
import time

import pytest

from lib import load, newer, process
from lib.backup import Backup, archive_of, event, moment, unpack
from lib.phrases import german

ROUNDS = int(os.environ.get("ELEXGATE_CAMPAIGN", "3"))
KILLS = int(os.environ.get("ELEXGATE_KILLS", "4"))


@pytest.fixture
def backup(folder, server):
    """A backup setup before a quiet server with the load's tables."""
    server.sql("DROP DATABASE IF EXISTS load_db")
    load.Load(server).setup()
    server.sql("INSERT INTO load_db.plain (who, body, big) SELECT seq, REPEAT('Befund ', 20), REPEAT(CHAR(seq % 250), 3000) FROM load_db.seq_1_to_2000")
    return Backup(folder, server).account()


def writes(server, name="late"):
    server.sql(f"CREATE OR REPLACE TABLE load_db.{name} (n INT PRIMARY KEY); INSERT INTO load_db.{name} VALUES (1)")


class Windows:
    """Lets a load stop and go, and notes at every stop what the tables hold then."""

    def __init__(self, server, work, seed):
        self.server, self.work, self.rng = server, work, random.Random(seed)
        self.stops = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.error = None

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._end.set()
        self._thread.join(120)
        if self.error:
            raise self.error

    def _run(self):
        try:
            while not self._end.is_set():
                self._end.wait(self.rng.uniform(0.2, 1.5))
                self.work.pause()
                acknowledged = dict(self.work.acknowledged)
                sums = load.checksums(self.server)
                self._end.wait(self.rng.choice((0.05, 0.5, 3, 6)))
                self.stops.append((time.time(), sums, acknowledged))
                self.work.resume()
        except BaseException as error:
            self.error = error

    def at(self, when):
        """The tables as they were at a moment when nobody wrote: nothing changes between it and the end of its stop."""
        return next((sums, acknowledged) for end, sums, acknowledged in self.stops if end >= when)


@pytest.fixture(params=["direct", "through the proxy"])
def busy_server(request, make_server, make_gate):
    """A server under a load, and the gate that the load comes through, or None."""
    server = make_server()
    gate = None
    if request.param != "direct":
        server.add_user("practice", "Übung", "ALL ON *.*")
        gate = make_gate(server)
        work = load.Load(server, connect=lambda: gate.connect("practice", "Übung", "load_db"))
    else:
        work = load.Load(server)
    work.setup().start()
    yield server, gate, work
    work.resume()
    work.stop()


def test_whole_under_a_load_that_stops_and_goes(busy_server, folder, make_server):
    """Every backup starts without crash recovery, equal to the live tables of its moment, with every acknowledged commit."""
    server, gate, work = busy_server
    backup = Backup(folder / "b", server, gate, {"backup": {"settle": "12s", "attempts": 20}, "retention": {"keep": 100}}).account()
    for round in range(ROUNDS):
        with Windows(server, work, seed=round) as windows:
            lines = backup.job("backup", "--now")
        archive = archive_of(lines)
        manifest = backup.manifest(archive)
        expected, acknowledged = windows.at(moment(manifest["info"]["fence_at"]))
        print(f"round {round}: {len(event(lines, 'again'))} times made way, {manifest['info']}, {len(expected)} tables, "
              f"{sum(acknowledged.values())} commits")
        copy = make_server(datadir=unpack(backup.archives / archive, folder / f"copy{round}"), tcp=False, args=["--event-scheduler=OFF"])
        if manifest["server"]["state"] == "clean":
            assert not load.recovered(copy), copy.log
        # the server's own statistics may still move after the load stands still, until the lock; test_fence.py has them equal
        own = {("mysql", "innodb_table_stats"), ("mysql", "innodb_index_stats")}
        assert {k: v for k, v in load.checksums(copy).items() if k not in own} == {k: v for k, v in expected.items() if k not in own}
        assert load.damaged(copy) == []
        assert work.lost(copy, acknowledged) == []
        copy.kill()
        process.run(["rm", "-rf", folder / f"copy{round}"])
    assert len(backup.complete()) == ROUNDS
    assert not (backup.state / "server-settings.json").exists()


def test_the_account_has_just_the_grants_it_needs(backup, server):
    """The doctor prints the statement, the backup works with it, and the doctor names what is missing."""
    lines = backup.job("doctor")
    assert all(line["good"] for line in event(lines, "check"))
    backup.set("backup", method="both")
    backup.job("backup", "--now")
    for privilege, named in (("PROCESS", "PROCESS"), ("RELOAD", "RELOAD")):
        server.sql(f"REVOKE {privilege} ON *.* FROM 'elexgate'@'localhost'")
        bad = [line for line in event(backup.job("doctor", exit=1), "check") if not line["good"]]
        assert any(line["name"] == "grants" and named in line["text"] and "GRANT" in line["fix"] for line in bad), bad
        backup.job("backup", "--now", exit=1)
        server.sql(f"GRANT {privilege} ON *.* TO 'elexgate'@'localhost'")
    server.sql("ALTER USER 'elexgate'@'localhost' IDENTIFIED BY 'another'")
    bad = [line for line in event(backup.job("doctor", exit=1), "check") if not line["good"]]
    assert bad[0]["name"] == "server" and "CREATE USER" in bad[0]["fix"]


@pytest.mark.sanitize
def test_all_types_of_a_run_share_its_suffix(backup, folder, server, make_server):
    documents = folder / "documents"
    (documents / "2026" / "tmp").mkdir(parents=True)
    (documents / "brief.pdf").write_bytes(b"%PDF" * 1000)
    (documents / "2026" / "röntgen.dcm").write_bytes(os.urandom(70000))
    (documents / "2026" / "tmp" / "x.pdf").write_text("not wanted")
    (documents / "brief.bak").write_text("not wanted")
    (documents / "link").symlink_to("brief.pdf")
    backup.sections["data documents"] = {"path": documents, "exclude": "tmp *.bak"}
    backup.sections["data letters"] = {"path": documents, "include": "*.pdf"}
    backup.set("backup", method="both")
    lines = backup.job("backup", "--now")
    run = lines[-1]["run"]
    names = [a["file"] for a in lines[-1]["archives"]]
    assert names == [f"{t}_{run}.tar.gz" for t in ("elexisdb", "elexisdb-sql", "documents", "letters")]
    unpacked = unpack(backup.archives / names[2], folder / "d")
    assert (unpacked / "2026" / "röntgen.dcm").read_bytes() == (documents / "2026" / "röntgen.dcm").read_bytes()
    assert os.readlink(unpacked / "link") == "brief.pdf"
    assert not (unpacked / "brief.bak").exists() and not (unpacked / "2026" / "tmp").exists()
    unpacked = unpack(backup.archives / names[3], folder / "l")
    assert (unpacked / "brief.pdf").exists() and not (unpacked / "brief.bak").exists()
    # one type by name
    assert [a["type"] for a in backup.job("backup", "--now", "documents")[-1]["archives"]] == ["documents"]
    assert "documents" in backup.job("backup", "--now", "nothing", exit=2)[-1]["error"]


def test_a_dump_brings_everything_back(backup, folder, server, make_server):
    server.sql("INSERT INTO load_db.plain (who, body, big) VALUES (1, 'Zürich \\\\ \\' \" €', UNHEX('00FF00C3A9'))")
    backup.set("backup", method="dump")
    lines = backup.job("backup", "--now")
    archive = archive_of(lines, "elexisdb-sql")
    text = (unpack(backup.archives / archive, folder / "sql") / "load_db.sql").read_text()
    other = make_server()
    other.sql("CREATE DATABASE load_db")
    other.client(["load_db", "--default-character-set=utf8mb4"], input=text)
    of_load = lambda sums: {k: v for k, v in sums.items() if k[0] == "load_db"}
    assert of_load(load.checksums(other)) == of_load(load.checksums(server))
    names = "SELECT EVENT_NAME FROM information_schema.EVENTS UNION ALL SELECT ROUTINE_NAME FROM information_schema.ROUTINES " \
            "WHERE ROUTINE_SCHEMA='load_db' UNION ALL SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='load_db'"
    assert sorted(other.sql(names)) == sorted(server.sql(names)) != []
    assert other.value("SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_NAME='numbers'") == "SEQUENCE"
    manifest = backup.manifest(archive)
    assert any("MyISAM" in note for note in manifest["notes"])


@pytest.mark.parametrize("script,words", [
    ('mariadb-dump "$@" | head -c 3000', "no end"),
    ('mariadb-dump "$@"; echo "out of memory" >&2; exit 3', "ended with 3: what it said is not repeated here"),
    ('echo "-- Dump completed"; kill -9 $$', "signal 9"),
])
def test_a_dump_that_is_cut_does_not_count(backup, folder, script, words):
    program = folder / "dump"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    backup.set("backup", method="dump", dump_program=program)
    lines = backup.job("backup", "--now", exit=1)
    assert words in lines[-1]["error"], lines[-1]
    assert backup.files() == []


def test_no_password_in_arguments_or_environment(backup, folder):
    program = folder / "dump"
    program.write_text(f'#!/bin/sh\ncat /proc/$$/cmdline /proc/$$/environ > {folder}/seen\nexec mariadb-dump "$@"\n')
    program.chmod(0o755)
    backup.set("backup", method="dump", dump_program=program)
    backup.job("backup", "--now")
    assert b"adm " not in (folder / "seen").read_bytes()


def test_a_secret_that_others_can_read_is_refused(backup, folder):
    (folder / "admin.secret").chmod(0o644)
    done = backup.run_job("backup", "--now")
    assert done.returncode == 1 and "chmod" in done.stdout + done.stderr


@pytest.mark.sanitize
def test_it_makes_way_for_a_writer_in_the_middle(backup, server):
    """Without --now the run ends (the keeper waits for the next quiet time); nothing of it stays."""
    backup.set("archive", rate="2M")
    job = backup.start_job("backup")
    for line in job.stdout:
        if '"progress"' in line and json.loads(line)["bytes"] > 3_000_000:
            break
    start = time.monotonic()
    writes(server)
    print(f"the writer waited {(time.monotonic() - start) * 1000:.0f} ms")
    last = json.loads(job.stdout.read().splitlines()[-1])
    assert job.wait(30) == 4 and "load_db.late" in last["error"], last
    assert backup.files() == []
    assert server.sql("SELECT @@aria_checkpoint_interval, @@innodb_stats_auto_recalc") == [(30, 1)]


def test_a_write_through_the_proxy_makes_it_let_go(backup, folder, server, make_gate):
    """Also one of which the server sees no waiting: the statement is on its way, or does not change anything."""
    server.add_user("practice", "p")
    gate = make_gate(server)
    through = Backup(folder / "through", server, gate, {"archive": {"rate": "2M"}})
    job = through.start_job("backup")
    for line in job.stdout:
        if '"progress"' in line and json.loads(line)["bytes"] > 3_000_000:
            break
    with gate.connect("practice", "p", "load_db") as c, c.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM plain")
        assert job.poll() is None
        start = time.monotonic()
        cursor.execute("UPDATE plain SET n = 1 WHERE id = 1")
        print(f"the writer waited {(time.monotonic() - start) * 1000:.0f} ms")
    last = json.loads(job.stdout.read().splitlines()[-1])
    assert job.wait(30) == 4, last
    assert through.files() == []


def test_without_the_proxy_only_when_told_to(backup, folder):
    backup.set("backup", ask_proxy=True)
    assert "not known to be idle" in backup.job("backup", exit=4)[-1]["error"]
    lines = backup.job("backup", "--now")
    assert any("proxy does not answer" in line["text"] for line in event(lines, "note"))


def test_an_open_transaction_is_waited_for_not_waited_out(backup, server):
    with server.connect(database="load_db") as c, c.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE plain SET body = 'x' WHERE id = 1")
        lines = backup.job("backup", exit=4)
        assert "transaction" in lines[-1]["error"]
        cursor.execute("COMMIT")
    backup.job("backup")


def test_a_lock_run_keeps_writers_waiting(backup, server):
    """Policy `lock`: past the deadline the backup comes first."""
    backup.set("archive", rate="20M")
    job = backup.start_job("backup", "--lock")
    for line in job.stdout:
        if '"phase":"copy"' in line:
            break
    writes(server)
    last = json.loads(job.stdout.read().splitlines()[-1])
    assert job.wait(30) == 0 and last["ok"], last


def test_one_run_at_a_time(backup):
    """The old system's guard was a file that a killed run left behind, or that two runs both did not see."""
    backup.set("archive", rate="2M")
    first = backup.start_job("backup", "--now")
    for line in first.stdout:
        if '"phase":"copy"' in line:
            break
    assert f"process {first.pid}" in backup.job("backup", "--now", exit=7)[-1]["error"]
    backup.job("drill", exit=7)
    backup.cli("backup", "--now", exit=7)
    first.kill()
    first.wait()
    backup.set("archive", rate="0")
    backup.job("backup", "--now")  # the lock of the killed run is no lock


@pytest.mark.sanitize
def test_stopped_cleanly(backup, server):
    backup.set("archive", rate="2M")
    before = server.sql("SELECT @@aria_checkpoint_interval, @@innodb_stats_auto_recalc")
    for number in (signal.SIGTERM, signal.SIGINT):
        job = backup.start_job("backup", "--now")
        for line in job.stdout:
            if '"progress"' in line:
                break
        job.send_signal(number)
        last = json.loads(job.stdout.read().splitlines()[-1])
        assert job.wait(30) == 10 and last["exit"] == 10
        assert backup.files() == []
        assert server.sql("SELECT @@aria_checkpoint_interval, @@innodb_stats_auto_recalc") == before
        writes(server)


def test_killed_at_any_point(backup, server):
    """kill -9: no partial archive is ever counted, no lock stays, no generation is lost, the server's settings come back."""
    before = server.sql("SELECT @@aria_checkpoint_interval, @@innodb_stats_auto_recalc")
    backup.set("retention", keep=2)
    backup.set("backup", method="both", settle="200ms")
    backup.job("backup", "--now")
    start = time.monotonic()
    backup.job("backup", "--now")
    length = time.monotonic() - start
    rng = random.Random(7)
    for round in range(KILLS):
        good = {item["run"] for item in backup.complete()}
        job = backup.start_job("backup", "--now")
        time.sleep(length * (round + rng.random()) / KILLS)
        job.kill()
        told = [json.loads(line) for line in job.stdout.read().splitlines() if line.endswith("}")]
        job.wait()
        left = {item["run"] for item in backup.complete()}
        removed = {line["run"] for line in event(told, "removed")}
        print(f"killed in {[l['phase'] for l in told if 'phase' in l][-1:]}, complete before {len(good)}, after {len(left)}")
        new = left - good
        assert good - left <= removed or new, "a generation is lost"
        assert len(left) >= 2 and len(new) <= 1
        done = backup.run_job("verify", "--all")
        assert done.returncode == 0, done.stdout[-2000:]
        writes(server)  # nobody holds the lock
        backup.job("put-back")
        assert server.sql("SELECT @@aria_checkpoint_interval, @@innodb_stats_auto_recalc") == before
    backup.job("backup", "--now")
    assert not [name for name in backup.files() if name.endswith(".part")]


@pytest.fixture
def small_disk(folder):
    mount = folder / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", mount], capture_output=True).returncode != 0:
        pytest.skip("this user cannot mount a tmpfs")
    yield mount
    subprocess.run(["umount", mount], check=True)


def test_a_full_disk(backup, server, small_disk):
    """Said before the start where it can be foreseen; else a clear error, and the old generations stay."""
    backup.archives = small_disk / "b"
    backup.set("archive", folder=backup.archives)
    server.sql("SET GLOBAL innodb_log_checkpoint_now=ON")
    backup.set("retention", keep=1)
    # random data deflates to nothing: more than the estimate of half the size
    filler = backup.folder / "data"
    filler.mkdir()
    (filler / "x").write_bytes(os.urandom(30_000_000))
    backup.sections["data noise"] = {"path": filler}
    backup.write_config()
    lines = backup.job("backup", "--now", exit=5)
    assert "not enough space" in lines[-1]["error"] and "MB are free" in lines[-1]["error"]
    assert backup.files() == []
    subprocess.run(["mount", "-o", "remount,size=80m", small_disk], check=True)
    good = filler / "x"
    good.write_bytes(os.urandom(1_000_000))
    backup.job("backup", "--now", "noise")
    kept = backup.files()
    good.write_bytes(os.urandom(90_000_000))  # the last archive was small: the estimate is wrong
    lines = backup.job("backup", "--now", "noise", exit=5)
    assert "space" in lines[-1]["error"].lower(), lines[-1]
    assert backup.files() == kept
    assert len(backup.complete("noise")) == 1


def test_layouts_that_cannot_be_copied_whole_are_refused(backup, folder, server, make_server):
    (folder / "elsewhere").mkdir()
    linked = pathlib.Path(server.datadir) / "linked"
    linked.symlink_to(folder / "elsewhere")
    try:
        assert str(linked) in backup.job("backup", "--now", exit=9)[-1]["error"]
    finally:
        linked.unlink()
    (folder / "undo").mkdir()
    (folder / "aria").mkdir()
    for option, setting in ((f"--innodb-undo-directory={folder}/undo", "innodb_undo_directory"),
                            (f"--aria-log-dir-path={folder}/aria", "aria_log_dir_path")):
        # InnoDB moves nothing by itself: a fresh directory is initialised with the option
        other_dir = folder / setting
        process.run(["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={other_dir}", option, "--skip-test-db",
                     "--auth-root-authentication-method=normal", "--innodb-undo-tablespaces=2"], timeout=120)
        other = make_server(datadir=other_dir, args=[option])
        refused = Backup(folder / f"b-{setting}", other, None, {}).account().job("backup", "--now", exit=9)
        assert setting in refused[-1]["error"], refused[-1]
        assert "dump" in refused[-1]["error"]


ELSEWHERE = """CREATE TABLE i (a INT PRIMARY KEY, b TEXT) DATA DIRECTORY='{0}'; CREATE TABLE p (a INT) PARTITION BY HASH (a) (PARTITION x DATA DIRECTORY='{0}', PARTITION y);
    CREATE TABLE m (a INT, KEY (a)) ENGINE=MyISAM DATA DIRECTORY='{0}' INDEX DIRECTORY='{0}'; CREATE TABLE r (a INT, KEY (a)) ENGINE=Aria DATA DIRECTORY='{0}' INDEX DIRECTORY='{0}';
    INSERT INTO i VALUES (1, REPEAT('x', 5000)), (2, ''); INSERT INTO p VALUES (1), (2); INSERT INTO m VALUES (3); INSERT INTO r VALUES (4)"""


def test_a_table_that_lies_elsewhere_ends_no_backup(backup, folder, server):
    """Whoever may make tables may say where they lie: the copy has them in their place, where MariaDB finds them again."""
    outside = folder / "outside"
    outside.mkdir()
    server.sql("CREATE USER maker@localhost; GRANT ALL ON load_db.* TO maker@localhost")
    server.client(["--user=maker", "load_db"], input=ELSEWHERE.format(outside))
    held = {p.name for p in (server.datadir / "load_db").iterdir()}
    assert {"i.isl", "p#P#x.isl"} <= held and (server.datadir / "load_db" / "m.MYD").is_symlink()
    lines = backup.job("backup", "--now")
    assert not event(lines, "warning") and lines[-1]["archives"][0]["type"] == "elexisdb", lines[-1]
    archive = backup.archives / archive_of(lines)
    there = unpack(archive, folder / "there") / "load_db"
    assert not [p for p in there.iterdir() if p.is_symlink() or p.suffix == ".isl"]
    assert (there / "i.ibd").read_bytes() == (outside / "load_db" / "i.ibd").read_bytes()
    assert event(backup.job("drill"), "drill")[0]["good"]  # the tables' checksums are those of the live ones


def layout_words(backup):
    return next(c for c in backup.job("doctor", exit=1) if c.get("name") == "layout")["text"]


def test_a_table_out_of_reach_is_named_and_all_else_copied(backup, folder, server):
    """Whoever may make tables ends no backup with one, nor with a view that no dump comes past. What another's file is behind the link, or
    could be put behind it, is not copied for who made the table."""
    outside = folder / "outside"
    outside.mkdir()
    server.sql("USE load_db;" + ELSEWHERE.format(outside) + f"""; CREATE TABLE `ä.#i` (a INT PRIMARY KEY) DATA DIRECTORY='{outside}'; INSERT INTO `ä.#i` VALUES (1);
        CREATE TABLE gone (a INT); CREATE VIEW nothing AS SELECT * FROM gone; DROP TABLE gone; CREATE TABLE lost (a INT); ALTER TABLE lost DISCARD TABLESPACE; DROP TABLE lost; FLUSH TABLES""")
    for path in (outside / "load_db" / "i.ibd", *(outside / "load_db").glob("@*.ibd")):
        os.chown(path, 65534, 65534)
    (server.datadir / "load_db" / "z.ARZ").symlink_to("/nowhere/z.ARZ")
    assert "(DATA DIRECTORY of a table)" in layout_words(backup)
    lines = backup.job("backup", "--now")
    warning = event(lines, "warning")[0]
    assert warning["what"] == "table" and all(f"load_db/{n}" in warning["text"] for n in ("i ", "z ", "@")) and "Sicherung" in german(warning, "text"), warning
    assert [a["type"] for a in lines[-1]["archives"]] == ["elexisdb"]
    there = {p.name for p in (unpack(backup.archives / archive_of(lines), folder / "there") / "load_db").iterdir()}
    assert "p#P#x.ibd" in there and "m.MYD" in there and not there & {"i.ibd", "i.isl", "z.ARZ"}
    backup.set("restore", start_command=server.start_command())
    assert "load_db.i " in str(event(backup.job("restore", "run", "--dry-run", "latest"), "note"))  # by the trial, beforehand
    drill = backup.job("drill")
    assert event(drill, "drill")[0]["good"] and "load_db.ä.#i" in str(event(drill, "note")), drill
    backup.set("backup", checksums="no")
    backup.job("backup", "--now")
    assert event(backup.job("drill"), "drill")[0]["good"]
    backup.set("retention", keep=1)
    backup.job("backup", "--now")
    assert len(backup.complete("elexisdb")) == 2, "of three the last one and the proven one: older ones go as always"
    (server.datadir / "load_db" / "z.ARZ").unlink()
    for path in (outside / "load_db").iterdir():
        shutil.chown(path, os.stat(server.datadir / "load_db").st_uid)
    outside.chmod(0o777)
    assert "others than root" in layout_words(backup)
    outside.chmod(0o755)
    outside.rename(folder / "other")
    outside.symlink_to(folder / "other")
    assert "a link on the way" in layout_words(backup)


def test_keys_that_lie_elsewhere_are_refused(folder, make_server):
    """Without them the copy could not be read; inside the data directory they are part of it, and the drill proves it."""
    (folder / "keys").write_text("1;770A8A65DA156D24EE2A093277530142\n")
    encrypt = ["--plugin-load-add=file_key_management", "--innodb-encrypt-tables=ON", "--innodb-encrypt-log=ON"]
    server = make_server(args=[*encrypt, f"--file-key-management-filename={folder}/keys"])
    load.Load(server).setup()
    error = Backup(folder / "b", server).account().job("backup", "--now", exit=9)[-1]["error"]
    assert "file_key_management_filename" in error and "dump" in error
    server.stop()
    inside = pathlib.Path(server.datadir) / "keys"
    inside.write_text((folder / "keys").read_text())
    server = make_server(datadir=server.datadir, args=[*encrypt, f"--file-key-management-filename={inside}"])
    backup = Backup(folder / "c", server).account()
    backup.job("backup", "--now")
    plugins = next((a for a in newer.places(newer.session_root()) if "plugin" in a), "") if newer.session_root() else ""
    backup.set("drill", server_args=f"{plugins} --plugin-load-add=file_key_management --innodb-encrypt-log=ON --file-key-management-filename={inside}")
    backup.job("drill")


def test_another_servers_directory_is_noticed(backup, folder, make_server):
    """[backup] datadir that is not this server's: its log has another checkpoint."""
    other = make_server()
    backup.set("backup", datadir=other.datadir)
    assert "not the data directory" in backup.job("backup", "--now", exit=9)[-1]["error"]


def test_a_backup_folder_inside_the_data_is_refused(backup, server):
    backup.set("archive", folder=f"{server.datadir}/backups")
    assert "inside" in backup.job("backup", "--now", exit=9)[-1]["error"]
    process.run(["rm", "-rf", f"{server.datadir}/backups"])


def test_a_foreign_file_in_the_backup_folder(backup):
    """The old retention counted and deleted whatever lay there."""
    backup.set("retention", keep=1)
    backup.archives.mkdir(exist_ok=True)
    foreign = ["elexisdb.tar.gz", "elexisdb2_2020-01-01-0000.tar.gz", "elexisdb_2020-01-01-0000.tar", "urlaub.jpg",
               "elexisdb_2020-01-01-0000.tar.gz"]
    for name in foreign:
        (backup.archives / name).write_text("mine")
    for _ in range(3):
        backup.job("backup", "--now")
    assert len(backup.complete()) == 1
    assert all((backup.archives / name).read_text() == "mine" for name in foreign)


def test_retention_goes_by_the_exact_type(backup, folder):
    """The old one matched by prefix: elexisdb also counted and removed elexisdb_old."""
    (folder / "d").mkdir()
    (folder / "d" / "x").write_text("x")
    backup.sections["data elexisdb_old"] = {"path": folder / "d"}
    backup.set("retention", keep=2)
    backup.job("backup", "--now", "elexisdb_old")
    for _ in range(4):
        backup.job("backup", "--now", "elexisdb")
    assert len(backup.complete("elexisdb")) == 2
    assert len(backup.complete("elexisdb_old")) == 1


def test_a_failed_run_removes_nothing(backup, folder):
    backup.set("retention", keep=1)
    backup.job("backup", "--now")
    backup.sections["data gone"] = {"path": folder / "not-there"}
    backup.write_config()
    before = backup.files()
    done = backup.run_job("backup", "--now")
    assert done.returncode not in (0, 10)
    assert set(before) <= set(backup.files())


HOOK = """#!/bin/sh
echo "$@" >> {log}
env | grep ^ELEXGATE_ | sort >> {log}
{more}
"""


def hook(folder, name, more=""):
    path = folder / name
    path.write_text(HOOK.format(log=folder / f"{name}.log", more=more))
    path.chmod(0o755)
    return path


def test_hooks_get_the_run_and_its_result(backup, folder):
    backup.set("hooks", before_backup=hook(folder, "before"), after_backup=hook(folder, "after", "exit 9"))
    lines = backup.job("backup", "--now")
    run, archive = lines[-1]["run"], archive_of(lines)
    before, after = (folder / "before.log").read_text(), (folder / "after.log").read_text()
    assert before.startswith(f"before_backup {run}\n") and "ELEXGATE_TYPES=elexisdb\n" in before
    assert after.startswith(f"after_backup {run}\n") and "ELEXGATE_RESULT=good\n" in after
    assert f"ELEXGATE_ARCHIVES={backup.archives}/{archive}\n" in after
    assert any("ended with 9" in line["text"] for line in event(lines, "note"))  # told, and nothing else


@pytest.mark.sanitize
def test_a_before_hook_can_veto(backup, folder):
    backup.set("hooks", before_backup=hook(folder, "before", "exit 1"), after_backup=hook(folder, "after"))
    lines = backup.job("backup", "--now", exit=8)
    assert "ended with 1" in lines[-1]["error"] and backup.files() == []
    assert "ELEXGATE_RESULT=vetoed" in (folder / "after.log").read_text()


def test_a_hook_that_hangs_is_ended(backup, folder):
    backup.set("hooks", before_backup=hook(folder, "before", "sleep 600"), timeout="1s")
    assert "did not end" in backup.job("backup", "--now", exit=8)[-1]["error"]


def test_dry_run_changes_nothing(backup):
    lines = backup.job("backup", "--now", "--dry-run")
    start = event(lines, "start")[0]
    assert start["needed"] > 0 and start["free"] > start["needed"] and start["types"] == ["elexisdb"]
    assert backup.files() == []


def test_only_the_owner_can_read_what_is_made(backup):
    backup.job("backup", "--now")
    for path in [backup.archives, *backup.archives.iterdir(), backup.state]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


@pytest.mark.parametrize("proc", [True, False])
def test_logs_in_the_data_directory(backup, server, proc):
    """Log files under any name, rotated ones, and log tables grow all the time, by our own statements too: no backup is lost for them."""
    server.sql("INSTALL SONAME 'server_audit'; INSTALL SONAME 'sql_errlog'; SET GLOBAL server_audit_file_path='praxis.txt', "
               "server_audit_logging=ON, log_output='FILE,TABLE', general_log_file='alles', general_log=ON, slow_query_log_file='langsam.20261130', "
               "slow_query_log=ON, long_query_time=0, server_audit_file_rotate_now=ON; "
               "CREATE TABLE load_db.csv (n INT NOT NULL) ENGINE=CSV; INSERT INTO load_db.csv VALUES (7)")
    try:
        # without a look at the server's process, as in a container, its variables must do
        hide = [] if proc else ["unshare", "--pid", "--fork", "--mount-proc"]
        done = process.run([*hide, *backup.argv("backup", "--now", "elexisdb")], timeout=300, check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 0 and not event(lines, "again"), lines[-1]
        names = {e["path"] for e in backup.manifest(archive_of(lines))["entries"]}
        assert {"mysql/general_log.CSV", "mysql/slow_log.CSV", "load_db/csv.CSV"} <= names
        assert not {"praxis.txt", "praxis.txt.1", "sql_errors.log", "alles", "langsam.20261130"} & names, names
        backup.job("drill")
    finally:
        server.sql("SET GLOBAL general_log=OFF, slow_query_log=OFF, log_output='FILE', long_query_time=10; UNINSTALL SONAME 'server_audit'; "
                   "UNINSTALL SONAME 'sql_errlog'; DROP TABLE load_db.csv; TRUNCATE mysql.general_log; TRUNCATE mysql.slow_log")


def acl(*entries):
    """The kernel's form: (tag, permissions, id) each."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in entries)


OBJ = 0xFFFFFFFF
ACCESS = acl((1, 6, OBJ), (2, 6, 1000), (4, 4, OBJ), (8, 7, 4711), (16, 7, OBJ), (32, 0, OBJ))  # its mask is wider than the group's own rights
DEFAULT = acl((1, 7, OBJ), (4, 5, OBJ), (8, 7, 100), (16, 7, OBJ), (32, 0, OBJ))


def attributes(path):
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}


def test_acls_attributes_owners_and_links_come_back(backup, folder):
    documents = folder / "documents"
    (documents / "acl").mkdir(parents=True)
    for name, size in (("small", 10), ("large", 9_000_000)):
        path = documents / "acl" / name
        path.write_bytes(os.urandom(size))
        os.chown(path, 1234, 2345)
        path.chmod(0o640)
        os.setxattr(path, "user.DOSATTRIB", b"0x2\0\xff")
        os.setxattr(path, "security.NTACL", os.urandom(300))
        os.setxattr(path, "trusted.praxis", b"")
        os.setxattr(path, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
        os.setxattr(path, "system.posix_acl_access", ACCESS)
    os.setxattr(documents / "acl", "system.posix_acl_default", DEFAULT)
    os.setxattr(documents / "acl", "user.ordner", "Müller".encode())
    (documents / "schlicht").write_text("ohne ACL")
    (documents / "archiv").symlink_to("/srv/archiv/2019")
    (documents / "oben").symlink_to("../../..")
    backup.set("data documents", path=documents)

    def look():
        return {p: (os.lstat(p).st_uid, os.lstat(p).st_gid, os.lstat(p).st_mode, os.lstat(p).st_mtime_ns,
                    os.readlink(p) if p.is_symlink() else attributes(p)) for p in sorted(documents.rglob("*"))}

    before = look()
    lines = backup.job("backup", "--now", "documents")
    notes = backup.manifest(archive_of(lines, "documents"))["notes"]
    assert len(notes) == 2 and all("security.capability" in note for note in notes), notes
    backup.job("drill", "latest", "--type", "documents")
    os.setxattr(folder, "system.posix_acl_default", DEFAULT)  # of a share around it: adds no rights to what is brought back
    lines = backup.job("restore", "run", "latest", "documents")
    os.removexattr(folder, "system.posix_acl_default")
    assert not event(lines, "note"), lines
    for name in ("small", "large"):
        before[documents / "acl" / name][4].pop("security.capability")  # what gives a program rights does not come back
    assert look() == before
    # stock tar keeps them as well
    there = unpack(backup.archives / archive_of(backup.job("backup", "--now", "documents"), "documents"), folder / "stock")
    process.run(["tar", "-C", there, "--xattrs", "--acls", "-xzf", next(backup.archives.glob("documents_*.tar.gz"))])
    assert os.getxattr(there / "acl" / "small", "user.DOSATTRIB") == b"0x2\0\xff"
    assert os.getxattr(there / "acl" / "small", "system.posix_acl_access") == ACCESS


def test_what_cannot_be_read_costs_itself(backup, folder):
    """The archive is made without it, the run is incomplete, in words, with an exit code of its own; nothing older of that type goes."""
    documents = folder / "documents"
    (documents / "zu").mkdir(parents=True)
    (documents / "zu" / "innen").write_text("nie gesehen")
    for name in ("a", "b", "c", "d", "e"):
        (documents / name).write_text(name * 1000)
    backup.set("data documents", path=documents)
    backup.set("retention", keep=1)
    backup.job("backup", "--now", "documents")
    (documents / "b").chmod(0)
    (documents / "zu").chmod(0)
    # root without the right to read everything
    plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    done = process.run([*plain, *backup.argv("backup", "--now", "elexisdb-sql", "documents")], timeout=300, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 11 == lines[-1]["exit"], lines[-1]
    assert "2 files or folders of documents" in lines[-1]["error"] and "b" in lines[-1]["error"] and "unvollständig" in german(lines[-1], "error")
    manifest = backup.manifest(archive_of(lines, "documents"))
    assert {e["path"] for e in manifest["entries"]} == {"a", "c", "d", "e"} and manifest["info"]["left_out"] == 2
    assert len(manifest["notes"]) == 2 and all("left out" in note for note in manifest["notes"])
    assert [a["state"] for a in lines[-1]["archives"]] == ["dump", "incomplete"]
    assert len(backup.complete("documents")) == 2, "the older one, which is whole, was removed"
    assert "incomplete: 2" in backup.cli("backups").stdout
    backup.job("drill", "latest", "--type", "documents")  # what is in it is good


def test_a_dump_that_fails_names_the_table(backup, server):
    """What the program says may quote rows; which table cannot be read is found out without it."""
    server.sql("CREATE TABLE load_db.kaputt (n INT, KEY (n)) ENGINE=MyISAM; INSERT INTO load_db.kaputt VALUES (1); FLUSH TABLES")
    index = pathlib.Path(server.datadir) / "load_db" / "kaputt.MYI"
    index.unlink()
    try:
        error = backup.job("backup", "--now", "elexisdb-sql", exit=1)[-1]["error"]
        assert "load_db.kaputt" in error and "(error 1017" in error, error
    finally:
        server.sql("DROP TABLE IF EXISTS load_db.kaputt")
        index.with_suffix(".MYD").unlink(missing_ok=True)
        index.with_suffix(".frm").unlink(missing_ok=True)
