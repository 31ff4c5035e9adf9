"""Every command of docs/docker.md and of the migration pages is one that runs. Here without Docker: syntax, programs and their options; the dumps
of step 1 literally, against a real server. scripts/compose-test runs all of them in Docker."""
import os
import re
import shutil
import subprocess

import pytest

from lib import paths

PAGES = {name: paths.ROOT / "docs" / name for name in ("docker.md", "handbook/en/migration.md", "handbook/de/umstieg.md", "handbook/fr/migration.md")}
# What the pages use; `docker COMMAND --help` of Docker 26 and Compose 2.26 and 1.29 know all of them.
DOCKER = {"exec", "cp", "run", "stop", "logs", "volume", "inspect", "compose"}
COMPOSE = {"build", "up", "down", "ps", "logs", "exec"}


def blocks(name):
    """(heading, commands), in the page's order."""
    found, heading = [], ""
    for part in re.split(r"(^## .*$)", PAGES[name].read_text(), flags=re.MULTILINE):
        if part.startswith("## "):
            heading = part[3:]
        found += [(heading, code) for code in re.findall(r"^```(?:sh|bash)\n(.*?)^```", part, re.MULTILINE | re.DOTALL)]
    assert found
    return found


def commands(name):
    for _, code in blocks(name):
        for line in re.sub(r"<<'END'.*?^END$", "", code, flags=re.MULTILINE | re.DOTALL).splitlines():
            yield re.sub(r"\s+#.*", "", line)


@pytest.mark.parametrize("name", PAGES)
def test_commands_are_ones(name):
    known = {line.split()[0] for line in subprocess.run([paths.CLI, "--help"], capture_output=True, text=True).stdout.splitlines() if line.startswith("  ")}
    for _, code in blocks(name):
        done = subprocess.run(["bash", "-n"], input=code, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    for line in commands(name):
        for word in re.findall(r"\belexgate (?!-)([a-z-]+)\b", re.sub(r"elexgate-\w+ elexgate", "elexgate", line)):
            assert word in known, line
        for word in re.findall(r"(?:^|\$\()docker (\S+)", line):
            assert word in DOCKER, line
        for word in re.findall(r"docker compose (?:-p \S+ |--profile \S+ )*([a-z]+)", line):
            assert word in COMPOSE, line
        for program in re.findall(r"^(docker/\w+)", line):
            help_ = subprocess.run([paths.ROOT / program, "--help"], capture_output=True, text=True)
            assert help_.returncode == 0, line
            for option in re.findall(r" (--[a-z-]+)", line):
                assert option in help_.stdout, line
        assert "down -v" not in line and ">> .env" not in line, line


SHIM = """#!/bin/bash
# docker exec CONTAINER sh -c COMMAND, here
[ "$1 $2 $3 $4" = "exec elx_elexisdb sh -c" ] || exit 99
MYSQL_ROOT_PASSWORD=x PATH={bin} exec /bin/sh -c "$5"
"""


@pytest.fixture
def old_server(folder, server):
    server.sql("CREATE DATABASE IF NOT EXISTS elexisoob; CREATE OR REPLACE TABLE elexisoob.kontakt (a INT); INSERT INTO elexisoob.kontakt VALUES (1); "
               "CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY 'x'; GRANT ALL ON *.* TO root@'127.0.0.1'")
    return server


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("handbook/")])
@pytest.mark.parametrize("programs,whole", [(("mariadb-dump",), True), (("mysqldump",), True), ((), False)])
def test_step_1_dumps(folder, old_server, name, programs, whole):
    """With the names of an old and of a new server's programs; where a dump fails, an empty gzip does not pass for one."""
    bin_ = folder / "bin"
    bin_.mkdir()
    for program in programs:  # 10.3 has no mariadb-dump
        (bin_ / program).write_text(f"#!/bin/sh\nexec {shutil.which('mariadb-dump')} --no-defaults --protocol=tcp --host=127.0.0.1 --port={old_server.port} \"$@\"\n")
        (bin_ / program).chmod(0o755)
    docker = folder / "docker"
    docker.write_text(SHIM.format(bin=bin_))
    docker.chmod(0o755)
    code = next(code for heading, code in blocks(name) if heading.startswith("1."))
    done = subprocess.run(["bash", "-c", code], cwd=folder, capture_output=True, text=True, env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"})
    assert done.stdout.count("-- Dump completed") == (2 if whole else 0), done
    assert len(re.findall("IS NOT WHOLE|NICHT VOLL|PAS COMPLET", done.stdout)) == (0 if whole else 2), done
    if whole:
        text = subprocess.run(["zcat", folder / "elexis.sql.gz"], capture_output=True, text=True).stdout
        assert "INSERT INTO `kontakt`" in text


def test_migrate_without_docker(folder):
    """A sentence, in both languages; nothing is begun."""
    env = {**os.environ, "PATH": "/usr/bin:/bin", "DOCKER_HOST": "unix:///nowhere"}
    for lang, says in (("C.UTF-8", "Docker does not answer"), ("de_CH.UTF-8", "Docker antwortet nicht")):
        for command in ([paths.ROOT / "docker/migrate"], [paths.CLI, "migrate"]):
            done = subprocess.run([*command, "--dry-run", "--host", "x"], capture_output=True, text=True, env={**env, "LC_ALL": lang}, cwd=folder)
            assert done.returncode == 1 and says in done.stderr, done
    assert not (folder / "before-elexgate").exists()
    done = subprocess.run([paths.CLI, "migrate", "--frobnicate"], capture_output=True, text=True, env=env)
    assert done.returncode == 2 and "--frobnicate" in done.stderr
