"""`meson install`, and the systemd units as systemd itself judges them."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from lib import paths

PROGRAMS = ["bin/elexgate", "bin/elexgate-proxy", "bin/elexgate-keeper", "bin/elexgate-console", "bin/elexgate-proof",
            "libexec/elexgate/elexgate-job", "libexec/elexgate/elexgate-monitor",
            "libexec/elexgate/elexgate-notify"]
HELPERS = ["acme-hook-certbot", "acme-hook-lego", "promote-replica", "hooks/container", "hooks/mail", "hooks/rclone", "hooks/restic"]
# What systemd-analyze may find at most; 10 is a service without any protection.
EXPOSURE = {"elexgate-proxy": 2.0, "elexgate-console": 2.0, "elexgate-cert-renew": 2.0, "elexgate-proof": 2.0,
            "elexgate-keeper": 4.0}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """(the DESTDIR, the prefix below it)"""
    destination = tmp_path_factory.mktemp("install")
    subprocess.run(["meson", "install", "-C", paths.BUILD, "--no-rebuild"], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "DESTDIR": str(destination)})
    options = json.loads(subprocess.run(["meson", "introspect", "--buildoptions", paths.BUILD], check=True,
                                        stdout=subprocess.PIPE).stdout)
    prefix = next(o["value"] for o in options if o["name"] == "prefix")
    return destination, destination / prefix.lstrip("/")


def folder(below, name):
    """One that multiarch may have put elsewhere (lib/x86_64-linux-gnu)."""
    found = [p for p in below.rglob(name) if p.is_dir()]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


def test_programs_are_installed_and_run(installed):
    for name in PROGRAMS:
        program = installed[1] / name
        assert os.access(program, os.X_OK), name
        done = subprocess.run([program, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
        assert done.returncode == 0 and "usage" in done.stdout.lower(), done.stdout


def test_nothing_leaves_the_destination(installed):
    top = {p.name for p in installed[0].iterdir()}
    assert top == {installed[1].relative_to(installed[0]).parts[0]}
    assert not (installed[0] / "etc").exists(), "a configuration is the admin's, not meson's"


def test_every_manual_page_is_installed_and_sound(installed):
    top = installed[1] / "share/man"
    pages = {p.name for p in (paths.ROOT / "docs/man").glob("*.*")}
    for folder in (top, top / "de"):
        assert {str(p.relative_to(folder)) for p in folder.glob("man?/*")} == {f"man{name[-1]}/{name}" for name in pages}
    for page in top.rglob("*.[158]"):
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "error", page], stdout=subprocess.PIPE, text=True)
        assert done.returncode == 0, done.stdout


def test_every_program_has_a_manual_page():
    pages = {p.name.split(".")[0] for p in (paths.ROOT / "docs/man").glob("*.*")}
    assert [p for p in PROGRAMS if pathlib.Path(p).name not in pages] == []


def test_documents_and_sample(installed):
    documents = installed[1] / "share/doc/elexgate"
    assert (documents / "examples/elexgate.ini").read_text() == (paths.ROOT / "docs/elexgate.ini").read_text()
    missing = [p.name for p in (paths.ROOT / "docs").glob("*.md") if not (documents / "docs" / p.name).is_file()]
    assert missing == []
    pages = sorted((documents / "docs/handbook").rglob("*.md"))     # their links lead somewhere there too
    broken = [f"{page.name}: {target}" for page in pages for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
              if "://" not in target and not (page.parent / target).exists()]
    assert len(pages) > 30 and broken == []


def test_hooks_are_installed_and_executable(installed):
    share = installed[1] / "share/elexgate"
    assert [h for h in HELPERS if not os.access(share / h, os.X_OK)] == []
    assert sorted(p.name for p in (paths.ROOT / "scripts/hooks").iterdir()) == sorted(
        pathlib.Path(h).name for h in HELPERS if h.startswith("hooks/"))


def test_what_prometheus_and_grafana_take_is_installed(installed):
    there = {p.name for p in (installed[1] / "share/elexgate/monitoring").iterdir()}
    assert there == {p.name for p in (paths.ROOT / "monitoring").iterdir()} and "alerts.yml" in there


def test_completion_is_where_the_shells_look(installed):
    for name in ("bash-completion/completions/elexgate", "zsh/vendor-completions/_elexgate"):
        assert "elexgate" in (installed[1] / "share" / name).read_text()


def test_the_packages_configuration_is_good(installed, tmp_path):
    """`config check` takes it; what it names as users is what sysusers makes."""
    config = installed[1] / "share/elexgate/elexgate.ini.package"
    done = subprocess.run([installed[1] / "bin/elexgate", "--config", config, "config", "check"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    made = set(re.findall(r"^u (\S+)", (folder(installed[1], "sysusers.d") / "elexgate.conf").read_text(), re.M)) | {"root"}
    for users in re.findall(r"^control_users = (.*)", config.read_text(), re.M):
        assert {u.strip() for u in users.split(",")} <= made
    units = folder(installed[1], "system")
    for unit in units.glob("*.service"):
        for user in re.findall(r"^(?:User|Group)=(.*)", unit.read_text(), re.M):
            assert user in made, f"{unit.name}: {user}"


def test_users_and_folders_can_be_made(installed, tmp_path):
    """systemd-sysusers and -tmpfiles on an empty root: the modes that keep one part from another's files."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("root:x:0:\nadm:x:4:\n")
    for tool, where in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
        file = folder(installed[1], where) / "elexgate.conf"
        subprocess.run([tool, *(["--create"] if tool.endswith("tmpfiles") else []), f"--root={tmp_path}", file], check=True)
    subprocess.run(["chattr", "-a", tmp_path / "var/log/elexgate-proxy/audit.log"], check=False)  # else it could never be removed
    passwd = dict((line.split(":")[0], line.split(":")) for line in (tmp_path / "etc/passwd").read_text().splitlines())
    groups = dict((line.split(":")[0], line.split(":")) for line in (tmp_path / "etc/group").read_text().splitlines())
    assert groups["elexgate-tls"][3].split(",") == ["elexgate"], "the page has a key of its own"
    assert passwd["elexgate"][6] == "/usr/sbin/nologin"

    def look(path):
        st = (tmp_path / path).stat()
        owner = next((n for n, f in passwd.items() if int(f[2]) == st.st_uid), "root")
        return owner, oct(st.st_mode & 0o7777)
    assert look("var/backups/elexgate") == ("root", "0o711")
    assert look("var/lib/elexgate/proxy") == ("elexgate", "0o700")
    assert look("var/lib/elexgate/console") == ("elexgate-console", "0o700")
    assert look("var/log/elexgate-proxy") == ("root", "0o750")
    assert look("run/elexgate") == ("root", "0o755")
    assert look("run/elexgate/keeper") == ("root", "0o755")
    assert look("run/elexgate/proxy") == ("elexgate", "0o755")


@pytest.fixture(scope="module")
def units(installed, tmp_path_factory):
    """The units with their programs where they lie now."""
    there = tmp_path_factory.mktemp("units")
    for unit in folder(installed[1], "system").iterdir():
        text = unit.read_text().replace(str(installed[1])[len(str(installed[0])):] + "/bin/", f"{installed[1]}/bin/")
        (there / unit.name).write_text(text)
    return there


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_systemd_finds_no_fault_in_the_units(units):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *sorted(units.iterdir())], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"})
    ours = [line for line in done.stdout.splitlines() if "elexgate" in line]
    assert done.returncode == 0 and ours == [], done.stdout


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_verify_would_have_noticed(units, tmp_path):
    """The test above can fail: an option that does not exist is named."""
    bad = tmp_path / "elexgate-proxy.service"
    bad.write_text((units / "elexgate-proxy.service").read_text().replace("ProtectClock=", "ProtectClocks="))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", bad], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:{units}:"})
    assert "ProtectClocks" in done.stdout


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
@pytest.mark.parametrize("name", sorted(EXPOSURE))
def test_exposure(units, name):
    limit = EXPOSURE[name]
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", f"--threshold={int(limit * 10)}",
                           units / f"{name}.service"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    level = float(re.search(r"exposure level for \S+: ([\d.]+)", done.stdout).group(1))
    assert level <= limit and done.returncode == 0, done.stdout


def test_each_of_the_keepers_capabilities_is_explained(units):
    text = (units / "elexgate-keeper.service").read_text()
    given = re.search(r"^CapabilityBoundingSet=(.+)$", text, re.M).group(1).split()
    comments = "\n".join(line for line in text.splitlines() if line.startswith("#"))
    assert given and [c for c in given if c not in comments] == []


def test_the_proxy_has_no_capability_and_is_socket_activated(units):
    text = (units / "elexgate-proxy.service").read_text()
    assert re.search(r"^CapabilityBoundingSet=$", text, re.M) and re.search(r"^Type=notify$", text, re.M)
    assert re.search(r"^ListenStream=3312$", (units / "elexgate-proxy.socket").read_text(), re.M)


@pytest.mark.parametrize("unit", sorted(p.name for p in (paths.ROOT / "systemd").glob("*.service.in")))
def test_units_want_what_they_wait_for_and_are_watched_where_they_say_so(unit):
    """After= alone does not bring the network up; a WATCHDOG=1 that nobody waits for finds no program that hangs."""
    text = (paths.ROOT / "systemd" / unit).read_text()
    assert ("After=network-online.target" in text) == ("Wants=network-online.target" in text)
    program = {"elexgate-proxy.service.in": "proxy/main.c", "elexgate-console.service.in": "console/main.c",
               "elexgate-keeper.service.in": "backup/keeper/main.c"}.get(unit)
    assert ("WatchdogSec=" in text) == bool(program and "WATCHDOG=1" in (paths.ROOT / program).read_text())
