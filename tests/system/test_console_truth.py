"""The page says nothing that it does not know: each program of the whole stopped in turn, each page in both languages."""
import json
import re

import pytest

from lib import process
from lib.backup import Backup
from lib.console import Console
from lib.gate import Gate
from lib.mariadb import MariaDB

PAGES = ["/", "/clients", "/schedule", "/backups", "/restore"]
#: What must and must not stand on which page, in German and English.
SAYS = {
    "up": {
        "/": (["Alle können arbeiten", "läuft"], ["läuft nicht", "nicht bekannt", "Rufen Sie"],
              ["Everybody can work"], ["does not run", "not known", "Call your support"]),
    },
    "keeper": {
        "/": (["nicht bekannt", "elexgate-keeper) nicht antwortet", "Dr. Hilfe, 044 123 45 67"],
              ["noch nie", "Es gibt noch keine", "nie von selbst", "Alles in Ordnung"],
              ["not known", "elexgate-keeper) does not answer", "Call your support"], ["never", "no good backup", "All is well"]),
        "/backups": (["ist nicht bekannt", "Was gesichert ist, bleibt"], ["noch keine Sicherung"], ["is not known"], ["There is no backup"]),
        "/restore": (["ist nicht bekannt"], ["noch keine Sicherung"], ["is not known"], ["There is no backup"]),
        "/schedule": (["Zeitplan ist nicht bekannt"], ['name="minute"', "Sofort ausführen"], ["schedule is not known"], ['name="minute"']),
    },
    "proxy": {
        "/": (["nicht bekannt", "elexgate-proxy) nicht antwortet", "Dr. Hilfe"], ["Alle können arbeiten"],
              ["not known", "Call your support"], ["Everybody can work"]),
        "/clients": (["nicht bekannt, wer verbunden ist"], ["kein Arbeitsplatz", "Niemand ist verbunden", "/clients/open"],
                     ["not known who is connected"], ["No workstation", "Nobody is connected", "/clients/open"]),
    },
    "database": {
        "/": (["Die Datenbank läuft nicht", "läuft nicht, seit", "systemctl start mariadb", "Dr. Hilfe"],
              ["Alle können arbeiten", "Can't connect", "2002", "(111)", "lässt sich im Moment nicht feststellen"],
              ["has not been running since", "nobody can work"], ["Everybody can work", "Can't connect", "2002"]),
        "/clients": (["Die Datenbank läuft nicht"], ["Der Zugang ist offen"], ["database has not been running"], ["Access is open"]),
    },
}


@pytest.fixture(scope="module")
def practice_parts(session_folder, template, pki):
    """A server of its own, gate, keeper and page in front of it; one good backup."""
    folder = session_folder / "truth"
    folder.mkdir()
    server = MariaDB(folder / "s", template=template)
    server.start()
    server.sql("CREATE DATABASE load_db; CREATE TABLE load_db.t (a INT PRIMARY KEY); INSERT INTO load_db.t VALUES (1)")
    gate = Gate(folder / "gate", server, pki)
    gate.start()
    b = Backup(folder / "b", server, gate, {"backup": {"method": "dump", "schedule": "15 3 * * *", "idle_for": "15s"}}).account()
    b.start_keeper()
    b.cli("backup", "--now")
    console = Console(folder / "c", pki, options={"support": "Dr. Hilfe, 044 123 45 67"}, sections={
        "proxy": {"control_socket": gate.control_socket}, "backup": {"control_socket": b.socket}}).start()
    yield server, gate, b, console
    console.stop()
    if b.keeper.alive():
        b.stop_keeper()
    gate.stop()
    server.stop()


def look(browser, state):
    for path, (german, never_german, english, never_english) in SAYS[state].items():
        for lang, must, never in (("de", german, never_german), ("en", english, never_english)):
            browser.lang = lang
            page = browser.get(f"{path}?lang={lang}").text
            body = page[page.index("<main"):]
            assert [s for s in must if s not in page] == [], (state, path, lang, body)
            assert [s for s in never if s in body] == [], (state, path, lang, body)
    for path in PAGES:
        assert browser.get(path).status == 200


def dots(browser):
    return re.findall(r'<span class="dot (good|bad|)"', browser.get("/").text)


def test_each_program_stopped_in_turn(practice_parts):
    server, gate, b, console = practice_parts
    browser = console.admin()
    process.wait_until(lambda: dots(browser) == ["good"] * 3, 30, "three good dots")
    look(browser, "up")
    b.stop_keeper()
    process.wait_until(lambda: dots(browser) == ["good", "bad", ""], 30, "the keeper's dot")
    look(browser, "keeper")
    b.start_keeper()
    server.stop()
    process.wait_until(lambda: b.call("status")["database"]["state"] == "down", 60, "the keeper's look at the database")
    process.wait_until(lambda: dots(browser) == ["good", "good", "bad"], 30, "the database's dot")
    look(browser, "database")
    server.start()
    process.wait_until(lambda: b.call("status")["database"]["state"] == "up", 60, "the database again")
    server.sql("ALTER USER 'elexgate'@'localhost' IDENTIFIED BY 'another one'; FLUSH PRIVILEGES")
    for (number,) in server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER='elexgate'"):
        server.sql(f"KILL {number}")
    process.wait_until(lambda: b.call("status")["database"]["state"] == "refusing", 60, "a database that refuses")
    page = browser.get("/?lang=de").text
    assert "lässt aber die Sicherung nicht hinein" in page and "Access denied" not in page
    gate.stop()
    process.wait_until(lambda: dots(browser)[0] == "bad", 30, "the gate's dot")
    look(browser, "proxy")


def test_the_log_knows_what_was_before_a_restart(practice_parts):
    """From the disk: neither the gate's nor the keeper's end, nor the page's, takes what was before out of the log."""
    server, gate, b, console = practice_parts
    if not b.keeper.alive():
        b.start_keeper()
    if not gate.process.alive():
        gate.start()
    browser = console.admin()
    rows = lambda: [row["text"] for row in browser.api("/api/log?kind=operation&lang=de")["rows"]]
    b.call({"cmd": "run", "mode": "now"})  # how it ends is not the question
    process.wait_until(lambda: any("Begonnen: Sicherung" in text for text in rows()), 30, "the backup stands in the log")
    before = rows()
    b.stop_keeper()
    gate.stop()
    console.stop()
    gate.start()
    b.start_keeper()
    console.start()
    browser = console.admin()
    after = rows()
    assert [text for text in before if text not in after] == []
    for program in ("elexgate-proxy", "elexgate-keeper"):
        started = lambda texts: sum("Gestartet:" in text and program in text for text in texts)
        assert started(after) == started(before) + 1, (program, after)
    people = [row["text"] for row in browser.api("/api/log?kind=people&lang=de")["rows"]]
    assert any("sich angemeldet" in text or "angemeldet" in text for text in people), people


def test_who_asks_for_what_waits_already_is_not_refused(practice_parts):
    """Right after a first start one is due by itself: "back up now" was answered by a red refusal, in English."""
    _, gate, b, console = practice_parts
    browser = console.admin()
    process.wait_until(lambda: b.call("status")["job"] is None, 60, "nothing runs")
    if not b.call("status")["pending"]:
        b.call({"cmd": "run", "mode": "when-idle"})
    answer = browser.do("/backup", mode="when-idle")
    assert answer.status == 200 and answer.json["ok"], answer.text
    b.call("cancel", check=False)


def test_a_good_preview_does_not_show_another_error(practice_parts):
    """Mustache falls through to the outer {{error}}: "täglich um 03:15Zeitplan: Stunde …"."""
    _, _, b, console = practice_parts
    if not b.keeper.alive():
        b.start_keeper()
    browser = console.admin()
    page = browser.post("/schedule", on="1", minute="15", hour="25", day="*", month="*", weekday="*", keep="7")
    assert page.status == 422
    preview = page.text[page.text.index('id="preview"'):]
    preview = preview[:preview.index("</div>")]
    assert "Zeitplan" not in preview and "«25»" not in preview, preview
    assert json.loads(browser.get("/api/schedule-preview?minute=1&hour=25&day=*&month=*&weekday=*").text)["field"] == "hour"
