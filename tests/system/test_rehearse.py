"""An upgrade of the database server, rehearsed: the backup of a 10.11 under a real 11.8, and the page about it."""
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from lib import newer, process, trixie as lib_trixie
from lib.backup import Backup, event
from lib.mariadb import MariaDB

pytestmark = newer.needs_both


@pytest.fixture(scope="module")
def practice(session_folder, template, practice_sql):
    """A small practice on 10.11, with its backup. One setting of its server is gone in 11.8."""
    from conftest import load_practice
    folder = session_folder / "rehearse"
    server = MariaDB(folder / "db", template, args=["--sql-mode=NO_ENGINE_SUBSTITUTION", "--innodb-defragment=OFF"]).start()
    load_practice(server, practice_sql, database="load_db")
    server.sql("CREATE TABLE load_db.history (n INT PRIMARY KEY) WITH SYSTEM VERSIONING; INSERT INTO load_db.history VALUES (1); UPDATE load_db.history SET n = 2;"
               "CREATE DEFINER='root'@'localhost' VIEW load_db.seen AS SELECT n FROM load_db.history")
    b = Backup(folder / "b", server).account()
    b.job("backup", "--now")
    yield b
    server.kill()


def rehearse(b, *args, exit, lang="C.UTF-8"):
    os.environ["LC_ALL"], before = lang, os.environ.get("LC_ALL")
    try:
        return b.cli("rehearse", *args, exit=exit).stdout
    finally:
        os.environ.pop("LC_ALL") if before is None else os.environ.__setitem__("LC_ALL", before)


def without_the_old_setting(practice):
    if "--innodb-defragment=OFF" in practice.server.args:
        practice.server.stop()
        practice.server.args.remove("--innodb-defragment=OFF")
        practice.server.start()


def test_the_page(practice):
    """A setting that the newer server does not know keeps it from starting, and a statement fails there; all else is as it was."""
    b, root = practice, lib_trixie.root() / "root"
    before = b.server.sql("SELECT COUNT(*) FROM load_db.KONTAKT")
    queries = b.folder / "queries.sql"
    queries.write_text("SELECT COUNT(*) FROM KONTAKT;\n-- Termine\nSELECT * FROM AGNTERMINE LIMIT 1;\nDELETE FROM KONTAKT;\nSELECT gone FROM KONTAKT;\n")
    lines = b.job("rehearse", "--root", str(root), "--queries", str(queries), exit=6)
    page = event(lines, "rehearsal")[0]
    print(page)
    assert page["from"].startswith("10.11") and page["to"].startswith("11.8") and page["across"] and not page["safe"]
    assert page["tables"] > 30 and page["rows"] > 1000 and page["checksums"] > 10 and "problem" not in page
    assert [r["name"] for r in page["removed"]] == ["innodb_defragment"]
    assert page["queries"] == {"ran": 3, "skipped": 1} and [f["line"] for f in page["queries_failed"]] == [5]
    assert {"elexgate@localhost", "root@localhost"} <= {a["name"] for a in page["accounts"]} and page["no_login"] == []
    assert {"name": "innodb_snapshot_isolation", "before": "OFF", "after": "ON"} in page["changed"], page["changed"]
    assert b.server.sql("SELECT COUNT(*) FROM load_db.KONTAKT") == before and not [n for n in b.files() if "drill" in n]


def test_the_page_for_people(practice):
    root = lib_trixie.root() / "root"
    text = rehearse(practice, "--root", root, exit=6)
    assert "NOT SAFE TO UPGRADE YET" in text and "would not start with" in text and "innodb_defragment" in text, text
    without_the_old_setting(practice)
    german = rehearse(practice, "--root", root, "latest", exit=0, lang="de_CH.UTF-8")
    assert "DAS UPGRADE IST UNBEDENKLICH" in german and "nach mariadb-upgrade" in german and "innodb_snapshot_isolation: OFF -> ON" in german, german
    assert "10.11" in german and "11.8" in german


def test_by_its_program(practice, request):
    """A folder of programs that start by themselves, such as /opt/mariadb/bin; its mariadb-upgrade lies beside the server."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="elexgate-new-", dir="/tmp"))
    request.addfinalizer(lambda: shutil.rmtree(folder))
    bin = newer.programs(lib_trixie.root(), folder, ("mariadbd", "mariadb", "mariadb-check", "mariadb-upgrade"))
    page = event(practice.job("rehearse", "--server-program", str(bin / "mariadbd")), "rehearsal")[0]
    assert page["safe"] and page["to"].startswith("11.8")


@pytest.fixture
def images(folder, monkeypatch):
    """podman with a store of its own, in which there is one image, localhost/newer: the system that has 11.8."""
    if not shutil.which("podman"):
        pytest.skip("no podman")
    (folder / "storage.conf").write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n')
    (folder / "registries.conf").write_text("")  # nothing is fetched from anywhere
    monkeypatch.setenv("CONTAINERS_STORAGE_CONF", str(folder / "storage.conf"))
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(folder / "registries.conf"))
    with subprocess.Popen(["tar", "-C", lib_trixie.root() / "root", "-c", "."], stdout=subprocess.PIPE) as tar:
        process.run_into(["podman", "import", "-", "localhost/newer"], tar.stdout, timeout=120)
    return lambda: process.run(["podman", "ps", "--all", "--quiet"]).stdout


def test_by_an_image(practice, images, monkeypatch):
    """What practices have that run their server in a container: the image is fetched and unpacked, no container is started, none stays."""
    assert not images()
    process.run(["podman", "create", "--name", "elexgate-rehearsal", "localhost/newer", "left-by-a-killed-one"])
    without_the_old_setting(practice)
    text = rehearse(practice, "--image", "localhost/newer", exit=0)
    assert "SAFE TO UPGRADE" in text and "under MariaDB 11.8" in text, text
    assert not images() and not [n for n in practice.files() if "drill" in n]
    error = practice.job("rehearse", "--image", "localhost/none", exit=1)[-1]["error"]
    assert "podman has no image localhost/none and cannot fetch it" in error, error
    assert "not the name of an image" in practice.job("rehearse", "--image", "--privileged", exit=1)[-1]["error"]
    assert not images() and not [n for n in practice.files() if "drill" in n]
    monkeypatch.setenv("PATH", "/nowhere")
    error = practice.job("rehearse", "--image", "localhost/newer", exit=1)[-1]["error"]
    assert "neither is installed here" in error and "--root DIR" in error, error


def test_what_cannot_be_rehearsed(practice):
    assert "--root DIR" in practice.job("rehearse", exit=2)[-1]["error"]
    assert "--image IMAGE" in practice.job("rehearse", "--root", "/", "--image", "x", exit=2)[-1]["error"]
    assert "cannot find the root" in practice.job("rehearse", "--root", "/nowhere", exit=1)[-1]["error"]
    wrong = practice.job("rehearse", "--server-program", "/bin/true", exit=6)
    assert not event(wrong, "rehearsal")[0]["safe"] and "does not start" in event(wrong, "rehearsal")[0]["problem"]
    practice.set("drill", sandbox="landlock")
    assert "namespaces only" in practice.job("rehearse", "--root", str(lib_trixie.root() / "root"), exit=1)[-1]["error"]
    practice.set("drill", sandbox=None)
