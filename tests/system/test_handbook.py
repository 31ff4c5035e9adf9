"""The handbook says what is true: messages, commands, settings, links, and the same in both languages."""
import re
import subprocess

import pytest

from lib import paths

BOOK = paths.ROOT / "docs/handbook"
PAIRS = re.findall(r"^\| \[.*?\]\((\S+?)\) \| \[.*?\]\((\S+?)\) \|$", (BOOK / "README.md").read_text(), re.MULTILINE)
PAGES = sorted({(BOOK / name).resolve() for pair in PAIRS for name in pair})
DOCS = [paths.ROOT / "README.md", *sorted((paths.ROOT / "docs").rglob("*.md"))]


def literals(path):
    """The strings of a C file, those that stand next to each other joined as the compiler does it."""
    for joined in re.findall(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*', path.read_text()):
        yield "".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', joined)).replace('\\"', '"')


def messages():
    """The German half of what the proxy tells clients."""
    found = set()
    for path in [*(paths.ROOT / "proxy").rglob("*.c"), paths.ROOT / "certs/client_auth.c"]:
        for text in literals(path):
            german, stroke, english = text.partition(" / ")
            if stroke and re.match(r"[A-Z][a-z]+ .*\w", german) and re.match(r"\w+ [\w']+ ", english):
                found.add(german)
            elif not stroke and re.search(r"\b(bitte|wurde|wird)\b", text):
                found.add(text)
    return sorted(found)


def plain(text):
    return re.sub(r"\s+", " ", re.sub(r"%[.\d]*(?:s|llu)", "…", text)).strip()


def test_messages_are_found():
    found = messages()
    assert len(found) >= 18
    assert any("bitte Elexis neu starten" in m for m in found)


@pytest.mark.parametrize("page", ["en/troubleshooting.md", "de/stoerungen.md"])
def test_every_message_to_clients_is_explained(page):
    text = (BOOK / page).read_text()
    assert [m for m in messages() if plain(m) not in text] == []


def slug(heading):
    """The anchor that the usual renderers make of a heading."""
    text = re.sub(r"[`*]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)).strip().lower()
    return re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", text))


def without_code(text):
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def test_anchors_lead_to_headings():
    broken = []
    for page in DOCS:
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", without_code(page.read_text())):
            if "://" in target:
                continue
            other = (page.parent / target).resolve() if target else page
            headings = re.findall(r"^#+ (.+)$", without_code(other.read_text()), re.MULTILINE) if other.exists() else []
            if anchor not in {slug(h) for h in headings}:
                broken.append(f"{page.name}: {target}#{anchor}")
    assert broken == []


def commands():
    told = subprocess.run([paths.BUILD / "cli/elexgate", "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return set(re.findall(r"^  ([a-z][a-z-]*)  ", told, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_are_known(page):
    named = set(re.findall(r"(?:^|[`\s])elexgate ([a-z][a-z-]+)", "\n".join(
        re.findall(r"```.*?```|`[^`\n]+`", page.read_text(), re.DOTALL)), re.MULTILINE))
    assert sorted(named - commands()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_settings_are_known(page):
    """Those named as `[section] key`, and those of sample sections."""
    rows = (paths.ROOT / "docs/elexgate.ini").read_text()
    known, section = set(), None
    for line in rows.splitlines():
        if m := re.match(r"#?\[([a-z]+)", line):
            section = m.group(1)
        elif m := re.match(r"#? ?([a-z_]+) =", line):
            known.add((section, m.group(1)))
    text = page.read_text()
    named = set(re.findall(r"`\[([a-z]+)(?: NAME)?\] ([a-z_]+)\b", text))
    for block in re.findall(r"```ini\n(.*?)```", text, re.DOTALL):
        section = None
        for line in block.splitlines():
            if m := re.match(r"\[([a-z]+)", line):
                section = m.group(1)
            elif m := re.match(r"([a-z_]+) *=", line):
                named.add((section, m.group(1)))
    assert sorted(named - known) == []


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: p[0])
def test_both_languages_have_the_same_parts(pair):
    def shape(name):
        text = (BOOK / name).read_text()
        blocks = re.findall(r"^ *```(\w*)\n", text, re.MULTILINE)
        return {"headings": [len(h) for h in re.findall(r"^(#+) ", without_code(text), re.MULTILINE)],
                "blocks": blocks, "rows": len(re.findall(r"^\|", text, re.MULTILINE))}
    assert shape(pair[0]) == shape(pair[1])
