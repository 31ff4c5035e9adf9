"""What the pages name exists: commands, their options, settings, programs, files of the tree and of the package. README, SECURITY and all of docs/."""
import fnmatch
import functools
import json
import re
import subprocess

import pytest

from lib import paths

DOCS = [paths.ROOT / "README.md", paths.ROOT / "SECURITY.md", *sorted((paths.ROOT / "docs").rglob("*.md"))]
PROGRAMS = {path.name: path for path in (paths.BUILD / folder / name for folder, name in (
    ("cli", "elexgate"), ("proxy", "elexgate-proxy"), ("backup", "elexgate-keeper"), ("backup", "elexgate-job"), ("backup", "elexgate-monitor"),
    ("notify", "elexgate-notify"), ("proof", "elexgate-proof"), ("console", "elexgate-console")))}
EVERYWHERE = {"--config", "--json", "--help", "--version"}
# Options in spans of their own that belong to other people's programs, with the program.
FOREIGN = {"--lower-case-table-names": "mariadbd", "--entrypoint": "docker", "--build-arg": "docker", 
           "--skip-grant-tables": "mariadbd", "--acls": "tar", "--xattrs": "tar"}
WORDS = {"elexgate seal", "foo.c", "foo.h"}     # the first line of a seal's file; a name that stands for any

IN_IMAGES = {"/usr/share/elexgate/sbom.spdx.json", "/usr/libexec/elexgate/database", "/usr/libexec/elexgate/healthcheck"}


def named(page):
    return str(page.relative_to(paths.ROOT))


def fenced(text):
    """(language, code) of the fenced blocks."""
    return re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)


def without_code(text):
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def code(text):
    """Each line of code, comments left out: those of the fenced blocks, and the spans of the text."""
    for _, block in fenced(text):
        for line in block.replace("\\\n", " ").splitlines():
            yield re.sub(r"(^|\s)#(\s.*)?$", "", line)
    for span in re.findall(r"`([^`]+)`", without_code(text)):
        yield re.sub(r"\s+", " ", span)


@functools.lru_cache(maxsize=None)
def help_of(program, *command):
    done = subprocess.run([PROGRAMS[program], *command, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout if done.returncode == 0 else None


def commands():
    return set(re.findall(r"^  ([a-z][a-z-]*)  ", help_of("elexgate"), re.MULTILINE))


def options_in(words):
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*)", words))


def false_commands(text):
    """Commands of elexgate that there are not, and options that theirs does not have."""
    wrong = []
    for line in code(text):
        for name, rest in re.findall(r"(?:^|[\s/(\"])elexgate ((?:--config \S+ |--json )*[a-z][a-z-]+)([^|;&)]*)", line):
            command = name.split()[-1]
            if f"elexgate {command}" in WORDS:
                continue
            if command not in commands():
                wrong.append(f"elexgate {command}")
                continue
            wrong += [f"elexgate {command} {option}" for option in sorted(options_in(rest) - options_in(help_of("elexgate", command)) - EVERYWHERE)]
    return wrong


def false_programs(text):
    """Options that the other programs and scripts do not have."""
    wrong = []
    for line in code(text):
        for name, rest in re.findall(r"(?:^|[\s/(])(elexgate-[a-z]+)((?: [^|;&)]*)?)$", line):
            if name in PROGRAMS and name != "elexgate-job" and " elexgate " not in rest:    # a container has the program's name
                wrong += [f"{name} {option}" for option in sorted(options_in(rest) - options_in(help_of(name) or "") - EVERYWHERE)]
        for name, rest in re.findall(r"(?:^|\s)((?:scripts|docker)/[\w-]+)([^|;&)]*)", line):
            script = paths.ROOT / name
            if script.is_file():
                wrong += [f"{name} {option}" for option in sorted(options_in(rest)) if option not in script.read_text(errors="replace")]
    return wrong


def false_options(text):
    """Options in a span of their own that nothing of ours has."""
    ours = set(EVERYWHERE)
    for name in commands():
        ours |= options_in(help_of("elexgate", name))
    for name in PROGRAMS:
        ours |= options_in(help_of(name) or "")
    for folder in ("scripts", "docker"):
        for path in (paths.ROOT / folder).iterdir():
            if path.is_file():
                ours |= options_in(path.read_text(errors="replace"))
    alone = set()
    for span in re.findall(r"`(--[^`]+)`", without_code(text)):
        alone |= options_in(span)
    return sorted(alone - ours - set(FOREIGN))


def settings_known():
    known, section = set(), None
    for line in (paths.ROOT / "docs/elexgate.ini").read_text().splitlines():
        if m := re.match(r"#?\[([a-z]+)", line):
            section = m.group(1)
        elif m := re.match(r"#? ?([a-z_]+) =", line):
            known.add((section, m.group(1)))
    return known


def false_settings(text):
    """Those named as `[section] key`, and those of sample sections of ours."""
    known = settings_known()
    sections = {section for section, _ in known}
    used = set(re.findall(r"`\[([a-z]+)(?: \w+)?\] ([a-z_]+)\b", text))
    for language, block in fenced(text):
        section = None
        for line in block.splitlines() if language == "ini" else []:
            if m := re.match(r"\[([a-z]+)", line):
                section = m.group(1)
            elif (m := re.match(r"([a-z_]+) *=", line)) and section in sections:
                used.add((section, m.group(1)))
    return sorted(f"[{s}] {k}" for s, k in used - known)


@functools.lru_cache(maxsize=None)
def tracked():
    done = subprocess.run(["git", "-C", paths.ROOT, "ls-files"], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        pytest.skip("not a checkout")
    return tuple(done.stdout.splitlines())


@functools.lru_cache(maxsize=None)
def installed():
    """What an installation writes, beneath /usr."""
    done = subprocess.run(["meson", "introspect", "--installed", paths.BUILD], stdout=subprocess.PIPE, text=True, check=True)
    prefix = json.loads(subprocess.run(["meson", "introspect", "--buildoptions", paths.BUILD], stdout=subprocess.PIPE, text=True, check=True).stdout)
    prefix = next(option["value"] for option in prefix if option["name"] == "prefix")
    return {"/usr" + path[len(prefix):] if path.startswith(prefix) else path for path in json.loads(done.stdout).values()}


def false_files(text):
    """Files of the tree and of the package that are not there."""
    files = tracked()
    folders = {"/".join(name.split("/")[:depth]) for name in files for depth in range(1, name.count("/") + 1)}
    tops = {name.split("/")[0] for name in files if "/" in name}
    names = {name.rsplit("/", 1)[-1] for name in files}
    wrong = []
    for line in code(text):
        for word in re.findall(r"(?<![\w./*-])[\w.-]+(?:/[\w.*-]+)+/?", line):
            word = word.rstrip("/.")
            source = word.replace("-", "_") + ".c"      # a program that is built there
            if (word.split("/")[0] in tops and word not in folders and source not in files
                    and not re.search(r"(^|/)[A-Z]{3,}/", word) and not fnmatch.filter(files, word) and not fnmatch.filter(files, "*/" + word)):
                wrong.append(word)
        if m := re.fullmatch(r"(test_\w+\.py|[a-z][a-z0-9_]*\.[ch])", line):
            wrong += [m.group(1)] if m.group(1) not in names | WORDS else []
        for word in re.findall(r"/usr/(?:share|libexec)/elexgate/[\w./-]*\w", line):
            if word not in installed() and word not in IN_IMAGES and not any(path.startswith(word + "/") for path in installed()) and not word.endswith(".package"):
                wrong.append(word)
    return wrong


CHECKS = [false_commands, false_programs, false_options, false_settings, false_files]


@pytest.mark.parametrize("page", DOCS, ids=named)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_what_the_page_names_is_there(check, page):
    assert check(page.read_text()) == []


@pytest.mark.parametrize("check,text", [
    (false_commands, "```sh\nelexgate restart\n```\n"),
    (false_commands, "see `elexgate backup --soon` and more"),
    (false_commands, "`docker compose exec elexgate-keeper elexgate backup --soon`"),
    (false_programs, "```\nscripts/demo --small\n```\n"),
    (false_programs, "`elexgate-proxy --takeovers`"),
    (false_options, "with `--accept-the-loss` it goes on"),
    (false_settings, "`[backup] schedules` says when"),
    (false_settings, "```ini\n[listen elexis]\ntsl = off\n```\n"),
    (false_files, "written in `backup/rules/nothing.h`"),
    (false_files, "`test_nothing.py` shows it"),
    (false_files, "```sh\n/usr/share/elexgate/acme-hook-none\n```\n")])
def test_a_planted_error_is_found(check, text):
    assert len(check(text)) == 1
