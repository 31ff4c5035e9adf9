"""elexgate init: from nothing to a gate that a client comes through and a backup that works, with what it wrote itself."""
import json
import os
import re
import stat
import subprocess

import pymysql
import pytest

from lib import paths, ports, process
from lib.gate import write_config
from lib.mariadb import MariaDB

pytestmark = pytest.mark.sanitize
ENV = {**os.environ, "LC_ALL": "C.UTF-8"}


class Place:
    """A machine's /etc/elexgate, elsewhere: the paths that init does not ask for are set before."""

    def __init__(self, folder):
        self.folder, self.port = folder, ports.free_port()
        self.config = folder / "etc" / "elexgate.ini"
        self.config.parent.mkdir()

    def package(self):
        write_config(self.config, {
            "proxy": {"control_socket": self.folder / "proxy.sock", "state_dir": self.folder / "proxy"},
            "listen elexis": {"address": "127.0.0.1"},
            "tls": {"certificate": self.folder / "tls/server.pem", "key": self.folder / "tls/server.key"},
            "admin": {"password_file": self.folder / "etc/admin.password"},
            "audit": {"file": "off", "proxy_file": "off"},
            "backup": {"state_dir": self.folder / "state", "control_socket": self.folder / "keeper.sock", "settle": "0s", "ask_proxy": False}})
        return self

    def run(self, *args, input=None, env=ENV):
        return subprocess.run([str(paths.CLI), "--config", str(self.config), "init", *map(str, args)], input=input, capture_output=True,
                              text=True, timeout=120, env=env)

    def options(self, server):
        return ["--host", "localhost", "--host", "127.0.0.1", "--port", self.port, "--database-socket", server.socket, "--backup-folder",
                self.folder / "backups", "--database", "mysql"]


@pytest.fixture
def place(folder):
    return Place(folder)


def test_from_a_package_to_a_working_gate(place, server):
    place.package()
    before = place.config.read_text()
    done = place.run("--yes", *place.options(server))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What comes next" in done.stdout
    looked = done.stdout[done.stdout.index("Looked at:"):done.stdout.index("What comes next")]
    assert "ok      the admin account has the privileges" in looked and "BAD" not in looked
    secret = place.folder / "etc/admin.password"
    password = secret.read_text().strip()
    assert re.fullmatch(r"[A-Za-z0-9]{32}", password) and stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert password not in done.stdout + done.stderr + place.config.read_text()
    text = place.config.read_text()
    assert "schedule = 15 3 * * *" in text and f"socket = {server.socket}" in text
    assert (place.config.parent / "elexgate.ini~").read_text() == before
    # the account has exactly what the doctor asks for
    doctor = subprocess.run([paths.CLI, "--config", place.config, "--json", "doctor"], capture_output=True, text=True, env=ENV)
    assert '"name":"grants","good":true' in doctor.stdout.replace(" ", ""), doctor.stdout
    # and clients come in, with the certificate and its names
    proxy = process.Child("elexgate-proxy", [paths.PROXY, "--config", place.config], place.folder / "proxy.log")
    try:
        process.wait_until(lambda: (place.folder / "proxy.sock").exists(), 20, "the proxy")
        ca = next((place.folder / "tls").rglob("ca.pem"))
        server.sql("CREATE OR REPLACE USER anna IDENTIFIED BY 'anna'")
        for host in ("localhost", "127.0.0.1"):
            with pytest.raises(pymysql.OperationalError, match="deny_users"):  # the keeper's account is not for the network
                pymysql.connect(host=host, port=place.port, user="elexgate", password=password, connect_timeout=20, ssl={"ca": str(ca)})
            c = pymysql.connect(host=host, port=place.port, user="anna", password="anna", connect_timeout=20,
                                ssl={"ca": str(ca), "check_hostname": True, "verify_mode": "required"})
            with c, c.cursor() as cursor:
                cursor.execute("SELECT 1")
                assert cursor.fetchone() == (1,)
    finally:
        proxy.stop(20)
    backup = subprocess.run([paths.CLI, "--config", place.config, "backup", "--now"], capture_output=True, text=True, timeout=120, env=ENV)
    assert backup.returncode == 0, backup.stdout + backup.stderr
    assert any(name.startswith("elexisdb_") for name in os.listdir(place.folder / "backups"))
    # again: nothing changes, nothing is asked, the certificate and the password stay
    key = (place.folder / "tls/server.key").resolve().read_bytes()
    again = place.run("--yes", *place.options(server))
    assert again.returncode == 0, again.stderr
    assert (place.config.read_text(), secret.read_text().strip()) == (text, password)
    assert (place.folder / "tls/server.key").resolve().read_bytes() == key


def test_any_second_of_the_day(place, folder, template):
    """--binlog: the option, the rights, and the lines for the server, with which the doctor finds nothing wrong."""
    place.package()
    lines = [line for line in (paths.ROOT / "systemd/binlog.cnf").read_text().splitlines() if "=" in line and not line.startswith("#")]
    s = MariaDB(folder / "logging", template, args=["--" + line.replace(" ", "") for line in lines]).start()
    try:
        done = place.run("--yes", "--force", "--binlog", *place.options(s))
        assert done.returncode == 0 and "share/elexgate/binlog.cnf" in done.stdout, done.stdout + done.stderr
        assert re.search(r"^\[binlog\]\narchive = yes$", place.config.read_text(), re.M)
        assert "REPLICATION SLAVE" in str(s.sql("SHOW GRANTS FOR elexgate@localhost"))
        doctor = subprocess.run([paths.CLI, "--config", place.config, "--json", "doctor"], capture_output=True, text=True, env=ENV).stdout
        checks = {c["name"]: c for c in map(json.loads, doctor.splitlines()) if "name" in c}
        assert checks["binlog"]["good"] and checks["grants"]["good"]
        assert not {"binlog_format", "binlog_row_image", "sync_binlog", "encrypt_binlog", "binlog-expiry", "symbolic_links"} & set(checks), checks
        # an account made later for the same configuration has the rights, too
        s.sql("DROP USER elexgate@localhost")
        assert place.run("--account-only", "--login", "root", "--login-socket", s.socket).returncode == 0
        assert "REPLICATION SLAVE" in str(s.sql("SHOW GRANTS FOR elexgate@localhost"))
    finally:
        s.stop()


def test_nothing_is_overwritten_without_force(place, server):
    place.package()
    assert place.run("--yes", *place.options(server)).returncode == 0
    text = place.config.read_text()
    refused = place.run("--yes", "--schedule", "0 1 * * *", *place.options(server))
    assert refused.returncode == 9
    assert "[backup] schedule" in refused.stderr and "--force" in refused.stderr and place.config.read_text() == text
    forced = place.run("--yes", "--force", "--schedule", "0 1 * * *", *place.options(server))
    assert forced.returncode == 0, forced.stderr
    assert "schedule = 0 1 * * *" in place.config.read_text()
    assert (place.config.parent / "elexgate.ini~").read_text() == text


def test_dry_run_does_nothing(place, server):
    done = place.run("--dry-run", "--yes", *place.options(server))
    assert done.returncode == 0, done.stderr
    assert "GRANT SELECT, RELOAD" in done.stdout and "CREATE USER IF NOT EXISTS" in done.stdout and "'********'" in done.stdout
    assert f"port = {place.port}" in done.stdout
    assert os.listdir(place.config.parent) == [] and not (place.folder / "backups").exists()


def test_asks_in_german(place, server):
    """A new file, with comments in the admin's language; an empty line takes the proposal."""
    answers = [str(server.socket), "mysql", "localhost", str(place.port), str(place.folder / "backups"), "", "", "nein"]
    german = {**os.environ, "LC_ALL": "de_CH.UTF-8"}
    done = place.run("--no-certificate", input="\n".join(answers) + "\n", env=german)
    assert done.returncode == 10 and "Wann eine Sicherung fällig ist" in done.stdout and "Ausführen? (ja/nein)" in done.stdout
    assert os.listdir(place.config.parent) == []
    answers[-1] = "ja"
    done = place.run("--no-certificate", "--no-grants", input="\n".join(answers) + "\n", env=german)
    assert done.returncode == 0, done.stderr
    text = place.config.read_text()
    assert "# Wann eine Sicherung fällig ist" in text and "schedule = weekly" in text and "schedule = 15 3 * * *" in text
    assert "Wie es weitergeht" in done.stdout and "GRANT SELECT" in done.stdout
    checked = subprocess.run([paths.CLI, "--config", place.config, "config", "check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("args,code,says", [
    (["--yes", "--port", "99999"], 1, "port"),
    (["--yes", "--database", "a\nb"], 1, ""),
    (["--yes", "now"], 2, "not expected"),
    ([], 1, "--yes"),
])
def test_wrong_answers(place, args, code, says):
    done = place.run(*args, input="")
    assert done.returncode == code and says in done.stderr, done.stderr
    assert os.listdir(place.config.parent) == []


def test_a_server_that_refuses(place, folder):
    place.package()
    done = place.run("--yes", "--no-certificate", "--host", "localhost", "--database-socket", folder / "none.sock", "--backup-folder",
                     folder / "backups", "--port", place.port)
    assert done.returncode == 1 and "did not take the keeper's account" in done.stderr
    assert "GRANT SELECT" in done.stdout and (place.folder / "etc/admin.password").exists()


def account_only(place, server, *args, **env):
    """As the container of the keeper makes it: over TCP, the way that DBHOST and DBPORT name."""
    return place.run("--account-only", "--login-password-file", place.folder / "root.password", *args,
                     env={**ENV, "DBHOST": "127.1", "DBPORT": str(server.port), "DBNAME": "elexis-oob`x", **env})


def test_only_the_account(place, server, folder):
    """By an account with a password (127.1: a server elsewhere), once over TCP and once over the socket; again, and nothing is lost."""
    place.package()
    server.sql("CREATE OR REPLACE USER 'setup'@'%' IDENTIFIED BY 'p\"a #''s\\\\'; GRANT ALL ON *.* TO 'setup'@'%' WITH GRANT OPTION")
    secret = folder / "root.password"
    secret.write_text("p\"a #'s\\\n")
    secret.chmod(0o600)
    before = place.config.read_text()
    for way in ([], ["--login-socket", server.socket], []):
        done = account_only(place, server, "--login", "setup", *way)
        assert done.returncode == 0, done.stdout + done.stderr
        password = (place.folder / "etc/admin.password").read_text().strip()
        c = pymysql.connect(host="127.0.0.1", port=server.port, user="elexgate", password=password)
        with c, c.cursor() as cursor:
            cursor.execute("SHOW GRANTS")
            grants = " ".join(row[0] for row in cursor.fetchall())
            cursor.execute("SET ROLE elexgate_restore")
            cursor.execute("SHOW GRANTS")
            with_role = " ".join(row[0] for row in cursor.fetchall())
        assert "RELOAD" in grants and "elexis-oob" not in grants and "ALL PRIVILEGES ON *.*" not in with_role
        assert "ALL PRIVILEGES ON `elexis-oob``x`.*" in with_role and "`elexis-oob``x\\_elexgate\\_new`.*" in with_role
    assert place.config.read_text() == before and not (place.folder / "tls").exists() and password not in done.stdout + done.stderr


@pytest.mark.parametrize("login,right,code", [("elexisuser", True, 1), ("setup2", False, 1), (None, True, 3)])
def test_an_account_that_may_not_make_accounts(place, server, folder, login, right, code):
    """elexis-oob's DBUSER; a wrong password; no server. Words, and no secret in them."""
    place.package()
    for user in ("elexisuser", "setup2"):
        server.sql(f"CREATE OR REPLACE USER {user}@'%' IDENTIFIED BY 'elexis-geheim'; GRANT ALL ON elexis.* TO {user}@'%'")
    (folder / "root.password").write_text("elexis-geheim" if right else "falsch-geheim")
    (folder / "root.password").chmod(0o600)
    env = {} if login else {"DBPORT": str(ports.free_port())}
    done = account_only(place, server, "--login", login or "elexisuser", **env)
    said = done.stdout + done.stderr
    assert done.returncode == code and "did not take the keeper's account" in said, said
    assert "geheim" not in said and "IDENTIFIED BY" not in said and (place.folder / "etc/admin.password").read_text().strip() not in said
    assert {"elexisuser": "1227", "setup2": "1045", None: "200"}[login] in said


def everything(folder):
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("hosts,words", [(["praxis_server"], "underscore"), (["praxis", "m\u00fcller"], "xn--"), (["10.0.0.300"], "never a number"), ([""], "--host")])
def test_bad_names_are_told_before_anything_is_written(place, server, hosts, words):
    place.package()
    before = everything(place.folder)
    options = [o for h in hosts for o in ("--host", h)]
    done = place.run("--yes", "--no-grants", *options, *place.options(server)[4:])
    if hosts == [""]:  # as nobody named one: what this machine proposes, or a word
        assert done.returncode == 0 or words in done.stderr
        return
    assert done.returncode == 9 and words in done.stderr, done
    assert everything(place.folder) == before


def test_all_or_nothing(place, server):
    """A step that fails later takes back what was written: here a CA that is there already, without its certificate."""
    place.package()
    (place.folder / "tls").mkdir()
    (place.folder / "tls/ca.pem").write_text("kept")
    before = everything(place.folder)
    done = place.run("--yes", "--no-grants", *place.options(server))
    assert done.returncode != 0 and "holds a CA already" in done.stderr
    after = everything(place.folder)
    after.pop(f"{place.folder}/tls/.lock", None)
    after.pop(f"{place.config}~", None)  # a copy of what was there
    assert after == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a network of its own")
def test_an_ipv6_only_machine_proposes_its_address(place):
    place.package()
    script = ("ip link set lo up && ip link add e0 type veth peer name e1 && ip link set e0 up && ip link set e1 up && "
              "ip addr add 2001:db8:1::5/64 dev e0 nodad && echo praxis_server >/proc/sys/kernel/hostname && exec \"$@\"")
    done = subprocess.run(["unshare", "--net", "--uts", "sh", "-c", script, "sh", str(paths.CLI), "--config", str(place.config), "init", "--yes", "--dry-run",
                           "--database-socket", "/nowhere"], capture_output=True, text=True, timeout=60, env=ENV)
    assert done.returncode == 0, done
    names = re.search(r"--- Certificate for: (.*)", done.stdout).group(1)
    assert names == "2001:db8:1::5"  # the host's name has an underscore and would be refused
