"""Mail by SMTP, to a real mail server: TLS checked, passwords kept off the open wire, whoever can be reached is told."""
import pytest

from lib import process
from lib.backup import Backup
from lib.smtp import MailServer

pytestmark = pytest.mark.sanitize
LOGIN = ("gate@praxis.example", "p:äss 'wort\"")
# libcurl takes every name under .localhost for this machine; to Elexgate it is a host like any other.
HOST = "mail.localhost"


@pytest.fixture(scope="module")
def leaf(pki):
    return pki.ca.issue("mail", dns=(HOST,), ips=())


@pytest.fixture
def mail_server(leaf):
    made = []

    def start(tls=None, login=None):
        made.append(MailServer(tls, leaf, login))
        return made[-1]
    yield start
    for m in made:
        m.stop()


@pytest.fixture
def setup(folder, server, pki):
    secret = folder / "smtp.password"
    secret.write_text(LOGIN[1] + "\n")
    secret.chmod(0o600)

    def make(port, scheme="smtps", host=HOST, login=False, **notify):
        options = {"mail_to": "it@praxis.example, chef@praxis.example", "mail_from": "gate@praxis.example", "timeout": "10s", "min_free": "1",
                   "smtp": f"{scheme}://{host}:{port}", "smtp_ca": pki.ca.file,
                   **({"smtp_user": LOGIN[0], "smtp_password_file": secret} if login else {}), **notify}
        options = {key: value for key, value in options.items() if value is not None}
        made.append(Backup(folder / "b", server, options={"backup": {"method": "dump"}, "tls": {"certificate": folder / "none.pem"},
                                                         "notify": options}))
        return made[-1]
    made = []
    yield make
    for b in made:
        b.stop_keeper()


@pytest.mark.parametrize("scheme,tls,host,login", [
    ("smtps", "smtps", HOST, True), ("smtps", "smtps", HOST, False), ("smtp", "starttls", HOST, True),
    ("smtp", None, "127.0.0.1", True),   # this machine's own: nobody in between
    ("smtp", None, "localhost", False)])
def test_sent(setup, mail_server, scheme, tls, host, login):
    m = mail_server(tls, LOGIN if login else None)
    text = setup(m.port, scheme, host, login).cli("notify", "--test").stdout
    assert "mail: sent" in text
    (sender, to, mail, raw), = m.box
    assert sender == "gate@praxis.example" and to == ["it@praxis.example", "chef@praxis.example"]
    assert "ein Test, alles in Ordnung" in mail["Subject"] and "was asked for" in mail.get_content()
    assert raw.count(b"\n") == raw.count(b"\r\n") and m.encrypted == [tls is not None]


@pytest.mark.parametrize("notify,scheme,tls,host,login,says", [
    ({"smtp_ca": None}, "smtps", "smtps", HOST, False, "cannot be trusted"),
    ({}, "smtps", "smtps", "other.localhost", True, "cannot be trusted"),
    ({}, "smtp", "starttls", "other.localhost", True, "cannot be trusted"),
    ({}, "smtp", None, HOST, True, "offers no STARTTLS"),
    ({}, "smtp", None, HOST, False, "offers no STARTTLS"),
    ({"smtp_starttls": "no"}, "smtp", None, HOST, True, "would send the password in the clear"),
    ({"smtp_password_file": None}, "smtps", "smtps", HOST, True, "belong together"),
    ({"smtp_user": None}, "smtps", "smtps", HOST, True, "belong together"),
    ({"smtp": "smtps://gate:geheim@mail.localhost"}, "smtps", "smtps", HOST, False, "do not stand in the URL"),
    ({"smtp": "file:///etc/passwd"}, "smtps", "smtps", HOST, False, "no URL as SCHEME://HOST"),
    ({"smtp": "mail.localhost"}, "smtps", "smtps", HOST, False, "no URL"),
    ({"smtp": "smtps://"}, "smtps", "smtps", HOST, False, "no URL"),
    ({"smtp": "https://gate:geheim@mail.localhost"}, "smtps", "smtps", HOST, False, "smtp://HOST"),
])
def test_refused_by_us(setup, mail_server, notify, scheme, tls, host, login, says):
    """Nothing was sent, and no password left this program."""
    m = mail_server(tls, LOGIN)
    done = setup(m.port, scheme, host, login, **notify).cli("notify", "--test", exit=1)
    assert says in done.stderr and "geheim" not in done.stderr and m.box == [] and m.attempts == []


def test_in_the_clear_when_asked_for(setup, mail_server):
    m = mail_server()
    setup(m.port, "smtp", smtp_starttls="no").cli("notify", "--test")
    assert m.encrypted == [False]


def test_refused_by_the_server(setup, mail_server):
    m = mail_server("smtps", LOGIN)
    b = setup(m.port, login=True, smtp_user="wrong@praxis.example")
    assert "does not take the user and the password" in b.cli("notify", "--test", exit=1).stderr and m.box == []
    b.set("notify", smtp_user=LOGIN[0])
    m.handler.refuse = {"it@praxis.example"}
    done = b.cli("notify", "--test")  # the other one is told all the same
    assert "not to all: <it@praxis.example>: 550 5.1.1 no such user here" in done.stderr
    assert [to for _, to, _, _ in m.box] == [["chef@praxis.example"]]
    m.handler.refuse.add("chef@praxis.example")
    done = b.cli("notify", "--test", exit=1)
    assert "did not take the message" in done.stderr and "chef@praxis.example" in done.stderr and len(m.box) == 1


def test_the_keeper_sends_it(setup, mail_server):
    m = mail_server("smtps", LOGIN)
    b = setup(m.port, login=True)
    b.account()
    b.set("backup", dump_program="/bin/false")
    b.start_keeper()
    b.call({"cmd": "run", "mode": "now"})
    process.wait_until(lambda: m.box, 60, "the mail")
    assert m.box[0][2]["X-Elexgate-Event"] == "backup-failed"
    b.stop_keeper()
    assert LOGIN[1] not in b.keeper.log()


def test_a_token_goes_over_https_only(setup, folder):
    b = setup(1, smtp=None, mail_to=None, webhook="http://chat.localhost/hook", webhook_token_file=folder / "smtp.password")
    assert "https only" in b.cli("notify", "--test", exit=1).stderr
