"""MariaDB 11.8 of the next Debian: its programs lie in a folder that scripts/trixie-root makes.

$ELEXGATE_TRIXIE_ROOT names the folder. With ELEXGATE_TRIXIE=1 it is made, once, under the build folder; with
ELEXGATE_TRIXIE=0 there is none.
"""
import fcntl
import os
import pathlib
import re
import shutil

import pytest

from lib import mariadb, paths, process


def root():
    """The folder, complete. Skips the test where it cannot be had."""
    folder, wanted = os.environ.get("ELEXGATE_TRIXIE_ROOT"), os.environ.get("ELEXGATE_TRIXIE")
    if wanted == "0" or not folder and wanted != "1":
        pytest.skip("no MariaDB 11.8: neither ELEXGATE_TRIXIE_ROOT nor ELEXGATE_TRIXIE=1 is set, or it could not be had")
    folder = pathlib.Path(folder or paths.BUILD / "trixie")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes share the tests
        made = process.run([paths.ROOT / "scripts" / "trixie-root", folder], timeout=360, check=False)
    if made.returncode:
        pytest.skip(f"no MariaDB 11.8: {made.stderr.strip()}")
    return folder


def client_plugins(folder):
    return next((folder / "root" / "usr" / "lib").glob("*/libmariadb3/plugin"))


def programs(trixie, folder, names=("mariadbd", "mariadb", "mariadb-check", "mariadb-upgrade")):
    """Puts programs into a folder with the loader and the libraries they need, so that they start by themselves, also in a
    sandbox (where there is no /proc, and so no $ORIGIN)."""
    usr, loader = trixie / "root" / "usr", "ld-linux-x86-64.so.2"
    library = usr / "lib" / "x86_64-linux-gnu"
    for name in names:
        program = shutil.copy(next(p for p in (usr / "sbin" / name, usr / "bin" / name) if p.exists()), folder)
        needed = process.run([library / loader, "--library-path", library, "--list", program]).stdout
        for path in (library / loader, *re.findall(r"=> (/\S+)", needed)):
            if not (folder / os.path.basename(path)).exists():
                shutil.copy(path, folder)
        process.run(["patchelf", "--set-interpreter", folder / loader, "--force-rpath", "--set-rpath", folder, program])


class NewServer(mariadb.MariaDB):
    """A server that runs the folder's programs, on a data directory that they have made."""

    def __init__(self, folder, trixie, **kwargs):
        usr = trixie / "root" / "usr"
        share = usr / "share" / "mariadb"
        self.program = (trixie / "run", "mariadbd", "--no-defaults", f"--basedir={usr}", f"--lc-messages-dir={share}",
                        f"--plugin-dir={usr}/lib/mysql/plugin", f"--character-sets-dir={share}/charsets")
        folder.mkdir()
        template = folder / "template"
        self.install(template, share)
        super().__init__(folder / "s", template, **kwargs)

    def install(self, datadir, share):
        """What mariadb-install-db does, which looks for its files in fixed places: system tables, and root on localhost."""
        (datadir / "mysql").mkdir(parents=True)
        files = ("mariadb_system_tables.sql", "mariadb_performance_tables.sql", "mariadb_system_tables_data.sql")
        sql = "USE mysql;\nSET @auth_root_socket=NULL;\n" + "\n".join((share / f).read_text() for f in files)
        sql += "\nDELETE FROM global_priv WHERE User='' OR (User='root' AND Host<>'localhost');\n"
        process.run([*self.program, "--bootstrap", *(["--user=root"] if os.geteuid() == 0 else []), f"--datadir={datadir}",
                     f"--tmpdir={datadir}", "--innodb-log-file-size=10M", "--skip-grant-tables"], input=sql, timeout=180)
