"""Archives: what must not be extracted, what stock tools make of ours, and verify/backups as a person calls them."""
import gzip
import io
import json
import os
import random
import shutil
import signal
import subprocess
import tarfile
import time

import pytest

from lib import paths

TOOL = paths.BUILD / "tests" / "tools" / "archive-tool"
RUN = "2026-11-22-0315"
SANITIZED = TOOL.exists() and (b"__asan_init" in TOOL.read_bytes() or b"__tsan_init" in TOOL.read_bytes())
pytestmark = pytest.mark.sanitize


def tool(*args):
    done = subprocess.run([str(a) for a in (TOOL, *args)], capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def pack(folder, source, *options, type_="elexisdb", run=RUN):
    folder.mkdir(exist_ok=True)
    answer = tool("pack", *options, folder, type_, run, source)
    assert answer["result"] == 0, answer
    return folder / f"{type_}_{run}.tar.gz"


def manifest_of(archive):
    return archive.with_name(archive.name.replace(".tar.gz", ".manifest.json"))


@pytest.fixture
def source(tmp_path):
    """A little of everything."""
    folder = tmp_path / "source"
    (folder / "mysql" / "leer").mkdir(parents=True)
    (folder / "ibdata1").write_bytes(os.urandom(300_000) + bytes(2_000_000))
    (folder / "mysql" / "befund_ärzte.ibd").write_bytes(b"befund " * 100_000)
    (folder / "mysql" / ("n" * 200)).write_bytes(b"x")
    with open(folder / "sparse", "wb") as f:
        f.truncate(50_000_000)
        f.seek(20_000_000)
        f.write(b"in the middle")
    (folder / "link").symlink_to("mysql/leer")
    return folder


# Malicious archives

def member(name, kind=tarfile.REGTYPE, data=b"", **more):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


BAD = {
    "absolute": ([member("/tmp/elexgate-evil", data=b"x")], "leaves its folder"),
    "dotdot": ([member("../evil", data=b"x")], "leaves its folder"),
    "dotdot inside": ([member("a/../../evil", data=b"x")], "leaves its folder"),
    "hard link": ([member("f", data=b"x"), member("h", tarfile.LNKTYPE, linkname="f")], "hard link"),
    "hard link out": ([member("h", tarfile.LNKTYPE, linkname="/etc/passwd")], "hard link"),
    "symlink": ([member("l", tarfile.SYMTYPE, linkname="f")], "symbolic link"),
    "symlink as a folder": ([member("l", tarfile.SYMTYPE, linkname="/tmp"), member("l/elexgate-evil", data=b"x")],
                            "symbolic link"),
    "character device": ([member("d", tarfile.CHRTYPE, devmajor=1, devminor=3)], "device"),
    "block device": ([member("d", tarfile.BLKTYPE, devmajor=8, devminor=0)], "device"),
    "fifo": ([member("p", tarfile.FIFOTYPE)], "FIFO"),
    "setuid": ([member("s", data=b"x", mode=0o4755)], "setuid"),
    "setgid": ([member("s", data=b"x", mode=0o2755)], "setuid"),
    "twice": ([member("f", data=b"x"), member("f", data=b"y")], "twice"),
    "twice by another spelling": ([member("f", data=b"x"), member("./f", data=b"y")], "twice"),
    "file as a folder": ([member("f", data=b"x"), member("f/g", data=b"y")], "no folder"),
    "folder over a file": ([member("f", data=b"x"), member("f", tarfile.DIRTYPE)], "twice"),
    "bomb": ([member("big", data=bytes(30_000_000))], "more bytes"),
}


def make_tar(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))


@pytest.mark.parametrize("name", BAD)
def test_refused(tmp_path, name):
    members, says = BAD[name]
    archive, into = tmp_path / "bad.tar.gz", tmp_path / "into"
    make_tar(archive, members)
    into.mkdir()
    beside = set(os.listdir(tmp_path))
    answer = tool("unpack", "--max", "20M", archive, into)
    assert answer["outcome"] == "unsafe" and says in answer["error"], answer
    assert set(os.listdir(tmp_path)) == beside and not os.path.exists("/tmp/elexgate-evil")
    assert not (tmp_path / "evil").exists()


def test_links_only_that_stay_inside_and_last(tmp_path):
    archive, into = tmp_path / "links.tar.gz", tmp_path / "into"
    into.mkdir()
    # A link, then a file through it: the folder is made as a folder, and the link no longer has a place.
    make_tar(archive, [member("l", tarfile.SYMTYPE, linkname="/tmp"), member("l/elexgate-evil", data=b"x")])
    answer = tool("unpack", "--links", archive, into)
    assert not os.path.exists("/tmp/elexgate-evil")
    assert answer["outcome"] == "good" and (into / "l" / "elexgate-evil").read_bytes() == b"x"
    shutil.rmtree(into)
    into.mkdir()
    make_tar(archive, [member("out", tarfile.SYMTYPE, linkname="../../etc/passwd"),
                       member("abs", tarfile.SYMTYPE, linkname="/etc/passwd"),
                       member("in", tarfile.SYMTYPE, linkname="d/f"), member("d/f", data=b"x")])
    assert tool("unpack", "--links", archive, into)["outcome"] == "good"
    assert sorted(os.listdir(into)) == ["d", "in"] and (into / "in").read_bytes() == b"x"


def test_a_link_that_lies_there_already_is_not_followed(tmp_path):
    archive, into, elsewhere = tmp_path / "a.tar.gz", tmp_path / "into", tmp_path / "elsewhere"
    into.mkdir()
    elsewhere.mkdir()
    (into / "d").symlink_to(elsewhere)
    (into / "f").symlink_to(elsewhere / "f")
    for name in ("d/x", "f"):
        make_tar(archive, [member(name, data=b"x")])
        assert tool("unpack", archive, into)["outcome"] == "unsafe"
    assert os.listdir(elsewhere) == []


def test_old_archives_without_manifest(tmp_path):
    """Of the old system: GNU tar, gzip of one member, ./ in front; cut or flipped is noticed by the gzip itself."""
    archive, into = tmp_path / "elexisdb_2020-01-01-0315.tar.gz", tmp_path / "into"
    (tmp_path / "old" / "elexis").mkdir(parents=True)
    (tmp_path / "old" / "elexis" / "kontakt.ibd").write_bytes(os.urandom(3_000_000))
    subprocess.run(["tar", "czf", archive, "-C", tmp_path / "old", "."], check=True)
    into.mkdir()
    assert tool("unpack", archive, into)["outcome"] == "good"
    assert subprocess.run(["diff", "-r", tmp_path / "old", into]).returncode == 0
    whole = archive.read_bytes()
    for damaged in (whole[:-1], whole[:len(whole) // 2], whole[:1000] + bytes([whole[1000] ^ 0xff]) + whole[1001:], whole + b"x", whole[:10], b""):
        archive.write_bytes(damaged)
        shutil.rmtree(into)
        into.mkdir()
        assert tool("unpack", archive, into)["outcome"] == "damaged"
    # Whole gzip, cut tar: stock tar notices, and so do we.
    tar = gzip.decompress(whole)
    archive.write_bytes(gzip.compress(tar[:len(tar) // 1024 * 512]))
    shutil.rmtree(into)
    into.mkdir()
    assert tool("unpack", archive, into)["outcome"] == "damaged"


# Ours, in the hands of others

def test_stock_tools(tmp_path, source):
    archive = pack(tmp_path / "b", source)
    for number, command in enumerate(["tar xzf A", "gzip -dc A | tar xf -", "pigz -dc A | tar xf -", "bsdtar xf A", "busybox tar xzf A",
                                      "python3 -m tarfile -e A ."]):
        program = command.split()[0]
        if not shutil.which(program):
            continue
        into = tmp_path / f"stock{number}"
        into.mkdir()
        command = command.replace("A", str(archive)).replace("python3", "/usr/bin/python3")
        done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=into, capture_output=True, text=True)
        if program == "busybox":  # it knows no sparse files; all others must be right
            shutil.rmtree(into / "GNUSparseFile.0", ignore_errors=True)
            for folder in into.rglob("GNUSparseFile*"):
                shutil.rmtree(folder, ignore_errors=True)
            (into / "sparse").unlink(missing_ok=True)
            assert (into / "ibdata1").read_bytes() == (source / "ibdata1").read_bytes()
            continue
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert subprocess.run(["diff", "-r", source, into], capture_output=True).returncode == 0, command


def test_memory_is_bounded(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    block = os.urandom(1 << 20)
    with open(source / "big", "wb") as f:
        for _ in range(200):
            f.write(block)
    folder = tmp_path / "b"
    for options in (["--threads", "2"], ["--threads", "32"], ["--backend", "zlib", "--level", "9"]):
        folder.mkdir()
        answer = tool("pack", *options, folder, "elexisdb", RUN, source)
        assert answer["result"] == 0
        print(options, answer["max_rss_kib"])
        if not SANITIZED:  # their shadow memory is no measure
            assert answer["max_rss_kib"] < 64 * 1024, options
        shutil.rmtree(folder)


def test_rate_limit(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "f").write_bytes(os.urandom(4 << 20))
    (tmp_path / "b").mkdir()
    answer = tool("pack", "--rate", "2M", tmp_path / "b", "elexisdb", RUN, source)
    assert answer["copy_ms"] >= 1900


def test_full_disk(tmp_path, source):
    """A clear error, nothing half done, and what was there before is still there."""
    script = """
        set -e
        mount -t tmpfs -o size=3m none "$1"
        mkdir "$1/b"
        "$2" pack "$1/b" elexisdb 2026-11-21-0315 "$4" > "$3.first"
        before=$(ls -A "$1/b" | sort)
        "$2" pack "$1/b" elexisdb 2026-11-22-0315 "$5" > "$3" || true
        [ "$before" = "$(ls -A "$1/b" | sort)" ]
        "$2" verify "$1/b/elexisdb_2026-11-21-0315.tar.gz" "$1/b/elexisdb_2026-11-21-0315.manifest.json"
    """
    disk, big = tmp_path / "disk", tmp_path / "big"
    disk.mkdir()
    big.mkdir()
    (big / "f").write_bytes(os.urandom(9_000_000))
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode != 0:
        pytest.skip("no user namespaces here")
    done = subprocess.run(["unshare", "-rm", "sh", "-c", script, "sh", disk, TOOL, tmp_path / "answer", source, big],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads((tmp_path / "answer").read_text())
    assert answer["result"] == -28 and "No space left on device" in answer["error"], answer


def test_killed_at_any_time(tmp_path, source):
    """Whatever is left counts only if it is whole; a whole one is good; nothing older is touched."""
    folder, config = tmp_path / "b", tmp_path / "elexgate.ini"
    config.write_text(f"[archive]\nfolder = {folder}\n")
    pack(folder, source, run="2026-11-01-0000")
    started = time.monotonic()
    pack(folder, source, run="2026-11-01-0001")
    duration = time.monotonic() - started
    rng, killed = random.Random(3), 0
    for number in range(20):
        run = f"2026-11-22-03{number:02}"
        # killed while its leaks are looked for it would leave half a report
        job = subprocess.Popen([str(a) for a in (TOOL, "pack", folder, "elexisdb", run, source)], stdout=subprocess.DEVNULL,
                               env={**os.environ, "LSAN_OPTIONS": "detect_leaks=0", "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0".lstrip(":")})
        time.sleep(rng.random() * duration * 1.2)
        job.kill()
        killed += job.wait() == -signal.SIGKILL
        archive, manifest = folder / f"elexisdb_{run}.tar.gz", folder / f"elexisdb_{run}.manifest.json"
        if manifest.exists():
            assert tool("verify", archive, manifest)["outcome"] == "good"
    assert killed >= 5
    listed = json.loads(elexgate(config, "--json", "backups").stdout)["backups"]
    for backup in listed:
        assert backup["complete"] == (folder / f"elexisdb_{backup['run']}.manifest.json").exists()
    assert {"2026-11-01-0000", "2026-11-01-0001"} <= {b["run"] for b in listed if b["complete"]}


# As a person calls it

@pytest.fixture
def practice_backups(tmp_path, source):
    """Two runs, and strangers that are none of our business."""
    folder, ours = tmp_path / "backups", ("--state-dir", tmp_path / "state")
    pack(folder, source, *ours, run="2026-11-21-0315")
    pack(folder, source, *ours, run=RUN)
    (source / "link").unlink()
    pack(folder, source, *ours, type_="dokumente", run=RUN)
    (folder / "elexisdb.tar.gz").write_bytes(b"a user's own tarball")
    (folder / "elexisdb2_2020-01-01-0000.tar.gz").write_bytes(b"x")
    config = tmp_path / "elexgate.ini"
    config.write_text(f"[archive]\nfolder = {folder}\n[backup]\nstate_dir = {tmp_path}/state\n")
    return folder, config


def elexgate(config, *args, german=False, code=0):
    env = {k: v for k, v in os.environ.items() if k not in ("LANG", "LC_MESSAGES", "COLUMNS")}
    env["LC_ALL"] = "de_CH.UTF-8" if german else "C.UTF-8"
    done = subprocess.run([str(a) for a in (paths.CLI, "--config", config, *args)], capture_output=True, text=True,
                          timeout=300, env=env, stdin=subprocess.DEVNULL)
    assert done.returncode == code, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def test_verify_names_the_damage(practice_backups):
    folder, config = practice_backups
    text = elexgate(config, "verify").stdout
    assert "2 checked, none damaged" in text and RUN in text and "2026-11-21" not in text
    archive = folder / f"elexisdb_{RUN}.tar.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:len(whole) // 2])
    done = elexgate(config, "verify", RUN, "--type", "elexisdb", code=6)
    assert "DAMAGED" in done.stdout and archive.name in done.stdout and "1 of 1" in done.stderr
    assert "BESCHÄDIGT" in elexgate(config, "verify", archive, german=True, code=6).stdout
    archive.write_bytes(whole[:100_000] + bytes([whole[100_000] ^ 4]) + whole[100_001:])
    done = elexgate(config, "verify", archive, code=6)
    assert "gzip member 1 at byte 0" in done.stdout
    lines = [json.loads(line) for line in elexgate(config, "--json", "verify", archive, code=6).stdout.splitlines()]
    assert lines[-1]["done"] and lines[-1]["damaged"] == 1 and lines[-1]["exit"] == 6
    archive.write_bytes(whole)
    manifest = manifest_of(archive)
    text = manifest.read_text()
    manifest.write_text(text.replace('"level":', '"level": ', 1))
    assert "edited or has rotted" in elexgate(config, "verify", archive, code=6).stdout
    manifest.unlink()
    assert "manifest is missing" in elexgate(config, "verify", archive, code=6).stdout
    manifest.write_text(text)
    shutil.copy(folder / "elexisdb_2026-11-21-0315.tar.gz", archive)  # the same content gives the same archive
    elexgate(config, "verify", archive)
    shutil.copy(folder / f"dokumente_{RUN}.tar.gz", archive)  # swapped
    elexgate(config, "verify", archive, code=6)
    archive.unlink()
    assert "archive is missing" in elexgate(config, "verify", RUN, "--type", "elexisdb", code=6).stdout
    # all: the two others are good, the stranger with our kind of name has no seal of ours
    done = elexgate(config, "verify", "--all", code=6)
    assert done.stdout.count("good  ") == 2 and done.stdout.count("DAMAGED") == 1
    assert "elexisdb2_2020-01-01-0000" in done.stdout and "not sealed" in done.stdout
    done = elexgate(config, "verify", "--all", "--foreign", code=6)
    assert done.stdout.count("good  ") == 2 and done.stdout.count("DAMAGED") == 2
    assert elexgate(config, "verify", "2020-01-01-0000", "--type", "nothing", code=1).stderr


def test_list(practice_backups):
    folder, config = practice_backups
    answer = json.loads(elexgate(config, "--json", "backups").stdout)
    assert [(b["run"], b["type"], b["complete"]) for b in answer["backups"]] == [
        (RUN, "dokumente", True), (RUN, "elexisdb", True), ("2026-11-21-0315", "elexisdb", True),
        ("2020-01-01-0000", "elexisdb2", False)]
    elexgate(config, "verify", "--type", "elexisdb")
    text = elexgate(config, "backups").stdout
    assert "PROVEN" in text and "good 20" in text and "the manifest is missing" in text
    assert "elexisdb.tar.gz" not in text
    # the question first: can I rely on it?
    assert text.startswith("BAD: no complete backup of the database; 4 archives, "), text  # they are all of folders
    assert "\033[" not in text and all(w in text for w in ("START", "STOP", "ORIGINAL", "STORED"))
    assert "GEPRÜFT" in elexgate(config, "backups", german=True).stdout


def test_remove(practice_backups):
    folder, config = practice_backups
    strangers = {"elexisdb.tar.gz", "elexisdb2_2020-01-01-0000.tar.gz", "elexgate-medium.json"}
    before = set(os.listdir(folder))
    elexgate(config, "backups", "delete", code=2)
    elexgate(config, "backups", "delete", "2019-01-01-0000", "--yes", code=1)
    assert "only complete backup" in elexgate(config, "backups", "delete", RUN, "--yes", code=9).stderr
    assert set(os.listdir(folder)) == before
    elexgate(config, "backups", "delete", "2026-11-21-0315", "--yes")
    assert not [f for f in os.listdir(folder) if "2026-11-21" in f]
    elexgate(config, "backups", "delete", RUN, "--yes", "--type", "elexisdb", code=9)
    elexgate(config, "backups", "delete", RUN, "--yes", "--force")
    assert set(os.listdir(folder)) == strangers


def test_schedule(tmp_path):
    config = tmp_path / "elexgate.ini"
    config.write_text("[backup]\nschedule = 15 3 * * 1-5\n[drill]\nschedule = weekly\n")
    text = elexgate(config, "schedule", "--count", "3", "--from", "2026-11-22 12:00").stdout
    assert "Backup: Monday to Friday at 03:15  (15 3 * * 1-5)\n  Mon 2026-11-23 03:15" in text and "Drill:" in text
    german = elexgate(config, "schedule", german=True).stdout
    assert "Sicherung: Montag bis Freitag um 03:15" in german and german.count("\n  ") == 20
    assert 'hour "25" is out of range; right would be' in elexgate(config, "schedule", "0 25 * * *", code=2).stderr


def test_an_older_run_of_the_doubled_hour_is_not_the_latest(tmp_path, source):
    """The later run has the earlier name, or the next minute: what counts is the manifest's UTC time."""
    folder, config = tmp_path / "b", tmp_path / "elexgate.ini"
    pack(folder, source, run="2026-10-25-0231")
    pack(folder, source, run="2026-10-25-0230")
    config.write_text(f"[archive]\nfolder = {folder}\n")
    answer = json.loads(elexgate(config, "--json", "backups").stdout)
    assert [b["run"] for b in answer["backups"]] == ["2026-10-25-0230", "2026-10-25-0231"]
