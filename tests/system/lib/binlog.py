"""The archived binary log under test: the job that follows a server, and what it has."""
import contextlib
import gzip
import json
import pathlib
import signal
import subprocess
import time

from lib import process

ARGS = ["--log-bin=mysql-bin", "--server-id=1", "--binlog-format=ROW", "--binlog-row-image=FULL", "--sync-binlog=1"]


class Stream:
    """elexgate-job binlog of a lib.backup.Backup, in the background; its lines are kept in a file."""

    def __init__(self, backup):
        self.backup = backup
        self.path = backup.folder / "stream.lines"
        self.job = None

    def start(self, settled=True):
        self.out = open(self.path, "a")
        self.job = subprocess.Popen(self.backup.argv("binlog"), stdout=self.out, stderr=self.out, preexec_fn=process._die_with_parent)
        if settled:
            self.caught_up()
        return self

    def lines(self, event=None):
        found = []
        for line in self.path.read_text().splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return [line for line in found if event is None or line.get("event") == event]

    def stop(self):
        if self.job and self.job.poll() is None:
            # what is waited for may have been there before it came so far
            process.wait_until(lambda: process.catches(self.job.pid, signal.SIGTERM), 30, "the job has begun")
            self.job.terminate()
            assert self.job.wait(30) == 0, self.path.read_text()[-2000:]

    def kill(self):
        self.job.kill()
        self.job.wait(30)

    def indices(self):
        return [json.loads(path.read_text()) for path in sorted(self.root.glob("*/*.json"))]

    @property
    def root(self):
        return self.backup.archives / "binlog"

    def timelines(self):
        return sorted(int(path.name) for path in self.root.iterdir())

    def have(self, timeline, name):
        """The server's file as it is archived: what the indices vouch for, put together."""
        data = b""
        found = [i for i in self.indices() if i["timeline"] == timeline and i["file"] == name]
        for index in sorted(found, key=lambda i: i["from"]):
            assert index["from"] == len(data), "the segments leave a gap"
            path = self.root / f"{timeline:04}" / index["stored"]
            raw = path.read_bytes() if index["open"] else gzip.decompress(path.read_bytes())
            data += raw[:index["to"] - index["from"]]
        return data

    def caught_up(self, server=None, timeout=30):
        """Waits until the archive vouches for everything that the server has."""
        server = server or self.backup.server

        def there():
            assert self.job is None or self.job.poll() is None, self.path.read_text()[-2000:]
            with contextlib.suppress(FileNotFoundError, ValueError):
                file, position = server.sql("SHOW MASTER STATUS")[0][:2]
                newest = max(self.timelines(), default=0)
                return any(i["timeline"] == newest and i["file"] == file and i["to"] >= position for i in self.indices())
        process.wait_until(there, timeout, "the archive catches up")
        return self


def masked(data):
    """Without the flag that the server sets in the file that it writes to."""
    return data[:21] + b"\0" + data[22:]


def server_file(server, name):
    return (pathlib.Path(server.datadir) / name).read_bytes()


def same(stream, timeline, name, server=None):
    """The archive has the file as the server has it, up to where it has it at all."""
    data = stream.have(timeline, name)
    theirs = server_file(server or stream.backup.server, name)
    return len(data) > 4 and masked(data) == masked(theirs[:len(data)])


def quiet_second():
    """The next full second: binary logs count no finer."""
    time.sleep(1.05 - time.time() % 1)
