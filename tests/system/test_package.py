"""The Debian package: what it says of itself; and, in minutes, built and installed into a fresh Debian, used, upgraded and removed:
scripts/package-test does it and says what failed."""
import json
import os
import re
import shutil
import subprocess

import pytest

from lib import paths

VENDORED = re.findall(r"^([a-z0-9-]+) ([0-9.]+) \((.*)\)$", (paths.ROOT / "console/assets/vendor/LICENSES.txt").read_text(), re.M)


def sbom(*args):
    done = subprocess.run([paths.ROOT / "scripts/sbom", *map(str, args)], capture_output=True, text=True, check=True,
                          env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    return done.stdout


def test_one_version_everywhere():
    version = re.search(r"^  version: '(.*)',", (paths.ROOT / "meson.build").read_text(), re.M)[1]
    assert (paths.ROOT / "debian/changelog").read_text().startswith(f"elexgate ({version}) ")
    assert f'image.version="{version}"' in (paths.ROOT / "Dockerfile").read_text()


def package_of(command):
    """The package that COMMAND's file is of, or None; /usr/bin and /bin are one folder, and dpkg knows either name."""
    path = shutil.which(command)
    for name in {path, os.path.realpath(path), path.removeprefix("/usr"), os.path.realpath(path).removeprefix("/usr")} if path else ():
        found = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    return None


@pytest.mark.parametrize("script", ["debian/elexgate.postinst", "debian/elexgate.prerm", "debian/elexgate.postrm", "systemd/elexgate.logrotate"])
def test_what_the_packages_scripts_run_is_installed_with_it(script):
    text = re.sub(r"(^|\s)#.*|\$\(\(.*?\)\)", "", (paths.ROOT / script).read_text())  # without comments and sums
    commands = set(re.findall(r"(?:^|[;&|(!]|\bthen\b|\bdo\b|\belse\b|\bif\b)[ \t]*([a-z][a-z0-9_.-]+)\b(?!=)", text, re.M))
    depends = re.search(r"^Depends:(.*?)^[A-Z]", (paths.ROOT / "debian/control").read_text(), re.M | re.S)[1]
    named = set(re.findall(r"[a-z][a-z0-9.+-]+", depends))
    owners = {c: package_of(c) for c in commands}
    assert owners.get("true") or owners.get("rm") or owners.get("mv"), "none of the commands was found"
    essential = {p for p in set(owners.values()) - {None}
                 if subprocess.run(["dpkg-query", "-W", "-f", "${Essential}", p], capture_output=True, text=True).stdout == "yes"}
    assert {c: p for c, p in owners.items() if p and p not in essential | named} == {}


def test_the_copyright_file_names_what_the_console_bundles():
    text = (paths.ROOT / "debian/copyright").read_text()
    files = {p.name for p in (paths.ROOT / "console/assets/vendor").iterdir()}
    assert files == {"LICENSES.txt", "tus.js", "uplot.css", "uplot.js"} and len(VENDORED) == 9
    bundled = [name for name, _, _ in VENDORED if name not in ("uplot", "tus-js-client")]
    assert [name for name in bundled if name not in text] == []
    assert {licence for _, _, licence in VENDORED} <= set(re.findall(r"^License: (\S+)$", text, re.M))


def test_what_is_in_an_image_as_spdx(tmp_path):
    """SPDX 2.3: each package once, each relation between two that are there; the same lines give the same document."""
    (tmp_path / "parts").write_text(sbom("parts", paths.ROOT))
    text = sbom("image", "elexgate:gate", tmp_path / "parts")
    assert text == sbom("image", "elexgate:gate", tmp_path / "parts")
    document = json.loads(text)
    assert document["spdxVersion"] == "SPDX-2.3" and document["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    packages = {p["SPDXID"]: p for p in document["packages"]}
    assert len(packages) == len(document["packages"])
    for p in packages.values():
        assert re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", p["SPDXID"]) and p["name"] and p["downloadLocation"] and p["filesAnalyzed"] is False
    for r in document["relationships"]:
        assert {r["spdxElementId"], r["relatedSpdxElement"]} - set(packages) <= {"SPDXRef-DOCUMENT"}
    found = {(p["name"], p.get("versionInfo"), p["licenseDeclared"]) for p in packages.values()}
    assert set(VENDORED) <= found
    status = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n"], capture_output=True, text=True, check=True)
    installed = {tuple(line.split()[1:]) for line in status.stdout.splitlines() if line.startswith("installed ")}
    assert installed and installed <= {(name, version) for name, version, _ in found}


LONG = pytest.mark.skipif(os.environ.get("ELEXGATE_LONG") != "1", reason="minutes by itself: scripts/test --long, or scripts/package-test")


def package_test(*args):
    done = subprocess.run([paths.ROOT / "scripts/package-test", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout


@LONG
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_package_in_a_fresh_debian(suite):
    assert "removed and purged: the backups are still there" in package_test("--suite", suite)


@LONG
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_running_practice_goes_to_the_next_debian():
    assert "a backup of 10.11 under 11.8" in package_test("--upgrade")
