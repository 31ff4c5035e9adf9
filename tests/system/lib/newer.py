"""Programs of the next Debian (MariaDB 11.8) in a folder of their own, from what scripts/trixie-root unpacks.

$ELEXGATE_TEST_SERVER=11.8 lets a whole session of tests run on them: begin() puts them on the path, before lib/mariadb.py
looks for its server.
"""
import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from lib import paths, process

PROGRAMS = ("mariadbd", "mariadb", "mariadb-dump", "mariadb-check", "mariadb-upgrade", "mariadb-admin", "mariadb-binlog")
SYSTEM_TABLES = ("mariadb_system_tables.sql", "mariadb_performance_tables.sql", "mariadb_system_tables_data.sql")
SERIES = os.environ.get("ELEXGATE_TEST_SERVER")
_session = {}


def own_is_older():
    """This machine's own server is of an older series than that: on Debian 13 there is only the one."""
    program = shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"])
    said = process.run([program, "--no-defaults", "--version"]).stdout if program else ""
    return not SERIES and re.search(r"Ver 10\.", said) is not None


needs_both = pytest.mark.skipif(not own_is_older(), reason="needs a server of an older series than 11.8 as this machine's own")


def make_root():
    """(folder, None), complete, or (None, why it cannot be had).

    $ELEXGATE_TRIXIE_ROOT names it. With ELEXGATE_TRIXIE=1 it is made, once, under the build folder; with ELEXGATE_TRIXIE=0
    there is none."""
    folder, wanted = os.environ.get("ELEXGATE_TRIXIE_ROOT"), os.environ.get("ELEXGATE_TRIXIE")
    if wanted == "0" or not folder and wanted != "1":
        return None, "neither ELEXGATE_TRIXIE_ROOT nor ELEXGATE_TRIXIE=1 is set, or it could not be had"
    folder = pathlib.Path(folder or paths.BUILD / "trixie")
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes share the tests
        made = process.run([paths.ROOT / "scripts" / "trixie-root", folder], timeout=360, check=False)
    return (None, made.stderr.strip()) if made.returncode else (folder, None)


def programs(root, folder, names=PROGRAMS, share="mariadb"):
    """Puts programs into folder/bin with the loader and the libraries they need, so that they start by themselves, also in a
    sandbox (where there is no /proc, and so no $ORIGIN), and the server's words into folder/share, as in /opt. Returns folder/bin."""
    usr, loader = root / "root" / "usr", "ld-linux-x86-64.so.2"
    library = usr / "lib" / "x86_64-linux-gnu"
    shutil.copytree(usr / "share" / share, folder / "share" / share)
    folder.chmod(0o755)  # everybody gets through to it, as to /opt
    folder = folder / "bin"
    folder.mkdir()
    for name in names:
        program = shutil.copy(next(p for p in (usr / "sbin" / name, usr / "bin" / name) if p.exists()), folder)
        needed = process.run([library / loader, "--library-path", f"{library}:{usr}/lib/mysql/private", "--list", program]).stdout
        for path in (library / loader, *re.findall(r"=> (/\S+)", needed)):
            if not (folder / os.path.basename(path)).exists():
                shutil.copy(path, folder)
        process.run(["patchelf", "--set-interpreter", folder / loader, "--force-rpath", "--set-rpath", folder, program])
    return folder


def installer(root, folder):
    """A mariadb-install-db of that series, beside programs(): Debian's own looks for everything in fixed places."""
    share = root / "root" / "usr" / "share" / "mariadb"
    for name in SYSTEM_TABLES:
        shutil.copy(share / name, folder)
    script = folder / "mariadb-install-db"
    script.write_text(f"""#!/bin/sh
here={folder}
root=NULL
for word; do
    shift
    case $word in
    --datadir=*) data=${{word#*=}}; set -- "$@" "$word" ;;
    --auth-root-authentication-method=socket) root="'root'" ;;
    --no-defaults | --force | --skip-test-db | --auth-root-*) ;;
    *) set -- "$@" "$word" ;;
    esac
done
mkdir -p "$data/mysql" || exit
{{
    echo "USE mysql;"
    echo "SET @auth_root_socket=$root;"
    cat {" ".join(f"$here/{name}" for name in SYSTEM_TABLES)}
    echo "DELETE FROM global_priv WHERE User='' OR (User='root' AND Host<>'localhost');"
}} | "$here/mariadbd" --no-defaults --bootstrap "$@" --skip-grant-tables
""")
    script.chmod(0o755)


def places(root):
    """Options of a mariadbd that does not lie where it was built for."""
    usr = root / "root" / "usr"
    share = usr / "share" / "mariadb"
    return [f"--basedir={usr}", f"--lc-messages-dir={share}", f"--plugin-dir={usr}/lib/mysql/plugin", f"--character-sets-dir={share}/charsets"]


def install(program, root, datadir):
    """What mariadb-install-db does, which looks for its files in fixed places: system tables, and root on localhost."""
    share = root / "root" / "usr" / "share" / "mariadb"
    (datadir / "mysql").mkdir(parents=True)
    sql = "USE mysql;\nSET @auth_root_socket=NULL;\n" + "\n".join((share / f).read_text() for f in SYSTEM_TABLES)
    sql += "\nDELETE FROM global_priv WHERE User='' OR (User='root' AND Host NOT IN ('localhost','127.0.0.1'));\n"
    sql += "INSERT IGNORE INTO global_priv SELECT '127.0.0.1', User, Priv FROM global_priv WHERE User='root' AND Host='localhost';\n"
    process.run([*program, "--bootstrap", *(["--user=root"] if os.geteuid() == 0 else []), f"--datadir={datadir}",
                 f"--tmpdir={datadir}", "--innodb-log-file-size=10M", "--skip-grant-tables"], input=sql, timeout=180)


def begin():
    """For a session on $ELEXGATE_TEST_SERVER; says which server it is."""
    if not SERIES:
        return None
    root, why = make_root() if SERIES == "11.8" else (None, "only 11.8 is known")
    if not root:
        raise SystemExit(f"ELEXGATE_TEST_SERVER={SERIES}: {why}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="elexgate-server-", dir="/tmp"))
    bin = programs(root, folder)
    installer(root, bin)
    os.environ["PATH"] = f"{bin}:{os.environ['PATH']}"
    _session.update(root=root, folder=folder)
    return subprocess.run([bin / "mariadbd", "--no-defaults", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def session_root():
    """What unpacked root this session runs on; None: this machine's own server."""
    return _session.get("root")


def end():
    if _session:
        shutil.rmtree(_session["folder"], ignore_errors=True)
