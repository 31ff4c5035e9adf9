"""Words that somebody stumbled over on the page, one test each: they stay away."""
import json
import re

import pytest

from lib import paths
from test_cli_help import entries, LOCALES, help_of, is_imperative
from test_console_http import console, make_console, make_fake  # noqa: F401

pytestmark = pytest.mark.sanitize
NOW = "2026-11-30T08:14:00Z"
KEPT = {"kind": "restore", "action": "run", "started": NOW, "ended": NOW, "result": "good", "exit": 0, "run": "2026-11-30-0914",
        "words": "The data of 2026-11-30 09:14 are in use.", "words_phrase": ["The data of %s are in use.", {"local": "2026-11-30 09:14"}]}


def plain(page):
    return " ".join(re.sub(r"<[^>]*>", "", page).split())


def page_of(console, make_fake, path, status, proxy=None, restore=None, lang="de"):
    """The page, with a keeper and a proxy that say this."""
    make_fake(console.folder / "keeper.sock", {"status": {"ok": True, "schedule": {}, "witnesses": {}, **status}, "restore": {"ok": True, "restore": restore or {}},
                                               "archives": {"ok": True, "folder": "/x", "runs": []}})
    make_fake(console.folder / "proxy.sock", {"status": {"ok": True, "state": "open", "warnings": [], **(proxy or {})}, "sessions": {"ok": True, "sessions": []}})
    browser = console.admin()
    browser.lang = lang
    return browser.get(path).body.decode()


def test_blocked_since_a_moment(console, make_fake):
    """Not "gesperrt, seit vor 2 s"."""
    job = {"kind": "restore", "action": "run", "phase": "swap", "type": "elexisdb", "run": "2026-11-30-0914", "started": NOW, "blocked_since": NOW}
    page = plain(page_of(console, make_fake, "/restore", {"job": job, "state": "running"}))
    assert re.search(r"ausgesperrt, seit (?:heute|gestern|\w\w \d\d\.\d\d\.\d{4}) \d\d:\d\d\.", page) and "seit vor" not in page


@pytest.mark.parametrize("path, kind", [("/backups", "backup"), ("/restore", "restore")])
def test_of_an_unknown_total_nothing_is_said(console, make_fake, path, kind):
    """Not "14 MB von 0 B"."""
    job = {"kind": kind, "action": "run", "phase": "copy", "type": "elexisdb", "run": "2026-11-30-0914", "started": NOW, "bytes": 14_000_000, "total": 0}
    page = plain(page_of(console, make_fake, path, {"job": job, "state": "running"}))
    assert "14 MB" in page and "von 0 B" not in page


def test_times_of_the_schedule_have_names_not_genitives():
    """Not "der Stunden 3"."""
    for text in [*json.loads((paths.ROOT / "console/texts/page.json").read_text()).values(), (paths.ROOT / "po/de.po").read_text()]:
        assert not re.search(r"\bder Stunden \{|\bder Stunden %", text), text


@pytest.mark.parametrize("new_live", [True, False])
def test_the_button_names_the_data_that_stay(console, make_fake, new_live):
    """After an undo the old data are in use: not "Neue Daten behalten"."""
    page = page_of(console, make_fake, "/restore", {"last_restore": KEPT | {"new_live": new_live}}, restore={"phase": "kept", "new_live": new_live})
    form = page[page.index('action="/restore/accept"'):]
    form = plain("<" + form[:form.index("</form>")])
    assert ("Neue Daten behalten" in form) == new_live, form
    assert ("Wiederhergestellte Daten wegräumen" in form) != new_live, form


@pytest.mark.parametrize("lang, words", [("de", "Die Daten von 30.11.2026 09:14"), ("en", "The data of 2026-11-30 09:14 are in use")])
def test_data_are_of_a_moment(console, make_fake, lang, words):
    """Not "Die Daten von 2026-11-30-0914"."""
    assert words in plain(page_of(console, make_fake, "/restore", {"last_restore": KEPT}, lang=lang))


@pytest.mark.parametrize("lang, words", [("de", "Starten Sie unter «Sicherungen» die erste."), ("en", 'Start the first one under "Backups".')])
def test_a_link_stands_in_its_sentence(console, make_fake, lang, words):
    """Not "Starten Sie unter «Sicherungen» die erste. Sicherungen"."""
    page = page_of(console, make_fake, "/", {"findings": [{"code": "no-backup", "area": "backup", "level": "bad", "text": "there is no backup", "advice": ""}]}, lang=lang)
    advice = next(p for p in re.findall(r"<p>(.*?)</p>", page) if plain(p).replace("&quot;", '"').startswith(words))
    assert plain(advice).replace("&quot;", '"') == words and advice.count('<a href="/backups">') == 1


def test_a_sentence_about_what_is_kept_has_its_end():
    """Not "die früheren bleiben in.": a place that is not known is not spoken of."""
    for lang in ("de", "fr", "it"):
        for form in re.findall(r'^msgstr(?:\[\d\])? "(.*)"$', (paths.ROOT / f"po/{lang}.po").read_text(), re.M):
            assert not re.search(r"\b(?:in|dans|unter|von|seit|bis)\.(?:$|\\n)", form), (lang, form)


@pytest.mark.parametrize("lang", LOCALES)
def test_cert_is_told_as_the_others(lang):
    """Not "makes" among imperatives."""
    text = dict(entries(help_of(lang)))["cert"]
    assert is_imperative(lang, text) and not is_imperative("en", "makes, installs"), text
