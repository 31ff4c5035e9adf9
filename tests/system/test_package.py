"""The Debian package, installed into a fresh Debian, used and removed: scripts/package-test does it and says what failed."""
import os
import subprocess

import pytest

from lib import paths


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.environ.get("ELEXGATE_LONG") != "1", reason="minutes by itself: scripts/test --long, or scripts/package-test")
def test_package_in_a_fresh_debian():
    done = subprocess.run([paths.ROOT / "scripts/package-test"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout[-6000:]
    assert "removed and purged: the backups are still there" in done.stdout
