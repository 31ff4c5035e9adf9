"""scripts/test, scripts/deps, scripts/format: do they say what happened? Tried on a tiny project of their own."""
import os
import pathlib
import shutil
import textwrap

import pytest

from lib import paths, process

MESON = """
project('tiny', 'c')
good = executable('good', 'good.c')
test('good one', good)
test('second', good)
"""
GOOD = "int main(void)\n{\n    return 0;\n}\n"
LEAK = """#include <stdlib.h>
void *volatile kept;
int main(void)
{
    kept = malloc(10);
    kept = NULL;
    return 0;
}
"""
SYSTEM = """
import os, subprocess, pytest

def test_good():
    assert os.path.isdir(os.environ["ELEXGATE_BUILD"])

@pytest.mark.slow
def test_slow():
    pass

@pytest.mark.sanitize
def test_also_on_sanitizer_builds():
    pass

def test_skipped():
    pytest.skip("no reason")
"""
INI = "[pytest]\naddopts = --strict-markers\nmarkers =\n    slow: x\n    sanitize: x\n"


class Project:
    def __init__(self, folder):
        self.folder = folder / "project"
        (self.folder / "tests" / "system").mkdir(parents=True)
        (self.folder / "scripts").mkdir()
        for script in ("test", "count-results", "deps", "format"):
            shutil.copy(paths.ROOT / "scripts" / script, self.folder / "scripts" / script)
        shutil.copy(paths.ROOT / ".clang-format", self.folder)
        self.write("scripts/packages", "[build]\ngcc # compiles\n[demo]\n[test]\n")
        self.write("meson.build", MESON)
        self.write("good.c", GOOD)
        self.write("tests/system/test_tiny.py", SYSTEM)
        self.write("tests/system/pytest.ini", INI)
        process.run(["git", "init", "-q", self.folder])
        process.run(["git", "-C", self.folder, "add", "."])

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def add_test(self, name, source):
        self.write(f"{name}.c", source)
        with open(self.folder / "meson.build", "a", encoding="utf-8") as f:
            f.write(f"test('{name}', executable('{name}', '{name}.c'))\n")
        process.run(["git", "-C", self.folder, "add", "."])

    def run(self, *args):
        """Returns (exit status, last line, whole output)."""
        # the environment of the outer run must not leak into the inner one
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ELEXGATE_", "PYTEST_", "ASAN_", "UBSAN_"))}
        done = process.run([self.folder / "scripts" / "test", *args], timeout=240, check=False, env=env)
        return done.returncode, done.stdout.splitlines()[-1], done.stdout + done.stderr


@pytest.fixture
def project(folder):
    return Project(folder)


def test_unit_only(project):
    assert project.run("--unit")[:2] == (0, "2 passed, 0 failed")


def test_quick_leaves_out_what_is_slow(project):
    status, last, out = project.run("--quick")
    assert (status, last) == (0, "4 passed, 0 failed"), out  # 2 unit, 2 of 4 system tests
    assert "1 skipped" in out


def test_only_what_matches(project):
    assert project.run("--only", "good")[:2] == (0, "2 passed, 0 failed")  # one unit test, one system test
    assert project.run("--only", "nothing-like-it")[:2] == (1, "0 passed, 0 failed")


def test_everything_on_every_build(project):
    """gcc, clang and sanitizers each run the unit tests; the system tests run on gcc, the marked ones on sanitizers too."""
    status, last, out = project.run()
    assert (status, last) == (0, "11 passed, 0 failed"), out  # 3 × 2 unit, 3 + 1 system, 1 form


def test_a_leak_fails_the_sanitizer_build_only(project):
    project.add_test("leak", LEAK)
    status, last, out = project.run()
    assert (status, last) == (1, "13 passed, 1 failed"), out
    assert "LeakSanitizer" in out


def test_a_failing_unit_test_is_counted_and_shown(project):
    project.add_test("bad", '#include <stdio.h>\nint main(void)\n{\n    puts("why it failed");\n    return 1;\n}\n')
    status, last, out = project.run("--unit")
    assert (status, last) == (1, "2 passed, 1 failed")
    assert "why it failed" in out


def test_what_fails_in_the_crowd_is_run_by_itself(project):
    """A test that passes alone counts as passed, and the output says that it needed it; one that does not, failed."""
    project.write("tests/system/test_tiny.py", textwrap.dedent("""
        import pathlib
        def test_passes_the_second_time():
            seen = pathlib.Path(__file__).with_name("seen")
            first = not seen.exists()
            seen.touch()
            assert not first
        def test_never_passes():
            assert False
        def test_good():
            pass
    """))
    code, last, output = project.run("--quick")
    assert (code, last) == (1, "4 passed, 1 failed")
    assert "2 failed among the others: once more, each by itself" in output
    assert "by themselves: 1 passed, 1 failed" in output
    assert output.splitlines()[-2] == "passed by themselves only: test_tiny::test_passes_the_second_time"


@pytest.mark.parametrize("shaky,ends", [(3, (0, "6 passed, 0 failed")), (4, (1, "7 passed, 1 failed"))])
def test_many_that_pass_only_by_themselves_fail_the_run(project, shaky, ends):
    project.write("tests/system/test_tiny.py", textwrap.dedent(f"""
        import pathlib
        import pytest
        @pytest.mark.parametrize("n", range({shaky}))
        def test_shaky(n):
            seen = pathlib.Path(__file__).with_name(f"seen{{n}}")
            first = not seen.exists()
            seen.touch()
            assert not first
        def test_good():
            pass
    """))
    code, last, output = project.run("--quick")
    assert (code, last) == ends
    assert output.splitlines()[-2].count("test_tiny::test_shaky") == shaky


def test_what_a_sanitizer_reported_is_not_tried_away(project):
    project.write("tests/system/test_tiny.py", textwrap.dedent("""
        import pathlib
        def test_it():
            seen = pathlib.Path(__file__).with_name("seen")
            first = not seen.exists()
            seen.touch()
            assert not first, "a sanitizer reported: use after free"
    """))
    code, last, output = project.run("--quick")
    assert (code, last) == (1, "2 passed, 1 failed")
    assert "once more" not in output


def test_a_test_that_fails_in_body_and_teardown_is_one_failure(project):
    project.write("tests/system/test_tiny.py", textwrap.dedent("""
        import pytest
        @pytest.fixture
        def broken():
            yield
            raise RuntimeError("teardown")
        def test_it(broken):
            assert False
        def test_teardown_only(broken):
            pass
        def test_good():
            pass
    """))
    assert project.run("--quick")[:2] == (1, "3 passed, 2 failed")


def test_a_system_test_file_that_cannot_be_read_fails(project):
    project.write("tests/system/test_tiny.py", "import nothing_of_that_name\n")
    status, last, _ = project.run("--quick")
    assert status == 1 and last == "2 passed, 1 failed"


def test_a_warning_fails_the_build(project):
    project.write("good.c", "int main(void)\n{\n    int unused;\n    return 0;\n}\n")
    project.write("meson.build", MESON.replace("'c')", "'c', default_options: ['warning_level=3'])"))
    status, last, out = project.run("--unit")
    assert (status, last) == (1, "0 passed, 1 failed")
    assert "unused" in out


@pytest.mark.skipif(shutil.which("clang-format-14") is None, reason="no clang-format-14, which alone judges the form")
def test_wrong_form_is_named(project):
    project.write("good.c", "int main(void) { return 0; }\n")
    done = process.run([project.folder / "scripts" / "format", "--check"], check=False)
    assert done.returncode == 1 and "good.c" in done.stdout
    process.run([project.folder / "scripts" / "format"])
    assert (project.folder / "good.c").read_text() == GOOD
    process.run([project.folder / "scripts" / "format", "--check"])


def test_deps_names_what_is_missing(project):
    project.write("scripts/packages", textwrap.dedent("""
        # a comment
        [build]
        bash                  # there
        no-such-package-one   # a reason
        [test]
        no-such-package-two unless:bash        # there in another way
        no-such-package-three unless:no-such-command   # a reason
    """))
    deps = project.folder / "scripts" / "deps"
    assert process.run([deps, "--list", "build"]).stdout == "no-such-package-one\n"
    assert process.run([deps, "--list", "test"]).stdout == "no-such-package-three\n"
    assert process.run([deps, "--list"]).stdout == "no-such-package-one\nno-such-package-three\n"
    project.write("scripts/packages", "[build]\nbash # there\n")
    assert process.run([deps]).stdout == ""


def test_unknown_option(project):
    status = process.run([project.folder / "scripts" / "test", "--everything"], check=False)
    assert status.returncode == 2 and "--everything" in status.stderr


def test_shell_scripts_pass_shellcheck():
    scripts = [p for p in sorted((paths.ROOT / "scripts").iterdir())
               if p.is_file() and p.read_bytes().startswith((b"#!/bin/bash", b"#!/bin/sh", b"#!/usr/bin/env bash"))]
    assert len(scripts) >= 4
    process.run(["shellcheck", "--severity=warning", *scripts, paths.ROOT / ".ci" / "run"])


APT = """#!/bin/sh
for word; do
    case $word in
    Dir::Cache=*) cache=${word#*=} ;;
    indextargets) echo http://nowhere bookworm main ;;
    install) cp "$FAKE_DEB" "$cache/archives/" ;;
    esac
done
"""


@pytest.mark.skipif(not pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists(), reason="no debian-archive-keyring")
@pytest.mark.parametrize("libraries", ["lib", "usr/lib"])
def test_programs_of_either_debian_are_unpacked(folder, libraries):
    """Debian 12's packages have the C library and its loader outside usr, Debian 13's in it."""
    package = folder / "package"
    loader, library = (process.run(["sh", "-c", f"ldd /bin/true | grep -o '/[^ ]*{name}[^ ]*'"]).stdout.strip() for name in ("ld-linux", "libc.so.6"))
    triplet = pathlib.Path(library).parent.name
    for source, to in ((loader, f"{libraries}64/{pathlib.Path(loader).name}"), (library, f"{libraries}/{triplet}/libc.so.6"), ("/bin/true", "usr/bin/true")):
        (package / to).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, package / to)
    (package / "DEBIAN").mkdir()
    (package / "DEBIAN" / "control").write_text("Package: all\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n")
    process.run(["dpkg-deb", "--build", package, folder / "all.deb"])
    (folder / "bin").mkdir()
    (folder / "bin" / "apt-get").write_text(APT)
    (folder / "bin" / "apt-get").chmod(0o755)
    there = folder / "there"
    process.run([paths.ROOT / "scripts" / "unpacked-root", there, "bookworm", "true", "all"],
                env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "FAKE_DEB": str(folder / "all.deb")})
    process.run([there / "run", "true"])
    assert (there / "complete").exists()
