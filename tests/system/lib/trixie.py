"""A server of the next Debian (MariaDB 11.8) beside this machine's own: its programs lie in a folder that
scripts/trixie-root makes (lib/newer.py)."""
import pytest

from lib import mariadb, newer

programs = newer.programs


def root():
    """The folder, complete. Skips the test where it cannot be had."""
    folder, why = newer.make_root()
    if not folder:
        pytest.skip(f"no MariaDB 11.8: {why}")
    return folder


def client_plugins(folder):
    return next((folder / "root" / "usr" / "lib").glob("*/libmariadb3/plugin"))


class NewServer(mariadb.MariaDB):
    """A server that runs the folder's programs, on a data directory that they have made."""

    def __init__(self, folder, trixie, **kwargs):
        self.program = (trixie / "run", "mariadbd", "--no-defaults", *newer.places(trixie))
        folder.mkdir()
        template = folder / "template"
        newer.install(self.program, trixie, template)
        super().__init__(folder / "s", template, **kwargs)
