"""A backup setup under test: configuration, admin account with exactly the documented grants, job, keeper, command line."""
import datetime
import json
import os
import pathlib
import pwd
import subprocess
import threading

from lib import control, paths, process
from lib.gate import write_config

PASSWORD = 'adm "in\\ pass'


OF_RESTORE = ("--dry-run", "--no-trial", "--foreign", "--accept-loss", "--expire", "--exact", "--rows")
OF_RESTORE_WITH = ("--recover-with", "--names", "--to", "--before", "--timeline", "--where")


def restore_request(action, *words):
    """The request that elexgate-job restore takes (backup/rules/restore_request.h), from words as elexgate restore has them."""
    request, operands, words = {"action": action}, [], list(words)
    while words:
        word = words.pop(0)
        if word in OF_RESTORE + OF_RESTORE_WITH:
            request[word[2:].replace("-", "_")] = True if word in OF_RESTORE else words.pop(0)
        else:
            operands.append(word)
    places = {"rescue": ["table"], "write_back": ["id"], "into": ["folder", "which"], "serve": ["folder", "socket"], "sql": ["file"]}.get(action, ["which"])
    request.update(zip(places, operands))
    return request | {"types": operands[len(places):]}


def job_words(*args):
    """A command of elexgate-job, from words as elexgate has them."""
    args = [str(a) for a in args]
    if args[:1] == ["restore"]:
        args[1:] = [json.dumps(restore_request(*args[1:]))]
    return args


class Backup:
    """options: {"backup": {...}, ...} merged over the defaults. gate: a lib.gate.Gate that the clients come through."""

    def __init__(self, folder, server, gate=None, options=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.server, self.gate = server, gate
        self.archives = self.folder / "backups"
        self.state = self.folder / "state"
        self.scratch = self.folder / "state-scratch"
        self.own = self.state / "own"  # what the keeper itself remembers; older versions: in state
        self.socket = self.folder / "keeper.sock"
        self.config = self.folder / "elexgate.ini"
        secret = self.folder / "admin.secret"
        secret.write_text(PASSWORD + "\n")
        secret.chmod(0o600)
        self.sections = {
            "database": {"socket": server.socket, "name": "load_db"},
            "proxy": {"control_socket": gate.control_socket if gate else self.folder / "none.sock"},
            "admin": {"user": "elexgate", "password_file": secret},
            "backup": {"state_dir": self.state, "control_socket": self.socket, "ask_proxy": gate is not None, "settle": "0s"},
            "archive": {"folder": self.archives},
            "audit": {"file": self.folder / "audit.log", "proxy_file": "off"},
        }
        for section, keys in (options or {}).items():
            self.sections.setdefault(section, {}).update(keys)
        if "notify" in self.sections:  # nobody else could write into the tests' mailbox
            self.sections["notify"].setdefault("user", pwd.getpwuid(os.geteuid()).pw_name)
        self.write_config()
        self.keeper = None

    def write_config(self):
        write_config(self.config, self.sections)

    def set(self, section, **keys):
        self.sections.setdefault(section, {}).update(keys)
        self.write_config()

    def account(self):
        """Makes the admin account with the statement that the doctor prints."""
        lines = [json.loads(line) for line in self.run_job("doctor").stdout.splitlines()]
        statement = next(line["statement"] for line in lines if line.get("event") == "grant")
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        self.server.sql(f"CREATE OR REPLACE USER 'elexgate'@'localhost' IDENTIFIED BY '{quoted}'; {statement}")
        return self

    def beside(self):
        """Lets it restore beside the live database, with the statements that the doctor prints."""
        lines = [json.loads(line) for line in self.run_job("doctor").stdout.splitlines()]
        self.server.sql(next(line["beside"] for line in lines if line.get("event") == "grant"))
        return self

    def argv(self, *args):
        return [str(paths.JOB), "--config", str(self.config), *job_words(*args)]

    def run_job(self, *args, timeout=300):
        return process.run(self.argv(*args), timeout=timeout, check=False)

    def job(self, *args, exit=0, timeout=300):
        """Runs a job and returns its lines; its exit code must be the given one."""
        done = self.run_job(*args, timeout=timeout)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == exit, f"exit {done.returncode}, not {exit}: {lines[-1:]} {done.stderr[-2000:]}"
        assert lines[-1]["done"] and lines[-1]["exit"] == exit
        return lines

    def start_job(self, *args):
        """A job in the background: Popen with its lines on stdout."""
        return subprocess.Popen(self.argv(*args), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                preexec_fn=process._die_with_parent)

    def kill_at(self, *args, phase=None, after=None):
        """Starts a job and kills it -9: within the phase, or `after` seconds after its beginning, or without a phase so many
        seconds after the start. Returns the last phase that it told of, or None when it was done before."""
        job, lines = process.start_held(self.argv(*args))
        timer = threading.Timer(after or 0, job.kill)
        if phase is None:
            timer.start()
        last, done = "begin", False
        for line in map(json.loads, lines):
            last = line["phase"] if line.get("event") == "phase" else last
            done |= bool(line.get("done"))
            if phase and last == phase:
                phase = None
                if after:
                    timer.start()
                else:
                    job.kill()
                    job.wait(60)
                    break
        lines.close()
        timer.cancel()
        job.wait(60)
        return None if done else last

    def cli(self, *args, exit=0, timeout=300):
        # what a job tells is read as JSON lines here; words are for people
        json_lines = ["--json"] if args[0] in ("backup", "drill", "restore") else []
        done = process.run([paths.CLI, "--config", self.config, *json_lines, *args], timeout=timeout, check=False)
        assert done.returncode == exit, f"exit {done.returncode}, not {exit}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
        return done

    def files(self):
        """What lies in the backup folder, hidden names too; without the medium's mark."""
        return sorted(set(os.listdir(self.archives)) - {"elexgate-medium.json"}) if self.archives.exists() else []

    def complete(self, type="elexisdb"):
        """The runs of one type that count, by the program's own list."""
        done = self.run_job("list", "--type", type)
        items = [item for line in done.stdout.splitlines() for item in json.loads(line).get("backups", [])]
        return [item for item in items if item["complete"] and item["type"] == type]

    def manifest(self, archive):
        return json.loads((self.archives / archive.replace(".tar.gz", ".manifest.json")).read_text())

    def edit_manifest(self, archive, edit):
        """edit gets the head's line and returns another; sealed anew, so that the edit is found and not a broken seal."""
        path = self.archives / archive.replace(".tar.gz", ".manifest.json")
        seal, head, *rest = path.read_text().splitlines(keepends=True)
        path.write_text(seal + edit(head) + "".join(rest))
        process.run([paths.BUILD / "tests" / "tools" / "archive-tool", "reseal", "--state-dir", self.state, path])

    # --- keeper

    def start_keeper(self, timeout=20, **child):
        self.keeper = process.Child("elexgate-keeper", [paths.KEEPER, "--config", self.config], self.folder / "keeper.log", **child)
        process.wait_until(lambda: self.ready() or not self.keeper.alive(), timeout, "elexgate-keeper ready")
        assert self.keeper.alive(), self.keeper.log()
        return self

    def ready(self):
        try:
            return self.call("status").get("ok")
        except (OSError, EOFError):
            return False

    def call(self, request, check=True, timeout=20):
        if isinstance(request, str):
            request = {"cmd": request}
        return control.call(self.socket, request, timeout, check)

    def stop_keeper(self):
        if self.keeper and self.keeper.alive():
            code = self.keeper.stop(60)
            assert code == 0, self.keeper.log()[-3000:]

    def runs(self, kind="backup"):
        return [run for run in self.call("runs")["runs"] if run["kind"] == kind]


def event(lines, name):
    """The lines of one event."""
    return [line for line in lines if line.get("event") == name]


def archive_of(lines, type="elexisdb"):
    """The file name that a finished job tells for a type."""
    return next(a["file"] for a in lines[-1]["archives"] if a["type"] == type)


def unpack(archive, target):
    """Stock tar."""
    target.mkdir(parents=True)
    process.run(["tar", "-C", target, "-xzf", archive], timeout=300)
    return target


def moment(iso):
    return datetime.datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp()
