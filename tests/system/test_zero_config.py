"""Clients since MariaDB 11.4 verify the gate by their password, without a CA: [listen NAME] zero_config_proof.

What the command line client does is seen from another computer only (lib/elsewhere.py), and with self-signed certificates
only: see the tests on what one has to know of it. npm's mariadb makes no such differences.
"""
import hashlib
import json
import os
import re
import shutil

import pytest

import clients_matrix as matrix
from lib import process, starttls
from lib import mariadb, trixie as lib_trixie
from lib.certs import Pki, self_signed
from lib.elsewhere import Elsewhere
from lib.gate import Gate
from lib.mitm import Mitm
from lib.proof import ACCOUNT, Proof, account

pytestmark = pytest.mark.sanitize
PASSWORD = "Grüezi, geheim 1"
PLUGINS = ["mysql_native_password", "ed25519", "parsec"]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")


@pytest.fixture(scope="module")
def trixie():
    return lib_trixie.root()


@pytest.fixture(scope="module")
def elsewhere():
    other = Elsewhere()
    trouble = other.open()
    if trouble:
        pytest.skip(f"no second computer: {trouble}")
    yield other
    other.close()


@pytest.fixture(scope="module")
def server_pki(session_folder):
    """The database server's own certificate has nothing to do with the gate's."""
    return Pki(session_folder / "zero-server-pki")


@pytest.fixture(scope="module")
def server_leaf(server_pki):
    return self_signed(server_pki.folder, "database")


@pytest.fixture(scope="module")
def server(session_folder, trixie, server_leaf):
    server = lib_trixie.NewServer(session_folder / "zero-server", trixie, certificate=server_leaf.certificate, key=server_leaf.key,
                                  args=["--plugin-load-add=auth_ed25519", "--plugin-load-add=auth_parsec"])
    server.start()
    account(server)
    for plugin in PLUGINS:
        server.add_user(f"by_{plugin}", PASSWORD, plugin=plugin)
    server.sql("CREATE USER nobody_knows@'%'")
    yield server
    server.kill()


LISTENERS = {
    "proof": {"address": "0.0.0.0", "announce": "server", "zero_config_proof": True},
    "elexis": {"address": "0.0.0.0", "zero_config_proof": True},
    "without": {"address": "0.0.0.0", "announce": "server"},
}


def with_certificate(leaf):
    return {"tls": {"certificate": leaf.certificate, "key": leaf.key}}


@pytest.fixture(scope="module")
def far(session_folder, server, pki):
    """A gate with its elexgate-proof: (gate, proof)."""
    gate = Gate(session_folder / "zero-gate", server, pki, listeners={n: dict(k) for n, k in LISTENERS.items()}, backend="tcp",
                options=with_certificate(self_signed(pki.folder, "gate")))
    proof = Proof(gate).start()
    gate.start()
    yield gate, proof
    gate.stop()
    proof.stop()


def cli(trixie, where, host, port, user, password=PASSWORD, env=None, args=()):
    """The 11.8 command line client with no options but where and who. (exit code, all it said)"""
    done = where([trixie / "run", "mariadb", "--no-defaults", f"--plugin-dir={lib_trixie.client_plugins(trixie)}", "--protocol=tcp",
                  f"--host={host}", f"--port={port}", f"--user={user}", *([f"--password={password}"] if password else []),
                  *args, "--execute=status"], env=dict(os.environ, **(env or {})), check=False)
    return done.returncode, done.stdout + done.stderr


def node(host, port, user, password=PASSWORD):
    env = dict(os.environ, NODE_PATH=str(matrix.node_modules()), ELX_HOST=host, ELX_PORT=str(port), ELX_USER=user, ELX_PASSWORD=password)
    return json.loads(process.run(["node", matrix.SOURCES / "node" / "zero_config.js"], env=env).stdout)


NOT_TRUSTED = "Certificate verification failure: The certificate is NOT trusted"


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("listener", ["proof", "elexis"])
def test_the_command_line_client_trusts_it(far, trixie, elsewhere, plugin, listener):
    gate, _ = far
    code, text = cli(trixie, elsewhere.run, elsewhere.here, gate.ports[listener], f"by_{plugin}")
    assert code == 0 and "cert is OK" in text and "TLS_AES" in text, text


@pytest.mark.parametrize("plugin", PLUGINS)
def test_without_the_option_it_refuses(far, trixie, elsewhere, plugin):
    gate, _ = far
    code, text = cli(trixie, elsewhere.run, elsewhere.here, gate.ports["without"], f"by_{plugin}")
    assert code == 1 and NOT_TRUSTED in text, text


@pytest.mark.parametrize("plugin", PLUGINS)
def test_npm_mariadb_trusts_it(far, plugin):
    gate, _ = far
    assert node("127.0.0.1", gate.ports["proof"], f"by_{plugin}") == {"user": f"by_{plugin}@%"}


def test_npm_mariadb_refuses_without_it(far):
    gate, _ = far
    for listener in ("without", "elexis"):  # an announced 5.6 makes no proofs, it thinks
        result = node("127.0.0.1", gate.ports[listener], "by_ed25519")
        assert "error" in result and "certificate" in result["error"].lower(), result


@pytest.mark.parametrize("plugin", PLUGINS)
def test_somebody_in_the_middle(far, trixie, elsewhere, server_pki, plugin):
    """He passes on the proof that the gate made, but the client sees his certificate."""
    gate, _ = far
    mitm = Mitm(self_signed(server_pki.folder, f"mitm-{plugin}"), gate.ports["proof"], address="0.0.0.0")
    try:
        code, text = cli(trixie, elsewhere.run, elsewhere.here, mitm.port, f"by_{plugin}")
        assert code == 1 and NOT_TRUSTED in text, text
        result = node("127.0.0.1", mitm.port, f"by_{plugin}")
        assert "certificate" in result.get("error", "").lower(), result
        # He did see two whole logins go by, with the OK and the gate's proof in it.
        assert [bytes(heard).count(b"A\x01") > 0 for heard in mitm.seen] == [True, True]
    finally:
        mitm.close()


def test_somebody_in_the_middle_with_a_ca_of_his_own(far, server_pki):
    gate, _ = far
    mitm = Mitm(server_pki.ca.issue("mitm"), gate.ports["proof"])
    try:
        result = node("127.0.0.1", mitm.port, "by_ed25519")
        assert "certificate" in result.get("error", "").lower(), result
    finally:
        mitm.close()


def test_a_second_gate_without_salts(server, trixie, elsewhere, server_pki, make_gate):
    """The same with our own program: another certificate, no elexgate-proof to ask, the real server behind it."""
    second = make_gate(server, listeners={"x": {"address": "0.0.0.0", "announce": "server", "zero_config_proof": True}}, backend="tcp",
                       options={**with_certificate(self_signed(server_pki.folder, "second-gate")),
                                "proof": {"socket": "/nonexistent/proof.sock"}})
    code, text = cli(trixie, elsewhere.run, elsewhere.here, second.port, "by_ed25519")
    assert code == 1 and NOT_TRUSTED in text, text
    second.wait_log("event=no-zero-config-proof")


# What these clients do that one has to know; docs/clients.md tells it.

def test_near_clients_do_not_verify(far, trixie):
    """On the same computer the 11.8 client takes any certificate, and calls it OK."""
    gate, _ = far
    code, text = cli(trixie, process.run, "127.0.0.1", gate.ports["without"], "by_ed25519")
    assert code == 0 and "cert is OK" in text


def client_version(trixie):
    return tuple(int(n) for n in re.search(r"from (\d+)\.(\d+)\.(\d+)-MariaDB", process.run([trixie / "run", "mariadb", "--version"]).stdout).groups())


def test_certificates_of_an_unknown_ca_are_not_verified(trixie, elsewhere, server, server_pki, make_gate):
    """The 11.8.6 client asks for a proof only if the certificate is self-signed; one of a CA that it has never heard of it
    takes as it is. npm's mariadb does not."""
    gate = make_gate(server, listeners={"x": {"address": "0.0.0.0", "announce": "server"}}, backend="tcp",
                     options=with_certificate(server_pki.ca.issue("of-a-ca")))
    code, text = cli(trixie, elsewhere.run, elsewhere.here, gate.port, "by_ed25519")
    if client_version(trixie) <= (11, 8, 6):
        assert code == 0 and "cert is OK" in text, text
    else:
        assert code == 0 or NOT_TRUSTED in text, text
    assert "certificate" in node("127.0.0.1", gate.port, "by_ed25519")["error"].lower()


@pytest.mark.parametrize("ca", ["right", "wrong"])
def test_with_a_ca_the_command_line_client_verifies(trixie, elsewhere, server, pki, make_gate, ca):
    """What protects this client in any case."""
    leaf = pki.ca.issue("far-gate", ips=(elsewhere.here,))
    gate = make_gate(server, listeners={"x": {"address": "0.0.0.0"}}, backend="tcp", options=with_certificate(leaf))
    code, text = cli(trixie, elsewhere.run, elsewhere.here, gate.port, "by_ed25519",
                     args=[f"--ssl-ca={pki.ca_file if ca == 'right' else pki.other_ca_file}"])
    assert (code == 0 and "cert is OK" in text) if ca == "right" else (code == 1 and "certificate" in text), text


@pytest.mark.parametrize("user,env", [("nobody_knows", {}), ("by_ed25519", {"MYSQL_PWD": PASSWORD})], ids=["none", "environment"])
def test_clients_without_a_password_do_not_verify(far, trixie, elsewhere, user, env):
    """One from the environment counts as none here, although it is then used."""
    gate, _ = far
    code, text = cli(trixie, elsewhere.run, elsewhere.here, gate.ports["without"], user, password=None, env=env)
    assert code == 0 and "ssl-verify-server-cert is disabled, because of an insecure passwordless login" in text, text


def test_npm_mariadb_without_a_password_refuses(far):
    gate, _ = far
    assert "certificate" in node("127.0.0.1", gate.ports["proof"], "nobody_knows", password="")["error"].lower()


def test_a_wrong_password_is_told_as_such(far, trixie, elsewhere):
    gate, _ = far
    code, text = cli(trixie, elsewhere.run, elsewhere.here, gate.ports["proof"], "by_ed25519", password="wrong")
    assert code == 1 and "Access denied" in text


def test_the_same_certificate_needs_no_option(server, trixie, elsewhere, server_leaf, make_gate):
    """Server and gate with one certificate: the server's own proof is good for the gate."""
    gate = make_gate(server, listeners={"x": {"address": "0.0.0.0", "announce": "server"}}, backend="tcp",
                     options=with_certificate(server_leaf))
    code, text = cli(trixie, elsewhere.run, elsewhere.here, gate.port, "by_parsec")
    assert code == 0 and "cert is OK" in text, text
    assert node("127.0.0.1", gate.port, "by_parsec") == {"user": "by_parsec@%"}


# When something is missing, logins go on as they would without the option.

def test_without_elexgate_proof_logins_go_on(far, server, make_gate, pki):
    gate = make_gate(server, listeners={"x": {"announce": "server", "zero_config_proof": True}},
                     options={"proof": {"socket": "/nonexistent/proof.sock"}})
    for _ in range(8):
        with gate.connect("by_mysql_native_password", PASSWORD) as c, c.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchall() == ((1,),)
    assert "certificate" in node("127.0.0.1", gate.port, "by_ed25519")["error"].lower()
    assert gate.log.count("event=no-zero-config-proof") == 5  # and no more, this minute


def test_a_hanging_elexgate_proof_delays_only(server, make_gate):
    """It is stopped: the login waits two seconds, then goes on."""
    gate = make_gate(server, listeners={"x": {"announce": "server", "zero_config_proof": True}}, start=False)
    proof = Proof(gate).start()
    gate.start()
    try:
        proof.process.signal(19)  # SIGSTOP
        with gate.connect("by_mysql_native_password", PASSWORD) as c, c.cursor() as cursor:
            cursor.execute("SELECT 2")
        assert "ETIMEDOUT" in gate.log or "timed out" in gate.log
        proof.process.signal(18)
        assert node("127.0.0.1", gate.port, "by_ed25519") == {"user": "by_ed25519@%"}
    finally:
        proof.process.signal(18)
        gate.stop()
        proof.stop()


def test_a_client_that_goes_away_meanwhile(server, make_gate):
    gate = make_gate(server, listeners={"x": {"announce": "server", "zero_config_proof": True}}, start=False)
    proof = Proof(gate).start()
    gate.start()
    try:
        proof.process.signal(19)
        sock, scramble = login(gate.port, gate.pki.ca_file, "by_mysql_native_password")
        process.wait_until(lambda: gate.sessions(), what="the session")
        sock.close()
        process.wait_until(lambda: not gate.sessions(), what="its end")
        proof.process.signal(18)
        assert node("127.0.0.1", gate.port, "by_ed25519") == {"user": "by_ed25519@%"}
    finally:
        proof.process.signal(18)
        gate.stop()
        proof.stop()


@pytest.mark.skipif(mariadb.SERIES >= (11, 4), reason="the server of this machine makes proofs")
def test_an_older_server_makes_no_proofs(template, session_folder, make_server, make_gate):
    old = make_server()
    old.add_user("someone", PASSWORD)
    gate = make_gate(old, listeners={"x": {"announce": "server", "zero_config_proof": True}},
                     options={"proof": {"socket": "/nonexistent/proof.sock"}})
    with gate.connect("someone", PASSWORD) as c, c.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert "no-zero-config-proof" not in gate.log


def test_the_option_needs_tls(make_gate, server):
    gate = make_gate(server, listeners={"x": {"tls": "off", "zero_config_proof": True}}, start=False)
    with pytest.raises(RuntimeError, match="zero_config_proof needs TLS, but tls = off"):
        gate.start()


# elexgate-proof by itself.

def scramble_of(greeting):
    at = greeting.index(b"\0", 1) + 5
    return greeting[at:at + 8] + greeting[at + 27:at + 39]


def native(password, scramble):
    once = hashlib.sha1(password.encode()).digest()
    twice = hashlib.sha1(once).digest()
    return bytes(a ^ b for a, b in zip(once, hashlib.sha1(scramble + twice).digest()))


def login(port, ca, user, password=PASSWORD):
    """As far as the client's proof: (socket, scramble)."""
    raw = starttls.connect(port)
    _, greeting = starttls.read_packet(raw)
    raw.sendall(starttls.ssl_request())
    sock = starttls.context(ca).wrap_socket(raw, server_hostname="localhost")
    sock.sendall(starttls.response(user, 2, auth=native(password, scramble_of(greeting))))
    return sock, scramble_of(greeting)


def servers_proof(server, leaf, user="by_mysql_native_password", password=PASSWORD):
    """Logs in to the server itself: what elexgate-proof is asked with."""
    sock, scramble = login(server.port, leaf.certificate, user, password)
    _, ok = starttls.read_packet(sock)
    sock.close()
    assert ok[7:9] == b"A\x01", ok
    return {"cmd": "proof", "user": user, "scramble": scramble.hex(), "proof": ok[9:73].decode(), "certificate": "ab" * 32}


def expected(request, password=PASSWORD):
    salt = hashlib.sha1(hashlib.sha1(password.encode()).digest()).digest()
    return hashlib.sha256(salt + bytes.fromhex(request["scramble"]) + bytes.fromhex(request["certificate"])).hexdigest().upper()


def test_the_proof_it_makes(far, server, server_leaf):
    _, proof = far
    request = servers_proof(server, server_leaf)
    assert proof.ask(request) == {"ok": True, "proof": expected(request)}


def test_only_who_brings_a_proof_gets_one(far, server, server_leaf):
    _, proof = far
    good = servers_proof(server, server_leaf)
    other = servers_proof(server, server_leaf)
    for change in ({"proof": "0" * 64}, {"scramble": other["scramble"]}, {"user": "by_ed25519"}):
        answer = proof.ask({**good, **change})
        assert answer["code"] == "ENOENT" and "not one that the database server made" in answer["error"], change
    answer = proof.ask({**good, "user": "nobody_knows"})
    assert answer["code"] == "ENOENT" and "no account of this name" in answer["error"]
    assert proof.ask({**good, "user": "' OR '1'='1"})["code"] == "ENOENT"
    assert proof.ask(good)["ok"]


def test_accounts_with_several_hosts_and_ways(far, server, server_leaf):
    _, proof = far
    server.sql("""CREATE USER two@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('b') OR ed25519 USING PASSWORD('a');
                  CREATE USER two@'localhost' IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('c');
                  CREATE USER two@'127.0.0.1' IDENTIFIED VIA mysql_native_password USING PASSWORD('d')""")
    request = servers_proof(server, server_leaf, "two", "d")
    assert proof.ask(request)["proof"] == expected(request, "d")
    server.sql("DROP USER two@'127.0.0.1'; DROP USER two@'localhost'")
    request = servers_proof(server, server_leaf, "two", "b")
    assert proof.ask(request)["proof"] == expected(request, "b")
    server.sql("DROP USER two@'%'")


def test_bad_requests(far, server, server_leaf):
    _, proof = far
    good = servers_proof(server, server_leaf)
    for change in ({"cmd": "salt"}, {"user": 1}, {"user": None}, {"scramble": "ab"}, {"scramble": "zz" * 20}, {"proof": good["proof"][:-1]},
                   {"certificate": None}, {"certificate": "ab" * 33}):
        assert proof.ask({**good, **change})["code"] == "EINVAL", change
    assert proof.ask({**good, "user": "x" * 600})["code"] == "EINVAL"
    for junk in (b"\n", b"[]\n", b"x" * 5000, b"{\"cmd\":\"proof\"", b"\xff\xfe\n"):
        assert proof.ask(junk) is None
    assert proof.ask(good)["ok"]


@needs_root
def test_who_may_ask(far):
    _, proof = far
    ask = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b'{\"cmd\":\"x\"}\\n');"
           "print(s.recv(9999).decode())")
    for user, code in (("nobody", "EACCES"), ("daemon", "EINVAL")):
        proof.folder.chmod(0o755)
        for folder in (proof.folder.parent,):
            folder.chmod(0o755)
        done = process.run(["setpriv", f"--reuid={user}", "--clear-groups", "/usr/bin/python3", "-c", ask, proof.socket])
        assert json.loads(done.stdout)["code"] == code


def test_several_servers(server, server_leaf, session_folder, trixie, server_pki, far, tmp_path):
    """The account is known to the second one only, which has another certificate; the first one is away, then back."""
    second_leaf = self_signed(server_pki.folder, "second-database")
    second = lib_trixie.NewServer(session_folder / "zero-second", trixie, certificate=second_leaf.certificate, key=second_leaf.key)
    second.start()
    account(second)
    second.add_user("only_there", PASSWORD)
    gate = Gate(tmp_path, None, server_pki, options={"backend one": {"socket": server.socket}, "backend two": {"socket": second.socket}})
    gate.sections.pop("database")
    proof = Proof(gate).start()
    try:
        there = servers_proof(second, second_leaf, "only_there")
        here = servers_proof(server, server_leaf)
        for request in (there, here, there):
            assert proof.ask(request) == {"ok": True, "proof": expected(request)}
        second.stop()
        assert proof.ask(here)["ok"] and not proof.ask(there)["ok"]
        second.start()
        there = servers_proof(second, second_leaf, "only_there")
        assert proof.ask(there) == {"ok": True, "proof": expected(there)}
    finally:
        proof.stop()
        second.kill()


@needs_root
def test_as_a_user_of_its_own(server, make_gate):
    """As it is installed: a user without any rights, whose account needs no password, and a gate that may ask."""
    gate = make_gate(server, listeners={"x": {"announce": "server", "zero_config_proof": True}}, start=False)
    proof = Proof(gate)
    gate.sections["proof"] |= {"account": "daemon", "password_file": None, "socket": proof.folder / "run" / "proof.sock"}
    gate.write_config()
    for folder in (proof.folder, proof.folder.parent, proof.folder.parent.parent):
        folder.chmod(0o755)
    (proof.folder / "run").mkdir()
    shutil.chown(proof.folder / "run", "daemon")
    server.sql("CREATE OR REPLACE USER daemon@'localhost' IDENTIFIED VIA unix_socket; GRANT SELECT ON mysql.global_priv TO daemon@'localhost'")
    proof.start(["setpriv", "--reuid=daemon", "--clear-groups", "--bounding-set=-all"])
    gate.start()
    try:
        assert node("127.0.0.1", gate.port, "by_parsec") == {"user": "by_parsec@%"}
    finally:
        gate.stop()
        proof.stop()
        server.sql("DROP USER daemon@'localhost'")


def test_the_server_gets_another_certificate(trixie, session_folder, far, pki, make_gate, server_pki):
    """elexgate-proof notices by itself; so it does when the server was away."""
    server = lib_trixie.NewServer(session_folder / "zero-renewed", trixie, certificate=server_pki.server.certificate,
                                  key=server_pki.server.key)
    server.start()
    account(server)
    server.add_user("someone", PASSWORD)
    gate = make_gate(server, listeners={"x": {"announce": "server", "zero_config_proof": True}}, start=False)
    proof = Proof(gate).start()
    gate.start()
    try:
        assert node("127.0.0.1", gate.port, "someone") == {"user": "someone@%"}
        server.stop()
        assert not proof.ask({"cmd": "proof", "user": "someone", "scramble": "00" * 20, "proof": "00" * 32,
                              "certificate": "00" * 32})["ok"]
        leaf = server_pki.ca.issue("renewed")
        server.args = [a for a in server.args if not a.startswith("--ssl-")] + [f"--ssl-cert={leaf.certificate}", f"--ssl-key={leaf.key}"]
        server.start()
        assert node("127.0.0.1", gate.port, "someone") == {"user": "someone@%"}
    finally:
        gate.stop()
        proof.stop()
        server.kill()


def test_its_account_reads_nothing_else(server):
    with server.connect(ACCOUNT, "proof-Pass word-1") as c, c.cursor() as cursor:
        cursor.execute("SHOW GRANTS")
        grants = [row[0].split(" TO ")[0] for row in cursor.fetchall()]
    assert grants == ["GRANT USAGE ON *.*", "GRANT SELECT ON `mysql`.`global_priv`"]


@needs_root
def test_its_memory_is_private(far):
    """No core file with what it has read, and no debugger of the same user."""
    _, proof = far
    limits = open(f"/proc/{proof.process.pid}/limits").read()
    assert any(line.split()[-3:-1] == ["0", "0"] for line in limits.splitlines() if line.startswith("Max core file size"))
    assert os.stat(f"/proc/{proof.process.pid}/mem").st_uid == 0


def test_no_salt_in_its_log(far, server):
    _, proof = far
    for row in server.sql("SELECT Priv FROM mysql.global_priv WHERE User LIKE 'by_%'"):
        assert json.loads(row[0])["authentication_string"].strip("*") not in proof.log
