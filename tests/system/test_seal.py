"""Who made a backup: whoever can write to the medium gains nothing by it. And: clocks, media and sources that are away.

No database server is needed: what is refused is refused before one is started."""
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile

import pytest

from lib import control, paths, process
from lib.backup import job_words
from lib.phrases import german

pytestmark = pytest.mark.sanitize
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *t)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int r = real(id, t);
    if (id == CLOCK_REALTIME)
        t->tv_sec += atol(getenv("CLOCK_SHIFT"));
    return r;
}
"""


class Site:
    """An installation: configuration, state, and a backup folder that others may write to too."""

    def __init__(self, folder, medium=None, name="a"):
        self.folder = folder / name
        self.folder.mkdir()
        self.archives = medium or folder / "backups"
        self.state, self.config = self.folder / "state", self.folder / "elexgate.ini"
        self.documents = self.folder / "documents"
        self.documents.mkdir()
        for n in range(10):
            (self.documents / f"brief{n}.txt").write_text(f"Befund {n} " * 100)
        self.more = ""
        self.write()

    def write(self, more=None):
        self.more = self.more if more is None else more
        self.config.write_text(
            f"[database]\nsocket = {self.folder}/none.sock\n[backup]\nstate_dir = {self.state}\nask_proxy = no\n"
            f"control_socket = {self.folder}/keeper.sock\n[archive]\nfolder = {self.archives}\n"
            f"[data documents]\npath = {self.documents}\n[audit]\nfile = {self.folder}/audit.log\n" + self.more)

    def job(self, *args, exit=0, env=None):
        done = process.run([str(a) for a in (paths.JOB, "--config", self.config, *job_words(*args))], check=False,
                           env={**os.environ, **(env or {})})
        assert done.returncode == exit, f"{args}: {done.returncode}, not {exit}: {done.stdout[-1500:]} {done.stderr[-800:]}"
        return [json.loads(line) for line in done.stdout.splitlines()]

    def cli(self, *args, exit=0, german=False, input=None):
        done = subprocess.run([str(a) for a in (paths.CLI, "--config", self.config, *args)], capture_output=True, text=True,
                              timeout=120, input=input, env={**os.environ, "LC_ALL": "de_CH.UTF-8" if german else "C.UTF-8"})
        assert done.returncode == exit, f"{args}: {done.returncode}, not {exit}: {done.stdout[-1500:]} {done.stderr[-800:]}"
        return done.stdout + done.stderr

    def backup(self, exit=0, *args, env=None):
        return self.job("backup", "--now", *args, "documents", exit=exit, env=env)

    def run(self, **more):
        return self.backup(**more)[-1]["run"]

    def list(self):
        return {(i["run"], i["type"]): i for i in self.job("list")[-1]["backups"]}

    def archive(self, run, type="documents", end=".tar.gz"):
        return self.archives / f"{type}_{run}{end}"


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def forged(site, run, content, type="documents", method="files", pretend=None, encryption=None):
    """What somebody with write access makes of it: a whole archive with all hashes right, in the old form or the new.

    pretend: the first line of a real manifest, put in front."""
    tar = io.BytesIO()
    entries = []
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as t:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), 1700000000, 0o600
            t.addfile(info, io.BytesIO(data))
            entries.append({"path": name, "type": "file", "mode": 0o600, "mtime_ns": 1700000000 * 10**9, "size": len(data),
                            "sha256": hashlib.sha256(data).hexdigest()})
    raw = gzip.compress(tar.getvalue())
    end = ".tar.gz.age" if encryption else ".tar.gz"
    site.archive(run, type, end).write_bytes(raw)
    head = {"format": "elexgate-manifest", "version": 2, "type": type, "run": run, "sequence": 999, "installation": None,
            "method": method, "started": f"{run[:10]}T{run[11:13]}:{run[13:]}:00.000Z",
            "finished": f"{run[:10]}T{run[11:13]}:{run[13:]}:01.000Z", "local_time": "x", "zone": "UTC", "host": "praxis",
            "program": "elexgate 0.1.0", "brief": False, "full_sha256": None, "entries_sha256": "",
            "archive": {"file": site.archive(run, type, end).name, "size": len(raw), "sha256": hashlib.sha256(raw).hexdigest(),
                        "backend": "zlib", "level": 1, "encryption": encryption},
            "content": {"files": len(content), "directories": 0, "symlinks": 0, "bytes": sum(map(len, content.values())),
                        "tar_bytes": len(tar.getvalue())},
            "server": None if method == "files" else {"version": "10.11.19-MariaDB", "page_size": 16384,
                                                      "lower_case_table_names": 0, "lsn": 1, "state": "dump"},
            "tables": [], "notes": [], "info": {}}
    lines = ",\n".join(json.dumps(e) for e in entries) + "\n"
    head["entries_sha256"] = hashlib.sha256(lines.encode()).hexdigest()
    text = json.dumps(head, separators=(",", ":"))[1:-1] + ',"entries":[\n'
    first = pretend and re.sub('(?<="head_sha256":")[^"]*', hashlib.sha256(text.encode()).hexdigest(), pretend) or '{"head_sha256":"%s","seal":null,\n' % hashlib.sha256(text.encode()).hexdigest()
    site.archive(run, type, ".manifest.json").write_text(first + text + lines + "]}\n")


def old_form(site, run):
    """The manifest of a run as the version before the seal wrote it."""
    path = site.archive(run, end=".manifest.json")
    _, head, *rest = path.read_text().splitlines(keepends=True)
    head = json.loads("{" + head.rstrip().removesuffix(',"entries":[') + "}")
    for key in ("sequence", "installation", "full_sha256", "entries_sha256"):
        del head[key]
    head = {("sealed" if k == "brief" else k): (1 if k == "version" else v) for k, v in head.items()}
    text = json.dumps(head, separators=(",", ":"))[:-1] + ',"entries":[\n' + "".join(rest[:-1])
    path.write_text(text + '],"manifest_sha256":"%s"}\n' % hashlib.sha256(text.encode()).hexdigest())


# What somebody with write access to the medium can do

EVIL = b"CREATE TABLE x (n INT);\nSET GLOBAL general_log_file='/etc/cron.d/x';\n-- Dump completed\n"


def attack_newer_plain(site, run):
    forged(site, "2027-01-01-0315", {"elexis.sql": EVIL}, "elexisdb-sql", "dump")
    return "2027-01-01-0315"


def attack_added_type(site, run):
    """Beside our own run: its name brings it along."""
    forged(site, run, {"elexis.sql": EVIL}, "elexisdb-sql", "dump")
    return run


def attack_hashes_recomputed(site, run):
    seal = site.archive(run, end=".manifest.json").read_text().splitlines(keepends=True)[0]
    forged(site, run, {"brief0.txt": b"forged"}, pretend=seal)
    return run


def attack_seal_recomputed_too(site, run):
    forged(site, run, {"brief0.txt": b"forged"})
    return run


def attack_old_form(site, run):
    """Downgrade: the form that had no seal."""
    forged(site, run, {"brief0.txt": b"forged"})
    old_form(site, run)
    return run


def attack_swapped_between_runs(site, run):
    """An older archive of ours, seal and all, under the newest one's name."""
    older = sorted(r for r, _ in site.list())[0]
    for end in (".tar.gz", ".manifest.json"):
        shutil.copy(site.archive(older, end=end), site.archive(run, end=end))
    return run


def attack_renamed(site, run):
    """Our newest, seal and all, with a later name."""
    for end in (".tar.gz", ".manifest.json"):
        shutil.copy(site.archive(run, end=end), site.archive("2027-01-01-0315", end=end))
    return "2027-01-01-0315"


def attack_named_encrypted(site, run):
    """Plaintext that is only called .age."""
    forged(site, "2027-01-01-0315", {"elexis.sql": EVIL}, "elexisdb-sql", "dump", encryption="age")
    return "2027-01-01-0315"


ATTACKS = [attack_newer_plain, attack_added_type, attack_hashes_recomputed, attack_seal_recomputed_too, attack_old_form,
           attack_swapped_between_runs, attack_renamed, attack_named_encrypted]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: a.__name__)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "recipients"])
def test_forged_archives_gain_nothing(site, attack, encrypted):
    older, newest = site.run(), site.run()
    assert older < newest
    if encrypted:  # from now on; what somebody puts there is plaintext

        text = site.config.read_text().replace("[data documents]", "recipients = age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\n[data documents]").removesuffix(site.more)
        site.config.write_text(text)
    run = attack(site, newest)
    before = sorted(os.listdir(site.archives))
    into = site.folder / "into"
    # by themselves: nothing of it, and where it took our newest one's place, that is said
    for command in (("drill", "--type", "documents"), ("verify", "latest"), ("restore", "into", into, "latest"), ("restore", "into", into, run)):
        done = process.run([str(a) for a in (paths.JOB, "--config", site.config, *job_words(*command))], check=False)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert not any("elexisdb-sql" in json.dumps(line) for line in lines if line.get("event") in ("drill", "verified", "phase")), (command, lines)
        if run == newest and attack is not attack_added_type:
            assert done.returncode in (6, 9), (command, done.stdout)
        elif run != newest and command[-1] == run:
            assert done.returncode == 9 and "--foreign" in lines[-1]["error"] and "--foreign" in german(lines[-1], "error")
        else:
            assert done.returncode == 0 and not (into / "elexisdb-sql").exists(), (command, done.stdout)
        shutil.rmtree(into, ignore_errors=True)
    items = [i for i in site.list().values() if i["standing"] != "own"]
    assert len(items) == 1 and items[0]["standing"] in ("unsealed", "replaced", "broken"), items
    # nor does retention count it or remove it
    site.write(site.more)
    site.config.write_text(site.config.read_text() + "[retention]\nkeep = 1\n")
    site.run()
    assert {n for n in before if run in n and "elexisdb" in n} <= set(os.listdir(site.archives))


def test_age_to_our_public_key_is_no_seal(site):
    """Whoever knows the public key makes a valid .age; encryption is no authenticity."""
    if not shutil.which("age"):
        pytest.skip("age is not installed")
    key = site.folder / "key.txt"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    key.chmod(0o600)
    public = re.search(r"age1\w+", key.read_text())[0]
    site.config.write_text(site.config.read_text().replace("[data documents]", f"recipients = {public}\nidentity_file = {key}\n[data documents]"))
    ours = site.run()
    item = site.list()[ours, "documents"]
    assert item["encrypted"] and item["standing"] == "own"
    assert site.job("verify", "latest")[-1]["damaged"] == 0
    for name in os.listdir(site.archives):  # the same again, with a later name
        if ours in name:
            shutil.copy(site.archives / name, site.archives / name.replace(ours, "2027-01-01-0315"))
    assert site.job("verify", "latest")[-2]["run"] == ours
    for end in (".manifest.json",):
        path = site.archive("2027-01-01-0315", end=end)
        seal, head, *rest = path.read_text().splitlines(keepends=True)
        head = head.replace(ours, "2027-01-01-0315")
        path.write_text('{"head_sha256":"%s","seal":null,\n' % hashlib.sha256(head.encode()).hexdigest() + head + "".join(rest))
    assert site.list()["2027-01-01-0315", "documents"]["standing"] == "unsealed"
    assert "--foreign" in site.job("drill", "2027-01-01-0315", exit=9)[-1]["error"]
    # the whole manifest of our own, made anew for our key: the seal covers it too
    whole = site.archive(ours, end=".manifest.json.age")
    clear = subprocess.run(["age", "-d", "-i", key, whole], check=True, capture_output=True).stdout.replace(b'"notes":[]', b'"notes":["x"]')
    seal, head, rest = clear.split(b"\n", 2)
    first = b'{"head_sha256":"%s","seal":null,' % hashlib.sha256(head + b"\n").hexdigest().encode()
    whole.write_bytes(subprocess.run(["age", "-r", public], input=first + b"\n" + head + b"\n" + rest, check=True, capture_output=True).stdout)
    assert "exchanged" in site.job("verify", ours, exit=6)[-2]["words"]


def test_two_installations_in_one_folder(tmp_path):
    a, b = Site(tmp_path), Site(tmp_path, name="b")
    a.config.write_text(a.config.read_text() + "[retention]\nkeep = 1\n")
    first, second, third = b.run(), b.run(), a.run()
    fourth = a.run()
    standing = {run: i["standing"] for (run, _), i in a.list().items()}
    assert standing == {first: "foreign", second: "foreign", fourth: "own"}, "retention removes our own, and nothing else"
    assert a.job("verify", "latest")[-2]["run"] == fourth and b.job("verify", "latest")[-2]["run"] == second
    assert "--foreign" in a.job("verify", second, exit=9)[-1]["error"]
    assert a.job("verify", second, "--foreign")[-1]["damaged"] == 0
    # a part that the other one writes just now is not ours to clean
    (a.archives / ".documents_2026-11-30-0001.tar.gz.part").write_text("")
    fifth = a.run()
    assert (a.archives / ".documents_2026-11-30-0001.tar.gz.part").exists()
    # trusted: restored when it is named
    public = json.loads(b.cli("--json", "backup-key"))["public"]
    a.config.write_text(a.config.read_text().replace("[data documents]", f"trust = {public}\n[data documents]"))
    assert a.list()[second, "documents"]["standing"] == "trusted"
    assert a.job("restore", "into", a.folder / "into", second)[-1]["ok"]
    assert a.job("verify", "latest")[-2]["run"] == fifth
    a.config.write_text(a.config.read_text().replace(public, public[:-1]))
    assert "is no public key" in a.job("list", exit=1)[-1]["error"]


def test_a_machine_built_anew(tmp_path):
    """The state folder went down with the machine: by the sheet, by the public key, and without either."""
    old = Site(tmp_path)
    run = old.run()
    sheet = old.cli("backup-key", "sheet")
    secret = re.search(r"elexgate-backup-key-1:\S+", sheet)[0]
    assert "Notfallblatt" in old.cli("backup-key", "sheet", german=True)
    public = json.loads(old.cli("--json", "backup-key", "show"))["public"]
    new = Site(tmp_path, name="new")
    assert "backup-key import" in new.job("restore", "into", new.folder / "x", "latest", exit=9)[-1]["error"]
    assert new.job("restore", "into", "--foreign", new.folder / "x", "latest")[-1]["run"] == run
    new.config.write_text(new.config.read_text().replace("[data documents]", f"trust = {public}\n[data documents]"))
    assert new.job("restore", "into", new.folder / "y", "latest")[-1]["run"] == run
    paper = new.folder / "typed"
    paper.write_text(secret[:40].upper() + "\n  " + secret[40:70] + " " + secret[70:-1] + ("0" if secret[-1] != "0" else "1"))
    assert "slip of the pen" in new.cli("backup-key", "import", paper, exit=1)
    paper.write_text(secret[:40].upper() + "\n  " + secret[40:70] + " " + secret[70:])
    assert "1 backups" in new.cli("backup-key", "import", paper)
    assert new.list()[run, "documents"]["standing"] == "adopted"
    assert new.job("verify", "latest")[-2]["run"] == run
    later = new.run()
    assert {r: i["standing"] for (r, _), i in new.list().items()} == {run: "adopted", later: "own"}
    assert new.list()[later, "documents"]["sequence"] > new.list()[run, "documents"]["sequence"]


def test_a_name_is_never_used_twice(site):
    """An archive of ours that went long ago could otherwise stand in for a newer one that took its name."""
    first = site.run()
    kept = {name: (site.archives / name).read_bytes() for name in os.listdir(site.archives) if first in name}
    site.job("remove", first, "--force")
    second = site.run()
    assert second != first
    for name, data in kept.items():  # put back: it is ours, and it is the older one
        (site.archives / name).write_bytes(data)
    assert site.list()[first, "documents"]["standing"] == "own" and site.job("verify", "latest")[-2]["run"] == second


def test_what_is_protected_stays(site):
    """Retention and delete leave it; and nobody who can write to the medium protects or unprotects: neither without a status, nor
    with one of ours from before, nor with one that says so itself."""
    site.write("[retention]\nkeep = 1\n")
    label = "vor dem Einspielen von 3.13"
    done = json.loads(site.cli("--json", "backup", "--now", "--label", label, "--protect", "documents").splitlines()[-1])
    first, kept = done["run"], lambda: {run: (i["label"], i["protected"]) for (run, _), i in site.list().items()}
    assert kept() == {first: (label, True)}
    before = {f: f.read_bytes() for f in site.archives.glob("*.status.json")}
    site.run()
    third = site.run()
    assert kept() == {first: (label, True), third: ("", False)}  # beside the one that retention keeps
    # what the next one would remove is said beforehand, by the same rule
    dry = [(e["type"], e["run"]) for e in site.job("backup", "--now", "--dry-run", "documents") if e.get("event") == "would-remove"]
    assert dry == [("documents", third)], dry
    refused = site.cli("backups", "delete", first, "--yes", "--force", exit=9)
    assert "is protected" in refused and f"unprotect {first}" in refused
    # whoever writes to the medium
    for status in site.archives.glob("*.status.json"):
        status.unlink()
    site.archive(third, end=".status.json").write_text('{"format":"elexgate-status","version":1,"protected":true,"label":"mine"}')
    assert kept() == {first: (label, True), third: ("", False)}
    assert label in site.cli("backups") and "protected" in site.cli("backups")
    site.cli("backups", "unprotect", first)
    assert kept()[first] == (label, False)
    for status, text in before.items():
        status.write_bytes(text)
    site.cli("backups", "label", first, "")
    assert kept()[first] == ("", False)
    site.cli("backups", "label", third, "a", "b", exit=2)
    assert "one line" in site.cli("backups", "label", third, "two\nlines", exit=2)
    site.cli("backups", "protect", "2019-01-01-0000", exit=1)
    last = site.run()
    assert set(kept()) == {last}


def test_keys_rotate(site):
    first = site.run()
    before = json.loads(site.cli("--json", "backup-key"))["public"]
    assert "sheet" in site.cli("backup-key", "rotate")
    second = site.run()
    assert {i["standing"] for i in site.list().values()} == {"own"}
    key = json.loads(site.cli("--json", "backup-key"))
    assert key["public"] != before and key["former"] == [before]
    (site.state / "seal" / "key").unlink()  # lost: a night without a backup would be worse
    third = site.run()
    assert {r for r, _ in site.list()} == {first, second, third} and {i["standing"] for i in site.list().values()} == {"own"}
    (site.state / "seal" / "key").chmod(0o644)
    assert "chmod" in site.backup(exit=1)[-1]["error"]


@pytest.mark.parametrize("cut", ["a line", "half a line", "the first line", "an edit", "all"])
def test_a_ledger_that_was_cut(site, cut):
    """Put back by an old copy of the machine, or damaged: what is not in it is ours only once somebody says so."""
    first, second = site.run(), site.run()
    ledger = site.state / "seal" / "ledger"
    lines = ledger.read_text().splitlines(keepends=True)
    made = [n for n, line in enumerate(lines) if '"made"' in line]
    last = len(lines) - 1
    assert last in made and "documents" in lines[last]
    ledger.write_text({"a line": "".join(lines[:made[-1] - 1]), "half a line": "".join(lines)[:-30], "the first line": "".join(lines[1:]),
                       "an edit": "".join(lines).replace(first, "2026-01-01-0000"), "all": ""}[cut])
    standing = {r: i["standing"] for (r, _), i in site.list().items()}
    whole = cut == "half a line"  # it had begun here, and is sealed: a crash leaves just that
    assert standing[second] == ("own" if whole else "unlisted"), standing
    assert standing[first] == ("own" if cut in ("a line", "half a line") else "unlisted")
    if not whole:
        assert "adopt" in site.job("verify", second, exit=9)[-1]["error"]
    third = site.run()
    assert site.list()[third, "documents"]["sequence"] > site.list()[second, "documents"]["sequence"], "a number is never used twice"
    assert site.list()[first, "documents"]["complete"], "and nothing was removed"
    if not whole:
        assert "taken over" in site.cli("backups", "adopt", second, "--yes")
        assert site.list()[second, "documents"]["standing"] == "adopted"


def test_archives_from_before_the_seal(site):
    run = site.run()
    old_form(site, run)
    shutil.rmtree(site.state)
    assert site.list()[run, "documents"]["standing"] == "unsealed"
    assert "--foreign" in site.job("verify", "latest", exit=9)[-1]["error"]
    assert "NOT SEALED" in site.cli("backups") and "NICHT VERSIEGELT" in site.cli("backups", german=True)
    site.cli("backups", "adopt", run, exit=2)  # needs a terminal, or --yes
    whole = site.archive(run).read_bytes()
    site.archive(run).write_bytes(whole[:-9] + b"x" + whole[-8:])
    assert "not taken over" in site.cli("backups", "adopt", run, "--yes", exit=6)
    site.archive(run).write_bytes(whole)
    site.cli("backups", "adopt", run, "--yes")
    assert site.job("verify", "latest")[-2]["run"] == run
    assert "taken over" in site.cli("backups")
    path = site.archive(run, end=".manifest.json")  # edited after that, its own sum made right
    text, last = path.read_text().replace("brief0", "brief9").rsplit("\n", 2)[0] + "\n", None
    path.write_text(text + '],"manifest_sha256":"%s"}\n' % hashlib.sha256(text.encode()).hexdigest())
    assert site.list()[run, "documents"]["standing"] == "replaced" and site.job("verify", "latest", exit=6)


# Clocks, media, sources

@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock.c").write_text(CLOCK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "clock.so", folder / "clock.c", "-ldl"], check=True)

    def shifted(years):
        return {"LD_PRELOAD": str(folder / "clock.so"), "CLOCK_SHIFT": str(years * 365 * 86400)}
    return shifted


@pytest.mark.skipif(b"__asan_init" in paths.JOB.read_bytes(), reason="the clock is preloaded before the sanitizer")
@pytest.mark.parametrize("nights", [[0, 0, -10], [0, 0, -10, -10], [0, 10, 0], [10, 0, 0], [10, 10, 0, 0]], ids=str)
def test_a_wrong_clock_removes_nothing_new(site, clock, nights):
    """Years by which the clock is wrong at each of the runs; one generation is kept."""
    site.config.write_text(site.config.read_text() + "[retention]\nkeep = 1\n")
    runs, there = [], set()
    for n, years in enumerate(nights):
        (site.documents / "brief.txt").write_text(f"letter {n}")
        lines = site.backup(env=clock(years))
        runs.append(lines[-1]["run"])
        before, there = there, {run for run, _ in site.list()}
        assert runs[-1] in there, "what was just made is never removed"
        future = any(years < earlier for earlier in nights[:n])
        warned = [line["text"] for line in lines if line.get("event") == "warning"]
        assert bool(warned) == future and (not future or "lies in the future" in warned[0] and there == before | {runs[-1]}), lines
    assert site.job("verify", "latest")[-2]["run"] == runs[-1]


@pytest.fixture
def stick(tmp_path):
    """A disk that can be pulled out: (place, mount, unmount)."""
    place = tmp_path / "stick"
    place.mkdir()
    images = []

    def mount(new=False):
        if new or not images:
            images.append(tmp_path / f"disk{len(images)}")
            subprocess.run(f"truncate -s 64M {images[-1]} && mkfs.ext2 -q {images[-1]}", shell=True, check=True)
        subprocess.run(["mount", "-o", "loop", images[-1], place], check=True)

    def unmount():
        subprocess.run(["umount", place], check=True)
    if subprocess.run(f"truncate -s 1M {tmp_path}/t && mkfs.ext2 -q {tmp_path}/t && mount -o loop {tmp_path}/t {place} && umount {place}",
                      shell=True, capture_output=True).returncode != 0:
        pytest.skip("no mounts here")
    yield place, mount, unmount
    subprocess.run(["umount", place], capture_output=True)


def test_a_stick_that_is_away(tmp_path, stick):
    place, mount, unmount = stick
    site = Site(tmp_path, medium=place / "elexgate")
    # away at the very first run already: its empty mount point is no place for a backup
    error = site.backup(exit=1)[-1]
    assert "empty" in error["error"] and "Einhängepunkt" in german(error, "error") and not list(place.iterdir())
    mount()
    run = site.run()
    assert "the medium is there" in site.cli("backup-folder")
    unmount()
    error = site.backup(exit=1)[-1]
    assert "not there" in error["error"] and "mount" in error["error"] and "nicht da" in german(error, "error")
    assert not list(place.iterdir()), "nothing is written into the empty mount point"
    assert "backup-folder init" in site.cli("backup-folder", exit=1)
    (place / "elexgate").mkdir()  # the folder is there, the disk is not
    site.backup(exit=1)
    assert not list((place / "elexgate").iterdir())
    (place / "elexgate").rmdir()
    mount(new=True)  # another stick
    site.backup(exit=1)
    assert "marked" in site.cli("backup-folder", "init")
    other = site.run()
    assert {r for r, _ in site.list()} == {other}, "what lies on the first one is not missed here"
    unmount()
    mount()
    third = site.run()
    assert third in {r for r, _ in site.list()} and run != third


def test_another_ones_stick(tmp_path):
    site, other = Site(tmp_path), Site(tmp_path, medium=tmp_path / "theirs", name="b")
    site.run(), other.run()
    shutil.rmtree(site.archives)
    shutil.copytree(other.archives, site.archives)
    assert "another medium" in site.backup(exit=1)[-1]["error"]
    site.cli("backup-folder", "init")
    site.run()
    (site.archives / "elexgate-medium.json").write_text("{}")
    assert "damaged" in site.backup(exit=1)[-1]["error"]


def lose(site, how):
    files = sorted(site.documents.iterdir())
    for n, file in enumerate(files):
        if how == "all" or (how == "most" and n > 2):
            file.unlink()
        elif how == "content":
            file.write_text("" if n else "x")
        elif how == "emptied":
            file.write_text("")
    if how == "folder":
        shutil.rmtree(site.documents)


@pytest.mark.parametrize("how", ["all", "most", "content", "emptied", "folder"])
def test_a_source_that_lost_most_is_no_backup(site, how):
    site.config.write_text(site.config.read_text() + "[retention]\nkeep = 1\n")
    full = site.run()
    lose(site, how)
    for _ in range(2):
        error = site.backup(exit=1)[-1]
        if how != "folder":
            assert str(site.documents) in error["error"] and "none removed" in error["error"] and "keine" in german(error, "error"), error
    assert {r for r, _ in site.list()} == {full}, "the last full one stays, and no empty one stands beside it"
    if how == "folder":
        return
    assert "accept-smaller" in error["error"] or "may_be_empty" in error["error"]
    accepted = json.loads(site.cli("--json", "backup", "--accept-smaller", "documents").splitlines()[-1])["run"]
    assert {r for r, _ in site.list()} == {accepted}
    site.run()  # from now on that is how it is


def test_a_source_that_may_be_empty(site):
    site.run()
    lose(site, "all")
    site.config.write_text(site.config.read_text().replace("[audit]", "may_be_empty = yes\n[audit]"))
    assert site.backup()[-1]["archives"][0]["files"] == 0
    # empty from the beginning: told, since nothing is lost by it
    (site.folder / "images").mkdir()
    site.config.write_text(site.config.read_text() + f"[data images]\npath = {site.folder}/images\n")
    warned = [line for line in site.job("backup", "--now", "images") if line.get("event") == "warning"]
    assert "is empty" in warned[0]["text"] and "ist leer" in german(warned[0])


def test_the_keeper_and_the_doctor_say_so(site):
    """What is wrong is told by whoever is asked: status for the page, the doctor, the list."""
    older, newest = site.run(), site.run()
    forged(site, "2027-01-01-0315", {"elexis.sql": EVIL}, "elexisdb-sql", "dump")
    site.archive(newest).unlink()
    site.archive(newest, end=".manifest.json").unlink()
    (site.folder / "images").mkdir()
    site.config.write_text(site.config.read_text() + f"[data images]\npath = {site.folder}/images\n")
    socket = site.folder / "keeper.sock"
    keeper = process.Child("elexgate-keeper", [paths.KEEPER, "--config", site.config], site.folder / "keeper.log")

    def answers():
        try:
            return control.call(socket, {"cmd": "status"}, 20)
        except OSError:
            return None
    process.wait_until(answers, 20, "elexgate-keeper ready")
    control.call(socket, {"cmd": "run", "mode": "now", "types": ["images"]}, 20)
    last = lambda: control.call(socket, {"cmd": "status"}, 20).get("last_backup") or {}
    process.wait_until(lambda: last().get("warnings"), 60, "the backup's end")
    assert "is empty" in last()["warnings"][0]["text"] and last()["exit"] == 0
    runs = control.call(socket, {"cmd": "archives"}, 20)["runs"]
    assert {(r["type"], r["standing"], r["gone"]) for r in runs if r["run"] in (newest, "2027-01-01-0315")} == {
        ("documents", "own", True), ("elexisdb-sql", "unsealed", False)}
    lose(site, "all")
    control.call(socket, {"cmd": "run", "mode": "now", "types": ["documents"]}, 20)
    process.wait_until(lambda: last().get("error"), 60, "the backup's end")
    assert "none removed" in last()["error"] and "keine" in german(last(), "error")
    control.call(socket, {"cmd": "run", "mode": "now", "types": ["documents"], "accept_smaller": True}, 20)
    process.wait_until(lambda: last().get("exit") == 0, 60, "the backup's end")
    keeper.stop(60)
    said = site.cli("doctor", exit=1)
    assert "1 of the archives are not sealed by us" in said and "are gone or exchanged" in said and "medium in" in said
    (site.archives / "elexgate-medium.json").unlink()
    assert "the backup medium is not there" in site.cli("doctor", exit=1)
    assert "Sicherungsmedium ist nicht da" in site.cli("doctor", exit=1, german=True)


@pytest.mark.parametrize("fault", ["cut", "gone", "no manifest", "archive gone", "rotten manifest"])
def test_latest_is_not_stepped_over(site, fault):
    older, newest = site.run(), site.run()
    archive, manifest = site.archive(newest), site.archive(newest, end=".manifest.json")
    if fault == "cut":
        archive.write_bytes(archive.read_bytes()[:-100])
    if fault in ("gone", "archive gone"):
        archive.unlink()
    if fault in ("gone", "no manifest"):
        manifest.unlink()
    if fault == "rotten manifest":
        manifest.write_text(manifest.read_text().replace("brief3", "brief4", 1))
    lines = site.job("verify", "latest", exit=6)
    assert [line["run"] for line in lines if line.get("event") == "verified"] == [newest]
    lines = site.job("restore", "into", site.folder / "x", "latest", exit=6)
    assert (fault == "rotten manifest" or newest in lines[-1]["error"]) and not (site.folder / "x").exists()
    assert site.job("restore", "into", site.folder / "x", older)[-1]["ok"], "an older one that is named is taken"
    if fault != "rotten manifest":
        assert not site.list()[newest, "documents"]["complete"]
