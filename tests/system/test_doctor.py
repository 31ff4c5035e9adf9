"""elexgate doctor: what is wrong is named, with what to do; a service for monitoring in one line."""
import grp
import json
import os
import pwd
import shutil
import subprocess

import pymysql
import pytest

from lib import paths, process
from lib.backup import Backup

pytestmark = pytest.mark.sanitize
ENGLISH, GERMAN = {"LC_ALL": "C.UTF-8"}, {"LC_ALL": "de_CH.UTF-8"}


def doctor(config, *args, env=ENGLISH):
    done = subprocess.run([str(a) for a in (paths.CLI, "--config", config, *args, "doctor")], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **env})
    return done


def checks(config):
    done = doctor(config, "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["done"] and lines[-1]["exit"] == done.returncode
    assert all(line["fix"] for line in lines if line.get("level") in ("warning", "critical"))
    return done.returncode, [line for line in lines if line.get("event") == "check"]


def level(found, name):
    return [line["level"] for line in found if line["name"] == name]


def words(found, name):
    return " ".join(line["text"] for line in found if line["name"] == name)


@pytest.fixture
def practice_setup(folder, make_gate, server):
    """A gate, a keeper and an account, in one configuration."""
    gate = make_gate(server)
    server.sql("CREATE DATABASE IF NOT EXISTS load_db; CREATE TABLE IF NOT EXISTS load_db.t (a INT PRIMARY KEY)")
    b = Backup(folder / "b", server, gate, options={"backup": {"method": "dump", "schedule": "0 3 * * *"}})
    for section in ("tls", "listen elexis", "proxy"):
        b.sections[section] = gate.sections[section]
    b.write_config()
    b.account()
    yield b
    b.stop_keeper()


def test_a_practice_where_all_is_well(practice_setup):
    b = practice_setup
    b.start_keeper()
    code, found = checks(b.config)
    assert code == 1 and level(found, "backup") == ["critical"] and "no good backup yet" in words(found, "backup")
    assert b.call({"cmd": "run", "mode": "now"})["ok"]
    process.wait_until(lambda: b.runs() and b.call("status")["job"] is None, 60, "the backup")
    code, found = checks(b.config)
    assert code == 0, found
    for name in ("config", "proxy", "keeper", "tls", "backup", "audit", "server", "grants", "space", "port", "bypass"):
        assert set(level(found, name)) <= {"ok"} and level(found, name), (name, words(found, name))
    assert level(found, "drill") == ["warning"]
    assert "TLSv1.3" in words(found, "tls") and "localhost" in words(found, "tls") and level(found, "clock")
    text = doctor(b.config, env=GERMAN)
    assert text.returncode == 0 and "die Konfiguration" in text.stdout and "HINWEIS" in text.stdout and "->" in text.stdout
    for english in ("the admin account", "the next backup", "is there", "the proxy"):
        assert english not in text.stdout


def test_one_line_for_monitoring(practice_setup):
    b = practice_setup
    b.start_keeper()
    done = subprocess.run([paths.CLI, "--config", b.config, "doctor", "--nagios"], capture_output=True, text=True,
                          env={**os.environ, **ENGLISH})
    assert done.returncode == 2 and done.stdout.startswith("ELEXGATE CRITICAL - there has been no good backup yet | good=")
    assert len(done.stdout.splitlines()) == 1
    b.config.write_text("[nonsense]\n")
    done = subprocess.run([paths.CLI, "--config", b.config, "doctor", "--nagios"], capture_output=True, text=True)
    assert done.returncode == 3 and done.stdout.startswith("ELEXGATE UNKNOWN")


def test_nothing_runs(practice_setup):
    b = practice_setup
    b.gate.stop()
    code, found = checks(b.config)
    assert code == 1 and level(found, "proxy") == ["critical"] and level(found, "keeper") == ["critical"]
    assert not level(found, "tls")


def test_who_goes_past_the_gate(practice_setup, server):
    b = practice_setup
    server.sql("CREATE OR REPLACE USER 'webelexis'@'%' IDENTIFIED BY 'w'")
    with b.gate.connect(), pymysql.connect(host="127.0.0.1", port=server.port, user="webelexis", password="w"):
        code, found = checks(b.config)
        assert level(found, "bypass") == ["warning"]
        assert "webelexis@" in words(found, "bypass") and "root@" not in words(found, "bypass")
    assert level(checks(b.config)[1], "bypass") == ["ok"]


def test_an_open_port(folder, make_server):
    server = make_server(args=["--bind-address=0.0.0.0"])
    server.sql("CREATE DATABASE load_db")
    b = Backup(folder / "b", server, options={"backup": {"method": "dump"}}).account()
    _, found = checks(b.config)
    port = [line for line in found if line["name"] == "port"][0]
    assert port["level"] == "warning" and "0.0.0.0" in port["text"] and "bind_address" in port["fix"]


def test_what_a_client_would_see(practice_setup, folder):
    """Blocked: the words that clients get. An unknown issuer: told. A listener that is gone: critical."""
    b = practice_setup
    b.gate.cli("block", "--reason", "Umbau", "--grace", "0s")
    _, found = checks(b.config)
    assert level(found, "tls") == ["warning"] and "Umbau" in words(found, "tls") and level(found, "proxy") == ["warning"]
    b.gate.cli("open")
    _, found = checks(b.config)
    assert level(found, "tls") == ["ok"]
    # the tests' CA lies beside no certificate of ours: nobody vouches for it, unless ca.pem is put there
    assert level(found, "chain") in ([], ["warning"])
    tls = folder / "tls"
    tls.mkdir()
    for name, key in (("server.pem", "certificate"), ("server.key", "key")):
        (tls / name).symlink_to(b.gate.sections["tls"][key])
    b.set("tls", certificate=tls / "server.pem", key=tls / "server.key")
    assert level(checks(b.config)[1], "chain") == ["warning"]
    (tls / "ca.pem").symlink_to(b.gate.pki.ca_file)
    assert level(checks(b.config)[1], "chain") == []


def test_the_page_could_pass_for_the_gate(practice_setup, folder):
    """A page from before it had a CA of its own, or one that has a copy of the gate's pair; what is named mends it."""
    b, tls = practice_setup, folder / "tls"
    page = tls / "console"

    def told():
        return [line["level"] for line in checks(b.config)[1] if line["name"] == "page" and line.get("fix", "").startswith("elexgate cert page;")]
    b.set("tls", certificate=tls / "server.pem", key=tls / "server.key")
    process.run([paths.CLI, "--config", b.config, "cert", "init", "--host", "localhost", "--no-reload"], 60)
    b.set("console", certificate=page / "server.pem", key=page / "server.key")
    page.mkdir()
    for name in ("server.pem", "server.key"):
        shutil.copy(tls / name, page / name)
    assert told() == ["warning"]
    (tls / "ca.pem").rename(tls / "ca.kept")
    assert told() == ["warning"], "the same pair, of whatever CA"
    (tls / "ca.kept").rename(tls / "ca.pem")
    process.run([paths.CLI, "--config", b.config, "cert", "page"], 60)
    assert told() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_page_can_read_the_gates_key(practice_setup, folder):
    """As before it had one of its own: its user is in the group of the key. Told with the command, once it is not needed any more."""
    b = practice_setup
    key, user, group = folder / "gate.key", pwd.getpwnam("nobody"), grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
    own = b.gate.sections["tls"]["key"]
    shutil.copy(own, key)

    def told(mode, gid, own):
        os.chown(key, 0, gid)
        key.chmod(mode)
        b.set("console", user="nobody", certificate=b.gate.sections["tls"]["certificate"], key=own)
        return [line["fix"] for line in checks(b.config)[1] if line["name"] == "page" and line["level"] == "warning" and "gate.key" in line["text"]]
    b.set("tls", key=key)
    assert told(0o640, user.pw_gid, own) == [f"gpasswd -d nobody {group}"]
    assert told(0o600, user.pw_gid, own) == told(0o640, 0, own) == told(0o640, user.pw_gid, key) == []


def test_the_audit_log_and_a_failed_drill(practice_setup):
    b = practice_setup
    b.set("audit", file="/dev/full")
    b.set("drill", server_program="/bin/false")
    b.start_keeper()
    b.call({"cmd": "run", "mode": "now"})
    process.wait_until(lambda: b.runs() and b.call("status")["job"] is None, 60, "the backup")
    b.call({"cmd": "drill"}, check=False)
    process.wait_until(lambda: b.call("status")["job"] is None and b.runs("drill"), 60, "the drill")
    code, found = checks(b.config)
    assert code == 1 and level(found, "drill") == ["critical"] and "warning" in level(found, "audit")


def test_hook_that_others_can_change(practice_setup, folder):
    b = practice_setup
    hook = folder / "hook"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o775)
    b.set("hooks", after_backup=hook)
    _, found = checks(b.config)
    assert level(found, "hook") == ["critical"] and "can be changed by others" in words(found, "hook")
    hook.chmod(0o700)
    assert level(checks(b.config)[1], "hook") == ["ok"]


def test_in_a_container(practice_setup):
    """Nothing is advised that cannot be done in there, and the gate is looked for where it is."""
    b = practice_setup
    b.set("listen elexis", doctor_host="127.0.0.3")  # the gate listens on 127.0.0.1
    done = doctor(b.config, env={**ENGLISH, "ELEXGATE_CONTAINER": "1"})
    assert "timesyncd" not in done.stdout and "bind_address" not in done.stdout
    assert "127.0.0.3 port" in done.stdout, done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_where_backups_are_tried_out(practice_setup, folder):
    """Whoever steals a medium finds what was unpacked on it; a folder that others can write to is none to look at data in."""
    b, secret, medium = practice_setup, folder / "passphrase", folder / "medium"
    secret.write_text("a passphrase of a good length\n")
    secret.chmod(0o600)
    assert level(checks(b.config)[1], "scratch") == ["ok"]
    medium.mkdir()
    process.run(["mount", "-t", "tmpfs", "-o", "size=200M,mode=700", "none", medium])
    try:
        (medium / "backups").mkdir()
        b.set("archive", folder=medium / "backups", passphrase_file=secret)
        assert level(checks(b.config)[1], "scratch") == ["ok"]
        b.set("drill", scratch=medium / "d")
        found = checks(b.config)[1]
        assert level(found, "scratch") == ["warning"] and "in clear" in words(found, "scratch")
        (medium / "d").chmod(0o777)
        found = checks(b.config)[1]
        assert level(found, "scratch") == ["critical"] and "others may write" in words(found, "scratch")
    finally:
        process.run(["umount", medium])


def test_what_is_not_about_room_gets_no_hint_to_make_room(practice_setup, folder):
    b = practice_setup
    b.set("data documents", path=b.archives.parent)
    b.archives.mkdir(exist_ok=True)
    done = b.run_job("doctor")
    space = [line for line in map(json.loads, done.stdout.splitlines()) if line.get("name") == "space"][0]
    assert not space["good"] and "inside" in space["text"] and "fix" not in space, space


def test_a_database_that_is_not_there(practice_setup):
    """elexis-oob's was called elexisoob: an empty name must not look like a good practice."""
    b = practice_setup
    for name, good in (("elexisoob", False), ("load_db", True), ("x'y`z", False)):
        b.set("database", name=name)
        _, found = checks(b.config)
        assert (level(found, "database") == ["critical"]) is not good, found
        assert good or (f"no database {name}" in words(found, "database") and "load_db" in words(found, "database"))
