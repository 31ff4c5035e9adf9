"""The short form of scripts/rough-soak."""
import os
import subprocess
import sys

import pytest

from lib import paths


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="makes network namespaces")
def test_both_sides_agree_at_every_quiet_moment():
    done = subprocess.run([sys.executable, paths.ROOT / "tests/system/rough_soak.py", "12", "3"], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0 and done.stdout.endswith("good\n"), done.stdout[-3000:] + done.stderr[-3000:]
