"""elexgate --help in the four languages, from the commands' tables and po/: the same options in each, in 80 columns, in one grammar, nothing in English."""
import functools
import os
import re
import subprocess

import pytest

from lib import paths

pytestmark = pytest.mark.sanitize
LOCALES = {"en": "C.UTF-8", "de": "de_CH.UTF-8", "fr": "fr_CH.UTF-8", "it": "it_CH.UTF-8"}
VERBS = set("""answer ask archive bring call change check compare delete do end find finish go keep leave let list look make mark migrate move print prove put read
    refuse reload run say send set show sign take tell try unpack wait write""".split())


@functools.cache
def help_of(language, *command):
    done = subprocess.run([paths.CLI, *command, "--help"], capture_output=True, text=True, timeout=20, env={**os.environ, "LC_ALL": LOCALES[language]})
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@functools.cache
def commands():
    return [term for term, _ in entries(help_of("en"))[:-4]]


def entries(text):
    """[(term, what it does)]: terms stand at two or four blanks, what they do further to the right, or below."""
    found = []
    for line in text.partition("\n\n")[2].splitlines():
        if m := re.match(r" {2}(?: {2})?(\S.*?)(?: {2,}(\S.*))?$", line):
            if not line.startswith("     "):
                found.append([m[1], m[2] or ""])
                continue
        if line.startswith("     ") and found:
            found[-1][1] = f"{found[-1][1]} {line.strip()}".strip()
    return [tuple(f) for f in found]


def sentences(text):
    """What stands there in full lines: paragraphs, each in one line."""
    return [" ".join(block.split()) for block in text.split("\n\n")[1:] if not block.startswith("  ")]


@pytest.mark.parametrize("language", LOCALES)
def test_it_fits_eighty_columns(language):
    assert len(commands()) > 30
    for name in (None, *commands()):
        for line in help_of(language, *([name] if name else [])).splitlines():
            assert len(line) <= 80, (name, line)


@pytest.mark.parametrize("language", ["de", "fr", "it"])
def test_each_language_says_the_same_and_none_says_it_in_english(language):
    for name in (None, *commands()):
        ours, english = (help_of(lang, *([name] if name else [])) for lang in (language, "en"))
        assert [t for t, _ in entries(ours)] == [t for t, _ in entries(english)], name
        for (term, text), (_, plain) in zip(entries(ours), entries(english)):
            assert (text != plain) if plain else not text, (name, term, text)
            assert set(re.findall(r"--[a-z][a-z-]+", text)) == set(re.findall(r"--[a-z][a-z-]+", plain)), (name, term)
        assert len(sentences(ours)) == len(sentences(english)) and not set(sentences(ours)) & set(sentences(english)), name
        if name:
            assert ours.split(":", 1)[1].partition("\n\n")[0].split() == english.split(":", 1)[1].partition("\n\n")[0].split()


def is_imperative(language, text):
    clauses = [c.split() for c in re.split(r"[,;:()]", text) if c.strip()]
    first = re.split(r"\W", text)[0]
    if language == "en":
        return first in VERBS
    if language == "de":  # an infinitive, at the end of a clause or as its first word
        return any(re.fullmatch(r"[a-zäöü]+(?:en|ern|eln)", w) for c in clauses for w in (c[0], c[-1]))
    if language == "fr":
        return bool(re.match(r"(?:(?:ne rien|n'en|tout|lui|le|la|les|en) )*(?:[a-zéèê]+(?:er|ir)|(?:re)?(?:mettre|prendre|lire)|écrire|faire|dire)\b", text))
    return not re.search(r"(?:are|ere|ire)$", first) and bool(re.match(r"(?:(?:non|ne|lo|la|li|le) )*[a-zè]+(?:a|e|ì|i)\b", text))


@pytest.mark.parametrize("language", LOCALES)
def test_it_speaks_in_imperatives(language):
    """One grammar: each command's line, and each subcommand's, tells the program what to do."""
    bad = {term: text for term, text in entries(help_of(language))[:-4] if not is_imperative(language, text)}
    for command, subcommands in {"cert": "init self-signed csr sign install renew page back show client revoke export", "backup-key": "show sheet rotate import",
                                 "backup-folder": "show init", "config": "check show set", "backups": "delete label protect adopt"}.items():
        found = {re.split(r"[ ,]", term)[0]: text for term, text in entries(help_of(language, command))}
        bad |= {f"{command} {word}": found[word] for word in subcommands.split() if not is_imperative(language, found[word])}
    assert bad == {}


def test_the_tests_see_what_is_not_so():
    for language, text in {"en": "makes a backup", "de": "zeigt die Sitzungen", "fr": "montre qui est connecté", "it": "mostrare chi è collegato"}.items():
        assert not is_imperative(language, text), text
    assert entries("Usage: x\n\n  --a B   one\n          two\n    [c]   three\n  --long-one-that-is-longer X\n          four\n\nText.\n") == [
        ("--a B", "one two"), ("[c]", "three"), ("--long-one-that-is-longer X", "four")]


def test_completion_describes_in_the_language():
    for language, word in {"en": "show who is connected", "de": "zeigen, wer verbunden ist", "fr": "montrer qui est connecté", "it": "mostra chi è collegato"}.items():
        done = subprocess.run([paths.CLI, "completion", "described", "--", "sess"], capture_output=True, text=True, env={**os.environ, "LC_ALL": LOCALES[language]})
        assert done.stdout == f"sessions:{word}\n"
        done = subprocess.run([paths.CLI, "completion", "described", "--", "restore", "--y"], capture_output=True, text=True,
                              env={**os.environ, "LC_ALL": LOCALES[language]})
        assert done.stdout == f"--yes:{dict(entries(help_of(language, 'restore')))['--yes']}\n"


def test_in_the_pseudo_language():
    """Of the help nothing but commands, options and operands stands outside of the brackets; it fits when it is a third longer."""
    for name in (None, *commands()):
        done = subprocess.run([paths.CLI_PSEUDO, *([name] if name else []), "--help"], capture_output=True, text=True, timeout=20,
                              env={**os.environ, "LC_ALL": "fr_CH.UTF-8"})
        assert done.returncode == 0 and max(map(len, done.stdout.splitlines())) <= 80, name
        outside = re.sub(r"⟦[^⟦⟧]*⟧", "", done.stdout)
        body = outside if name is None else outside.partition("\n\n")[2]
        assert set(re.findall(r"\S+", body)) - {"."} <= {w for term, _ in entries(help_of("en", *([name] if name else []))) for w in term.split()}, name


@pytest.mark.parametrize("language", ["de", "fr", "it"])
def test_a_wrong_call_is_told_in_the_readers_language(language):
    """Also where to read on. Options and operands are called as the help calls them."""
    def told(lang, *words):
        done = subprocess.run([paths.CLI, *words], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL, env={**os.environ, "LC_ALL": LOCALES[lang]})
        assert (done.returncode, done.stdout) == (2, ""), (words, done)
        return done.stderr.splitlines()

    wrong = [[name, "--no-such-option"] for name in commands() if name != "migrate"] + [  # that one is a script, in English
        ["xyzzy"], ["--config"], ["kill", "x"], ["watch", "--events=foo"], ["watch", "--count=0"], ["block", "--until", "x"], ["cert"], ["cert", "init"],
        ["cert", "xyzzy"], ["log-level", "x"], ["completion"], ["notify"], ["backup-key", "x"], ["config", "x"], ["drill", "--chain", "latest"]]
    for words in wrong:
        ours, english = told(language, *words), told("en", *words)
        assert len(ours) == len(english) == 2, (words, ours, english)
        for one, other in zip(ours, english):
            assert one != other and set(re.findall(r"--[a-z-]+|\b[A-Z]{3,}\b", one)) == set(re.findall(r"--[a-z-]+|\b[A-Z]{3,}\b", other)), (one, other)
