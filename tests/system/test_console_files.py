"""What the console ships to the browser: texts, templates, libraries as the lock pins them. Languages are po/'s: meson test catalogue."""
import json
import re
import subprocess

import pytest

from lib import paths

CONSOLE = paths.ROOT / "console"
# Words for codes that the programs tell; view_words() (console/view/view.h) looks them up, the page_*.c some of the others.
BY_CODE = ("job_", "step-", "restore-", "confirm-", "phase_", "level_", "program_", "method_", "idle_", "after_deadline_", "drill_", "cert_kind_", "role_", "state_",
           "service_", "standing_", "how_", "kind_", "mark_", "gap_", "change_")


def texts(name):
    return json.loads((CONSOLE / "texts" / f"{name}.json").read_text())


def used_in(folder, pattern, what):
    found = set()
    for path in sorted(folder.rglob(pattern)):
        found |= set(re.findall(what, path.read_text()))
    return found


def test_every_text_is_there_and_used():
    used = used_in(CONSOLE / "pages", "*.html", r"\{\{[#^/%]?t\.([a-zA-Z0-9_-]+)")
    named = used_in(CONSOLE, "*.c", r'"([a-z0-9_-]+)"')
    page = texts("page")
    assert sorted(used - set(page)) == []
    assert sorted(k for k in page if k not in used and k not in named and not k.startswith(BY_CODE)) == []


def test_pages_obey_their_own_policy():
    """No inline script, style or event: the browser would refuse it, and a page would be broken without a word."""
    for page in (CONSOLE / "pages").glob("*.html"):
        text = page.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), page.name
        for tag in re.findall(r"<script[^>]*>", text):
            assert 'src="/assets/' in tag, f"{page.name}: {tag}"
        for form in re.findall(r'<form method="post".*?</form>', text, re.S):
            assert "{{>csrf}}" in form or 'name="csrf"' in form, f"{page.name}: {form[:100]}"
        # what is not escaped is made here: a page within the layout, a picture of squares
        raw = set(re.findall(r"\{\{\{.*?\}\}\}", text))
        assert raw <= {"layout.html": {"{{{content}}}"}, "code.html": {"{{{qr}}}"}}.get(page.name, set()), page.name


def test_libraries_are_what_the_lock_pins():
    lock = json.loads((CONSOLE / "package-lock.json").read_text())
    wanted = json.loads((CONSOLE / "package.json").read_text())["dependencies"]
    for name, version in wanted.items():
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    for folder in (CONSOLE, paths.ROOT / "tests" / "console"):
        assert '"resolved"' not in (folder / "package-lock.json").read_text()
    done = subprocess.run([paths.ROOT / "scripts" / "vendor", "--check"], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["app.css", "app.js", "live.js", "forms.js", "schedule.js", "chart.js", "upload.js", "files.js", "shown.js"])
def test_nothing_is_fetched_from_elsewhere(name):
    text = (CONSOLE / "assets" / name).read_text()
    assert not re.search(r"https?://|@import|eval\(|innerHTML\s*=", text), name
