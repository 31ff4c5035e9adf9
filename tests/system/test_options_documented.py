"""The table of options (common/options.c) against the sample file, the manual, and the programs' own words."""
import json
import re

import pytest

from lib import paths, process

ROOT = paths.ROOT
SAMPLE = ROOT / "docs" / "elexgate.ini"
MANUAL = ROOT / "docs" / "man" / "elexgate.ini.5"
MANUALS = sorted((ROOT / "docs" / "man").glob("*.[1-8]"))


def options_of_table():
    """{(section, key)} as the source says, read without the program."""
    text = (ROOT / "common" / "options.c").read_text(encoding="utf-8")
    return set(re.findall(r'^ {4}\{"(\w+)", "(\w+)", OPT_', text, re.M))


def options_of_sample(text):
    found, section = set(), None
    for line in text.splitlines():
        if match := re.match(r"#?\[(\w+)( \w+)?\]$", line):
            section = match.group(1)
        elif match := re.match(r"#(\w+) =", line):
            found.add((section, match.group(1)))
    return found


def options_of_manual(text):
    found, section = set(), None
    for line in text.splitlines():
        if match := re.match(r"\.Ss \[(\w+)( NAME)?\]$", line):
            section = match.group(1)
        elif section and (match := re.match(r"\.It Cm (\w+)$", line)):
            found.add((section, match.group(1)))
        elif line.startswith(".Sh "):
            section = None
    return found


def test_the_table_is_read():
    options = options_of_table()
    assert len(options) > 40
    assert {("database", "host"), ("listen", "announce"), ("tls", "key")} <= options


def test_sample_has_every_option():
    assert options_of_sample(SAMPLE.read_text(encoding="utf-8")) == options_of_table()


def test_manual_has_every_option():
    assert options_of_manual(MANUAL.read_text(encoding="utf-8")) == options_of_table()


def marks(page):
    """What a page says in every language: its sections, entries, options, commands, files, in order. What gendocs makes is compared by itself."""
    text = re.sub(r"(?s)\.\\\" begin \w+: made by.*?\.\\\" end \w+\n", "", page.read_text(encoding="utf-8"))
    parts = re.split(r"(?m)^\.S([hs])(?: .*)?$", text)
    words = r"(Fl|Cm|Pa|Ev|Xr|Li|Ql|Dv|Dl)"
    found = []
    for kind, part in zip(parts[1::2], parts[2::2]):
        terms = re.findall(r"(?m)^\.It (?=%s )(.*)$" % words, part)
        macros = re.findall(r"(?m)^\.(?:Op |Pq |It )*%s (.*?)(?: [.,;:)]+)*$" % words, part)
        found.append((kind, part.count("\n.It "), part.count("\n.Bd "), [term.lower() for term, _ in terms], sorted((macro, rest.lower()) for macro, rest in macros)))
    return found


@pytest.mark.parametrize("name", [p.name for p in MANUALS])
def test_the_german_page_has_what_the_english_one_has(name):
    """Prose is translated by hand: a section, an entry, an option, a file or a reference that comes or goes must do so in both."""
    english, german = marks(ROOT / "docs/man" / name), marks(ROOT / "docs/man/de" / name)
    if name == "elexgate.1":  # German commands are made from their help
        english = [section for section in english if section[0] == "h"]
    assert german == english


def test_german_pages_are_spelt_as_in_switzerland():
    for page in [ROOT / "po/man/de.po", *(ROOT / "docs/man/de").iterdir()]:
        assert re.findall("[ß„“”]", page.read_text(encoding="utf-8")) == [], page.name


@pytest.mark.parametrize("line", [".It Fl -takeover", ".It Pa /run/elexgate/proxy/proxy.sock", ".Ql elexgate drain", ".Sh SYSTEMD", ".Ev LISTEN_FDS"])
def test_what_a_german_page_lacks_is_found(tmp_path, line):
    page = ROOT / "docs/man/de/elexgate-proxy.8"
    text = page.read_text(encoding="utf-8").replace(".Pq Ev", ".Ev")
    assert line in text
    (tmp_path / page.name).write_text(text.replace(line, "", 1), encoding="utf-8")
    assert marks(tmp_path / page.name) != marks(ROOT / "docs/man" / page.name)


def test_a_missing_option_is_found():
    text = SAMPLE.read_text(encoding="utf-8")
    assert options_of_sample(text.replace("#announce =", "#anounce =")) != options_of_table()
    text = MANUAL.read_text(encoding="utf-8")
    assert options_of_manual(text.replace(".It Cm announce\n", "")) != options_of_table()


def test_docs_are_made_from_the_table():
    """Also their words, defaults and limits: what scripts/gendocs would write now."""
    process.run([ROOT / "scripts" / "gendocs", "--check"])


def show(config):
    done = process.run([paths.CLI, "--json", "config", "show", config])
    return json.loads(done.stdout)["options"]


def test_sample_changes_nothing(tmp_path):
    """The sample means the same as an empty file."""
    empty = tmp_path / "empty.ini"
    empty.write_text("")
    values = [{key: option[key] for key in ("section", "name", "key", "value", "source")} for option in show(SAMPLE)]
    assert values == [{key: option[key] for key in ("section", "name", "key", "value", "source")} for option in show(empty)]


def test_every_line_of_the_sample_is_good(tmp_path):
    """All options and sections uncommented, with their defaults."""
    text = re.sub(r"^#(\[|\w+ =)", r"\1", SAMPLE.read_text(encoding="utf-8"), flags=re.M)
    full = tmp_path / "full.ini"
    full.write_text(text, encoding="utf-8")
    options = show(full)
    assert {(o["section"], o["key"]) for o in options} == options_of_table()
    assert all(o["source"] == "file" for o in options)


@pytest.mark.parametrize("path", MANUALS, ids=lambda path: path.name)
def test_manual_pages_are_well_formed(path):
    done = process.run(["mandoc", "-T", "lint", "-W", "warning", path], check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def commands():
    """{name: help} of elexgate --help."""
    text = process.run([paths.CLI, "--help"]).stdout
    block = text[text.index("Commands:"):text.index("Options:")]
    return dict(re.findall(r"^  (\S+) +(.+)$", block, re.M))


def test_every_command_is_in_the_manual():
    manual = (ROOT / "docs" / "man" / "elexgate.1").read_text(encoding="utf-8")
    assert len(commands()) >= 10
    missing = [name for name in commands() if not re.search(rf"^\.It Cm {re.escape(name)}( |$)", manual, re.M)]
    assert missing == []


@pytest.mark.parametrize("program", [paths.PROXY, paths.KEEPER, paths.CONSOLE], ids=lambda path: path.name)
def test_every_program_has_a_manual_page(program):
    if not program.exists():
        pytest.skip(f"{program.name} is not built here")
    assert (ROOT / "docs" / "man" / f"{program.name}.8") in MANUALS
