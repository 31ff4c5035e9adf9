"""What is restored from archives that Elexgate did not make: those of the old system, and those made to do harm."""
import copy
import io
import os
import tarfile

import pytest

from lib import process
from lib.backup import event
from lib.restore import Site, hashes


@pytest.fixture
def site(folder, make_server, make_gate):
    server = make_server()
    return Site(folder, server, make_gate(server, options={"proxy": {"grace": "200ms"}}))


def tar_of_stopped(site, path, prefix):
    """What the old system's script made, on a good day: tar of the data directory while the server stood still."""
    site.then = site.sums()
    site.documents_then = hashes(site.documents)
    site.server.stop()
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        archive.add(site.server.datadir, arcname=prefix, filter=lambda m: m if m.isfile() or m.isdir() else None)
    site.server.start()


@pytest.mark.parametrize("prefix", [".", "mysql-data", "var/lib/mysql"])
def test_an_archive_of_the_old_system(site, prefix):
    path = site.folder / "elexisdb_2024-05-06-0300.tar.gz"
    tar_of_stopped(site, path, prefix)
    site.change()
    without = site.job("run", str(path), exit=6)
    assert "--foreign" in without[-1]["error"], without[-1]
    lines = site.job("run", "--foreign", "--no-trial", str(path))
    assert "boot" in site.phases(lines), "the trial start is the only proof there is"
    assert "no manifest" in event(lines, "note")[0]["text"]
    assert site.side() == "new" and site.documents_now == hashes(site.documents)
    site.job("undo")
    assert site.side() == "old"
    site.job("accept")
    site.nothing_left()


def test_an_old_archive_that_is_no_data_directory(site):
    site.prepare()
    path = site.folder / "elexisdb_2024-05-06-0300.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(site.documents, arcname="documents")
    lines = site.job("run", "--foreign", str(path), exit=1)
    assert "ibdata1" in lines[-1]["error"]
    site.nothing_left()


def test_an_old_archive_that_does_not_start(site):
    """A tar of a live directory, cut: the trial finds it before anybody is blocked."""
    site.prepare()
    path = site.folder / "elexisdb_2024-05-06-0300.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        archive.add(site.server.datadir, arcname=".", filter=lambda m: m if m.isfile() and "ib_logfile0" not in m.name or m.isdir() else None)
    lines = site.job("run", "--foreign", str(path), exit=6)
    assert "block" not in site.phases(lines)
    assert site.side() == "old"
    site.nothing_left()


def member(name, data=b"x", type=tarfile.REGTYPE, mode=0o644, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = type, mode, link, len(data) if type == tarfile.REGTYPE else 0
    return info, data


MALICIOUS = {
    "absolute": [member("{outside}/planted")],
    "dots": [member("../../../planted")],
    "dots inside": [member("mysql/../../planted")],
    "symlink": [member("mysql", type=tarfile.SYMTYPE, link="{outside}")],
    "through a symlink": [member("mysql", type=tarfile.SYMTYPE, link="{outside}"), member("mysql/planted")],
    "hard link": [member("planted", type=tarfile.LNKTYPE, link="{outside}/victim")],
    "character device": [member("null", type=tarfile.CHRTYPE)],
    "block device": [member("disk", type=tarfile.BLKTYPE)],
    "fifo": [member("fifo", type=tarfile.FIFOTYPE)],
    "setuid": [member("sh", mode=0o4755)],
    "setgid": [member("sh", mode=0o2755)],
    "duplicate": [member("ibdata2"), member("ibdata2", b"y")],
    "duplicate by another spelling": [member("ibdata2"), member("./ibdata2", b"y")],
    "file as folder": [member("mysql"), member("mysql/planted")],
}


def malicious_archive(folder, outside, kind):
    """An archive of the old system with one of those in it; `outside` is the folder that it aims at."""
    path = folder / "elexisdb_2024-05-06-0300.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for info, data in [member("ibdata1", b"i" * 4096), *MALICIOUS[kind]]:
            info = copy.copy(info)
            info.name, info.linkname = info.name.format(outside=outside), info.linkname.format(outside=outside)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("kind", MALICIOUS)
def test_an_archive_made_to_do_harm(site, kind):
    """Refused with a sentence, before a block, and nothing is written outside staging."""
    before_sums = site.sums()
    outside = site.folder / "outside"
    outside.mkdir()
    (outside / "victim").write_text("untouched")
    path = malicious_archive(site.folder, outside, kind)
    before = {str(p) for p in site.folder.rglob("*") if "b/state" not in str(p) and not p.name.endswith(".log")}
    lines = site.job("run", "--foreign", str(path), exit=6)
    print(lines[-1]["error"])
    assert "block" not in site.phases(lines) and "boot" not in site.phases(lines)
    after = {str(p) for p in site.folder.rglob("*") if "b/state" not in str(p) and not p.name.endswith(".log")}
    assert after == before
    assert (outside / "victim").read_text() == "untouched" and os.stat(outside / "victim").st_nlink == 1
    assert not [*site.folder.rglob("planted"), *site.folder.parent.glob("planted")]  # other folders there are other tests'
    assert site.sums() == before_sums
    site.nothing_left()


@pytest.fixture
def small_disk(folder):
    """A file system of 300 MB; skipped where nothing may be mounted."""
    place = folder / "disk"
    place.mkdir()
    if process.run(["mount", "-t", "tmpfs", "-o", "size=300m", "none", place], check=False).returncode != 0:
        pytest.skip("cannot mount here")
    yield place
    process.run(["umount", "-l", place], check=False)


def test_a_bomb_ends_at_the_limit(small_disk, folder, make_server, make_gate, template):
    """Gigabytes of zeros in megabytes of archive: stopped while the live server still has room."""
    server = server_on(small_disk, make_server, template)
    site = Site(folder / "s", server, make_gate(server))
    before_sums = site.sums()
    path = site.folder / "elexisdb_2024-05-06-0300.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        info = tarfile.TarInfo("ibdata1")
        info.size = 1 << 30
        archive.addfile(info, open("/dev/zero", "rb"))
    free = os.statvfs(small_disk).f_bavail
    lines = site.job("run", "--foreign", str(path), exit=6)
    print(lines[-1]["error"])
    assert os.statvfs(small_disk).f_bavail >= free * 0.95
    assert site.sums() == before_sums
    site.nothing_left()


def server_on(place, make_server, template):
    process.run(["cp", "-a", template, place / "data"])
    return make_server(datadir=place / "data")


def test_not_enough_space(small_disk, folder, make_server, make_gate, template):
    """Told before anything is unpacked, with how much is needed; nothing is changed."""
    server = server_on(small_disk, make_server, template)
    site = Site(folder / "s", server, make_gate(server))
    site.prepare()
    process.run(["fallocate", "-l", str(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize - (60 << 20)), small_disk / "full"])
    lines = site.job("run", "latest", exit=5)
    assert "are needed" in lines[-1]["error"] and "block" not in site.phases(lines)
    (small_disk / "full").unlink()
    assert site.side() == "old"
    site.nothing_left()


@pytest.mark.parametrize("kept", ["undo", "accept"])
def test_a_data_directory_that_is_a_mount_point(folder, make_server, make_gate, template, kept):
    """Its own file system: staging lies in it, is not backed up, and the root is never renamed."""
    place = folder / "volume"
    place.mkdir()
    if process.run(["mount", "-t", "tmpfs", "-o", "size=900m", "none", place], check=False).returncode != 0:
        pytest.skip("cannot mount here")
    try:
        process.run(["cp", "-a", f"{template}/.", place])
        server = make_server(datadir=place)
        site = Site(folder / "s", server, make_gate(server))
        site.prepare()
        site.job("run", "latest")
        assert site.side() == "new" and (place / ".elexgate-restore").is_dir()
        lines = site.backup.job("backup", "--now")
        archive = next(a["file"] for a in lines[-1]["archives"] if a["type"] == "elexisdb")
        with tarfile.open(site.backup.archives / archive) as tar:
            assert not [m.name for m in tar if ".elexgate-restore" in m.name]
        site.job(kept)
        assert site.side() == {"undo": "old", "accept": "new"}[kept]
        if kept == "undo":
            site.job("accept")
        assert not (place / ".elexgate-restore").exists()
        site.nothing_left()
        server.stop()
    finally:
        process.run(["umount", "-l", place], check=False)
