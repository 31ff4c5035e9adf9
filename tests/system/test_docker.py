"""What containers run, without Docker: the scripts of docker/ in a layer of their own above this machine, against a real server.
scripts/compose-test does the same with Docker itself."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from lib import paths, ports, process

DOCKER = paths.ROOT / "docker"
# As compose gives them.
KEEPER_RIGHTS = ",".join(f"+{name.lower()}" for name in re.search(r"cap_add: \[(.*)\]", (paths.ROOT / "docker-compose.yaml").read_text())[1].split(", "))
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: namespaces and an overlay")


class Container:
    """A file system as the image has it: this machine below, our programs and folders above, in a mount namespace."""

    def __init__(self, folder, server):
        self.folder, self.server, self.children = folder, server, []
        self.layer, self.root = folder / "layer", folder / "root"
        for f in (self.layer, self.root):
            f.mkdir()
        self.env = {"DBHOST": "127.1", "DBPORT": str(server.port), "DBNAME": "elexis", "ELEXGATE_HOST": "praxis-server.local 10.9.8.7",
                    "TZ": "Europe/Zurich"}
        # An upper layer must not lie in the lower one's file system; a tmpfs in a namespace that stays.
        self.keeper_of_mounts = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", f"""
                mount --make-rprivate /
                mount -t tmpfs tmpfs {self.layer}
                mkdir {self.layer}/upper {self.layer}/work
                mount -t overlay -o lowerdir=/,upperdir={self.layer}/upper,workdir={self.layer}/work overlay {self.root}
                mount -t proc proc {self.root}/proc
                mount --rbind /dev {self.root}/dev
                mkdir -p {self.root}{folder} {self.root}{os.path.dirname(server.socket)}  # where /tmp is a file system of its own
                mount --bind {folder} {self.root}{folder}
                mount --bind {os.path.dirname(server.socket)} {self.root}{os.path.dirname(server.socket)}
                cd {self.root}
                rm -rf etc/elexgate var/lib/elexgate run/elexgate run/mysqld usr/libexec/elexgate
                mkdir -p etc/elexgate/tls var/lib/elexgate/keeper var/lib/elexgate/proxy run/elexgate/keeper run/elexgate/proxy backup \\
                    run/elexgate-hold run/mysqld run/secrets var/log/elexgate usr/libexec/elexgate usr/share/elexgate/docker \\
                    mnt/webelexisdata mnt/lucindadata mnt/lucindabase mnt/pacsdata
                cp {paths.ROOT}/docker/elexgate.ini usr/share/elexgate/docker/
                cp {DOCKER}/entrypoint {DOCKER}/healthcheck {DOCKER}/database usr/libexec/elexgate/
                cp {paths.CLI} {paths.BUILD}/backup/elexgate-keeper {paths.BUILD}/proxy/elexgate-proxy usr/bin/
                mkdir -p usr/local/libexec/elexgate
                cp {paths.BUILD}/backup/elexgate-job {paths.BUILD}/backup/elexgate-monitor usr/local/libexec/elexgate/
                touch ready
                sleep infinity"""], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.wait(lambda: self.mounts() and self.sh("test -e /ready").returncode == 0, "the layer")

    def mounts(self):
        done = subprocess.run(["pgrep", "-P", str(self.keeper_of_mounts.pid)], capture_output=True, text=True)
        self.pid = done.stdout.strip()
        assert self.keeper_of_mounts.poll() is None, self.keeper_of_mounts.stdout.read()
        return self.pid

    def wait(self, condition, what, seconds=20):
        try:
            process.wait_until(condition, seconds, str(what))
        except TimeoutError:
            for child in self.children:
                print(child.log.read_text())
            raise

    def command(self, *words):
        return ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--", "chroot", str(self.root), *map(str, words)]

    def env_of(self, **env):
        full = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **self.env, **env}
        return {key: str(value) for key, value in full.items() if value is not None}

    def sh(self, script, **env):
        return subprocess.run(self.command("sh", "-c", script), capture_output=True, text=True, env=self.env_of(**env), timeout=60)

    def run(self, *words, **env):
        return subprocess.run(self.command(*words), capture_output=True, text=True, env=self.env_of(**env), timeout=60)

    def start(self, *words, **env):
        log = self.folder / f"log{len(self.children)}"
        rights = ["setpriv", "--no-new-privs", f"--bounding-set=-all,{KEEPER_RIGHTS}"] if words[0] == "elexgate-keeper" else []
        child = subprocess.Popen(self.command(*rights, "/usr/libexec/elexgate/entrypoint", *words), stdout=log.open("wb"),
                                 stderr=subprocess.STDOUT, env=self.env_of(**env))
        child.log = log
        self.children.append(child)
        return child

    def health(self):
        return self.run("/usr/libexec/elexgate/healthcheck")

    def ask_keeper(self):
        """What the page asks."""
        done = self.run("python3", "-c", "import socket as s; c = s.socket(s.AF_UNIX); c.connect('/run/elexgate/keeper/keeper.sock'); "
                        "c.sendall(b'{\"cmd\":\"status\"}\\n'); print(c.makefile().readline())")
        return done.stdout

    def put(self, path, text):
        done = subprocess.run(self.command("sh", "-c", f"umask 077; cat >{path}"), input=text, text=True)
        assert done.returncode == 0

    def stop(self):
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                child.wait(30)
        self.keeper_of_mounts.kill()  # --kill-child: and with it all that runs there
        self.keeper_of_mounts.wait()
        self.keeper_of_mounts.stdout.close()


@pytest.fixture
def container(folder, server):
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("no namespaces here")
    server.sql("CREATE DATABASE IF NOT EXISTS elexis; DROP USER IF EXISTS elexgate@'%'; "
               "CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY 'wurzel-geheim'; GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION; "
               "CREATE OR REPLACE USER elexisuser@'%' IDENTIFIED BY 'elexis-geheim'; GRANT ALL ON elexis.* TO elexisuser@'%'")
    c = Container(folder, server)
    yield c
    c.stop()


def child_of(container, child):
    """The process in the namespace: nsenter forks for --pid."""
    return subprocess.run(["pgrep", "-P", str(child.pid)], capture_output=True, text=True).stdout.split()


def test_the_keeper_sets_up(container):
    """Root's password is read once, from a file; nobody sees it; a name that comes later gets into the certificate."""
    container.put("/run/secrets/db_root_password", "wurzel-geheim\n")
    env = {"DB_ROOT_PWD_FILE": "/run/secrets/db_root_password", "PUBLIC_DBPORT": "3306"}
    child = container.start("elexgate-keeper", **env)
    container.wait(lambda: container.health().returncode == 0 and "account on the database is made" in child.log.read_text(), child.log)
    text = child.log.read_text()
    assert "geheim" not in text and "IDENTIFIED" not in text
    environ = container.sh("tr '\\0' '\\n' </proc/$(pgrep -x elexgate-keeper)/environ").stdout
    assert "DBHOST=127.1" in environ and "DB_ROOT_PWD" not in environ and "geheim" not in environ
    status = container.run("elexgate", "--json", "schedule").stdout
    assert "server_words" not in status
    names = container.run("elexgate", "cert", "show", "--json").stdout
    assert "praxis-server.local" in names and "10.9.8.7" in names
    # The port that is published is the one that workstations are told of; the proxy's own is that of the file.
    assert container.sh("elexgate config show 2>/dev/null | grep -i port; true", ELEXGATE_PUBLIC_PORT="3306")
    exported = container.sh("cd /tmp && elexgate cert export --for jdbc", ELEXGATE_PUBLIC_PORT="3306")
    assert "3306" in exported.stdout and "3312" not in exported.stdout, exported
    os.kill(int(child_of(container, child)[0]), signal.SIGTERM)
    assert child.wait(20) == 0
    child = container.start("elexgate-keeper", **env, ELEXGATE_HOST="Praxis-Server.local neu.local 10.9.8.7")
    container.wait(lambda: "neu.local" in container.run("elexgate", "cert", "show", "--json").stdout, child.log)
    container.wait(lambda: container.health().returncode == 0, "health")


def test_a_volume_from_before_the_page_had_a_key(container):
    """It gets one, once; one that the admin named stays his."""
    container.put("/run/secrets/db_root_password", "wurzel-geheim\n")
    env = {"DB_ROOT_PWD_FILE": "/run/secrets/db_root_password"}
    old = re.sub(r"(?m)^(# A key of its own.*|(certificate|key) = .*/console/.*)\n", "", (paths.ROOT / "docker/elexgate.ini").read_text())
    container.put("/etc/elexgate/elexgate.ini", old)
    container.sh("elexgate cert init --no-reload --host praxis-server.local; rm -rf /etc/elexgate/tls/console")
    config, sums = (lambda: container.sh("cat /etc/elexgate/elexgate.ini").stdout), (lambda: container.sh("sha256sum /etc/elexgate/tls/server.key /etc/elexgate/tls/console/server.key").stdout.split())
    seen = set()
    for _ in range(2):
        child = container.start("elexgate-keeper", **env)
        container.wait(lambda: container.health().returncode == 0, child.log)
        assert config().count("tls/console/server.") == 2 and "[console]\ncertificate = /etc/elexgate/tls/console/server.pem\nkey" in config()
        first, _, second, _ = sums()
        assert first != second
        seen.add((first, second))
        os.kill(int(child_of(container, child)[0]), signal.SIGTERM)
        assert child.wait(20) == 0
        assert container.sh("openssl verify -CAfile /etc/elexgate/tls/console/ca.pem /etc/elexgate/tls/console/server.pem").returncode == 0
    assert len(seen) == 1, "once"
    container.put("/etc/elexgate/elexgate.ini", old.replace("[console]", "[console]\ncertificate = /srv/page.pem"))
    container.sh("rm -r /etc/elexgate/tls/console")
    child = container.start("elexgate-keeper", **env)
    container.wait(lambda: container.health().returncode == 0, child.log)
    assert "tls/console" not in config() and container.sh("ls /etc/elexgate/tls/console").returncode


@pytest.mark.parametrize("env,secret,says", [
    ({"DBUSER": "elexisuser", "DBPWD": "elexis-geheim"}, None, "1227"),   # elexis-oob's own .env
    ({"DBUSER": "root", "DBPWD": "falsch-geheim"}, None, "1045"),
    ({"DB_ROOT_PWD_FILE": "/run/secrets/p"}, "falsch-geheim", "1045"),
    ({}, None, "secrets/db_root_password"),
])
def test_an_account_that_cannot_be_made_is_said(container, env, secret, says):
    """Unhealthy, with the reason for `docker inspect` and for the page, and mended without a restart."""
    if secret:
        container.put("/run/secrets/p", secret)
    child = container.start("elexgate-keeper", **env)
    container.wait(lambda: (h := container.health()).returncode == 1 and says in h.stdout, child.log)
    container.wait(lambda: says in container.ask_keeper(), "the keeper's word")
    assert "geheim" not in child.log.read_text() and "IDENTIFIED" not in child.log.read_text()
    assert child.log.read_text().count(says) <= 2  # said, not repeated for ever
    if secret:
        container.put("/run/secrets/p", "wurzel-geheim")
        container.wait(lambda: container.health().returncode == 0, child.log)


def test_those_who_wait_end_at_once(container):
    """TERM reaches what is process 1; while it waits it is not healthy."""
    child = container.start("elexgate-proxy")
    container.wait(lambda: "waiting for the keeper" in child.log.read_text(), "the words")
    assert container.health().returncode == 1
    os.kill(int(child_of(container, child)[0]), signal.SIGTERM)
    assert child.wait(5) == 143


@pytest.mark.parametrize("program", ["elexgate-proxy", "elexgate-keeper", "elexgate-console", "elexgate"])
def test_a_zone_that_there_is_none_of(container, program):
    done = container.run("/usr/libexec/elexgate/entrypoint", program, TZ="Europe/Zurrich")
    assert done.returncode == 1 and 'no time zone "Europe/Zurrich"' in done.stderr
    done = container.run("/usr/libexec/elexgate/database", "wait", "true", TZ="Europe/Zurrich")
    assert done.returncode == 1 and 'no time zone "Europe/Zurrich"' in done.stderr
    done = container.run("elexgate", "config", "check", TZ="Europe/Zurrich")
    assert done.returncode != 0 and "did you mean Europe/Zurich?" in done.stderr


def test_no_host_is_said(container):
    done = container.run("/usr/libexec/elexgate/entrypoint", "elexgate-keeper", ELEXGATE_HOST=None)
    assert done.returncode == 1 and "docker/setup" in done.stderr


def database(container, *words, **env):
    return container.run("/usr/libexec/elexgate/database", *words, ELEXGATE_DB_SOCKET=container.server.socket, **env)


def held(container):
    return container.sh("test -e /run/elexgate-hold/hold").returncode == 0


def test_a_refused_login_is_a_server_that_runs(container):
    """Never taken for one that is down: files would be exchanged under it."""
    container.put("/etc/elexgate/admin.password", "falsch")
    done = database(container, "stop", STOP_SECONDS=2)
    assert done.returncode == 1 and "does not let itself be shut down" in done.stderr and "Access denied" in done.stderr
    assert not held(container) and container.server.sql("SELECT 1") is not None
    done = database(container, "stop", DBPORT=str(ports.free_port()))
    assert done.returncode == 0 and held(container)  # nobody there: that is down
    waiting = subprocess.Popen(container.command("/usr/libexec/elexgate/database", "wait", "echo", "begins"), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=container.env_of())
    assert "restoring the database" in waiting.stderr.readline()
    assert database(container, "start").returncode == 0
    assert waiting.communicate(timeout=20)[0] == "begins\n"


def test_health_of_the_database(container):
    """A refused login is a server that answers, one that a restore holds back is well, and one that is not there is not."""
    container.put("/run/secrets/db_root_password", "falsch")
    assert database(container, "health").returncode == 0 and not held(container)
    gone = container.run("/usr/libexec/elexgate/database", "health", ELEXGATE_DB_SOCKET="/run/mysqld/none.sock")
    assert gone.returncode != 0 and "none.sock" in gone.stdout
    container.sh("touch /run/elexgate-hold/hold")
    held_back = container.run("/usr/libexec/elexgate/database", "health", ELEXGATE_DB_SOCKET="/run/mysqld/none.sock")
    assert held_back.returncode == 0 and "held back for a restore" in held_back.stdout


# --- what is put on the host: docker/setup and docker-compose.yaml ---

@pytest.fixture
def project(folder):
    """A folder as somebody has it who cloned the repository."""
    shutil.copytree(DOCKER, folder / "p/docker")
    shutil.copy(paths.ROOT / "docker-compose.yaml", folder / "p")
    return folder / "p"


def set_up(project, *args, check=True):
    return process.run([project / "docker/setup", *args], 20, check, None)


def values(project):
    text = (project / ".env").read_text()
    assert text.endswith("\n")
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))


@pytest.mark.parametrize("text,password", [
    ("DBUSER=elexisuser\nDBPWD=elexis\nDB_ROOT_PWD=wurzel", "wurzel"),  # no newline at the end, as elexis-oob ships it
    ("DBUSER=root\r\nDBPWD=\"mit blank\"\r\n", "mit blank"),
    ("export DB_ROOT_PWD='a' \n# x\nDB_ROOT_PWD=b # the last one counts\n", "b"),
    ("DBUSER=elexisuser\nDBPWD=elexis", None),
    ("", None),
])
def test_setup_takes_an_old_env_over(project, text, password):
    (project / ".env").write_bytes(text.encode())
    set_up(project, "--host", "praxis-server.local 192.168.1.10", "--project", "elexis-oob", "--zone", "Europe/Zurich", "BACKUP_FOLDER=/mnt/grosseplatte")
    env, secret = values(project), project / "secrets/db_root_password"
    assert env["ELEXGATE_HOST"] == '"praxis-server.local 192.168.1.10"' and env["COMPOSE_PROJECT_NAME"] == "elexis-oob"
    assert env["BACKUP_FOLDER"] == "/mnt/grosseplatte" and env["TZ"] == "Europe/Zurich"
    assert "DBPWD" not in env and "DB_ROOT_PWD" not in env and secret.stat().st_mode & 0o077 == 0
    got = secret.read_text()
    assert got == f"{password}\n" if password else re.fullmatch(r"[0-9a-f]{48}\n", got)
    assert ("password that everybody knows" in set_up(project).stdout) is (got == "elexisadmin\n")
    before = (project / ".env").read_text()
    set_up(project)  # once more: nothing changes, the password stays
    assert (project / ".env").read_text() == before and secret.read_text() == got
    set_up(project, "--host", "neu.local")
    assert values(project)["ELEXGATE_HOST"] == "neu.local" and (project / ".env").read_text().count("ELEXGATE_HOST") == 1


@pytest.mark.parametrize("args,says", [
    ([], "--host"), (["--host", "a;b"], "no name"), (["--host", "x", "--zone", "Europe/Zurrich"], "no time zone"),
    (["--host", "x", "--mariadb", "12.3"], "11.8 or 10.11"), (["--host", "x", "A=$(id)"], "must not have"), (["--host", "x", "-v"], "unknown option"), (["--host", "../x"], "no name")])
def test_setup_refuses(project, args, says):
    done = set_up(project, *args, check=False)
    assert done.returncode in (1, 2) and says in done.stderr


def test_a_practice_keeps_the_series_of_its_database(project):
    """A newer image lifts the data for good: it comes with a new set-up or by the admin's word, never with a new compose file."""
    def images():
        env = values(project)
        return env["DB_IMAGE"].rsplit("/")[-1], env["DEBIAN"].rsplit("/")[-1]

    set_up(project, "--host", "a.local")
    assert images() == ("mariadb:11.8", "debian:trixie-slim")
    set_up(project, "--mariadb", "10.11")
    assert images() == ("mariadb:10.11", "debian:bookworm-slim")
    set_up(project)
    assert images() == ("mariadb:10.11", "debian:bookworm-slim")
    # set up when there was no choice: that was 10.11
    (project / ".env").write_text("ELEXGATE_HOST=a.local\n")
    set_up(project)
    assert images() == ("mariadb:10.11", "debian:bookworm-slim")
    (project / ".env").write_text("ELEXGATE_HOST=a.local\nDB_IMAGE=docker.io/library/mariadb:11.8.3\n")
    set_up(project)
    assert images() == ("mariadb:11.8.3", "debian:trixie-slim")
    (project / ".env").write_text("ELEXGATE_HOST=a.local\nDB_IMAGE=mine:1\n")  # whose series nobody here knows
    set_up(project)
    assert "DEBIAN" not in values(project)


def compose(project, *args, **env):
    """docker-compose 1.29 of Debian 12; scripts/compose-test has `docker compose` 2."""
    return process.run(["docker-compose", *args], 60, False, None, cwd=project, env={"PATH": os.environ["PATH"], "HOME": "/root", **env})


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="no docker-compose")
def test_compose_file(project):
    yaml = pytest.importorskip("yaml")
    refused = compose(project, "config")
    assert refused.returncode != 0 and "docker/setup" in refused.stderr
    (project / ".env").write_text("PUBLIC_DBPORT=3306\nDBUSER=elexisuser\nDBPWD=elexis-geheim\nDB_ROOT_PWD=wurzel-geheim\nLUCINDA_DOCS=/srv/dok")
    set_up(project, "--host", "praxis-server.local", "BACKUP_FOLDER=/mnt/grosseplatte")
    done = compose(project, "config")
    assert done.returncode == 0, done.stderr
    assert "geheim" not in done.stdout
    c = yaml.safe_load(done.stdout)
    services = c["services"]
    assert services["elexisdb"]["image"].endswith("mariadb:11.8") and services["elexgate-keeper"]["build"]["args"]["DEBIAN"].endswith("trixie-slim")
    assert services["elexisdb"]["healthcheck"]["test"] == ["CMD", "/elexgate/database", "health"]
    assert [name for name, service in services.items() if "container_name" in service] == []
    # Those who share a volume are made one after the other: Docker's copy into a new one fails when two do it at a time.
    chain = ["elexisdb", "elexgate-keeper", "elexgate-proxy", "elexgate-console"]
    assert [list(services[name]["depends_on"]) for name in chain[1:]] == [[name] for name in chain[:-1]]
    assert not services["elexisdb"].get("ports") and c["networks"]["data"]["internal"] is True
    (port,) = services["elexgate-proxy"]["ports"]  # each Compose writes it otherwise
    assert str(port).removesuffix("/tcp") == "3306:3312" or (str(port["published"]), port["target"]) == ("3306", 3312), port
    assert "PUBLIC_DBPORT" not in services["elexgate-proxy"]["environment"]
    assert set(services["elexgate-keeper"]["networks"]) == {"data", "out"} and not services["elexgate-keeper"].get("ports")
    mounts = [f"{v['source']}:{v['target']}" if isinstance(v, dict) else v.removesuffix(":rw") for v in services["elexgate-keeper"]["volumes"]]
    assert {"/mnt/grosseplatte:/backup", "/srv/dok:/mnt/lucindadata"} <= {":".join(m.split(":")[:2]) for m in mounts}, mounts
    for name, service in services.items():
        assert service["logging"]["options"]["max-size"], name
        assert service["environment"]["TZ"] == values(project)["TZ"], name
        assert not {"DBPWD", "DB_ROOT_PWD", "MYSQL_ROOT_PASSWORD"} & set(service["environment"]), name
    seconds = {"elexisdb": 120, "elexgate-proxy": 45, "elexgate-keeper": 300}
    for name, wanted in seconds.items():
        minutes, s = re.fullmatch(r"(?:(\d+)m)?(?:(\d+)s)?", services[name]["stop_grace_period"]).groups()
        assert 60 * int(minutes or 0) + int(s or 0) >= wanted, name
    assert pathlib.Path(c["secrets"]["db_root_password"]["file"]).name == "db_root_password"
