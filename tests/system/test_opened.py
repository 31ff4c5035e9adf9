"""A backup opened for reading through the keeper: served to root of the machine for a while, closed, and the disk given back,
however it ends. The page's part is in test_console_opened.py."""
import os
import signal

import pytest

from lib import process
from lib.restore import Site
from test_restore_into import servers_on


@pytest.fixture(scope="module")
def opened_site(session_folder, template, pki):
    """One practice for the whole module; each test leaves nothing open."""
    from lib.mariadb import MariaDB
    folder = session_folder / "opened"
    folder.mkdir()
    server = MariaDB(folder / "s", template=template)
    server.start()
    site = Site(folder, server, None)
    site.take_backup()
    site.run = site.archive.split("_")[1].split(".")[0]
    server.sql("DELETE FROM load_db.old")
    yield site
    server.stop()


@pytest.fixture
def site(opened_site):
    b = opened_site.backup
    b.set("restore", open_for="1h")
    b.start_keeper()
    yield opened_site
    b.stop_keeper()
    assert left(opened_site) == [] and servers_on(b.scratch / "opened") == []


def left(site):
    place = site.backup.scratch / "opened"
    return sorted(name for name in os.listdir(place) if name != ".lock") if place.exists() else []


def opened(site):
    return site.backup.call("status")["opened"]


def open_run(site, **more):
    """Opened, and what the status says of it once it is."""
    answer = site.backup.call({"cmd": "open-backup", "which": site.run, **more})
    process.wait_until(lambda: opened(site)[0]["state"] in ("open", "failed"), 120, "the old state is open")
    one, = opened(site)
    assert one["id"] == answer["id"]
    return one


def gone(site):
    process.wait_until(lambda: opened(site) == [] and left(site) == [], 60, "nothing is open, and the disk is given back")
    assert servers_on(site.backup.scratch / "opened") == []


def value(one, sql):
    done = process.run(["mariadb", "--no-defaults", f"--socket={one['socket']}", f"--user={one['user']}", "-N", "-e", sql], check=False)
    return done.stdout.strip() if done.returncode == 0 else done.stderr


def test_open_look_and_close(site):
    """The state of then, beside the practice that works on; the database alone, no documents."""
    one = open_run(site)
    assert one["state"] == "open" and one["which"] == site.run and one["user"] == "root" and one["until"] > one["since"]
    assert {"load_db", "gone_since"} <= {d["name"] for d in one["databases"]}
    assert value(one, "SELECT COUNT(*) FROM load_db.old") == "50"
    assert site.server.sql("SELECT COUNT(*) FROM load_db.old") == [(0,)]
    assert sorted(n for n in os.listdir(site.backup.scratch / "opened" / site.run / "data") if n[0] != ".") == ["elexisdb"]
    again = site.backup.call({"cmd": "open-backup", "which": site.run}, check=False)
    assert again["code"] == "EEXIST" and "already" in again["error"]
    listed = site.backup.cli("opened").stdout
    assert site.run in listed and one["socket"] in listed
    site.backup.cli("opened", "close", str(one["id"]))
    gone(site)
    assert "Nothing is open" in site.backup.cli("opened").stdout
    assert "nothing of this number" in site.backup.cli("opened", "close", "77", exit=1).stderr
    audit = (site.backup.folder / "audit.log").read_text()
    assert '"action":"open-backup"' in audit and '"action":"close-backup"' in audit and '"kind":"opened"' in audit


def test_it_closes_by_itself(site):
    site.backup.set("restore", open_for="1s")
    assert site.backup.call({"cmd": "open-backup", "which": site.run})["ok"]
    process.wait_until(lambda: "event=backup-opened" in site.backup.keeper.log(), 120, "it is open")
    gone(site)
    assert "event=backup-closed" in site.backup.keeper.log()


def test_what_cannot_be_opened_says_why_and_makes_room(site):
    one = open_run(site, which="2001-01-01-0000")
    assert one["state"] == "failed" and "2001-01-01-0000" in one["error"], one
    assert left(site) == []
    for request in ({"which": "/etc"}, {"which": "latest", "folder": "/x"}, {"upload": "x"}, {}, {"which": "latest", "foreign": True}):
        refused = site.backup.call({"cmd": "open-backup", **request}, check=False)
        assert not refused["ok"] and refused["code"] == "EINVAL", (request, refused)
    site.backup.call({"cmd": "close-backup", "id": one["id"]})
    assert opened(site) == []


def test_nobody_else_may_write_where_it_lies(site, folder):
    """[drill] scratch on a share: what was compared with the manifest need not be what is shown."""
    share = folder / "share"
    share.mkdir()
    share.chmod(0o777)
    site.backup.set("drill", scratch=share)
    site.backup.stop_keeper()
    site.backup.start_keeper()
    try:
        one = open_run(site)
        assert one["state"] == "failed" and "others may write" in one["error"] and os.listdir(share) == [], one
    finally:
        site.backup.set("drill", scratch=None)
        site.backup.stop_keeper()
        site.backup.start_keeper()


def test_a_server_that_is_killed(site):
    one = open_run(site)
    for pid in servers_on(site.backup.scratch / "opened"):
        os.kill(pid, signal.SIGKILL)
    process.wait_until(lambda: opened(site)[0]["state"] == "failed", 60, "it is told")
    assert "ended by itself" in opened(site)[0]["error"] and left(site) == []
    site.backup.call({"cmd": "close-backup", "id": one["id"]})


def job_of(site):
    """The job's pid, not the server's."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"elexgate-job") and str(site.backup.config).encode() in words and b'"action":"open"' in words[-2]:
            return int(pid)
    return None


def test_a_job_that_is_killed_leaves_the_disk_as_it_was(site):
    one = open_run(site)
    os.kill(job_of(site), signal.SIGKILL)
    process.wait_until(lambda: opened(site)[0]["state"] == "failed", 60, "it is told")
    process.wait_until(lambda: left(site) == [], 60, "what it left is removed")
    site.backup.call({"cmd": "close-backup", "id": one["id"]})


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_keeper(site, how):
    one = open_run(site)
    site.backup.keeper.signal(how)
    site.backup.keeper.wait(60)
    process.wait_until(lambda: left(site) == [] and servers_on(site.backup.scratch / "opened") == [], 60, "gone with the keeper")
    assert "2002" in value(one, "SELECT 1")
    site.backup.start_keeper()
    assert opened(site) == []


def test_what_a_lost_machine_left_goes_at_the_start(site):
    """Everything killed at once: nobody could tidy up."""
    site.backup.stop_keeper()
    stale = site.backup.scratch / "opened" / "2026-01-01-0000" / "data"
    stale.mkdir(parents=True)
    (stale / "patients.ibd").write_bytes(b"x" * 1000)
    site.backup.start_keeper()
    process.wait_until(lambda: left(site) == [], 60, "what was left is gone")
