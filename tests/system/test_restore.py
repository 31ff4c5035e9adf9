"""A restore brings everything or nothing: what was backed up, what is there now, and no third thing."""
import hashlib
import json
import os
import pwd
import re
import shlex
import subprocess
import tarfile
import time

import pymysql
import pytest

from lib import process
from lib.backup import event
from lib.restore import Client, Site, hashes
from restore_campaign import Campaign


@pytest.fixture
def site(folder, make_server, make_gate):
    server = make_server()
    gate = make_gate(server, options={"proxy": {"grace": "200ms"}})
    yield Site(folder, server, gate)


def test_under_ten_clients(site):
    """Ten workstations write through the gate over TLS while `elexgate restore` runs: each is told in German why it waits, each
    is back afterwards, and the data are those of the backup."""
    site.prepare()
    clients = [Client(site) for _ in range(10)]
    for client in clients:
        client.start()
    process.wait_until(lambda: all(c.acknowledged > 3 for c in clients), what="all clients at work")
    done = site.backup.cli("restore", "latest", "--yes")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    process.wait_until(lambda: all(c.after_restore > 3 for c in clients), what="all clients at work again")
    for client in clients:
        client.end.set()
    for client in clients:
        client.join(20)
    for number, client in enumerate(clients):
        words = " ".join(client.words)
        assert "Die Praxis-Datenbank wird wiederhergestellt, bitte warten" in words, (number, words[:2000])
        assert "being restored" in words
    assert event(lines, "restored")[0]["blocked_ms"] > 0
    print("blocked", event(lines, "restored")[0]["blocked_ms"], "ms", site.phases(lines))
    sums = site.sums()
    changed = {k for k in set(sums) | set(site.then) if sums.get(k) != site.then.get(k)}
    assert changed <= {("load_db", "visits")}, changed
    assert site.documents_then == hashes(site.documents)
    assert site.is_open()


def test_those_who_were_there_restart_elexis_and_others_come_in(site):
    """A workstation that was connected holds what it has read: it is refused for a while. Another comes in at once."""
    site.backup.set("restore", stale_clients="3s")
    site.prepare()
    here = site.connect()  # from 127.0.0.1
    lines = site.job("run", "latest", "elexisdb")
    with pytest.raises(pymysql.err.MySQLError):
        here.ping(reconnect=False)
    for _ in range(1):
        with pytest.raises(pymysql.err.MySQLError) as refused:
            site.connect()
        assert refused.value.args[0] == 1053 and "bitte Elexis neu starten" in refused.value.args[1]
    with site.gate.connect("practice", "Übung", "load_db", bind_address="127.0.0.9", host="127.0.0.1", tls=False, ssl=site.tls()) as other:
        other.ping()  # another address comes in at once
    with pytest.raises(pymysql.err.MySQLError, match="neu starten"):
        site.connect()
    def comes_in():
        try:
            site.connect().close()
            return True
        except pymysql.err.MySQLError:
            return False
    process.wait_until(comes_in, 30, "the end of the waiting, tried all the time", 0.2)
    assert event(lines, "restored")


@pytest.mark.parametrize("off", ["off", "0"])
def test_without_stale_clients_all_come_in_at_once(site, off):
    site.backup.set("restore", stale_clients=off)
    site.prepare()
    here = site.connect()
    site.job("run", "latest", "elexisdb")
    with pytest.raises(pymysql.err.MySQLError):
        here.ping(reconnect=False)
    with site.connect() as again:
        again.ping()


def test_after_an_undo_they_restart_elexis_as_well(site):
    site.backup.set("restore", stale_clients="2s")
    site.prepare()
    site.job("run", "latest", "elexisdb")
    with site.connect():
        site.job("undo")
        with pytest.raises(pymysql.err.MySQLError, match="neu starten"):
            site.connect()


def test_dry_run_changes_nothing(site):
    site.prepare()
    before = site.server.pid
    lines = site.job("run", "--dry-run", "latest")
    assert {"extract", "boot", "check"} <= set(site.phases(lines))
    assert not {"block", "stop", "swap"} & set(site.phases(lines))
    assert site.side() == "old" and site.documents_now == hashes(site.documents)
    assert site.server.process.alive() and site.server.pid == before
    site.nothing_left()


def test_the_plan_names_what_is_newer_and_what_is_gone(site):
    """Tables that were made since would go, with their rows; and a view in a table's place is not asked anything: it would run
    what somebody put into it, with the keeper's rights."""
    site.prepare()
    site.server.sql("INSERT INTO load_db.later VALUES (1), (2), (3); CREATE TABLE load_db.asked (n INT);"
                    "CREATE FUNCTION load_db.f() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO load_db.asked VALUES (1); RETURN 1; END;"
                    "GRANT EXECUTE, INSERT ON load_db.* TO elexgate@localhost;"
                    "RENAME TABLE load_db.old TO load_db.old_; CREATE SQL SECURITY INVOKER VIEW load_db.old AS SELECT * FROM load_db.old_ WHERE load_db.f() = 1")
    rows = {r["table"]: r for r in event(site.job("plan", "latest"), "plan")[0]["rows"]}
    assert rows["load_db.later"]["now"] == 3 and rows["load_db.later"]["newer"], rows
    assert rows["load_db.old"].get("gone") and rows["load_db.old_"]["newer"], rows
    assert site.server.value("SELECT COUNT(*) FROM load_db.asked") == 0


def test_undo_and_undo_of_the_undo_and_accept(site):
    """Back and forth, each side with what was written while it was live; then the other side is let go of."""
    site.prepare()
    site.job("run", "latest")
    assert site.side() == "new" and site.documents_then == hashes(site.documents)
    status = event(site.job("status"), "restore")[0]
    assert status["phase"] == "kept" and status["new_live"]
    refused = site.job("run", "latest", exit=9)
    assert "accept" in refused[-1]["error"] and site.side() == "new"

    site.server.sql("CREATE TABLE load_db.on_the_new (n INT PRIMARY KEY)")
    site.then = site.sums()
    site.job("undo")
    assert site.side() == "old" and site.documents_now == hashes(site.documents)
    site.server.sql("CREATE TABLE load_db.on_the_old (n INT PRIMARY KEY)")
    site.now = site.sums()
    site.job("undo")
    assert site.side() == "new" and site.documents_then == hashes(site.documents)
    site.job("undo")
    assert site.side() == "old"
    site.job("undo")
    site.job("accept")
    assert site.side() == "new"
    site.nothing_left()
    assert event(site.job("status"), "restore")[0]["phase"] is None
    site.job("undo", exit=1)
    site.job("accept", exit=1)


def test_the_data_from_before_are_deleted_when_their_time_is_over(site):
    """[restore] keep_old: not a moment earlier, by the keeper itself, and the data in use stay as they are."""
    site.prepare()
    site.backup.set("restore", keep_old="1h")
    site.job("run", "latest")
    kept = [p for p in site.staging if p.exists()]
    assert kept and site.journal.exists()
    site.job("recover", "--expire")
    assert [p for p in site.staging if p.exists()] == kept and site.journal.exists(), "deleted before its time"
    site.backup.set("restore", keep_old="1s")  # which is over
    process.wait_until(lambda: time.time() - site.journal.stat().st_mtime > 1.5, 10, "a second has gone by")
    site.job("recover")  # settles, and deletes nothing
    assert site.journal.exists()
    site.backup.start_keeper()
    try:
        process.wait_until(lambda: not site.journal.exists() and site.backup.call("status")["job"] is None, 60, "the keeper deletes them")
    finally:
        site.backup.stop_keeper()
    site.nothing_left()
    assert site.side() == "new" and site.documents_then == hashes(site.documents)
    site.job("undo", exit=1)


def test_one_type_of_several(site):
    """Documents alone: the server runs on, nobody is blocked."""
    site.prepare()
    before = site.server.pid
    lines = site.job("run", "latest", "documents")
    assert not {"block", "stop", "start"} & set(site.phases(lines))
    assert site.documents_then == hashes(site.documents)
    assert site.server.process.alive() and site.server.pid == before and site.side() == "old"
    site.job("undo")
    assert site.documents_now == hashes(site.documents)
    site.job("accept")
    site.job("run", "latest", "elexisdb")
    assert site.side() == "new" and site.documents_now == hashes(site.documents)
    site.job("accept")
    site.nothing_left()
    site.job("run", "latest", "no-such-type", exit=1)


def test_what_was_unpacked_is_what_was_backed_up(site):
    """Byte for byte, before any server has run on it, and the old side as it was stopped."""
    site.prepare()
    # stopped by the restore, then looked at: the start command keeps the hashes of what it finds
    script = site.folder / "look-and-start"
    script.write_text(f"#!/bin/sh\ncd {site.server.datadir} && find . -type f -exec sha256sum {{}} + >{site.folder}/new.sums\n"
                      f"cd {site.staging[0]}/old && find . -type f -exec sha256sum {{}} + >{site.folder}/old.sums\n"
                      f"exec {site.server.start_command()}\n")
    script.chmod(0o755)
    site.backup.set("restore", start_command=script)
    site.job("run", "--no-trial", "latest", "elexisdb")
    expected = {}
    with tarfile.open(site.backup.archives / site.archive) as archive:
        for member in archive:
            if member.isfile():
                expected[os.path.normpath(member.name)] = hashlib.sha256(archive.extractfile(member).read()).hexdigest()
    found = {}
    for line in (site.folder / "new.sums").read_text().splitlines():
        digest, name = line.split("  ", 1)
        found[os.path.normpath(name)] = digest
    assert len(expected) > 100
    assert found == expected
    # and the old side lies where it is kept, as it was stopped
    kept = {os.path.normpath(line.split("  ", 1)[1]): line.split("  ", 1)[0]
            for line in (site.folder / "old.sums").read_text().splitlines()}
    assert kept == hashes(site.staging[0] / "old")


def one_time_failure(site, name, then):
    """A command that fails the first time and then does what it should."""
    script = site.folder / name
    script.write_text(f"#!/bin/sh\nif [ ! -e {site.folder}/{name}.failed ]; then touch {site.folder}/{name}.failed; exit 1; fi\nexec {then}\n")
    script.chmod(0o755)
    return script


def test_a_failed_start_goes_back_by_itself(site):
    site.prepare()
    site.backup.set("restore", start_command=one_time_failure(site, "start-once", site.server.start_command()))
    lines = site.job("run", "latest", exit=1)
    assert "as it was before" in lines[-1]["error"] and "start_command" in lines[-1]["error"]
    assert site.side() == "old" and site.documents_now == hashes(site.documents)
    site.nothing_left()


def test_a_server_that_does_not_come_up_on_the_new_data(site):
    """The time is waited out, then the old data are back."""
    site.prepare()
    script = site.folder / "start-on-the-old"
    script.write_text(f"#!/bin/sh\n[ -e {site.server.datadir}/gone_since ] || exec {site.server.start_command()}\n")
    script.chmod(0o755)
    site.backup.set("restore", start_command=script, start_timeout="2s")
    lines = site.job("run", "latest", exit=1)
    assert "does not answer" in lines[-1]["error"]
    assert site.side() == "old"
    site.nothing_left()


def test_a_start_command_that_came_too_early(site):
    """As systemctl start, which does nothing as long as it sees the old process."""
    site.prepare()
    script = site.folder / "start-later"
    script.write_text(f"#!/bin/sh\nif [ ! -e {site.folder}/asked ]; then touch {site.folder}/asked; exit 0; fi\nexec {site.server.start_command()}\n")
    script.chmod(0o755)
    site.backup.set("restore", start_command=script)
    site.job("run", "latest")
    assert site.side() == "new"


def test_when_nothing_starts_clients_stay_out_until_recover(site):
    site.prepare()
    site.backup.set("restore", start_command="/bin/false")
    lines = site.job("run", "latest", exit=1)
    assert "recover" in lines[-1]["error"]
    assert site.gate.status()["state"] == "blocked"
    with pytest.raises(Exception, match="wiederhergestellt|restored"):
        site.connect()
    site.job("recover", exit=1)
    assert site.gate.status()["state"] == "blocked"
    site.backup.set("restore", start_command=site.server.start_command())
    site.job("recover")
    assert site.side() in ("old", "new")
    assert site.is_open()


def stop_and_start(site, between="", afterwards=""):
    """A stop command as a container's restart policy would make of it: what was stopped is started again."""
    start = site.server.start_command()
    script = site.folder / "stop-and-start"
    admin = f"mariadb-admin --no-defaults --socket={site.server.socket} --user=root"
    script.write_text(f"#!/bin/sh\n{admin} shutdown\n{between}\n{start}\n{afterwards.format(admin=admin)}\n")
    script.chmod(0o755)
    return script


def test_a_server_that_is_started_again_at_once(site):
    """The stop never holds, so nothing is swapped."""
    site.prepare()
    script = stop_and_start(site, afterwards="until {admin} ping >/dev/null 2>&1; do sleep 0.05; done")
    site.backup.set("restore", stop_command=script, stop_timeout="3s")
    lines = site.job("run", "latest", exit=1)
    assert "starts it again" in lines[-1]["error"] and "as it was before" in lines[-1]["error"]
    assert "swap" not in site.phases(lines)
    assert site.side() == "old" and site.documents_now == hashes(site.documents)
    site.nothing_left()


class Supervisor:
    """What systemd (Restart=always) or a container's restart policy does: it runs the server, starts it again as soon as it ends,
    and lets it be only when it was itself told to stop. `start` does nothing while the server runs."""

    def __init__(self, site):
        self.folder, server = site.folder, site.server
        server.stop()
        argv = shlex.join(str(a) for a in server._argv())
        run = site.folder / "supervise"
        run.write_text(f"#!/bin/sh\ntrap 'kill $child' TERM\nwhile :; do\n"
                       f"    if [ -e {site.folder}/down ]; then touch {site.folder}/is-down; sleep 0.02; continue; fi\n"
                       f"    rm -f {site.folder}/is-down\n    {argv} </dev/null >>{site.folder}/supervised.log 2>&1 &\n"
                       f"    child=$!\n    echo x >>{site.folder}/starts\n    wait $child || wait $child\ndone\n")
        admin = f"mariadb-admin --no-defaults --socket={server.socket} --user=root"
        self.stop = site.folder / "supervisor-stop"
        self.stop.write_text(f"#!/bin/sh\ntouch {site.folder}/down\n{admin} shutdown\n"
                             f"until [ -e {site.folder}/is-down ]; do sleep 0.02; done\n")
        self.start = site.folder / "supervisor-start"
        self.start.write_text(f"#!/bin/sh\nrm -f {site.folder}/down\n")
        for script in (run, self.stop, self.start):
            script.chmod(0o755)
        (site.folder / "starts").write_text("")
        self.site = site
        self.process = process.Child("supervisor", [run], site.folder / "supervisor.log")
        process.wait_until(self.answers, 60, "the supervised server")

    def answers(self):
        try:
            return self.site.server.value("SELECT 1") == 1
        except pymysql.err.MySQLError:
            return False

    def starts(self):
        return len((self.folder / "starts").read_text().split())

    def end(self):
        process.run([self.stop], check=False)
        self.process.kill()


@pytest.fixture
def supervisor(site):
    site.prepare()
    s = Supervisor(site)
    yield s
    s.end()


def test_a_supervisor_that_restarts_at_once_without_a_stop_command(site, supervisor):
    """SQL SHUTDOWN alone: it is up again before anything could be swapped. Refused in words, or one whole side."""
    site.backup.set("restore", start_command=supervisor.start, stop_timeout="3s")
    done = site.backup.run_job("restore", "run", "latest", "elexisdb")
    last = json.loads(done.stdout.splitlines()[-1])
    process.wait_until(supervisor.answers, 60, "the server again")
    if done.returncode == 0:  # it was quicker than the supervisor, and kept it waiting
        assert site.side() == "new"
    else:
        assert "stop_command" in last["error"] and "as it was before" in last["error"], last
        assert site.side() == "old"
        site.nothing_left()
    assert supervisor.starts() > 1 and site.is_open()


def test_a_supervisor_that_is_told_to_stop_and_start(site, supervisor):
    """stop_command and start_command as `systemctl stop` and `start`, or `docker stop` and `start`: the supervisor's server is the one
    that runs afterwards, and was started once for each direction."""
    site.backup.set("restore", stop_command=supervisor.stop, start_command=supervisor.start)
    site.job("run", "latest", "elexisdb")
    assert site.side() == "new" and supervisor.starts() == 2
    site.job("undo")
    assert site.side() == "old" and supervisor.starts() == 3
    site.job("accept")
    site.nothing_left()


def test_a_stop_command_that_fails_changes_nothing(site):
    site.prepare()
    site.backup.set("restore", stop_command="/bin/false")
    lines = site.job("run", "latest", "elexisdb", exit=1)
    assert "stop_command" in lines[-1]["error"] and "swap" not in site.phases(lines)
    assert site.side() == "old"
    site.nothing_left()


@pytest.mark.parametrize("without", [[], ["setpriv", "--bounding-set", "-lease", "--"]], ids=["all rights", "without CAP_LEASE"])
def test_a_server_that_waits_with_the_old_files_open(site, without):
    """It has opened its control file and waits for the lock when the restore gets it: it must not go on with that file
    beside the other side's logs. Also where root may take no lease on a file of somebody else's, as in the package's unit."""
    site.prepare()
    if without:
        if os.geteuid() != 0:
            pytest.skip("only root can lose a right")
        owner = pwd.getpwnam("nobody")
        os.chown(site.server.datadir / "aria_log_control", owner.pw_uid, owner.pw_gid)  # as the service's user owns its files
        argv = site.backup.argv
        site.backup.argv = lambda *args: [*without, *argv(*args)]
    holder = subprocess.Popen(["tail", "-f", site.server.datadir / "aria_log_control"], stdout=subprocess.DEVNULL)
    try:
        site.backup.set("restore", stop_timeout="2s")
        lines = site.job("run", "latest", exit=1)
    finally:
        holder.kill()
        holder.wait()
    assert "in use" in lines[-1]["error"] and "swap" not in site.phases(lines)
    assert site.side() == "old"
    site.nothing_left()


@pytest.mark.parametrize("delay", ["0", "0.02", "0.1"])
def test_a_rival_that_starts_in_between(site, delay):
    """Whichever server wins, it runs on all of one side."""
    site.prepare()
    later = f"(sleep {delay}; exec setsid {site.server.start_command()}) >/dev/null 2>&1 &"
    script = site.folder / "stop"
    script.write_text(f"#!/bin/sh\nmariadb-admin --no-defaults --socket={site.server.socket} --user=root shutdown\n{later}\n")
    script.chmod(0o755)
    site.backup.set("restore", stop_command=script, stop_timeout="3s")
    done = site.backup.run_job("restore", "run", "latest")
    print(done.returncode, done.stdout.splitlines()[-1])
    assert site.side() == ("new" if done.returncode == 0 else "old")
    assert site.is_open()


@pytest.mark.parametrize("key,value,words", [
    ("version", "10.6.20-MariaDB", "across_series = no"),
    ("version", "99.1.3-MariaDB", "99.1.3"),
    ("page_size", 8192, "innodb_page_size"),
    ("lower_case_table_names", 1, "lower_case_table_names"),
])
def test_what_does_not_fit_is_refused(site, key, value, words):
    site.prepare()
    # (the manifest's own version is a number)
    old = '"[^"]*"' if isinstance(value, str) else r"\d+"
    site.backup.edit_manifest(site.archive, lambda head: re.sub(
        rf'"{key}": ?{old}', f'"{key}":{json.dumps(value)}', head, count=1))
    site.backup.set("restore", across_series="no")
    lines = site.job("run", "latest", "elexisdb", exit=9)
    site.backup.set("restore", across_series="ask")
    assert words in lines[-1]["error"]
    assert site.side() == "old"
    site.nothing_left()


def test_a_damaged_archive_never_gets_as_far_as_a_block(site):
    site.prepare()
    path = site.backup.archives / site.archive
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x40
    path.write_bytes(data)
    lines = site.job("run", "latest", exit=6)
    assert "block" not in site.phases(lines)
    assert site.side() == "old"
    site.nothing_left()


def test_a_start_command_must_be_there(site):
    site.prepare()
    site.backup.set("restore", start_command=None)
    lines = site.job("run", "latest", exit=9)
    assert "start_command" in lines[-1]["error"]
    site.nothing_left()


def test_a_hook_can_say_no(site):
    site.prepare()
    site.backup.set("hooks", before_restore="/bin/false")
    lines = site.job("run", "latest", exit=8)
    assert "block" not in site.phases(lines)
    assert site.side() == "old"
    site.nothing_left()


def test_killed_at_any_time(site, capsys):
    """The long form is scripts/restore-campaign; $ELEXGATE_RESTORE_KILLS is the number of kills here."""
    site.prepare()
    campaign = Campaign(site, seed=int(os.environ.get("ELEXGATE_SEED", "1")))
    campaign.measure()
    campaign.run(int(os.environ.get("ELEXGATE_RESTORE_KILLS", "6")))
    with capsys.disabled():
        print("\n" + campaign.table())
    assert campaign.problems == []


@pytest.mark.parametrize("phase", ["stop", "swap", "start", "look"])
def test_killed_between_block_and_open(site, phase):
    """Clients stay out until the recovery, which is killed as well, and then taken up again."""
    site.prepare()
    assert site.kill_at("run", "latest", phase=phase) == phase
    assert site.gate.status()["state"] == "blocked"
    for _ in range(2):
        site.kill_at("recover", phase="start")
    site.job("recover")
    assert site.side() in ("old", "new")
    assert site.is_open()


def test_a_data_directory_that_is_bound_from_elsewhere(folder, template, make_server, make_gate):
    """The same file system as its parent, and yet no rename leads out of it: only its mount tells them apart. Staging lies in it."""
    volume, source = folder / "volume", folder / "source"
    volume.mkdir()
    process.run(["cp", "-a", "--sparse=always", template, source])
    if subprocess.run(["mount", "--bind", source, volume], capture_output=True).returncode != 0:
        pytest.skip("this user cannot mount")
    try:
        server = make_server(datadir=volume)
        site = Site(folder, server, make_gate(server, options={"proxy": {"grace": "200ms"}}))
        site.prepare()
        site.job("run", "latest")
        assert (volume / ".elexgate-restore").exists()
        assert site.side() == "new" and site.documents_then == hashes(site.documents)
        site.job("undo")
        assert site.side() == "old"
        site.job("accept")
        assert not (volume / ".elexgate-restore").exists()
        server.stop()
    finally:
        process.run(["umount", "-l", volume], check=False)
