"""What docs/scaling.md shows: its configurations are read by the programs that they are for, its copies come back."""
import os
import re
import shutil
import socket
import subprocess

import pytest

from lib import paths, ports, process

DOC = (paths.ROOT / "docs" / "scaling.md").read_text()
HOOK = paths.ROOT / "scripts" / "hooks" / "restic"
S3 = paths.ROOT / "tests" / "clients" / "s3"


def block(language, containing):
    (found,) = [b for lang, b in re.findall(r"^```(\w*)\n(.*?)^```$", DOC, re.S | re.M) if lang == language and containing in b]
    return found


def test_the_gates_configuration_is_read(folder):
    config = folder / "elexgate.ini"
    config.write_text(block("ini", "[backend db1]") + "[listen tools]\nannounce = server\n")
    done = process.run([paths.CLI, "--config", config, "config", "check"], check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    config.write_text(block("ini", "[backend db1]").replace("[backend db2]\nhost", "[backend db2]\nhots"))
    assert "hots" in process.run([paths.CLI, "--config", config, "config", "check"], check=False).stderr


def test_mariadb_reads_its_configuration(make_server):
    wanted = dict(re.findall(r"^(\w+) += (\w+)$", block("ini", "[mariadb]"), re.M))
    server = make_server(args=[f"--{k.replace('_', '-')}={v}" for k, v in wanted.items()])
    assert server.value("SELECT CONCAT(@@server_id, @@log_bin+0, @@read_only+0, @@gtid_strict_mode+0, @@log_slave_updates+0)") == "11111"


@pytest.mark.skipif(not shutil.which("keepalived"), reason="keepalived is not installed")
def test_keepalived_reads_its_configuration(folder):
    interface = next((name for _, name in socket.if_nameindex() if name != "lo"), None)
    if not interface:
        pytest.skip("keepalived wants a network interface beside lo")
    text = ((paths.ROOT / "docs/keepalived.conf").read_text().replace("/usr/bin/elexgate", str(paths.CLI)).replace("script_user elexgate", "script_user root")
            .replace("eth0", interface))
    file = folder / "keepalived.conf"

    def check(content):
        file.write_text(content)
        return process.run(["keepalived", "-t", "-f", file], check=False).returncode

    assert check(text) == 0
    assert check(text.replace("nopreempt", "nopreemption")) != 0, "it does look"


class Offsite:
    """The hook with restic's environment, run as the keeper runs it."""

    def __init__(self, folder, **env):
        self.folder, self.backups = folder, folder / "backups"
        self.backups.mkdir()
        (folder / "password").write_text("ein Satz, der im Safe liegt\n")
        self.env = {"RESTIC_PASSWORD_FILE": str(folder / "password"), **env}
        (folder / "restic.env").write_text("".join(f"{k}={v}\n" for k, v in self.env.items()))
        self.restic("init")

    def restic(self, *args):
        return process.run(["restic", *args], env=dict(os.environ, RESTIC_CACHE_DIR=str(self.folder / "cache"), **self.env)).stdout

    def run(self, number, result="good"):
        """A run's files, and the hook on them."""
        run = f"2026-11-2{number}-0315"
        archive = self.backups / f"elexisdb_{run}.tar.gz"
        archive.write_bytes(os.urandom(200_000))
        (self.backups / f"elexisdb_{run}.manifest.json").write_text(f'{{"run": {number}}}')
        subprocess.run([HOOK, "after_backup", run], check=True, timeout=60,
                       env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "ELEXGATE_RESULT": result, "ELEXGATE_RUN": run,
                            "ELEXGATE_ARCHIVES": str(archive), "ELEXGATE_RESTIC_ENV": str(self.folder / "restic.env"),
                            "RESTIC_CACHE_DIR": str(self.folder / "cache")})
        return archive

    def comes_back(self, archive):
        target = self.folder / "back"
        self.restic("restore", "latest", "--tag", "elexgate", "--target", target)
        for original in (archive, archive.with_name(archive.name.replace(".tar.gz", ".manifest.json"))):
            assert (target / str(original).lstrip("/")).read_bytes() == original.read_bytes()
        assert "no errors" in self.restic("check", "--read-data")


@pytest.mark.skipif(not shutil.which("restic"), reason="restic is not installed")
def test_copies_in_a_folder_come_back(folder):
    o = Offsite(folder, RESTIC_REPOSITORY=str(folder / "repository"))
    o.run(1)
    o.comes_back(o.run(2))
    o.run(3, result="failed")
    assert o.restic("snapshots", "--compact").count("elexgate") == 2, "a failed run is not copied"


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("restic") or not shutil.which("npm"), reason="restic or npm is not installed")
def test_copies_in_an_s3_store_come_back(folder, pki):
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(S3 / name, folder / name)
    process.run(["npm", "ci", "--ignore-scripts"], timeout=300, cwd=folder)
    (folder / "data").mkdir()
    port = ports.free_port()
    server = process.Child("s3rver", ["node", "node_modules/s3rver/bin/s3rver.js", "-d", "data", "-a", "127.0.0.1", "-p", port,
                                      "--key", pki.server.key, "--cert", pki.server.certificate, "--configure-bucket", "practice"],
                           folder / "s3.log", cwd=folder)
    try:
        process.wait_until(lambda: not ports.is_free(port), 60, "the S3 server listens")
        o = Offsite(folder, RESTIC_REPOSITORY=f"s3:https://localhost:{port}/practice", AWS_ACCESS_KEY_ID="S3RVER",
                    AWS_SECRET_ACCESS_KEY="S3RVER", SSL_CERT_FILE=str(pki.ca_file))
        o.comes_back(o.run(1))
        assert any((folder / "data").rglob("snapshots"))
    finally:
        server.kill()


def test_the_lock_file_names_no_host():
    text = (S3 / "package-lock.json").read_text()
    assert '"resolved"' not in text and "http://" not in text
