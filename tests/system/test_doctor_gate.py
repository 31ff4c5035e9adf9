"""elexgate doctor on logins through the gate: accounts that cannot use it, or open it; and who trusts its certificate."""
import json
import os
import pwd

import pymysql
import pytest

from lib import mariadb, trixie as lib_trixie
from lib.backup import Backup
from lib.certs import self_signed
from lib.phrases import german
from lib.proof import Proof, account

ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def doctor(folder, make_gate):
    """doctor(server, ...) -> (gate, backup, function that gives the lines of one name)"""
    def make(server, backend="socket", **kwargs):
        gate = make_gate(server, backend=backend, **kwargs)
        backup = Backup(folder / "b", server, gate, options={"database": {**gate.sections["database"], "name": "mysql"},
                                                           "proof": {}, "backup": {"method": "dump", "ask_proxy": True}})
        for section, keys in gate.sections.items():
            if section.startswith("listen") or section == "proof":
                backup.sections[section] = keys
        backup.write_config()
        backup.account()

        def lines(name):
            found = [line for line in all_lines(backup) if line.get("name") == name]
            assert found, f"the doctor says nothing of {name}"
            return found
        return gate, backup, lines
    return make


def all_lines(backup):
    return [json.loads(line) for line in backup.run_job("doctor").stdout.splitlines()]


@pytest.fixture(scope="module")
def accounts(server):
    server.sql("""CREATE USER anna IDENTIFIED BY 'x'; CREATE USER ssl_any IDENTIFIED BY 'x' REQUIRE SSL;
                  CREATE USER `o'neill` IDENTIFIED BY 'x' REQUIRE X509; CREATE USER issued IDENTIFIED BY 'x' REQUIRE ISSUER '/CN=CA' AND SUBJECT '/CN=x';
                  CREATE USER ciphered IDENTIFIED BY 'x' REQUIRE CIPHER 'TLS_AES_256_GCM_SHA384';
                  CREATE USER replica@'192.0.2.7' IDENTIFIED BY 'x' REQUIRE SSL; CREATE USER locked IDENTIFIED BY 'x' REQUIRE SSL ACCOUNT LOCK;
                  CREATE ROLE reader""")
    return server


@pytest.mark.parametrize("backend", ["socket", "tcp"])
def test_accounts_that_cannot_log_in(accounts, doctor, backend):
    """Each one is named with a statement that helps: it is run, and the account gets in."""
    gate, backup, lines = doctor(accounts, backend)
    found = {line["text"].split("@")[0]: line for line in lines("account")}
    assert set(found) == {"'ssl_any'", "'o''neill'", "'issued'", "'ciphered'"}
    for name, line in found.items():
        assert line["good"] is False and line["level"] == "warning" and "REQUIRE" in line["text"] and "REQUIRE" in german(line)
        user = name.strip("'").replace("''", "'")
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            gate.connect(user, "x")
        accounts.sql(line["fix"].split("--")[0])
        gate.connect(user, "x").close()
    assert [(line["good"], line["level"]) for line in lines("account")] == [(True, "ok")]
    accounts.sql("""ALTER USER ssl_any REQUIRE SSL; ALTER USER `o'neill` REQUIRE X509; ALTER USER issued REQUIRE ISSUER '/CN=CA';
                    ALTER USER ciphered REQUIRE CIPHER 'TLS_AES_256_GCM_SHA384'""")


def test_accounts_that_may_do_everything(server, doctor):
    """Named with the listener that lets them in; in deny_users they are no more."""
    server.sql("CREATE OR REPLACE USER chief IDENTIFIED BY 'x'; GRANT ALL ON *.* TO chief")
    gate, backup, lines = doctor(server, listeners={"elexis": {"deny_users": None}, "inner": {"tls": "off", "deny_users": "chief, root, elexgate"}})
    (line,) = lines("super")
    assert line["level"] == "warning" and line["text"].startswith("'chief'@'%' may do everything") and "[listen elexis]" in line["text"]
    backup.sections["listen elexis"]["deny_users"] = "root, elexgate, Chief"
    backup.write_config()
    assert [line["good"] for line in lines("super")] == [True]
    server.sql("DROP USER chief")


@pytest.mark.parametrize("seconds, good", [(10, True), (8, False)])
def test_a_gate_that_is_more_patient_than_its_server(server, doctor, seconds, good):
    server.sql(f"SET GLOBAL connect_timeout = {seconds}")
    _, backup, lines = doctor(server, backend="tcp")
    backup.sections["database"]["socket"] = None
    server.sql("REPLACE INTO mysql.global_priv SELECT '127.0.0.1', User, Priv FROM mysql.global_priv WHERE User = 'elexgate' "
               "AND Host = 'localhost'; FLUSH PRIVILEGES")
    backup.write_config()
    (line,) = lines("logins")
    assert line["good"] is good and f"after {seconds} s by the server" in line["text"]
    server.sql("SET GLOBAL connect_timeout = DEFAULT")


@pytest.mark.skipif(mariadb.SERIES >= (11, 4), reason="the server of this machine makes proofs")
def test_an_older_server_has_no_proofs(server, doctor):
    _, backup, _ = doctor(server)
    assert [line for line in all_lines(backup) if line.get("name") == "zero-config"] == []


@pytest.fixture(scope="module")
def new(session_folder, pki):
    leaf = self_signed(pki.folder, "doctors-database")
    server = lib_trixie.NewServer(session_folder / "doctor-new", lib_trixie.root(), certificate=leaf.certificate, key=leaf.key)
    server.leaf = leaf
    server.start()
    account(server)
    yield server
    server.kill()


def test_accounts_that_let_anybody_in(new, doctor):
    """IDENTIFIED VIA unix_socket for the user that the gate runs as, under another name, which the gate cannot know.
    MariaDB 10.11 does not have that form yet."""
    gate, backup, lines = doctor(new)
    new.sql(f"CREATE OR REPLACE USER opened@'localhost' IDENTIFIED VIA unix_socket AS '{ME}'")
    gate.connect("opened", "whatever").close()
    bad = [line for line in lines("account") if not line["good"] and line.get("level") != "warning"]
    assert len(bad) == 1 and bad[0]["text"].startswith("'opened'@'localhost' lets in anybody")
    assert all_lines(backup)[-1]["ok"] is False
    new.sql(bad[0]["fix"].split(";")[0].replace("<a password>", "a real one"))
    with pytest.raises(pymysql.OperationalError):
        gate.connect("opened", "whatever")
    assert [line for line in lines("account") if "opened" in line["text"]] == []
    new.sql("DROP USER opened@'localhost'")


@pytest.mark.parametrize("backend", ["socket", "tcp"])
def test_the_same_certificate(new, doctor, pki, backend):
    if backend == "tcp":
        new.sql("CREATE OR REPLACE USER 'elexgate'@'127.0.0.1' IDENTIFIED BY 'adm \"in\\\\\\\\ pass'; GRANT ALL ON *.* TO 'elexgate'@'127.0.0.1'")
    _, _, lines = doctor(new, backend, options={"tls": {"certificate": new.leaf.certificate, "key": new.leaf.key}})
    line, = lines("zero-config")
    assert line["good"] and "have the same certificate" in line["text"] and "dasselbe Zertifikat" in german(line)


def test_different_certificates(new, doctor):
    _, _, lines = doctor(new)
    line, = lines("zero-config")
    assert line["good"] and "different certificates" in line["text"] and "zero_config_proof" in line["text"]


def test_elexgate_proof(new, doctor):
    gate, backup, lines = doctor(new, listeners={"x": {"zero_config_proof": True}},
                                 options={"proof": {"socket": "/nonexistent/proof.sock"}})
    line, = lines("zero-config")
    assert not line["good"] and line["level"] == "warning" and "elexgate-proof" in line["fix"]
    proof = Proof(gate).start()
    backup.set("proof", socket=proof.socket)
    line, = lines("zero-config")
    assert line["good"] and "elexgate-proof answers" in line["text"]
    proof.stop()
