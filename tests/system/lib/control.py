"""The control protocol: one JSON object a line over a unix stream socket (common/json_lines.h)."""
import json
import socket

from . import grant


class ControlError(Exception):
    """The answer said ok=false; .answer is the whole object."""

    def __init__(self, answer):
        super().__init__(f"{answer.get('code')}: {answer.get('error')}")
        self.answer = answer


class Control:
    """One connection. Usable as a context manager. Streams (watch) are read with receive()."""

    def __init__(self, path, timeout=30.0):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._pending = b""
        self._path = path

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self._socket.close()

    def fileno(self):
        return self._socket.fileno()

    def settimeout(self, seconds):
        self._socket.settimeout(seconds)

    def send(self, request):
        grant.by_hand(self._path, request)
        self.send_raw(json.dumps(request).encode() + b"\n")

    def send_raw(self, data):
        self._socket.sendall(data)

    def receive(self):
        """The next object. EOFError when the peer hung up, TimeoutError when nothing comes."""
        while b"\n" not in self._pending:
            data = self._socket.recv(65536)
            if not data:
                raise EOFError("the peer closed the control connection")
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
        return json.loads(line)

    def call(self, request):
        """Sends one request and returns its answer, whatever it says."""
        self.send(request)
        return self.receive()


def call(path, request, timeout=30.0, check=True):
    """Connect, one request, one answer, close. An answer with ok=false is raised unless check is off. Who connected just before
    a handover is told to connect again, and does."""
    for _ in range(5):
        with Control(path, timeout) as c:
            answer = c.call(request)
        if not (answer.get("code") == "EAGAIN" and "connect again" in answer.get("error", "")):
            break
    if check and not answer.get("ok"):
        raise ControlError(answer)
    return answer
