"""A MySQL server, of Debian unstable: its programs lie in a folder that scripts/mysql-root makes. Without it the tests are skipped."""
import fcntl
import os
import pathlib
import shutil
import tempfile

import pymysql
import pytest

from lib import mariadb, newer, paths, process

PROGRAMS = ("mysqld", "mysql", "mysqldump")


def root():
    """The folder, complete: $ELEXGATE_MYSQL_ROOT, or with ELEXGATE_MYSQL=1 one under the build folder. Skips the test where it
    cannot be had: what Debian unstable has on a day, no run may depend on."""
    folder, wanted = os.environ.get("ELEXGATE_MYSQL_ROOT"), os.environ.get("ELEXGATE_MYSQL")
    if not folder and wanted != "1":
        pytest.skip("no MySQL: neither ELEXGATE_MYSQL_ROOT nor ELEXGATE_MYSQL=1 is set")
    folder = pathlib.Path(folder or paths.BUILD / "mysql")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = process.run([paths.ROOT / "scripts" / "mysql-root", folder], timeout=360, check=False)
    if made.returncode:
        pytest.skip(f"no MySQL: {made.stderr.strip()}")
    return folder


class MySQL(mariadb.MariaDB):
    """Its programs lie in self.bin and start by themselves, as in /opt. root has no password, on localhost only."""

    small = ["--innodb-buffer-pool-size=32M", "--innodb-redo-log-capacity=16M", "--skip-name-resolve", "--performance-schema=OFF",
             "--innodb-flush-log-at-trx-commit=2", "--mysqlx=OFF", "--secure-file-priv="]

    def __init__(self, folder, **kwargs):
        self.place = pathlib.Path(tempfile.mkdtemp(prefix="elexgate-mysql-", dir="/tmp"))
        self.bin = newer.programs(root(), self.place, PROGRAMS, "mysql")
        self.program = (self.bin / "mysqld", "--no-defaults", f"--basedir={self.place}", f"--lc-messages-dir={self.place}/share/mysql",
                        f"--character-sets-dir={self.place}/share/mysql/charsets")
        folder = pathlib.Path(folder)
        folder.mkdir()
        template = folder / "template"
        process.run([*self.program, *mariadb._as_user(), "--initialize-insecure", "--innodb-redo-log-capacity=16M", f"--datadir={template}"], timeout=180)
        super().__init__(folder / "s", template, **kwargs)

    def end(self):
        self.kill()
        shutil.rmtree(self.place)

    def add_user(self, name, password, grants="ALL ON *.*", host="%", plugin="caching_sha2_password"):
        quoted = pymysql.converters.escape_string(password)
        self.sql(f"DROP USER IF EXISTS '{name}'@'{host}'; CREATE USER '{name}'@'{host}' IDENTIFIED WITH {plugin} BY '{quoted}'; GRANT {grants} TO '{name}'@'{host}'")
