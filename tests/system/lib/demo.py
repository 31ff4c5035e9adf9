"""A whole practice as scripts/demo starts it, for the tests that need all parts together."""
import os
import pathlib
import shlex
import signal

from lib import paths, ports, process

DEMO = paths.ROOT / "scripts" / "demo"


class Demo:
    """One demo folder. Its programs live in sessions of their own: end() must be called."""

    def __init__(self, folder, patients=50, documents=1):
        self.dir = pathlib.Path(folder) / "demo"
        self.args = [DEMO, "--dir", self.dir, "--port", ports.free_port(), "--console-port", ports.free_port(),
                     "--build", paths.BUILD, "--no-build", "--patients", patients, "--documents", documents]

    def run(self, *args, check=True, wrapper=()):
        return process.run([*wrapper, *self.args, *args], timeout=180, check=check)

    def env(self):
        """What DIR/env sets, as a shell reads it."""
        out = process.run(["env", "-i", "/bin/bash", "-c", f"set -a; . {shlex.quote(str(self.dir / 'env'))}; env -0"]).stdout
        values = dict(item.split("=", 1) for item in out.split("\0") if item)
        return {k: v for k, v in values.items() if k.startswith("ELEXGATE_")}

    def client(self, *args, env=None, ca=None, check=True):
        e = env or self.env()
        return process.run(
            ["mariadb", "--no-defaults", "--protocol=tcp", f"--host={e['ELEXGATE_HOST']}", f"--port={e['ELEXGATE_PORT']}",
             f"--user={e['ELEXGATE_USER']}", f"--ssl-ca={ca or e['ELEXGATE_CA']}", "--ssl-verify-server-cert", "-N", "-B",
             *args, e["ELEXGATE_DATABASE"]], check=check, env=dict(os.environ, MYSQL_PWD=e["ELEXGATE_PASSWORD"]))

    def processes(self):
        """Pids of all processes that have our folder on their command line."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    if f"{self.dir}/" in (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                        found.append(int(entry.name))
                except OSError:
                    pass
        return found

    def end(self):
        if (self.dir / "pid").is_dir():
            self.run("--stop", check=False)
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
