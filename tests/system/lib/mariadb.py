"""A private MariaDB server on a fresh data directory.

mariadb-install-db runs once per pytest session; every server starts on a copy of its result. Accounts of a fresh
server: root without password (over the unix socket, and from 127.0.0.1), nobody else, in particular no anonymous
user who would shadow 'name'@'%'.
"""
import os
import pathlib
import re
import shlex
import shutil
import signal

import pymysql
import pymysql.constants.CLIENT as FLAG

from lib import newer, ports, process

MARIADBD = shutil.which("mariadbd", path=os.environ.get("PATH", "") + ":/usr/sbin") or "mariadbd"
SERIES = tuple(map(int, re.search(r"Ver (\d+)\.(\d+)", process.run([MARIADBD, "--no-defaults", "--version"]).stdout).groups()))
_PROGRAM = (MARIADBD, "--no-defaults", *(newer.places(newer.session_root()) if newer.session_root() else []))

_SMALL = [
    "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=10M", "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=2M", "--skip-name-resolve", "--performance-schema=OFF",
    "--innodb-flush-log-at-trx-commit=2", "--character-set-server=utf8mb4",
]


def _as_user():
    return ["--user=root"] if os.geteuid() == 0 else []


def install_template(folder):
    """Makes a data directory that servers are copied from."""
    if newer.session_root():
        newer.install(_PROGRAM, newer.session_root(), folder)
        return
    # Temporary files in there too: any other server that starts removes the #sql files that it finds in /tmp.
    process.run(["mariadb-install-db", "--no-defaults", *_as_user(), f"--datadir={folder}", f"--tmpdir={folder}",
                 "--innodb-log-file-size=10M", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"], timeout=120)
    sql = ("DELETE FROM mysql.global_priv WHERE User='' OR (User='root' AND Host NOT IN ('localhost','127.0.0.1'));"
           "INSERT IGNORE INTO mysql.global_priv SELECT '127.0.0.1', User, Priv FROM mysql.global_priv "
           "WHERE User='root' AND Host='localhost';\n")
    process.run([MARIADBD, "--no-defaults", "--bootstrap", *_as_user(), f"--datadir={folder}",
                 f"--tmpdir={folder}", "--innodb-log-file-size=10M", "--skip-grant-tables"], input="USE mysql;\n" + sql.replace(";", ";\n"), timeout=120)


class MariaDB:
    """One server. Attributes: port (127.0.0.1), socket, datadir, process.

    args: further options of mariadbd, as ["--sql-mode=", ...]. certificate/key/ca: files for the server's own TLS.
    datadir: start on this directory as it is (e.g. a restored one) instead of on a copy of the template. tcp=False
    starts it with --skip-networking. start_command() gives a script that starts it again, for a restore; alive(), stop()
    and kill() then mean that one as well.
    """

    program, small = _PROGRAM, _SMALL  # a subclass may run another one

    def __init__(self, folder, template=None, args=(), certificate=None, key=None, ca=None, datadir=None, tcp=True,
                 port=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.datadir = pathlib.Path(datadir) if datadir else self.folder / "data"
        if datadir is None:
            process.run(["cp", "-a", "--reflink=auto", "--sparse=always", template, self.datadir])
        # A unix socket's path ends at 107 bytes; pytest's folders can be longer than one likes.
        self.socket = str(self.folder / "db.sock")
        if len(self.socket) > 100:
            raise RuntimeError(f"path too long for a unix socket: {self.socket}")
        self.port = (port or ports.free_port()) if tcp else None
        # A folder for temporary files of its own: a server that starts removes the #sql files that it finds there.
        (self.folder / "tmp").mkdir(exist_ok=True)
        self.args = [f"--tmpdir={self.folder}/tmp", *args]
        if certificate:
            self.args += [f"--ssl-cert={certificate}", f"--ssl-key={key}"] + ([f"--ssl-ca={ca}"] if ca else [])
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.process.log()

    def start(self, timeout=60.0):
        if self.process and self.process.alive():
            raise RuntimeError("the server runs already")
        net = ["--skip-networking"] if self.port is None else [f"--port={self.port}", "--bind-address=127.0.0.1"]
        log_before = len(self.process.log()) if self.process else 0
        self.process = process.Child("mariadbd", [
            *self.program, *_as_user(), f"--datadir={self.datadir}", f"--socket={self.socket}",
            f"--pid-file={self.folder}/db.pid", *net, *self.small, *self.args], self.folder / "mariadbd.log")
        # The log says it, not a first connection: a test may look at the server's connection counters.
        process.wait_until(lambda: "ready for connections" in self.log[log_before:] or not self.process.alive(),
                           timeout, "mariadbd ready")
        if not self.process.alive():
            raise RuntimeError(f"mariadbd ended with {self.process.returncode}:\n{self.log[-4000:]}")
        return self

    def _argv(self):
        net = ["--skip-networking"] if self.port is None else [f"--port={self.port}", "--bind-address=127.0.0.1"]
        return [*self.program, *_as_user(), f"--datadir={self.datadir}", f"--socket={self.socket}",
                f"--pid-file={self.folder}/db.pid", *net, *self.small, *self.args]

    def start_command(self):
        """A script that starts the server in the background, as systemctl would: nothing if it runs already. A second
        process ends the server should this one die before it could."""
        script = self.folder / "start-server"
        script.write_text(f"""#!/bin/sh
grep -qs -- --datadir={self.datadir} /proc/$(cat {self.folder}/started.pid 2>/dev/null || echo none)/cmdline && exit 0
setsid {shlex.join(str(a) for a in self._argv())} </dev/null >>{self.folder}/mariadbd.log 2>&1 &
echo $! >{self.folder}/started.pid
setsid sh -c "while kill -0 {os.getpid()}; do kill -0 $! || exit; sleep 1; done; kill -9 $!" </dev/null >/dev/null 2>&1 &
""")
        script.chmod(0o755)
        return script

    def started_pid(self):
        """The server that the start command started, if it runs. The number may be another process's by now: ours has
        our folder on its command line."""
        try:
            pid = int((self.folder / "started.pid").read_text())
            ours = str(self.datadir).encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
            return pid if ours else None
        except (OSError, ValueError):
            return None

    def _end_started(self, number, timeout):
        pid = self.started_pid()
        if pid:
            os.kill(pid, number)
            process.wait_until(lambda: self.started_pid() != pid, timeout, "the started mariadbd's end")

    def alive(self):
        return self.process is not None and self.process.alive() or self.started_pid() is not None

    def stop(self, timeout=60.0):
        """Clean shutdown."""
        if self.process:
            self.process.stop(timeout)
        self._end_started(signal.SIGTERM, timeout)

    def kill(self):
        """kill -9: a crash."""
        if self.process:
            self.process.kill()
        self._end_started(signal.SIGKILL, 20)

    def connect(self, user="root", password="", database=None, tcp=False, **kwargs):
        """A PyMySQL connection, autocommit on, over the unix socket unless tcp is asked for."""
        where = {"host": "127.0.0.1", "port": self.port} if tcp else {"unix_socket": self.socket}
        settings = dict(user=user, password=password.encode(), database=database, charset="utf8mb4", autocommit=True,
                        client_flag=FLAG.MULTI_STATEMENTS, connect_timeout=20, read_timeout=120)
        # (bytes: PyMySQL would encode a str as Latin-1, which is not what the server hashed)
        settings.update(where)
        settings.update(kwargs)
        return pymysql.connect(**settings)

    def sql(self, text, database=None):
        """Runs one or several statements as root; returns the rows of the last one that had any, as a list of tuples."""
        rows = []
        with self.connect(database=database) as c, c.cursor() as cursor:
            cursor.execute(text)
            while True:
                if cursor.description:
                    rows = list(cursor.fetchall())
                if not cursor.nextset():
                    return rows

    def value(self, text, database=None):
        """The first column of the first row."""
        return self.sql(text, database)[0][0]

    def status(self, name):
        """A global status variable, as int where it is one."""
        value = self.sql(f"SHOW GLOBAL STATUS LIKE '{name}'")[0][1]
        return int(value) if value.lstrip("-").isdigit() else value

    def client(self, args=(), input=None, timeout=120.0, check=True, program="mariadb"):
        """The stock command-line client as root over the unix socket."""
        return process.run([program, "--no-defaults", "--skip-ssl", f"--socket={self.socket}", "--user=root", *args], timeout, check, input)

    def add_user(self, name, password, grants="ALL ON *.*", host="%", plugin="mysql_native_password"):
        how = f"IDENTIFIED VIA {plugin} USING PASSWORD('{password}')" if plugin else f"IDENTIFIED BY '{password}'"
        self.sql(f"CREATE OR REPLACE USER '{name}'@'{host}' {how}; GRANT {grants} TO '{name}'@'{host}'")
