"""The private MariaDB server and the peers that stand in front of it: start, stop, their pids."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

POINTS = 10000  # rows of the point select's table; bench/load.c knows this number
MIB = 1024 * 1024
PASSWORD = "bench"

SCHEMA = f"""
CREATE DATABASE bench;
USE bench;
CREATE TABLE points (id INT PRIMARY KEY, v VARCHAR(100) NOT NULL) CHARACTER SET latin1;
INSERT INTO points SELECT seq, RPAD(LPAD(seq, 8, '0'), 100, 'x') FROM seq_1_to_{POINTS};
CREATE TABLE texts (id INT PRIMARY KEY, v VARCHAR(200) NOT NULL) CHARACTER SET latin1;
INSERT INTO texts SELECT seq, RPAD(LPAD(seq, 8, '0'), 200, 'y') FROM seq_1_to_100000;
CREATE TABLE blobs (id INT PRIMARY KEY, v LONGBLOB NOT NULL);
INSERT INTO blobs SELECT seq, REPEAT(CHAR(65 + seq % 26), {MIB}) FROM seq_1_to_16;
CREATE USER bench@'%' IDENTIFIED BY '{PASSWORD}', bench@localhost IDENTIFIED BY '{PASSWORD}';
GRANT SELECT ON bench.* TO bench@'%', bench@localhost;
"""


_libc = ctypes.CDLL(None)


def die_with_parent():
    """In the child: the kernel ends it when the bench dies, however that happens."""
    _libc.prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


def sbin(name):
    """Daemons lie in sbin, which is not on every user's PATH."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise FileNotFoundError(name)
    return found


class Process:
    """A peer's process. Subclasses set argv; the address is set where others connect to it."""

    def __init__(self, name, folder, pin=None):
        self.name, self.folder, self.pin = name, Path(folder), pin
        self.child = None
        self.log = self.folder / f"{name}.log"

    def spawn(self, argv, **more):
        if self.pin is not None:
            argv = ["taskset", "-c", str(self.pin), *argv]
        self.child = subprocess.Popen([str(a) for a in argv], stdout=more.pop("stdout", self.log.open("ab")),
                                      stderr=self.log.open("ab"), stdin=subprocess.DEVNULL,
                                      cwd=self.folder, preexec_fn=die_with_parent, **more)

    def wait_for(self, port, seconds=30):
        """Until somebody listens there; fails with the peer's own log."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.child.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        text = self.log.read_text(errors="replace")[-2000:]
        self.stop()
        raise RuntimeError(f"{self.name} does not listen on port {port}:\n{text}")

    def pids(self):
        """The process and all its descendants (hitch works in a child)."""
        found, queue = [], [self.child.pid]
        while queue:
            pid = queue.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended
                    queue.extend(int(p) for p in children.read_text().split())
        return found

    def stop(self):
        if self.child is None or self.child.poll() is not None:
            return
        pids = self.pids()
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            self.child.wait(10)


class Server(Process):
    """A private mariadbd with the bench's tables, plaintext and its own TLS on one port."""

    def __init__(self, folder, port, tls, pin=None):
        super().__init__("mariadbd", folder, pin)
        self.port, self.tls = port, tls
        self.socket = self.folder / "server.sock"
        self.address = f"127.0.0.1:{port}"

    def start(self):
        data = self.folder / "data"
        user = ["--user=root"] if os.geteuid() == 0 else []
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db",
                        "--auth-root-authentication-method=normal", *user],
                       check=True, stdout=self.log.open("ab"), stderr=subprocess.STDOUT)
        self.spawn([sbin("mariadbd"), "--no-defaults", f"--datadir={data}", *user,
                    f"--socket={self.socket}", "--bind-address=127.0.0.1", f"--port={self.port}",
                    f"--pid-file={self.folder}/server.pid", "--skip-name-resolve",
                    "--max-connections=3000", "--thread-cache-size=512", "--back-log=1500",
                    "--innodb-buffer-pool-size=192M", "--max-allowed-packet=64M",
                    f"--ssl-cert={self.tls.cert}", f"--ssl-key={self.tls.key}",
                    "--tls-version=TLSv1.3"])
        self.wait_for(self.port, 60)
        subprocess.run(["mariadb", "--no-defaults", "--skip-ssl", f"--socket={self.socket}", "-uroot"],
                       input=SCHEMA.encode(), check=True)


class Tls:
    """A CA and a P-256 certificate for 127.0.0.1, made for this run."""

    def __init__(self, folder):
        self.ca, self.cert, self.key = (Path(folder) / n for n in ("ca.pem", "cert.pem", "key.pem"))
        self.both = Path(folder) / "both.pem"  # haproxy and hitch want one file
        ca_key, request = Path(folder) / "ca.key", Path(folder) / "request.pem"
        new = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        self.run(*new, "-x509", "-days", "2", "-subj", "/CN=bench CA", "-keyout", ca_key, "-out", self.ca)
        self.run(*new, "-subj", "/CN=127.0.0.1", "-keyout", self.key, "-out", request)
        self.run("openssl", "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key,
                 "-CAcreateserial", "-days", "2", "-out", self.cert)
        self.key.chmod(0o600)
        self.both.touch(0o600)
        self.both.write_bytes(self.key.read_bytes() + self.cert.read_bytes())

    @staticmethod
    def run(*argv):
        subprocess.run([str(a) for a in argv], check=True, capture_output=True)


class Peer(Process):
    """Somebody in front of the server. tls says how a client must speak to it."""

    tls_mode = "raw"

    def __init__(self, name, run, port):
        super().__init__(name, run.folder, run.pin)
        self.run, self.port = run, port
        self.address = f"127.0.0.1:{port}"

    def start(self):
        self.spawn(self.argv())
        self.wait_for(self.port)

    def write(self, suffix, text):
        path = self.folder / f"{self.name}.{suffix}"
        path.write_text(text)
        return path


class Direct(Peer):
    """No peer at all: the client speaks to the server, in plaintext or with the server's TLS."""

    def __init__(self, name, run, port, mode):
        super().__init__(name, run, port)
        self.tls_mode, self.address = mode, run.server.address

    def start(self):
        self.child = self.run.server.child

    def pids(self):
        return self.run.server.pids()

    def stop(self):
        pass


class HAProxy(Peer):
    def __init__(self, name, run, port, passing):
        super().__init__(name, run, port)
        self.passing = passing
        self.tls_mode = "starttls" if passing else "raw"

    def argv(self):
        tls = "" if self.passing else f" ssl crt {self.run.tls.both}"
        conf = self.write("cfg", f"""global
    nbthread 1
    maxconn 3000
    ssl-default-bind-options ssl-min-ver TLSv1.3
    ssl-default-bind-curves X25519:P-256
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen bench
    bind 127.0.0.1:{self.port}{tls}
    server db {self.run.server.address}
""")
        return [sbin("haproxy"), "-db", "-f", conf]


class Hitch(Peer):
    def argv(self):
        user = 'user = "nobody"\n' if os.geteuid() == 0 else ""
        host, port = self.run.server.address.split(":")
        conf = self.write("conf", f"""frontend = "[127.0.0.1]:{self.port}"
backend = "[{host}]:{port}"
pem-file = "{self.run.tls.both}"
workers = 1
tls-protos = TLSv1.3
ecdh-curve = "X25519:prime256v1"
backlog = 1024
daemon = off
syslog = off
ocsp-dir = ""
{user}""")
        return [sbin("hitch"), f"--config={conf}"]


class Stunnel(Peer):
    def argv(self):
        return ["stunnel4", self.write("conf", f"""foreground = yes
pid =
syslog = no
debug = 3
[bench]
accept = 127.0.0.1:{self.port}
connect = {self.run.server.address}
cert = {self.run.tls.both}
sslVersionMin = TLSv1.3
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
""")]


class Hop(Peer):
    def __init__(self, name, run, port, unix=False, more=()):
        super().__init__(name, run, port)
        self.server = run.server.socket if unix else run.server.address
        self.more = list(more)

    def argv(self):
        return [self.run.tools / "bench/hop", "--listen", self.address, "--server", self.server,
                "--cert", self.run.tls.cert, "--key", self.run.tls.key, *self.more]

    def start(self):
        self.spawn(self.argv(), stdout=subprocess.PIPE)
        self.wait_for(self.port)

    def sessions(self):
        """Sessions of each thread, asked of the running hop."""
        self.child.send_signal(signal.SIGUSR1)
        return [int(n) for n in self.child.stdout.readline().split()[1:]]


class Elexgate(Peer):
    tls_mode = "starttls"

    def __init__(self, name, run, port, unix=False, workers="1"):
        super().__init__(name, run, port)
        self.unix, self.workers = unix, workers

    def argv(self):
        host, port = self.run.server.address.split(":")
        link = f"socket = {self.run.server.socket}" if self.unix else f"host = {host}\nport = {port}"
        state = self.folder / f"{self.name}.state"
        state.mkdir(exist_ok=True)
        conf = self.write("ini", f"""[database]
{link}
[proxy]
workers = {self.workers}
control_socket = {self.folder}/{self.name}.sock
state_dir = {state}
max_sessions = 3000
max_sessions_per_address = 3000
[audit]
proxy_file = {state}/audit.log
[listen bench]
address = 127.0.0.1
port = {self.port}
tls = required
announce = server
[tls]
certificate = {self.run.tls.cert}
key = {self.run.tls.key}
""")
        return [self.run.proxy, "--config", conf]


# name -> how it is made; the order is the order of the rounds and of the tables
MAKERS = {
    "plaintext": lambda r, p: Direct("plaintext", r, p, "none"),
    "server-tls": lambda r, p: Direct("server-tls", r, p, "starttls"),
    "haproxy-pass": lambda r, p: HAProxy("haproxy-pass", r, p, passing=True),
    "haproxy": lambda r, p: HAProxy("haproxy", r, p, passing=False),
    "hitch": lambda r, p: Hitch("hitch", r, p),
    "stunnel": lambda r, p: Stunnel("stunnel", r, p),
    "hop": lambda r, p: Hop("hop", r, p),
    "hop-unix": lambda r, p: Hop("hop-unix", r, p, unix=True),
    "elexgate": lambda r, p: Elexgate("elexgate", r, p),
    "elexgate-unix": lambda r, p: Elexgate("elexgate-unix", r, p, unix=True),
    "elexgate-auto": lambda r, p: Elexgate("elexgate-auto", r, p, workers="auto"),
}
