"""What was broken before does not veto the cure, and a backup of what cannot be read says so at once."""
import fcntl
import shutil
import struct

import pytest

from lib.backup import event
from lib.phrases import german
from lib.restore import Site

F_OFD_SETLK = 37  # fcntl(2)
ELSEWHERE = ["altes.orphan", "altes.garbage", "altes.gone", "altes.discarded"]


@pytest.fixture(scope="module")
def site(session_folder, template, pki):
    from lib.gate import Gate
    from lib.mariadb import MariaDB
    folder = session_folder / "restore-broken"
    server = MariaDB(folder / "db", template).start()
    gate = Gate(folder / "gate", server, pki, options={"proxy": {"grace": "200ms"}}).start()
    site = Site(folder, server, gate)
    yield site
    gate.stop()
    server.kill()


def discard(site, table):
    site.server.sql(f"ALTER TABLE {table} DISCARD TABLESPACE")


def notes(lines):
    return " ".join(line["text"] for line in event(lines, "note"))


def test_broken_tables_elsewhere_make_nothing_impossible(site):
    """An orphan and a damaged .frm, a MyISAM table without its data and a discarded tablespace, none of them Elexis's."""
    server = site.server
    server.sql("CREATE DATABASE altes; CREATE TABLE altes.good (n INT PRIMARY KEY); CREATE TABLE altes.discarded (n INT);"
               "CREATE TABLE altes.gone (n INT, KEY (n)) ENGINE=MyISAM; INSERT INTO altes.gone VALUES (1); FLUSH TABLES")
    folder = server.datadir / "altes"
    shutil.copy(folder / "good.frm", folder / "orphan.frm")
    (folder / "garbage.frm").write_bytes(b"\xfe\x01" + bytes(500))
    (folder / "gone.MYD").unlink()
    discard(site, "altes.discarded")
    lines = site.take_backup()
    assert all(name in notes(lines) for name in ELSEWHERE), notes(lines)
    site.change()
    doctor = {line["name"]: line for line in event(site.backup.job("doctor"), "check")}
    assert doctor["tables"]["level"] == "warning" and all(name in doctor["tables"]["text"] for name in ELSEWHERE)
    drill = site.backup.job("drill", "latest")
    assert "altes.orphan" in notes(drill) and event(drill, "drill")[0]["good"]
    assert "altes.orphan" in notes(site.job("run", "--dry-run", "latest"))
    site.job("run", "latest", "elexisdb")
    assert site.side() == "new" and site.is_open()
    site.job("undo")
    assert site.side() == "old" and site.is_open()
    site.job("accept")
    site.job("run", "--no-trial", "latest", "elexisdb")
    assert site.side() == "new" and site.is_open()
    site.job("undo")
    site.job("accept")
    site.nothing_left()


def test_going_back_accepts_what_it_finds(site):
    """The restored server does not come up and meanwhile a table of the old side broke: clients get the old side, whole but for it."""
    server = site.server
    script, start = site.folder / "once", server.start_command()
    script.write_text(f"""#!/bin/sh
rm {script}; ln -s {start} {script}
cp {server.datadir}/altes/good.frm {site.staging[0]}/old/altes/late.frm
exit 1
""")
    script.chmod(0o755)
    site.backup.set("restore", start_command=script)
    lines = site.job("run", "latest", "elexisdb", exit=1)
    site.backup.set("restore", start_command=server.start_command())
    assert "as it was before" in lines[-1]["error"] and "altes.late" in notes(lines), lines
    server.sql("DROP TABLE altes.late")
    assert site.side() == "old"
    site.nothing_left()


def test_a_backup_of_what_cannot_be_read(site):
    """A table of the practice is gone: backup, drill and doctor say so by name; an older backup cures it, and this one is kept."""
    good = site.backup.archives / site.archive
    discard(site, "load_db.visits")
    (site.documents / "gescannt.img").write_bytes(bytes(60000))
    lines = site.backup.job("backup", "--now", exit=6)
    assert "load_db.visits" in lines[-1]["error"] and "load_db.visits" in german(lines[-1], "error"), lines[-1]
    assert {a["type"] for a in lines[-1]["archives"]} == {"elexisdb", "documents"}, "what can be kept is kept"
    status = site.backup.archives / f"elexisdb_{lines[-1]['run']}.status.json"
    assert "load_db.visits" in status.read_text()
    assert "load_db.visits" in site.backup.job("drill", "latest", exit=6)[-1]["error"]
    doctor = {line["name"]: line for line in event(site.backup.job("doctor", exit=1), "check")}
    assert not doctor["tables"]["good"] and "load_db.visits" in doctor["tables"]["text"]
    site.job("run", "--dry-run", "latest")
    site.job("run", str(good), "elexisdb")
    assert site.side() == "new" and site.server.value("SELECT COUNT(*) FROM load_db.visits") == 0
    site.job("accept")
    site.nothing_left()


def test_the_keeper_does_not_hold_the_lock_to_find_nothing_to_do(site):
    """It looks at a restore's journal as soon as that changes, and an `accept` of that moment met its lock."""
    if not site.archive:  # run by itself
        site.take_backup()
    site.job("run", str(site.backup.archives / site.archive), "elexisdb")
    with open(site.backup.state / "run.lock", "r+b") as lock:
        fcntl.fcntl(lock, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        site.job("recover", "--expire")
        refused = site.job("accept", exit=7)
        assert "is going on" in refused[-1]["error"] and "process 0" not in refused[-1]["error"]
    site.job("accept")
    site.nothing_left()
