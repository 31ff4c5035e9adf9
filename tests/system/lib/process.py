"""Child processes that never outlive the tests.

Every child gets PR_SET_PDEATHSIG, so that the kernel kills it when pytest dies however that happens. The signal goes
out when the *thread* that started the child ends: start children from the main thread.
"""
import ctypes
import fcntl
import os
import pathlib
import signal
import subprocess
import time

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1

#: Running children; conftest prints their logs when a test fails and ends what a test left behind.
RUNNING = []


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def wait_until(check, timeout=20.0, what="condition", interval=0.02):
    """Calls check() until it returns something true, and returns that. Raises TimeoutError."""
    deadline = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(interval)


def clear_of_midnight(seconds=120):
    """For a test that speaks of today: waits for the next day when this one is as good as over."""
    now = time.localtime()
    left = 86400 - 3600 * now.tm_hour - 60 * now.tm_min - now.tm_sec
    if left < seconds:
        time.sleep(left + 1)


def catches(pid, number):
    """The program has begun to catch that signal: before, it would be killed by it. True, too, when it has ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True
    if "\nState:\tZ" in status:
        return True
    return bool(int(status.split("SigCgt:\t")[1].split("\n")[0], 16) >> (number - 1) & 1)


def start_held(argv):
    """A program and a generator of the lines it tells. Its output is a pipe with room for one write, where a line stays while the loop's
    body has it: the program cannot tell another before that."""
    out, into = os.pipe2(os.O_CLOEXEC | os.O_DIRECT)
    fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, 4096)
    popen = subprocess.Popen([str(a) for a in argv], stdout=into, stderr=subprocess.DEVNULL, preexec_fn=_die_with_parent)
    os.close(into)
    return popen, _held_lines(out)


def _held_lines(out):
    seen, copy = os.pipe2(os.O_CLOEXEC)
    begun = b""
    try:
        while (size := _libc.tee(out, copy, 1 << 16, 0)) > 0:
            *lines, begun = (begun + os.read(seen, size)).split(b"\n")
            for line in lines:
                yield line.decode()
            os.read(out, size)
        if size < 0:
            raise OSError(ctypes.get_errno(), "tee")
    finally:
        for fd in (out, seen, copy):
            os.close(fd)


class Child:
    """A process with its standard output and error in one log file. Ended by its own pid only."""

    def __init__(self, name, argv, log, env=None, cwd=None, stdin=subprocess.DEVNULL, pass_fds=()):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.log_path = pathlib.Path(log)
        with open(log, "ab") as out:
            self.popen = subprocess.Popen(self.argv, stdin=stdin, stdout=out, stderr=subprocess.STDOUT,
                                          env=env, cwd=cwd, pass_fds=pass_fds, preexec_fn=_die_with_parent)
        RUNNING.append(self)

    @property
    def pid(self):
        return self.popen.pid

    @property
    def returncode(self):
        """None while it runs; negative = the signal that ended it."""
        return self.popen.poll()

    def alive(self):
        return self.popen.poll() is None

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_log(self, text, timeout=20.0, count=1):
        """Waits until text stands in the log (count times). Returns the log."""
        wait_until(lambda: self.log().count(text) >= count or not self.alive(), timeout, f"{text!r} in log of {self.name}")
        log = self.log()
        if log.count(text) < count:
            raise RuntimeError(f"{self.name} ended ({self.returncode}) without logging {text!r}:\n{log[-4000:]}")
        return log

    def signal(self, number):
        if self.alive():
            self.popen.send_signal(number)

    def wait(self, timeout=20.0):
        code = self.popen.wait(timeout)
        self._forget()
        return code

    def kill(self):
        """kill -9 and reap. Fine on a process that has ended already."""
        self.signal(signal.SIGKILL)
        code = self.popen.wait(20)
        self._forget()
        return code

    def stop(self, timeout=20.0):
        """SIGTERM, and SIGKILL when that does not help: the latter is an error of the program and raised as such."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"{self.name} did not end within {timeout:g} s of SIGTERM; killed\n{self.log()[-4000:]}")

    def _forget(self):
        if self in RUNNING:
            RUNNING.remove(self)


def run(argv, timeout=60.0, check=True, input=None, env=None, cwd=None):
    """Runs a command to its end. Returns CompletedProcess with text output; check raises with both outputs in the message."""
    argv = [str(a) for a in argv]
    done = subprocess.run(argv, input=input, text=True, errors="replace", timeout=timeout, env=env, cwd=cwd,
                          stdin=subprocess.DEVNULL if input is None else None,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_die_with_parent)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}\n--- stdout\n{done.stdout[-4000:]}"
                           f"\n--- stderr\n{done.stderr[-4000:]}")
    return done


def run_into(argv, stdin, timeout=60.0):
    """Runs a command that reads an open file. Raises unless it ends with 0."""
    done = subprocess.run([str(a) for a in argv], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=timeout, preexec_fn=_die_with_parent)
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-4000:]}")
    return done
