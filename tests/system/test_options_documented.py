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
