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
    for page in [paths.ROOT / "README.md", paths.ROOT / "CHANGELOG.md", *sorted((paths.ROOT / "docs").rglob("*.md"))]:
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
