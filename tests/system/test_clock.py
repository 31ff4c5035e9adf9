"""The clock trial: leaf, intermediate and CA, thirty days before their end, on the day and after it, with programs that
run on and programs that are started on that day. Who gets in, what is said, where."""
import datetime
import os
import pathlib
import re
import shutil

import pytest

from lib import certs, phrases, process
from lib.backup import Backup
from lib.clock import LIBRARIES, Clock
from lib.console import Console
from test_cert import init, load
from test_notify import Mailbox

pytestmark = pytest.mark.skipif(not LIBRARIES, reason="no faketime")
END = 100  # days from now to the end of the one that ends first


def chain(folder, what, end=END):
    """A Pki whose leaf, intermediate or CA ends on day `end`; the others much later. server.pem holds all three."""
    folder.mkdir()
    days = {"leaf": 800, "intermediate": 3650, "ca": 3650, what: end}
    pki = certs.Pki.__new__(certs.Pki)
    pki.folder = folder
    pki.ca = certs.Authority(folder, "ca", "Clock CA", not_after=days["ca"])
    middle = certs.Authority(folder, "middle", "Clock Intermediate", parent=pki.ca, not_after=days["intermediate"])
    pki.ca_file, pki.server = pki.ca.file, middle.issue("server", common_name="localhost", not_after=days["leaf"])
    return pki


SUBJECT = {"leaf": "CN=localhost", "intermediate": "CN=Clock Intermediate", "ca": "CN=Clock CA"}


def start_keeper(b, env):
    argv = ["env", *(f"{k}={v}" for k, v in env.items()), *b.argv()]
    argv[len(env) + 1] = str(pathlib.Path(argv[len(env) + 1]).parent / "elexgate-keeper")
    b.keeper = process.Child("elexgate-keeper", argv, b.folder / "keeper.log")
    process.wait_until(b.ready, what="keeper")


class Practice:
    def __init__(self, folder, server, make_gate, what):
        self.clock, self.what = Clock(), what
        self.env = self.clock.env()
        self.pki = chain(folder / "pki", what)
        self.mailbox = Mailbox(folder)
        # A faked monotonic clock as well: the gate's hourly look happens when the days go by.
        self.gate = make_gate(server, pki=self.pki, env={**self.env, "FAKETIME_DONT_FAKE_MONOTONIC": "0"})
        self.console = Console(folder / "c", self.pki)
        self.console.start(env={**os.environ, **self.env})
        self.keeper = Backup(folder / "b", server, options={
            "backup": {"method": "dump"}, "tls": {"certificate": self.pki.server.certificate},
            # No reminders: a month that passes at once is weeks of them, and the look at the certificate comes some seconds later.
            "notify": {"mail_to": "it@praxis.example", "sendmail": self.mailbox.program, "min_free": "1", "repeat": "0"}})
        self.keeper.account()
        self.start_keeper()

    def start_keeper(self):
        start_keeper(self.keeper, self.env)

    def restart(self):
        self.gate.restart()
        self.console.stop()
        self.console.start(env={**os.environ, **self.env})
        self.keeper.stop_keeper()
        self.start_keeper()

    def gets_in(self, verify):
        args = ["--ssl-verify-server-cert", f"--ssl-ca={self.pki.ca_file}"] if verify else ["--ssl"]
        done = process.run(["mariadb", "--no-defaults", "--protocol=tcp", "-hlocalhost", f"-P{self.gate.port}", "-uroot",
                            *args, "-Ne", "SELECT 6*7"], 60, check=False, env={**os.environ, **self.env})
        assert done.returncode == 0 or "certificate" in done.stderr, done.stderr
        return done.returncode == 0

    def page(self):
        """The console serves, whatever the browser then says of it."""
        done = process.run(["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", f"https://localhost:{self.console.port}/healthz"], 30)
        return done.stdout == "200"

    def codes(self):
        return [w["code"] for w in self.gate.status()["certificate"]["warnings"]]

    def told(self):
        return [s for e, s in self.mailbox.told() if e == "certificate-expires"]

    def close(self):
        self.console.stop()
        self.keeper.stop_keeper()


@pytest.mark.parametrize("what", ["leaf", "intermediate", "ca"])
def test_the_days_of_a_chain(folder, server, make_gate, what):
    p = Practice(folder, server, make_gate, what)
    assert p.gets_in(True) and p.codes() == [] and p.told() == []
    table = [(END - 29.5, True, "certificate-expires", 1), (END - 0.5, True, "certificate-expires", 2),
             (END + 0.5, False, "certificate-expired", 3)]
    for day, verified, code, mails in table:
        p.clock.days(day)
        for restarted in (False, True):
            if restarted:
                p.restart()
            assert p.gets_in(True) == verified and p.gets_in(False), (day, restarted)
            assert p.page(), (day, restarted)
            status = p.gate.status()["certificate"]
            assert p.codes() == [code], (day, restarted)
            assert SUBJECT[what] in status["warnings"][0]["text"] and SUBJECT[what] in phrases.german(status["warnings"][0])
            assert status["days_left"] == int(END - day) - (day > END) and status["ends_first"] == SUBJECT[what]
            metrics = process.run([p.gate.process.argv[0].replace("proxy/elexgate-proxy", "cli/elexgate"), "--config",
                                   p.gate.config, "metrics"], env={**os.environ, **p.env}).stdout
            left = float(re.search(r"^elexgate_certificate_expires_in_seconds (\S+)$", metrics, re.M).group(1))
            assert abs(left - (END - day) * 86400) < 3600, metrics
            p.gate.wait_log(f"event={code} subject=\"{SUBJECT[what]}\"")
            process.wait_until(lambda: len(p.told()) >= mails, what=f"mail number {mails} on day {day}")
            # the same advice never comes twice: a restart is no news
            assert p.told() == ["raised"] * mails
        if code == "certificate-expired":
            assert "event=certificate-unfit" in p.console.process.log()
    assert p.gate.control("reload")["ok"], "other settings are taken while the certificate has ended"
    p.close()


def test_the_keeper_renews_from_year_to_year(folder, server):
    """One keeper that runs on, by its own clock: nothing 31 days before the end, a new certificate at 29, and so again the next year. One
    that was switched off for years renews what has ended as soon as it is back."""
    tls = folder / "tls"
    init(tls)
    clock = Clock()
    env = {**clock.env(), "FAKETIME_DONT_FAKE_MONOTONIC": "0"}
    b = Backup(folder / "b", server, options={"log": {"level": "debug"},
                                              "tls": {"certificate": tls / "server.pem", "key": tls / "server.key"}})

    def end():
        return (load(tls / "server.pem").not_valid_after - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)).total_seconds() / 86400

    def on_day(day, event):
        """The next look at the certificate ends with that event."""
        looks = len(re.findall(r"event=certificate-\S+", b.keeper.log()))
        clock.days(day)
        if b.keeper.popen.poll() is not None:
            start_keeper(b, env)
        process.wait_until(lambda: len(re.findall(r"event=certificate-\S+", b.keeper.log())) > looks, 60, f"a look on day {day}")
        assert re.findall(r"event=(certificate-\S+)", b.keeper.log())[looks] == event, (day, b.keeper.log())

    start_keeper(b, env)
    for _ in range(2):
        before = end()
        on_day(before - 31, "certificate-not-due")
        assert end() == pytest.approx(before, abs=0.01)
        on_day(before - 29, "certificate-renewed")
        assert end() - before == pytest.approx(397 - 29, abs=1.1)
    b.stop_keeper()
    day = end() + 500
    on_day(day, "certificate-renewed")
    assert end() - day == pytest.approx(397, abs=1.1)
    b.stop_keeper()


def test_a_clock_at_2000(folder, server, make_gate):
    """A machine whose battery is empty comes up before its certificates begin."""
    clock = Clock()
    clock.days(-9700)
    pki = chain(folder / "pki", "leaf")
    gate = make_gate(server, pki=pki, env=clock.env())
    console = Console(folder / "c", pki).start(env={**os.environ, **clock.env()})
    (warning,) = [w for w in gate.status()["certificate"]["warnings"] if w["code"] == "certificate-not-yet-valid"]
    assert "the clock of this machine says 20" in warning["text"] and "Uhr" in phrases.german(warning)
    assert "event=certificate-not-yet-valid" in gate.log
    gate.connect().close()  # its own clock is right
    console.stop()
    # An upgrade starts the program anew, on whatever date.
    assert gate.upgrade()["ok"]
