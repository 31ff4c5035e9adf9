"""elexgate-proof under test: beside a Gate, with that gate's configuration."""
import json
import socket

from lib import paths, process

PROGRAM = paths.BUILD / "proof" / "elexgate-proof"
ACCOUNT, PASSWORD = "elexgate-proof", "proof-Pass word-1"


def account(server):
    """The account with exactly what docs/clients.md grants."""
    server.sql(f"CREATE OR REPLACE USER '{ACCOUNT}'@'%' IDENTIFIED BY '{PASSWORD}';"
               f"GRANT SELECT ON mysql.global_priv TO '{ACCOUNT}'@'%'")


class Proof:
    """start() and stop(); .socket. gate: not started yet, or to be reloaded: its configuration gets a section [proof]."""

    def __init__(self, gate):
        self.folder = gate.folder
        self.socket = gate.folder / "proof.sock"
        secret = gate.folder / "proof.secret"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o600)
        gate.sections["proof"] = {"socket": self.socket, "password_file": secret, "account": ACCOUNT, "users": "daemon"}
        gate.write_config()
        self.config = gate.config
        self.process = None

    def start(self, before=()):
        """before: a command that starts it, as setpriv."""
        self.process = process.Child("elexgate-proof", [*before, PROGRAM, "--config", self.config], self.folder / "proof.log")
        self.process.wait_log("event=ready")
        return self

    @property
    def log(self):
        return self.process.log()

    def stop(self):
        if self.process and self.process.alive():
            code = self.process.stop()
            if code != 0:
                raise RuntimeError(f"elexgate-proof ended with {code}\n{self.log[-4000:]}")

    def ask(self, request, timeout=10):
        """One request, a dict or bytes as they are; the answer, or None where it hung up without one."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout)
            s.connect(str(self.socket))
            s.sendall(request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n")
            data = b""
            try:
                while not data.endswith(b"\n"):
                    more = s.recv(65536)
                    if not more:
                        break
                    data += more
            except ConnectionResetError:
                pass  # it hung up with something unread
        return json.loads(data) if data else None
