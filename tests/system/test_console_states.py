"""What the page says in each state of the whole, in a real Chromium: each state x German and English x screen and phone, with
axe-core and with sentences that must and must not be there. Proxy and keeper are played, so that each state is at hand at once;
that real ones say so in these states is what test_console_truth.py is for."""
import copy
import json
import os
import re
import shutil
import signal

import pytest

from lib import paths, process
from lib.console import Console
from test_console_browser import SOURCES, node_modules
from test_console_http import Fake

NOW = "2026-11-30T10:00:00.000Z"
RUN = {"kind": "backup", "started": NOW, "ended": NOW, "result": "good", "exit": 0, "run": "2026-11-30-1000", "method": "",
       "archives": [{"type": "elexisdb", "size": 5_000_000}]}
SMALLER = {**RUN, "archives": [{"type": "elexisdb", "size": 4_000_000}]}
ARCHIVE = {"type": "elexisdb", "run": "2026-11-30-1000", "size": 5_000_000, "method": "physical", "complete": True, "started": NOW,
           "finished": NOW, "standing": "own", "verified": {"good": True, "at": NOW}, "proven": {"good": True, "at": NOW}}
PROXY = {"ok": True, "listeners": [{"name": "elexis", "tls": "preferred"}], "state": "open", "sessions": 1, "idle": {"write_ms": 5000, "write_in_flight": 0}, "warnings": [], "waiting_for_restart": [],
         "certificate": {"subject": "CN=praxis", "not_after": "2037-01-01T00:00:00.000Z", "days_left": 300, "warnings": []}}
KEEPER = {"ok": True, "state": "idle", "schedule": {"next": NOW, "words": "daily at 03:15", "words_phrase": ["%s %s", ["daily"], ["at %s", "03:15"]]}, "pending": None, "job": None,
          "last_backup": RUN, "last_good_backup": RUN, "last_drill": {**RUN, "kind": "drill"}, "last_restore": None, "witnesses": {},
          "database": {"state": "up", "since": NOW}, "folder": "/var/backups/elexgate", "free": 500_000_000_000, "notify": {"good": True}}
SESSION = {"id": 7, "user": "elexis", "peer": "192.168.1.23", "program": "Elexis", "tls_version": "TLSv1.3", "cipher": "TLS_AES", "since": NOW,
           "state": "relay", "reads": 5, "writes": 2, "last_kind": "write", "last_activity_ms": 2000, "in_transaction": False, "in_flight": False}
RESTORE = {"kind": "restore", "started": NOW, "ended": NOW, "result": "failed", "exit": 1, "run": "", "action": "sql"}
BOARD = [
    {"address": "192.168.1.23", "name": "Empfang", "how": "tls", "seen": NOW, "tls": NOW, "distrust": NOW, "user": "elexis", "program": "Elexis", "listener": "elexis", "tls_off": False},
    {"address": "192.168.1.24", "name": "Labor", "how": "plain", "seen": NOW, "plain": NOW, "user": "elexis", "program": "Elexis", "listener": "elexis", "tls_off": False},
    {"address": "192.168.1.25", "name": "", "how": "distrust", "seen": NOW, "distrust": NOW, "user": "", "program": "", "listener": "elexis", "tls_off": False},
    {"address": "172.17.0.5", "name": "Webelexis", "how": "plain", "seen": NOW, "plain": NOW, "user": "web", "program": "", "listener": "webelexis", "tls_off": True},
]
FINDING = {"code": "database-down", "area": "database", "level": "bad", "text": "the database has not been running since 10:00: nobody can work",
           "text_phrase": ["the database has not been running since %s", "10:00"]}
AUDIT = [  # what the page tells of, and the keeper by itself: one line; what only the keeper knows; somebody at the machine
    {"time": "2026-11-30T09:00:00.000Z", "event": "command", "who": "elexgate-console", "account": "anna", "action": "delete", "object": "2026-11-01-0315", "result": "ok"},
    {"time": "2026-11-30T09:00:00.020Z", "event": "console", "who": "anna", "address": "192.168.1.9", "action": "delete", "object": "2026-11-01-0315", "result": "ok"},
    {"time": "2026-11-30T09:30:00.000Z", "event": "command", "who": "elexgate-console", "account": "eve", "action": "drill", "object": "latest", "result": "ok"},
    {"time": "2026-11-30T09:40:00.000Z", "event": "command", "who": "root", "action": "verify", "object": "all", "result": "ok"}]
DAY = {"from": "2026-11-30T00:00:00.000Z", "to": NOW, "minutes": [0] * 600, "saved": NOW, "gaps": [], "marks": []}
DOWN = object()


def changed(base, **more):
    return {**copy.deepcopy(base), **more}


#: state: (proxy's status, keeper's status, sessions)
STATES = {
    "up": (PROXY, KEEPER, [SESSION]),
    "keeper": (PROXY, DOWN, [SESSION]),
    "proxy": (DOWN, KEEPER, []),
    "database": (PROXY, changed(KEEPER, database={"state": "down", "since": NOW}, findings=[FINDING]), []),
    "restoring": (changed(PROXY, state="blocked", reason="The practice database is being restored", reason_phrase=["The practice database is being restored"]),
                  changed(KEEPER, state="running", job={"kind": "restore", "action": "run", "phase": "swap", "type": "elexisdb", "run": "2026-11-30-1000", "started": NOW, "blocked_since": NOW}), []),
    "waiting": (changed(PROXY, waiting_for_restart=[{"address": "192.168.1.23", "left_s": 62}]), KEEPER, []),
    "failed-sql": (PROXY, changed(KEEPER, last_restore=changed(RESTORE, words="It failed", words_phrase=["It failed: %s", ["the import failed at line %llu: %s", "7", ["the disk is full"]]])), [SESSION]),
    "way": (PROXY, changed(KEEPER, state="waiting", pending={"due": NOW, "deadline": None, "by_hand": True, "yielded": 3, "types": [], "words": "a client is writing", "words_phrase": ["a client is writing"]}), [SESSION]),
    "gave-up": (PROXY, changed(KEEPER, last_backup=changed(RUN, exit=4, result="not idle", error="a client is writing", error_phrase=["a client is writing"])), [SESSION]),
    "backup": (PROXY, changed(KEEPER, state="running", job={"kind": "backup", "phase": "copy", "type": "elexisdb", "run": "", "started": NOW, "bytes": 5, "total": 10}), [SESSION]),
    "draining": (changed(PROXY, state="draining", reason="Update am Mittag"), KEEPER, [SESSION]),
    "login": (PROXY, KEEPER, [changed(SESSION, state="login", tls_version=None, cipher=None), changed(SESSION, id=8, user="alt", tls_version=None, cipher=None)]),
}
STATES["opened"] = (PROXY, changed(KEEPER, opened=[
    {"id": 3, "which": "2026-11-28-0315", "state": "open", "since": NOW, "until": NOW, "socket": "/var/lib/elexgate/opened/2026-11-28-0315/socket",
     "user": "root", "version": "10.11.19-MariaDB", "databases": [{"name": "test; rm", "tables": 1}, {"name": "elexis", "tables": 187}]},
    {"id": 4, "which": "2026-11-29-0315", "state": "opening", "since": NOW, "phase": "extract", "bytes": 5, "total": 10},
    {"id": 5, "which": "2026-11-30 09:15:00", "state": "failed", "since": NOW, "error": "the server ended by itself"}]), [SESSION])
#: state: {path: (German sentences, German ones that must not be there, English, English not)}
SAYS = {
    "up": {"/": (["Alle können arbeiten", "läuft", "5,0 MB, 25 % mehr als die vorige", "Durch Probelauf bewiesen", "Platz ist für etwa 100000 weitere", "Nachricht an arzt@praxis.example"], ["nicht bekannt", "Rufen Sie"], ["Everybody can work"], ["not known"]),
           "/clients": (["1 von 3 Arbeitsplätzen umgestellt", "Empfang", "prüft das Zertifikat", "lehnt Zertifikat ab", "Ausgesperrt würden: Labor", "[listen elexis] tls = required"],
                        ["Ausgesperrt würden: Webelexis", "192.168.1.25 würde"], ["1 of 3 workstations", "These would be cut off: Labor"], []),
           "/timeline": (["Was geschah am Mo 30.11.2026", "← So 29.11.2026"], ["am 2026-11-30"], ["What happened on Mon 2026-11-30"], []),
           "/log": (["anna von 192.168.1.9: hat eine Sicherung gelöscht", "eve über die Seite: hat einen Probelauf verlangt", "root auf dem Server"],
                    ["anna über die Seite", "anna auf dem Server", "eve auf dem Server"], ["eve through the page"], ["anna through the page", "on the server: deleted"])},
    "keeper": {"/": (["nicht bekannt", "Rufen Sie Ihre Betreuung an: Dr. Hilfe"], ["noch nie", "Es gibt noch keine"], ["not known", "Call your support"], ["never", "no good backup"]),
               "/backups": (["ist nicht bekannt"], ["noch keine Sicherung"], ["is not known"], ["There is no backup"])},
    "proxy": {"/": (["nicht bekannt"], ["Alle können arbeiten"], ["not known"], ["Everybody can work"]),
              "/clients": (["nicht bekannt, wer verbunden ist"], ["Niemand ist verbunden"], ["not known who is connected"], ["Nobody is connected"])},
    "database": {"/": (["Die Datenbank läuft nicht, seit"], ["Alle können arbeiten"], ["has not been running"], ["Everybody can work"])},
    "restoring": {"/": (["Wiederherstellung läuft", "Niemand kommt herein"], ["Alle können arbeiten"], ["Nobody gets in"], ["Everybody can work"]),
                  "/restore": (["Die Daten werden ausgetauscht", "Die Datenbank startet"], ["Die SQL-Datei wird gelesen"], ["Exchanging the data"], ["Reading the SQL"])},
    "waiting": {"/": (["einige Arbeitsplätze warten"], ["Alle können arbeiten"], ["wait"], ["Everybody can work"]),
                "/clients": (["192.168.1.23", "noch 62 s", "Jetzt einlassen"], [], ["62 s"], [])},
    "failed-sql": {"/restore": (["Sie ist gescheitert: Der Import scheitert an Zeile 7: die Platte ist voll"], ["sind in Betrieb"], ["It failed: the import failed at line 7"], ["are in use"])},
    "way": {"/": (["macht immer wieder Platz", "Versuche bisher: 3", "elexis – 192.168.1.23 (Elexis)", "Als Dump sichern", "einen Moment anhalten"], ["misslang"],
                  ["keeps making way", "Tries so far: 3", "Back up as a dump"], ["failed"])},
    "gave-up": {"/": (["Misslingt etwas, erfährt es niemand"], ["Nachricht an"], ["nobody is told"], []),
                "/backups": (["gab auf, weil immer wieder jemand schrieb", "Als Dump sichern"], ["hat begonnen"], ["gave up because"], ["has begun"])},
    "draining": {"/clients": (["«Update am Mittag»"], ["kann niemand mit Elexis arbeiten"], ["«Update am Mittag»"], ["nobody can work with Elexis"]),
                 "/": (["wer arbeitet, darf fertig machen"], ["Alle können arbeiten"], ["those who work may finish"], ["Everybody can work"])},
    "opened": {"/backups": (["Offen seit", "schliesst von selbst", "sudo mariadb --socket=/var/lib/elexgate/opened/2026-11-28-0315/socket --user=root elexis",
                             "elexis (187)", "wird ausgepackt", "Sie ist nicht offen: the server ended", "Schliessen", "Weglegen"], ["Open since", "root test"],
                            ["Open since", "closes by itself", "It is not open", "Close", "Put away"], ["Offen seit"])},
    "login": {"/clients": (["meldet sich an"], [], ["is logging in"], [])},
}


class Played:
    """Proxy and keeper behind two sockets, in the state that the file `state` names."""

    def __init__(self, folder):
        self.file = folder / "state"
        self.file.write_text("up")
        folder = folder / "c"
        folder.mkdir()
        self.asked = []
        self.fakes = [
            Fake(folder / "proxy.sock", {"workstations": {"ok": True, "workstations": BOARD}, "workstation": {"ok": True},
                                         "status": lambda: self.of(0), "sessions": lambda: {"ok": True, "sessions": self.state()[2]}, "open": {"ok": True},
                                         "block": {"ok": True}, "log": {"ok": True, "lines": []}, "audit-log": {"ok": True, "lines": []}}),
            Fake(folder / "keeper.sock", {"status": lambda: self.of(1), "archives": lambda: {"ok": True, "folder": "/var/backups/elexgate", "runs": [ARCHIVE]},
                                          "restore": {"ok": True, "restore": {"phase": None}}, "account": {"ok": True}, "audit": {"ok": True}, "run": {"ok": True},
                                          "runs": {"ok": True, "runs": [RUN, SMALLER]}, "audit-log": {"ok": True, "lines": AUDIT}, "log": {"ok": True, "lines": []}, "timeline": {"ok": True, "timeline": DAY, "binlog": None}, "config-get": lambda: {"ok": True, "values": {"notify.mail_to": "arzt@praxis.example"} if self.state() is not STATES["gave-up"] else {}}}),
        ]

    def state(self):
        return STATES[self.file.read_text().strip() or "up"]

    def of(self, which):
        answer = self.state()[which]
        if answer is DOWN:
            return {"ok": False, "code": "ECONNREFUSED", "error": "played: it does not run"}
        return answer

    def close(self):
        for fake in self.fakes:
            fake.close()


@pytest.fixture(scope="module")
def played(session_folder, pki):
    folder = session_folder / "states"
    folder.mkdir()
    whole = Played(folder)
    console = Console(folder / "c", pki, {"support": "Dr. Hilfe, 044 123 45 67"}).start()
    console.admin()
    whole.scripts = folder / "scripts"
    whole.scripts.mkdir()
    for source in [*SOURCES.glob("*.js"), SOURCES / "package.json"]:
        shutil.copy(source, whole.scripts)
    (whole.scripts / "node_modules").symlink_to(node_modules())
    whole.folder, whole.console = folder, console
    yield whole
    console.stop()
    whole.close()


def test_each_state_in_a_browser(played):
    (played.folder / "says.json").write_text(json.dumps(SAYS))
    env = dict(os.environ, ELEXGATE_CONSOLE_URL=f"https://localhost:{played.console.port}", ELEXGATE_PICTURES=str(played.folder), TZ="Europe/Zurich")
    browser = process.Child("states.js", ["node", played.scripts / "states.js", played.folder / "says.json", played.file],
                            played.folder / "states.log", env=env, cwd=played.folder)
    browser.wait_log("OPEN", 600)
    os.kill(played.console.process.pid, signal.SIGKILL)
    played.console.process.wait(30)
    browser.wait_log("OFFLINE", 90)
    played.console.start()
    assert browser.wait(300) == 0, browser.log()
    runs = [r for r in played.fakes[1].asked if r["cmd"] == "run"]
    assert {"dump", "lock"} <= {r.get("method") for r in runs if r["mode"] == "now"}, runs
    blocks = [r for r in played.fakes[0].asked if r["cmd"] == "block"]
    assert [b["reason"] for b in blocks] == ["Umbau & Pause"], blocks


def test_each_action_and_event_has_its_sentence():
    """A new route or command that the audit logs write has words in the page's log."""
    messages = json.loads((paths.ROOT / "console/texts/messages.json").read_text())
    routes = (paths.ROOT / "console/http/routes.c").read_text()
    actions = set(re.findall(r'POST\("[^"]+", \w+, "([a-z-]+)"', routes)) | set(re.findall(r'ROUTE_ACTION, \w+, "([a-z-]+)"', routes))
    rights = (paths.ROOT / "link/rights.c").read_text()
    commands = set(re.findall(r'ROW\(\w+, "([a-z-]+)"[^)]*, true\),', rights))
    events = set(re.findall(r"^\| `([a-z-]+)` \|", (paths.ROOT / "docs/audit.md").read_text(), re.M))
    assert len(actions) > 25 and len(commands) > 10 and len(events) > 10
    missing = [name for name in sorted(actions | commands | events) if not messages.get(f"did-{name}")]
    assert missing == []
