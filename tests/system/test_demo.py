"""scripts/demo: what a stranger starts first."""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess

import pytest

from lib import paths, process
from lib.demo import DEMO, Demo

PARTS = ["mariadbd", "elexgate-proxy", "elexgate-keeper", "elexgate-console"]
pytestmark = pytest.mark.sanitize


@pytest.fixture
def demo(folder):
    assert os.access(paths.PROXY, os.X_OK), f"{paths.PROXY} is missing: build first"
    d = Demo(folder)
    yield d
    d.end()


# A busy machine: what was begun is this script's own copy for a while, before it is setsid and then the program.
SLOW_TO_BEGIN = ["env", 'BASH_FUNC_setsid%%=() { sleep 0.3; exec /usr/bin/setsid "$@"; }']


def test_start_connect_stop(demo):
    out = demo.run("--detach", wrapper=SLOW_TO_BEGIN).stdout
    env = demo.env()
    assert set(env) == {f"ELEXGATE_{name}" for name in (
        "HOST PORT CA USER PASSWORD DATABASE CONFIG CLI BACKUP_DIR CONSOLE_URL DB_SOCKET DB_USER DB_PASSWORD").split()}
    assert f"{demo.dir}/env" in out

    # as a workstation: TLS, certificate and name verified
    assert demo.client("-e", "SELECT COUNT(*) FROM KONTAKT WHERE ISTPATIENT='1'").stdout == "50\n"
    assert demo.client("-e", "SHOW STATUS LIKE 'Ssl_cipher'").returncode == 0
    assert "ä" in demo.client("-e", "SELECT WERT FROM CONFIG WHERE PARAM='abgelaufen/grüezi'").stdout
    refused = demo.client("-e", "SELECT 1", ca="/etc/ssl/certs/ca-certificates.crt", check=False)
    assert refused.returncode != 0 and "SSL" in refused.stderr

    # the direct way
    direct = process.run(["mariadb", "--no-defaults", f"--socket={env['ELEXGATE_DB_SOCKET']}", f"--user={env['ELEXGATE_DB_USER']}",
                          "-N", "-e", "SELECT CURRENT_USER()"], env=dict(os.environ, MYSQL_PWD=env["ELEXGATE_DB_PASSWORD"]))
    assert direct.stdout == "root@localhost\n"

    status = process.run([env["ELEXGATE_CLI"], "--config", env["ELEXGATE_CONFIG"], "--json", "status"]).stdout
    assert '"open"' in status

    # nobody else can read what is secret
    assert (demo.dir.stat().st_mode & 0o077) == 0
    for secret in [demo.dir / "env", demo.dir / "elexgate.ini", *(demo.dir / "secrets").iterdir()]:
        assert (secret.stat().st_mode & 0o077) == 0, secret
    for pid in demo.processes():
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
        assert env["ELEXGATE_PASSWORD"] not in command and env["ELEXGATE_DB_PASSWORD"] not in command

    # and of the keeper its monitor, the job that looks, and the one that archives the binary log; once the database is quiet for
    # half a minute a backup and its proof, which end
    wanted = sum(os.access(p, os.X_OK) for p in (paths.PROXY, paths.KEEPER, paths.CONSOLE)) + 1 + 3
    process.wait_until(lambda: len(demo.processes()) == wanted, 120, f"{wanted} processes")
    if os.geteuid() == 0:
        keeper = next(p for p in demo.processes() if pathlib.Path(f"/proc/{p}/cmdline").read_text().split("\0")[0].endswith("elexgate-keeper"))
        status = pathlib.Path(f"/proc/{keeper}/status").read_text()
        assert "CapEff:\t0000000000000000" in status and f"Uid:\t{pwd.getpwnam('elexgate-keeper').pw_uid}\t" in status
    demo.run("--stop")
    assert demo.processes() == []
    assert not (demo.dir / "env").exists()
    with socket.socket() as s:
        assert s.connect_ex(("127.0.0.1", int(env["ELEXGATE_PORT"]))) != 0


def test_second_start_reuses_the_data(demo):
    demo.run("--detach")
    before = demo.env()
    demo.client("-e", "INSERT INTO CONFIG (PARAM, WERT) VALUES ('demo/probe', 'Ä1')")
    certificate = (demo.dir / "tls" / "server.pem").read_bytes()
    again = demo.run("--detach")
    assert "runs already" in again.stdout
    demo.run("--stop")
    demo.run("--detach")
    assert demo.env() == before
    assert demo.client("-e", "SELECT WERT FROM CONFIG WHERE PARAM='demo/probe'").stdout == "Ä1\n"
    assert (demo.dir / "tls" / "server.pem").read_bytes() == certificate


def test_foreground_ends_all_on_interrupt(demo, folder):
    with open(folder / "out", "wb") as out:
        shell = subprocess.Popen([str(a) for a in demo.args], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                                 preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # whatever we were begun with
    process.wait_until(lambda: b"Ctrl-C" in (folder / "out").read_bytes() or shell.poll() is not None, 120, "demo ready")
    assert shell.poll() is None, (folder / "out").read_text()
    assert demo.client("-e", "SELECT 1").stdout == "1\n"
    os.killpg(shell.pid, signal.SIGINT)  # as a terminal does
    assert shell.wait(60) == 0
    # the binary log's job ends with the keeper, once the server's next sign of life wakes it
    process.wait_until(lambda: demo.processes() == [], 10, "nothing runs any more")


def test_a_failed_start_leaves_nothing_running(demo):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(demo.args[demo.args.index("--port") + 1])))
        taken.listen(1)
        done = demo.run("--detach", check=False)
    assert done.returncode == 1
    assert "in use" in done.stderr and "--port" in done.stderr
    assert demo.processes() == []


def test_two_instances_beside_each_other(demo, folder):
    (folder / "b").mkdir()
    other = Demo(folder / "b")
    try:
        demo.run("--detach")
        other.run("--detach")
        demo.client("-e", "INSERT INTO CONFIG (PARAM, WERT) VALUES ('demo/first', '1')")
        assert other.client("-e", "SELECT COUNT(*) FROM CONFIG WHERE PARAM='demo/first'").stdout == "0\n"
        demo.run("--stop")
        assert other.client("-e", "SELECT 1").stdout == "1\n"
    finally:
        other.end()


READ_ONLY = """
set -e
dir=$1; shift
mount --bind "$dir" "$dir"
findmnt -rno TARGET,OPTIONS | sort -u | while read -r target options; do
    case $target in "$dir" | /proc | /proc/* | /dev | /dev/pts | /sys/* ) continue ;; esac
    mount -o remount,bind,ro "$target"
done
if touch /tmp/elexgate-probe 2>/dev/null; then echo "/tmp is still writable"; exit 1; fi
exec "$@"
"""


def test_nothing_outside_its_folder_is_written(demo, folder):
    """Runs with every other file system mounted read-only, in a mount namespace of its own."""
    demo.dir.mkdir()
    wrapper = ["unshare", "--mount", "--propagation", "private", "bash", "-c", READ_ONLY, "-", demo.dir]
    possible = process.run([*wrapper, "true"], check=False)
    if possible.returncode != 0:
        pytest.skip(f"needs to remount in a namespace of its own: {possible.stderr.strip()}")
    demo.run("--detach", wrapper=wrapper)
    assert demo.client("-e", "SELECT COUNT(*) FROM KONTAKT WHERE ISTPATIENT='1'").stdout == "50\n"
    demo.run("--stop", wrapper=wrapper)
    assert demo.processes() == []


@pytest.mark.slow
def test_backup_proof_and_restore(demo):
    """The stories that the demo's last words tell: a backup, its proof, an accident, and everything is back; another one, and the second before is."""
    told = demo.run("--detach").stdout
    env = demo.env()

    def elexgate(*args):
        return process.run([env["ELEXGATE_CLI"], "--config", env["ELEXGATE_CONFIG"], *args], timeout=240).stdout

    elexgate("backup", "--now")
    archives = sorted(p.name.split("_")[0] for p in pathlib.Path(env["ELEXGATE_BACKUP_DIR"]).glob("*.tar.gz"))
    assert archives == ["documents", "elexisdb"]
    elexgate("drill")
    demo.client("-e", "DELETE FROM KONTAKT")
    shutil.rmtree(demo.dir / "documents" / "Briefe")
    server = (demo.dir / "pid" / "mariadbd").read_text()
    elexgate("restore", "latest", "--yes")
    assert demo.client("-e", "SELECT COUNT(*) FROM KONTAKT WHERE ISTPATIENT='1'").stdout == "50\n"
    assert "Müller" in (demo.dir / "documents" / "Briefe" / "Übung Müller.txt").read_text()
    assert (demo.dir / "pid" / "mariadbd").read_text() != server, "the server was started again by the hook"
    count = "SELECT COUNT(*) FROM AGNTERMINE"
    before = demo.client("-e", count).stdout
    assert before != "0\n"
    elexgate("restore", "accept", "--yes")
    lines = told[told.index("Delete something"):told.index("The page in the browser")].split("\n", 1)[1]
    lines = lines.replace("date '+%F %T'", "when=$(date '+%F %T')").replace('"THAT MOMENT"', '"$when" --yes').replace("restore --to", f"status; echo \"$(mariadb --no-defaults -S $ELEXGATE_DB_SOCKET -uroot -p$ELEXGATE_DB_PASSWORD -N -e '{count}' $ELEXGATE_DATABASE) left\"; $ELEXGATE_CLI --config $ELEXGATE_CONFIG restore --to")
    done = process.run(["bash", "-ec", f". {demo.dir}/env; {lines}"], timeout=300)
    assert "\n0 left" in done.stdout and demo.client("-e", count).stdout == before
    demo.run("--stop")
    assert demo.processes() == []


@pytest.mark.parametrize("name", ["mit Leerzeichen", 'quo"te', "semi;colon"])
def test_a_folder_that_cannot_go_into_a_configuration_is_refused(folder, name):
    done = process.run([DEMO, "--dir", folder / name, "--detach", "--no-build"], check=False)
    assert done.returncode == 2 and "choose" in done.stderr
    assert not (folder / name).exists()
