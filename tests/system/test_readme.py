"""README.md says what is there: the code map and the links."""
import pathlib
import re
import subprocess

import pytest

from lib import paths

README = (paths.ROOT / "README.md").read_text()


def tracked():
    done = subprocess.run(["git", "-C", paths.ROOT, "ls-files"], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        pytest.skip("not a checkout")
    return [pathlib.PurePosixPath(line) for line in done.stdout.splitlines()]


def code_map():
    """The paths that the map names; an indented name lies in the folder above it, two blanks a level."""
    block = re.search(r"## Code map\n+```\n(.*?)```", README, re.DOTALL).group(1)
    found, folders = [], []
    for line in block.splitlines():
        indent, names = re.match(r"( *)(\S+(?: \S+)*)", line).groups()
        depth = len(indent) // 2
        folders = folders[:depth]
        for name in names.split():
            found.append(pathlib.PurePosixPath(*folders, name))
        folders.append(names.split()[0] if names.endswith("/") else "")
    return found


def test_what_the_code_map_names_is_there():
    missing = [str(p) for p in code_map() if not (paths.ROOT / p).exists()]
    assert missing == []
    assert len(code_map()) > 30


def named_files(text):
    """Every file of C that the map names, wherever it stands in a line: folder/name."""
    found, folders = set(), []
    for line in re.search(r"## Code map\n+```\n(.*?)```", text, re.DOTALL).group(1).splitlines():
        indent, rest = re.match(r"( *)(.*)", line).groups()
        folders = folders[:len(indent) // 2] + [rest.split()[0] if rest.split()[0].endswith("/") else ""]
        found |= {str(pathlib.PurePosixPath(*folders, name)) for name in re.findall(r"[\w/]+\.[ch]\b", rest)}
    return found


def unnamed(files, named):
    """Headers that the map does not name, and sources that belong to none that it names. *_internal.h and *_private.h
    belong to their folder's own; cmd_NAME.c, page_NAME.c and main.c are named as such."""
    missing = []
    for path in files:
        if path.suffix == ".h":
            whole = re.search(r"_(internal|private)$", path.stem) or str(path) in named
        else:
            beside = [other.stem for other in files if other.suffix == ".h" and other.parent == path.parent]
            whole = (str(path) in named or re.match(r"main$|cmd_|page_", path.stem) or path.parts[0] == "bench"
                     or any(path.stem == stem or path.stem.startswith(stem + "_") for stem in beside)
                     or re.search(r'^#include "' + str(path.parent) + "/", (paths.ROOT / path).read_text(), re.M))
        if not whole:
            missing.append(str(path))
    return missing


def test_every_pair_of_files_has_its_line_in_the_code_map():
    files = [p for p in tracked() if p.suffix in (".c", ".h") and p.parts[0] not in ("tests", "bench")]
    assert unnamed(files, named_files(README)) == []


def test_every_file_that_the_code_map_names_is_there():
    """Also those in the middle of a line."""
    patterns = {"cmd_NAME.c", "page_NAME.c"}
    assert sorted(name for name in named_files(README) if not (paths.ROOT / name).exists() and pathlib.PurePosixPath(name).name not in patterns) == []


def test_a_planted_pair_is_missed():
    files = [pathlib.PurePosixPath(name) for name in ("common/error.h", "common/error.c", "common/fresh.h", "common/fresh_internal.h")]
    assert unnamed(files, named_files(README)) == ["common/fresh.h"]
    moved = README.replace("  error.h ", "  errors.h ")
    assert unnamed(files[:2], named_files(moved)) == ["common/error.h"] and "common/errors.h" in named_files(moved)


def test_every_folder_is_in_the_code_map():
    """Two levels deep; tests/ is told by kind."""
    named = {str(p).rstrip("/") for p in code_map()}
    folders = {"/".join(p.parts[:depth]) for p in tracked() for depth in (1, 2)
               if len(p.parts) > depth and not p.parts[0].startswith(".")}
    assert sorted(f for f in folders if f not in named and not f.startswith("docs/")) == []


def test_every_script_is_in_the_code_map():
    named = {str(p) for p in code_map()}
    assert [str(p) for p in tracked() if p.parts[0] == "scripts" and len(p.parts) == 2 and str(p) not in named] == []


def test_links_lead_somewhere():
    """Relative links of the pages that are ours alone to keep."""
    broken = []
    for page in [paths.ROOT / "README.md", paths.ROOT / "CHANGELOG.md", paths.ROOT / "SECURITY.md", *sorted((paths.ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


def test_pages_that_the_code_names_are_there():
    """A comment or a message that sends somebody to docs/…"""
    missing = set()
    for path in tracked():
        if path.suffix in (".c", ".h", ".md", ".ini", ".py", ".build") or path.parts[0] == "scripts":
            text = (paths.ROOT / path).read_text(errors="replace") if (paths.ROOT / path).is_file() else ""
            for page in re.findall(r"\bdocs/[\w./-]*\w", text):
                if not (paths.ROOT / page).exists():
                    missing.add(f"{path}: {page}")
    assert sorted(missing) == []
