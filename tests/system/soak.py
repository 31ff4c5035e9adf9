"""A mixed load of sysbench through the gate over TLS, with a block in the middle: no error, flat memory, and a block that
refuses, ends and lets in again. The short form is test_soak.py, the long one scripts/soak."""
import re
import shutil
import subprocess
import time

from lib import ports, process

TABLES, ROWS = 4, 10_000


class Soak:
    """gate: a lib.gate.Gate with room for the connections; server: its MariaDB."""

    def __init__(self, gate, server, pki, folder, connections, say=print):
        self.gate, self.server, self.folder, self.connections, self.say = gate, server, folder, connections, say
        client = pki.ca.issue("sysbench", client=True)
        # sysbench 1.0 takes these names from its working folder
        for source, name in ((pki.ca_file, "cacert.pem"), (client.certificate, "client-cert.pem"), (client.key, "client-key.pem")):
            shutil.copy(source, folder / name)
        server.sql("CREATE DATABASE IF NOT EXISTS sbtest")
        server.add_user("soak", "soak", "ALL ON sbtest.*")

    def _argv(self, port, seconds, threads, command, *extra):
        return ["sysbench", "oltp_read_write", "--db-driver=mysql", "--mysql-host=127.0.0.1", f"--mysql-port={port}",
                "--mysql-user=soak", "--mysql-password=soak", f"--tables={TABLES}", f"--table-size={ROWS}",
                f"--threads={threads}", f"--time={seconds}", "--rand-type=uniform", "--report-interval=10", *extra, command]

    def prepare(self):
        process.run(self._argv(self.server.port, 0, 2, "prepare"), timeout=300, cwd=self.folder)

    def memory_kib(self):
        with open(f"/proc/{self.gate.pid}/smaps_rollup", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))

    def load(self, seconds, ignore=""):
        """Starts sysbench in the background. ignore: server error codes that it shall connect again after."""
        out = open(self.folder / "sysbench.log", "ab")
        errors = "1213,1020,1205" + ("," + ignore if ignore else "")
        argv = self._argv(self.gate.port, seconds, self.connections, "run", "--mysql-ssl=on", f"--mysql-ignore-errors={errors}")
        return subprocess.Popen(argv, cwd=self.folder, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def wait_connected(self):
        process.wait_until(lambda: self.gate.status()["sessions"] >= self.connections, timeout=120, what="all connected")

    def steady(self, seconds, every=5.0):
        """Runs the load for so long; returns (transactions, memory samples in KiB). Raises on any error."""
        load = self.load(seconds)
        self.wait_connected()
        samples, end = [], time.monotonic() + seconds
        while time.monotonic() < end and load.poll() is None:
            time.sleep(min(every, max(0.0, end - time.monotonic())))
            if load.poll() is None:
                samples.append(self.memory_kib())
        code = load.wait(120)
        text = (self.folder / "sysbench.log").read_text(errors="replace")
        if code != 0 or "FATAL" in text:
            raise RuntimeError(f"sysbench ended with {code}:\n{text[-3000:]}")
        transactions = int(re.findall(r"transactions:\s+(\d+)", text)[-1])
        self.say(f"{transactions} transactions over {self.connections} connections, memory (KiB): {samples}")
        return transactions, samples

    def block_under_load(self, seconds=60):
        """A block while the load runs. Returns the answer to it and what clients were told."""
        load = self.load(seconds)
        self.wait_connected()
        time.sleep(1)
        answer = self.gate.control({"cmd": "block", "reason": "Hier ist ein Dauerlauf", "grace_ms": 3000}, timeout=60)
        try:
            self.gate.connect()
            told = None
        except Exception as e:  # whatever the driver raises
            told = str(e)
        load.wait(120)  # its connections were ended: sysbench gives up, which is right
        left = self.gate.status()["idle"]["sessions"]
        self.gate.control("open")
        self.gate.connect().close()
        return answer, told, left
