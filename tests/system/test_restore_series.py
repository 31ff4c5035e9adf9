"""From MariaDB 10.11 to 11.8 with a practice on it: what drill, doctor, plan, restore and undo say of the data of the other series,
and that a restore upward brings them back, whole."""
import os
import pathlib
import shutil
import tempfile

import pytest

from lib import newer, process, trixie as lib_trixie
from lib.backup import event
from lib.gate import Gate
from lib.mariadb import MariaDB
from lib.phrases import german
from lib.restore import Site

pytestmark = newer.needs_both


def ours(sums):
    """Without the system's own tables, which are each series' own."""
    return {k: v for k, v in sums.items() if k[0] not in ("mysql", "sys")}


@pytest.fixture(scope="module")
def bin():
    """The programs of 11.8, first in PATH, as after an upgrade of the system."""
    root, path = lib_trixie.root(), os.environ["PATH"]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="elexgate-new-", dir="/tmp"))
    yield newer.programs(root, folder)
    os.environ["PATH"] = path
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def site(session_folder, template, pki, bin):
    """A practice that has restored a backup under 10.11, kept what was before, and then got 11.8."""
    folder = session_folder / "series"
    server = MariaDB(folder / "db", template).start()
    gate = Gate(folder / "gate", server, pki, options={"proxy": {"grace": "200ms"}}).start()
    site = Site(folder, server, gate)
    server.sql("CREATE TABLE load_db.past (n INT PRIMARY KEY, at TIMESTAMP(6) NULL, x DATETIME(3), c CHAR(3) CHARACTER SET latin1) WITH SYSTEM VERSIONING;"
               "INSERT INTO load_db.past VALUES (1, '2037-12-31 23:59:59', NOW(3), 'ä'); UPDATE load_db.past SET n = 2;"
               "CREATE DEFINER='gone'@'x' VIEW load_db.seen AS SELECT n FROM load_db.past")
    site.prepare()
    site.before = event(site.job("run", "latest", "elexisdb"), "restored")
    server.stop()
    os.environ["PATH"] = f"{bin}:{os.environ['PATH']}"
    server.program = (bin / "mariadbd", "--no-defaults", *newer.places(lib_trixie.root()))
    server.start()
    process.run([bin / "mariadb-upgrade", "--no-defaults", f"--socket={server.socket}", "--user=root", "--force"], timeout=300)
    site.backup.set("restore", start_command=server.start_command())
    site.backup.account()
    yield site
    gate.stop()
    server.kill()


def series(lines):
    return next(line for line in event(lines, "check") if line["name"] == "series")


def test_undo_does_not_start_the_newer_server_on_the_older_data(site):
    assert site.server.value("SELECT VERSION()").startswith("11.8")
    before = site.sums()
    refused = site.job("undo", exit=9)[-1]
    assert "were last under MariaDB 10.11" in refused["error"] and str(site.staging[0] / "old") in refused["error"]
    assert "waren zuletzt unter MariaDB 10.11" in german(refused, "error")
    assert site.sums() == before and site.is_open()
    site.job("accept")
    site.nothing_left()


def test_where_it_may_not_be_it_is_refused_with_the_way_out(site):
    site.backup.set("restore", across_series="no")
    for done in (site.job("run", "latest", "elexisdb", exit=9)[-1], site.backup.job("drill", exit=9)[-1]):
        assert "across_series = no" in done["error"] and "--into DIR --serve" in done["error"] and "--into ORDNER" in german(done, "error"), done
    found = series(site.backup.job("doctor", exit=1))
    assert not found["good"] and "is of MariaDB 10.11" in found["text"] and found.get("level") is None
    site.backup.set("restore", across_series="ask")
    assert "--no-trial" in site.job("run", "--no-trial", "latest", "elexisdb", exit=9)[-1]["error"]
    site.nothing_left()


def test_up_it_comes_back_whole_and_goes_back(site, bin):
    found = series(site.backup.job("doctor"))
    assert found["level"] == "warning" and "brought up" in found["text"] and "gehoben" in german(found)
    drill = site.backup.job("drill")
    result = event(drill, "drill")[0]
    assert result["good"] and not result["text"].startswith("0 ") and " 0 checksums" not in result["text"], result
    assert any("system tables were those of MariaDB 10.11" in line["text"] for line in event(drill, "note"))
    part = event(site.job("plan", "latest", "elexisdb"), "plan")[0]["parts"][0]
    assert part["series"] == "older" and part["series_may"] and "11.8" in part["series_text"]
    site.backup.set("drill", sandbox="landlock", scratch=bin)  # where there are no namespaces the client gets through to its server as well
    site.backup.job("drill", "--type", "elexisdb")
    site.backup.set("drill", sandbox="auto", scratch=None)
    site.server.sql("UPDATE load_db.old SET body = 'under 11.8'; DELETE FROM load_db.past")
    now = site.sums()
    lines = site.job("run", "latest", "elexisdb")
    assert "upgrade" in site.phases(lines) and site.phases(lines).index("upgrade") < site.phases(lines).index("block")
    assert ours(site.sums()) == ours(site.then)
    assert site.server.sql("SELECT COUNT(*) FROM load_db.past FOR SYSTEM_TIME ALL") == [(2,)]
    assert site.server.value("SELECT COUNT(*) FROM mysql.global_priv WHERE User='elexgate'") == 1
    site.job("undo")
    assert ours(site.sums()) == ours(now)
    site.job("accept")
    site.nothing_left()


def test_down_is_never_tried(site):
    site.take_backup("elexisdb")
    assert series(site.backup.job("doctor"))["good"]
    site.backup.edit_manifest(site.archive, lambda head: head.replace('"11.8.', '"13.2.'))
    for done in (site.job("run", "latest", "elexisdb", exit=9)[-1], site.backup.job("drill", exit=9)[-1]):
        assert "cannot read the files of a newer one" in done["error"] and "--serve SOCKET" in done["error"], done
    assert not series(site.backup.job("doctor", exit=1))["good"]
    assert site.backup.complete()[0]["proven"] is None, "nothing is said of a backup that was not tried"
    site.nothing_left()


def test_a_trial_server_of_another_series_proves_nothing(site):
    site.backup.set("drill", server_program="/usr/sbin/mariadbd")
    found = series(site.backup.job("doctor", exit=1))
    assert not found["good"] and "/usr/sbin/mariadbd is MariaDB 10.11" in found["text"] and "server_program" in found["fix"]
    assert "a restore refuses to begin" in found["text"] and "verweigert" in german(found)
    refused = site.job("run", "latest", "elexisdb", exit=9)[-1]
    assert "trial server" in refused["error"] or "cannot read the files of a newer one" in refused["error"], refused
    site.backup.set("backup", method="dump")  # there only the drill is another server's
    assert series(site.backup.job("doctor"))["level"] == "warning"
    site.backup.set("backup", method="physical")
    site.backup.set("drill", server_program=None)
