"""The example hooks in scripts/hooks, with stand-ins for the programs that they call."""
import os
import subprocess

import pytest

from lib import paths

HOOKS = paths.ROOT / "scripts" / "hooks"


@pytest.fixture
def call(folder):
    """Runs a hook; every program that it calls is a script that notes its name, arguments and standard input."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("restic", "rclone", "docker", "sendmail"):
        path = programs / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {folder}/called\n[ {name} = rclone ] || [ {name} = docker ] || cat >> {folder}/called\n'
                        f'exit ${{FAIL:-0}}\n')
        path.chmod(0o755)
    (folder / "restic.env").write_text("RESTIC_REPOSITORY=/r\nRESTIC_PASSWORD_FILE=/p\n")
    archives = folder / "b"
    archives.mkdir()
    for name in ("elexisdb_2026-11-22-0315", "bilder_2026-11-22-0315"):
        (archives / f"{name}.tar.gz").write_text("x")
        (archives / f"{name}.manifest.json").write_text("x")

    def run(hook, event="after_backup", result="good", **env):
        env = {"PATH": f"{programs}:{os.environ['PATH']}", "ELEXGATE_RESULT": result, "ELEXGATE_RUN": "2026-11-22-0315", "ELEXGATE_EXIT": "5",
               "ELEXGATE_TYPES": "elexisdb bilder", "ELEXGATE_ERROR": "not enough space", "SENDMAIL": str(programs / "sendmail"),
               "ELEXGATE_ARCHIVES": f"{archives}/elexisdb_2026-11-22-0315.tar.gz\n{archives}/bilder_2026-11-22-0315.tar.gz",
               "ELEXGATE_RESTIC_ENV": str(folder / "restic.env"), **env}
        code = subprocess.run([HOOKS / hook, event, "2026-11-22-0315"], env=env, timeout=30).returncode
        return code, (folder / "called").read_text() if (folder / "called").exists() else ""

    return run


def test_restic_takes_archives_and_manifests(call):
    code, called = call("restic")
    assert code == 0 and "restic backup --tag elexgate --tag 2026-11-22-0315" in called
    assert [line.rsplit("/", 1)[1] for line in called.splitlines()[1:]] == [
        "elexisdb_2026-11-22-0315.tar.gz", "elexisdb_2026-11-22-0315.manifest.json",
        "bilder_2026-11-22-0315.tar.gz", "bilder_2026-11-22-0315.manifest.json"]


def test_rclone_copies_each_file(call):
    code, called = call("rclone", ELEXGATE_REMOTE="praxis:sicherung")
    assert code == 0 and len(called.splitlines()) == 4
    assert "praxis:sicherung/elexisdb_2026-11-22-0315.manifest.json" in called


@pytest.mark.parametrize("hook", ["restic", "rclone"])
def test_nothing_goes_off_site_after_a_failure_and_failures_are_passed_on(call, hook):
    assert call(hook, result="failed") == (0, "")
    assert call(hook, FAIL="1")[0] != 0


def test_mail_only_when_it_went_wrong(call):
    assert call("mail") == (0, "")
    code, called = call("mail", result="no-space")
    assert code == 0 and "Subject: Elexgate: Sicherung no-space" in called and "Grund: not enough space" in called


def test_the_container_keeps_still_during_a_restore_and_is_stopped_only_by_the_stop_command(call):
    assert call("container", event="before_restore")[1] == "docker update --restart=no elexis-db\n"
    assert call("container", event="stop")[1].endswith("\ndocker stop elexis-db\n")
    assert call("container", event="start")[1].endswith("\ndocker start elexis-db\n")
    assert call("container", event="after_restore")[1].endswith("\ndocker update --restart=unless-stopped elexis-db\n")
    assert call("container", event="perhaps")[0] == 2
