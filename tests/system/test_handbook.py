"""The handbook says what is true: messages, anchors, and the same in its three languages. What its pages name is held by test_docs.py."""
import re
import sys

import pytest

from lib import paths, phrases, process

BOOK = paths.ROOT / "docs/handbook"
sys.path.insert(0, str(paths.ROOT / "po"))
import pofile  # noqa: E402

LANGUAGES = ("en", "de", "fr")
CHAPTERS = re.findall(r"^\| \[.*?\]\((en/\S+?)\) \| \[.*?\]\((de/\S+?)\) \| \[.*?\]\((fr/\S+?)\) \|$", (BOOK / "README.md").read_text(), re.MULTILINE)
DOCS = [paths.ROOT / "README.md", *sorted((paths.ROOT / "docs").rglob("*.md"))]


KEY = re.compile(r'(?:N_|\bphrase)\(\s*"((?:[^"\\]|\\.)*)"')
PROGRAMS = [*(paths.ROOT / "proxy").rglob("*.c"), paths.ROOT / "certs/client_auth.c"]
ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "é": "e", "è": "e", "ê": "e", "à": "a", "ô": "o", "ç": "c", "«": '"', "»": '"'})


def messages(language="de"):
    """What the proxy tells clients, as they see it before their login: without umlauts and accents."""
    keys = {key.replace('\\"', '"') for path in PROGRAMS for key in KEY.findall(path.read_text())}
    keys = {k for k in keys if re.match("[A-Z].* .* |this workstation|this listener|the certificate .*user", k) and k in phrases.catalogue("de")}
    return sorted(phrases.catalogue(language)[k].translate(ASCII) for k in keys)


def plain(text):
    return re.sub(r"\s+", " ", re.sub(r"%[.\d]*(?:s|llu)", "…", text)).strip()


def test_messages_are_found():
    found = messages()
    assert len(found) >= 18
    assert any("bitte Elexis neu starten" in m for m in found)


@pytest.mark.parametrize("page", ["en/troubleshooting.md", "de/stoerungen.md", "fr/depannage.md"])
def test_every_message_to_clients_is_explained(page):
    """In German, which is the first unless set otherwise, and in the page's own language."""
    text = (BOOK / page).read_text()
    own = page.partition("/")[0]
    told = messages() + (messages(own) if own != "en" else [])
    assert [m for m in told if plain(m) not in text] == []


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


def shape(text):
    return {"headings": [len(h) for h in re.findall(r"^(#+) ", without_code(text), re.MULTILINE)],
            "blocks": re.findall(r"^ *```(\w*)\n", text, re.MULTILINE), "rows": len(re.findall(r"^\|", text, re.MULTILINE)),
            "items": len(re.findall(r"^ *(?:-|\d+\.) ", without_code(text), re.MULTILINE))}


def commands(text):
    """The lines to type or to put into a file, in order. What each language may say in its own words: comments, the text
    of an echo, the language asked for, and what stands in capitals for something else."""
    for code in re.findall(r"^ *```(?:sh|bash|ini|sql)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        for line in code.splitlines():
            line = re.sub(r"(^|\s+)#\s.*", "", line.strip())
            line = re.sub(r"--lang \w\w\b", "--lang XX", re.sub(r'echo ".*?"', "echo", re.sub(r"(?<=\s)[A-Z]+$", "X", line)))
            if line:
                yield line


def test_every_page_is_a_chapter_in_all_languages():
    assert len(CHAPTERS) >= 11
    for i, language in enumerate(LANGUAGES):
        assert sorted(chapter[i] for chapter in CHAPTERS) == sorted(f"{language}/{page.name}" for page in (BOOK / language).iterdir())


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda c: c[0])
def test_the_languages_have_the_same_parts(chapter):
    english, *others = [(BOOK / name).read_text() for name in chapter]
    for text in others:
        assert shape(text) == shape(english)
        assert list(commands(text)) == list(commands(english))


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda c: c[0])
def test_each_page_leads_to_the_other_languages(chapter):
    for name in chapter:
        head = (BOOK / name).read_text().split("\n## ")[0]
        assert [other for other in chapter if other != name and f"](../{other})" not in head] == []


def test_commands_that_differ_are_found():
    text = "```sh\nelexgate restore latest   # a word\necho \"a\"; elexgate cert export --lang de\nelexgate backups adopt RUN\n```\n"
    same = text.replace("a word", "un mot").replace('"a"', '"un"').replace("lang de", "lang fr").replace("RUN", "LAUF")
    assert list(commands(text)) == list(commands(same)) and len(list(commands(text))) == 3
    for wrong in (text.replace("latest", "newest"), text.replace("sh\n", "sh\nelexgate doctor\n")):
        assert list(commands(text)) != list(commands(wrong))


@pytest.mark.parametrize("page", sorted(BOOK.glob("fr/*.md")), ids=lambda p: p.name)
def test_french_is_written_as_in_switzerland(page):
    """« » as the catalogue has them, a blank before ; : ? !."""
    text = re.sub(r"`[^`]*`|\]\([^)]*\)|https?:\S+", "", without_code(page.read_text()))
    assert re.findall(r"[^|\n]*[“”„ß][^|\n]*", text) == []
    text = re.sub(r"^\|(?: [A-Z][^|]*|[^|]*\\d+ )\|.*$", "", text, flags=re.MULTILINE) if page.name == "depannage.md" else text
    assert re.findall(r"\w+[;?!:](?=\s)", text) == []


def buttons(text):
    """What stands in italics as a way through the page, such as *Backups → Back up now*."""
    for way in re.findall(r"(?<!\*)\*([^*]+ → [^*]+)\*(?!\*)", text):
        yield from re.sub(r"\s+", " ", way).split(" → ")


@pytest.mark.parametrize("language", LANGUAGES)
def test_buttons_are_called_as_on_the_page(language):
    catalogue = pofile.read((paths.ROOT / f"po/{'de' if language == 'en' else language}.po").read_text())
    words = set(catalogue) if language == "en" else {word for entry in catalogue.values() for word in entry["str"]}
    named = [word for page in sorted((BOOK / language).glob("*.md")) for word in buttons(page.read_text())]
    assert len(named) >= 8
    assert [word for word in named if word not in words] == []


def test_both_ways_are_as_long():
    assert len({sum(len(list(buttons(page.read_text()))) for page in (BOOK / language).glob("*.md")) for language in LANGUAGES}) == 1


def test_the_upgrade_is_told_as_it_is_tested():
    """Each command of the chapter, in its order, is what a practice on its way from Debian 12 to 13 runs (scripts/package-test --upgrade)."""
    told = process.run([paths.ROOT / "tests/package/chapter", BOOK / "en/server-upgrade.md"]).stdout.splitlines()
    run = re.findall(r"""^(?:told|next_is) (?:'([^']*)'|"([^"$]*)")""", (paths.ROOT / "tests/package/practice").read_text(), re.MULTILINE)
    assert told == [a or b for a, b in run]
