"""Mutual TLS: who gets in with which certificate, and what the others are told. Real clients, files of `elexgate cert`."""
import json
import shutil
import socket
import struct

import pymysql
import pytest

from lib import certs, process, starttls

pytestmark = pytest.mark.sanitize

MAP = """
# name in the certificate = database users
empfang = eva
labor   = eva, lukas
chefin  = *
"""
NAMES = ("empfang", "labor", "chefin", "fremd")


class Guarded:
    """A gate that wants client certificates of the CA that `elexgate cert` made, with a map."""

    made = None  # a folder with certificates, made once and copied

    def __init__(self, folder, make_gate, server, mode="require", with_map=True):
        self.tls = folder / "tls"
        self.map = folder / "clients.map"
        self.map.write_text(MAP)
        listen = {"client_auth": mode, "client_ca": self.tls / "ca.pem", "client_crl": self.tls / "crl.pem",
                  "client_map": self.map if with_map else None}
        self.gate = make_gate(server, pki=None, start=False, listeners={"elexis": listen}, options={
            "tls": {"certificate": self.tls / "server.pem", "key": self.tls / "server.key"}})
        if Guarded.made is None:
            Guarded.made = folder.parent / "client-certificates"
            self.cert("init", "--host", "localhost", "--ip", "127.0.0.1")
            self.cert("crl")
            for name in NAMES:
                self.cert("client", name)
            shutil.copytree(self.tls, Guarded.made, symlinks=True)
        else:
            shutil.copytree(Guarded.made, self.tls, symlinks=True)
        self.files = {name: self.client(name) for name in NAMES}
        self.gate.start()

    def cert(self, *args):
        done = self.gate.cli("--json", "cert", *args)
        return json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])

    def client(self, name):
        folder = self.tls / "clients" / name
        (certificate,) = [p for p in folder.glob("*.pem") if "BEGIN CERTIFICATE" in p.read_text()]
        (key,) = folder.glob("*.key")
        return certificate, key

    def connect(self, certificate=None, user="eva", **kwargs):
        tls = {"ca": str(self.tls / "ca.pem"), "check_hostname": True, "verify_mode": "required"}
        if isinstance(certificate, str):
            certificate = self.files[certificate]
        if certificate:
            tls["cert"], tls["key"] = (str(path) for path in certificate)
        return self.gate.connect(user=user, password="geheim", ca=self.tls / "ca.pem", ssl=tls, **kwargs)

    def refused(self, certificate=None, user="eva"):
        """The words with which this login is refused."""
        before = self.gate.status()["totals"]
        with pytest.raises(pymysql.err.OperationalError) as e:
            self.connect(certificate, user)
        code, text = e.value.args
        assert code == 1045, e.value
        after = self.gate.status()["totals"]
        assert after["logins_failed"] == before["logins_failed"] + 1 and after["logins_ok"] == before["logins_ok"]
        return text

    def context(self, certificate):
        context = starttls.context(self.tls / "ca.pem")
        context.load_cert_chain(*self.files[certificate])
        return context


@pytest.fixture(scope="module")
def users(server):
    for name in ("eva", "lukas"):
        server.add_user(name, "geheim", "SELECT ON *.*")
    server.sql("CREATE OR REPLACE USER offen@'%'; CREATE OR REPLACE USER offen@localhost")
    server.sql("CREATE OR REPLACE USER zu@'%'; CREATE OR REPLACE USER zu@localhost")
    return server


@pytest.fixture
def guarded(folder, make_gate, users):
    return Guarded(folder, make_gate, users)


def current_user(connection):
    with connection.cursor() as c:
        c.execute("SELECT USER()")
        return c.fetchone()[0].split("@")[0]


def test_the_map_decides_who_comes_in(guarded, users):
    for certificate, user in (("empfang", "eva"), ("labor", "eva"), ("labor", "lukas"), ("chefin", "lukas")):
        connection = guarded.connect(certificate, user)
        assert current_user(connection) == user
        (session,) = guarded.gate.sessions()
        assert session["client_certificate"] == certificate
        connection.close()
        process.wait_until(lambda: guarded.gate.sessions() == [], what="session gone")
    assert "certificate=chefin" in guarded.gate.log
    text = guarded.refused("empfang", "lukas")
    assert "gilt nicht fuer den Benutzer" in text and "is not for the user" in text
    text = guarded.refused("fremd")
    assert "keinem Benutzer zugeordnet" in text and '"fremd"' in text
    guarded.gate.wait_log('reason="client certificate refused"', count=2)
    assert '"certificate empfang, user lukas: ' in guarded.gate.log


def test_none_is_refused_with_words(guarded):
    text = guarded.refused()
    assert "verlangt ein Zertifikat" in text and "requires a client certificate" in text


def test_unknown_ca_and_expired_are_refused(guarded, folder, make_gate, users):
    pki = certs.Pki(folder / "pki")
    stranger = pki.other_ca.issue("empfang", client=True)
    assert "nicht anerkannt" in guarded.refused((stranger.certificate, stranger.key))
    old = pki.ca.issue("empfang-alt", client=True, common_name="empfang", not_before=-30, not_after=-1)
    early = pki.ca.issue("empfang-neu", client=True, common_name="empfang", not_before=10, not_after=30)
    server_only = pki.ca.issue("kein-client", common_name="empfang")
    guarded.gate.sections["listen elexis"].update(client_ca=pki.ca_file, client_crl=None)
    guarded.gate.write_config()
    guarded.gate.control("reload")
    assert "abgelaufen" in guarded.refused((old.certificate, old.key))
    assert "gilt noch nicht" in guarded.refused((early.certificate, early.key))
    assert "nicht anerkannt" in guarded.refused((server_only.certificate, server_only.key))
    assert "nicht anerkannt" in guarded.refused("empfang")


def test_revoked_is_refused_also_when_it_resumes(guarded):
    """TLS resumption brings the certificate along from an earlier handshake; the list of today counts."""
    context = guarded.context("chefin")
    first = starttls.login(guarded.gate.port, guarded.tls / "ca.pem", "offen", tls=context)
    assert starttls.query(first, "DO 1")[0] == 0
    ticket = first.session
    second = starttls.login(guarded.gate.port, guarded.tls / "ca.pem", "offen", tls=context, session=ticket)
    assert second.session_reused
    assert guarded.gate.sessions()[-1]["client_certificate"] == "chefin"
    assert starttls.query(second, "DO 1")[0] == 0
    ticket = second.session

    guarded.cert("revoke", "chefin")
    guarded.gate.control("reload")
    raw = starttls.connect(guarded.gate.port)
    starttls.read_packet(raw)
    raw.sendall(starttls.ssl_request())
    third = context.wrap_socket(raw, server_hostname="localhost", session=ticket)
    third.sendall(starttls.response("offen", 2))
    seq, payload = starttls.read_packet(third)
    assert third.session_reused and seq == 3
    assert payload[:1] == b"\xff" and struct.unpack("<H", payload[1:3])[0] == 1045 and payload[3:9] == b"#28000"
    assert b"wurde gesperrt" in payload and b"has been revoked" in payload
    assert "wurde gesperrt" in guarded.refused("chefin")
    assert starttls.query(second, "DO 1")[0] == 0, "who is in stays in"
    assert current_user(guarded.connect("labor")) == "eva"
    for s in (first, second, third):
        s.close()


def test_a_ticket_from_before_does_not_let_in(folder, make_gate, users):
    """A session that was made while no certificate was asked for brings none when it resumes."""
    guarded = Guarded(folder, make_gate, users, mode="off")
    context = starttls.context(guarded.tls / "ca.pem")
    first = starttls.login(guarded.gate.port, guarded.tls / "ca.pem", "offen", tls=context)
    assert starttls.query(first, "DO 1")[0] == 0
    assert guarded.gate.sessions()[0]["client_certificate"] is None
    guarded.gate.sections["listen elexis"]["client_auth"] = "require"
    guarded.gate.write_config()
    assert guarded.gate.control("reload")["changed"] == ["[listen elexis] client_auth"]
    with pytest.raises(AssertionError, match="verlangt ein Zertifikat"):
        starttls.login(guarded.gate.port, guarded.tls / "ca.pem", "offen", tls=context, session=first.session)
    first.close()


def change_user(user):
    """COM_CHANGE_USER to an account without password."""
    body = b"\x11" + user.encode() + b"\0\0\0" + struct.pack("<H", 45) + b"mysql_native_password\0"
    return starttls.packet(body, 0)


def change_answer(sock):
    """The last payload of the answer; a question for the proof is answered with none."""
    seq, payload = starttls.read_packet(sock)
    if payload[:1] == b"\xfe":
        sock.sendall(starttls.packet(b"", seq + 1))
        seq, payload = starttls.read_packet(sock)
    return payload


@pytest.mark.parametrize("pieces", ["whole", "split", "behind a query"])
def test_change_of_user_does_not_get_around_the_map(guarded, users, pieces):
    guarded.map.write_text("empfang = offen\n")
    guarded.gate.control("reload")
    sock = starttls.login(guarded.gate.port, guarded.tls / "ca.pem", "offen", tls=guarded.context("empfang"))
    sock.sendall(change_user("offen"))
    assert change_answer(sock)[0] == 0, "to a user of the map: allowed"
    assert b"offen@" in whoami(sock)

    packet = change_user("zu")
    if pieces == "whole":
        sock.sendall(packet)
    elif pieces == "split":
        for at in range(len(packet)):
            sock.sendall(packet[at:at + 1])
    else:
        sock.sendall(starttls.packet(b"\x03DO SLEEP(0)", 0) + packet)
    try:
        payload = change_answer(sock)
        assert payload[:1] == b"\xff" and b"gilt nicht f\xc3\xbcr den Benutzer \xc2\xabzu\xc2\xbb" in payload
        with pytest.raises((EOFError, OSError)):
            starttls.query(sock, "SELECT USER()")
    finally:
        sock.close()
    guarded.gate.wait_log('reason="client certificate refused"')
    process.wait_until(lambda: guarded.gate.sessions() == [], what="session gone")
    assert "user-changed" in guarded.gate.log and "user=zu" not in guarded.gate.log


def whoami(sock):
    """SELECT USER() by hand: column count, definition, EOF, row, EOF."""
    starttls.query(sock, "SELECT USER()")
    packets = [starttls.read_packet(sock)[1] for _ in range(4)]
    return packets[2]


def test_a_garbled_change_of_user_ends_the_session(guarded):
    guarded.map.write_text("empfang = offen\n")
    guarded.gate.control("reload")
    sock = starttls.login(guarded.gate.port, guarded.tls / "ca.pem", "offen", tls=guarded.context("empfang"))
    sock.sendall(starttls.packet(b"\x11offen", 0))
    with pytest.raises((EOFError, OSError)):
        starttls.read_packet(sock)
    guarded.gate.wait_log("a change of user that cannot be understood")
    sock.close()


def test_request_lets_in_without_but_no_bad_one(folder, make_gate, users):
    guarded = Guarded(folder, make_gate, users, mode="request")
    connection = guarded.connect(None, "lukas")
    assert current_user(connection) == "lukas" and guarded.gate.sessions()[0]["client_certificate"] is None
    assert "keinem Benutzer zugeordnet" in guarded.refused("fremd")
    assert current_user(guarded.connect("empfang")) == "eva"
    connection.close()


def test_without_a_map_any_certificate_is_good_for_any_user(folder, make_gate, users):
    guarded = Guarded(folder, make_gate, users, with_map=False)
    assert current_user(guarded.connect("fremd", "lukas")) == "lukas"
    guarded.refused(None, "lukas")


def junk(path):
    path.write_text("no certificate at all\n")


@pytest.mark.parametrize("key, text, words", [
    ("client_ca", "junk\n", "client.ca"),
    ("client_ca", None, "cannot"),
    ("client_crl", "junk\n", "client.crl"),
    ("client_map", "empfang\n", "client.map"),
    ("client_map", "a = b\na = c\n", "client.map"),
])
def test_bad_files_leave_the_old_rules(guarded, folder, key, text, words):
    bad = folder / f"client.{key.removeprefix('client_')}"
    if text is not None:
        bad.write_text(text)
    guarded.gate.sections["listen elexis"][key] = bad
    guarded.gate.write_config()
    answer = guarded.gate.control("reload", check=False)
    assert not answer["ok"] and "[listen elexis]" in answer["error"] and words in answer["error"], answer
    assert str(bad) in answer["error"]
    assert current_user(guarded.connect("empfang")) == "eva"
    guarded.refused()


@pytest.mark.parametrize("keys, words", [
    ({"tls": "preferred"}, "tls = required"),
    ({"tls": "off"}, "tls = required"),
    ({"tls": "off", "client_auth": "request"}, "tls = off"),
    ({"client_ca": None}, "needs client_ca"),
])
def test_what_would_leave_a_way_around_is_refused(guarded, keys, words):
    guarded.gate.sections["listen elexis"].update(keys)
    guarded.gate.write_config()
    answer = guarded.gate.control("reload", check=False)
    assert not answer["ok"] and words in answer["error"], answer
    guarded.refused()


def test_a_client_that_hangs_up_in_the_handshake_costs_nothing(guarded):
    """Half a handshake with a certificate asked for; then others still come in."""
    raw = starttls.connect(guarded.gate.port)
    starttls.read_packet(raw)
    raw.sendall(starttls.ssl_request())
    raw.shutdown(socket.SHUT_WR)
    raw.close()
    assert current_user(guarded.connect("empfang")) == "eva"
