"""elexgate-proxy under test, with a generated configuration in a folder of its own."""
import os
import pathlib
import signal
import subprocess

import pymysql

from lib import control, paths, ports, process


def write_config(path, sections):
    """sections: {"proxy": {"workers": 2}, "listen elexis": {...}}. A value None leaves the key out."""
    with open(path, "w", encoding="utf-8") as f:
        for section, keys in sections.items():
            f.write(f"[{section}]\n")
            for key, value in keys.items():
                if value is not None:
                    f.write(f"{key} = {'yes' if value is True else 'no' if value is False else value}\n")
            f.write("\n")


class Gate:
    """The proxy in front of a MariaDB.

    server: a lib.mariadb.MariaDB, or None when [database] is given in options. pki: a lib.certs.Pki.
    listeners: {"elexis": {"tls": "required"}, "tools": {...}}; each gets 127.0.0.1 and a free port unless it says
    otherwise. Default: one, "elexis". options: {"proxy": {"grace": "1s"}, ...} merged over the defaults of the tests.
    backend: "socket" (default) or "tcp": how the proxy reaches the server.
    """

    def __init__(self, folder, server=None, pki=None, listeners=None, options=None, backend="socket", env=None):
        self.folder = pathlib.Path(folder)
        self.program = paths.PROXY
        self.folder.mkdir(parents=True, exist_ok=True)
        self.server, self.pki, self.env = server, pki, env
        self.config = self.folder / "elexgate.ini"
        self.control_socket = self.folder / "proxy.sock"
        self.sections = {
            "log": {"level": "debug"},
            "audit": {"file": self.folder / "audit.log", "proxy_file": self.folder / "proxy-audit.log"},
            "database": {},
            "proxy": {"control_socket": self.control_socket, "state_dir": self.folder / "state", "workers": 2,
                      "drain_timeout": "2s",
                      # The tests run as root, and log in as root.
                      "allow_own_user": True},
        }
        if server is not None:
            self.sections["database"] = (
                {"socket": server.socket} if backend == "socket" else {"host": "127.0.0.1", "port": server.port})
        if pki is not None:
            self.sections["tls"] = {"certificate": pki.server.certificate, "key": pki.server.key}
        self.ports = {}
        for name, keys in (listeners or {"elexis": {}}).items():
            keys = {"address": "127.0.0.1", "deny_users": "", **keys}  # the tests log in as root
            if "port" not in keys:
                keys["port"] = ports.free_port()
            self.ports[name] = int(keys["port"])
            self.sections[f"listen {name}"] = keys
        self.port = next(iter(self.ports.values()))
        for section, keys in (options or {}).items():
            self.sections.setdefault(section, {}).update(keys)
        self.write_config()
        self.process = None
        self.successors = set()  # pids of what took over and is no child of ours

    def write_config(self):
        """Writes self.sections; after a change call reload() or restart."""
        write_config(self.config, self.sections)

    def start(self, timeout=30.0, pass_fds=()):
        if self.process and self.process.alive():
            raise RuntimeError("the proxy runs already")
        env = dict(os.environ, **(self.env or {}))
        self.process = process.Child("elexgate-proxy", [self.program, "--config", self.config],
                                     self.folder / "proxy.log", env=env, pass_fds=pass_fds)
        process.wait_until(lambda: self._ready() or not self.process.alive(), timeout, "elexgate-proxy ready")
        if not self.process.alive():
            raise RuntimeError(f"elexgate-proxy ended with {self.process.returncode}:\n{self.log[-4000:]}")
        return self

    def _ready(self):
        try:
            return self.control({"cmd": "status"}).get("ok")
        except (OSError, EOFError):
            return False

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.process.log()

    def wait_log(self, text, timeout=20.0, count=1):
        return self.process.wait_log(text, timeout, count)

    def alive(self):
        return self.process is not None and self.process.alive()

    def stop(self, timeout=20.0):
        """SIGTERM (drains), a second one if sessions hold on. Raises unless the exit status is 0."""
        if self.process is None or not self.process.alive():
            return
        self.process.signal(signal.SIGTERM)
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            code = self.process.stop(timeout)
        if code != 0:
            raise RuntimeError(f"elexgate-proxy ended with {code}\n{self.log[-4000:]}")

    def kill(self):
        if self.process:
            self.process.kill()

    def succeeded_by(self, pid):
        """It took over, and nobody ends it if the tests are killed: so somebody watches. end_successors() must be called."""
        self.successors.add(pid)
        subprocess.Popen(["sh", "-c", f"while kill -0 {os.getpid()} 2>/dev/null; do sleep 1; kill -0 {pid} || exit; done; kill -9 {pid}"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end_successors(self):
        for pid in self.successors:
            try:
                if os.fsencode(self.config) in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                    os.kill(pid, signal.SIGKILL)
            except OSError:
                pass  # ended already
        self.successors.clear()

    def upgrade(self):
        answer = self.control("upgrade", timeout=60)
        self.succeeded_by(answer["pid"])
        return answer

    def restart(self):
        self.stop()
        return self.start()

    def control(self, request, check=True, timeout=30.0):
        """One request over the control socket; a string is short for {"cmd": string}."""
        if isinstance(request, str):
            request = {"cmd": request}
        return control.call(self.control_socket, request, timeout, check)

    def watch(self, **arguments):
        """An open connection after {"cmd":"watch"}; read it with receive()."""
        c = control.Control(self.control_socket)
        c.send({"cmd": "watch", **arguments})
        return c

    def status(self):
        return self.control("status")

    def sessions(self):
        return self.control("sessions")["sessions"]

    def idle(self):
        return self.status()["idle"]

    def cli(self, *args, check=True, timeout=60.0, input=None):
        """elexgate(1) with this instance's configuration."""
        return process.run([paths.CLI, "--config", self.config, *args], timeout, check, input)

    def connect(self, user="root", password="", database=None, listener=None, tls=True, ca=None, **kwargs):
        """A PyMySQL connection through the gate; with TLS the certificate and the name are verified."""
        settings = dict(host="localhost" if tls else "127.0.0.1", port=self.ports[listener] if listener else self.port,
                        user=user, password=password.encode(), database=database, charset="utf8mb4", autocommit=True,
                        connect_timeout=20, read_timeout=120)
        if tls:
            settings["ssl"] = {"ca": str(ca or self.pki.ca_file), "check_hostname": True, "verify_mode": "required"}
        settings.update(kwargs)
        return pymysql.connect(**settings)

    def client(self, args=(), user="root", password="", listener=None, tls=True, ca=None, input=None, check=True,
               timeout=120.0, program="mariadb"):
        """The stock command-line client through the gate."""
        tls_args = [f"--ssl-ca={ca or self.pki.ca_file}", "--ssl-verify-server-cert"] if tls else ["--skip-ssl"]
        env = dict(os.environ, MYSQL_PWD=password) if password else None
        return process.run([program, "--no-defaults", "--protocol=tcp", f"--host={'localhost' if tls else '127.0.0.1'}",
                            f"--port={self.ports[listener] if listener else self.port}", f"--user={user}", *tls_args, *args],
                           timeout, check, input, env=env)
