"""The shells complete elexgate's command lines: bash and zsh themselves are asked, on a terminal of their own."""
import os
import pty
import re
import select
import subprocess
import time

import pytest

from lib import paths

pytestmark = pytest.mark.sanitize
PATH = f"{paths.CLI.parent}:{os.environ['PATH']}"


def words(*typed):
    done = subprocess.run([paths.CLI, "completion", "words", "--", *typed], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stderr == ""
    return done.stdout.split()


def test_every_command_is_offered():
    listed = re.findall(r"^  (\S+) ", subprocess.run([paths.CLI, "--help"], capture_output=True, text=True).stdout.split("Options:")[0],
                        re.MULTILINE)
    assert len(listed) > 20 and words("") == listed
    for command in listed:
        assert words(command) == [c for c in listed if c.startswith(command)]
        options = words(command, "--")
        assert {"--json", "--config", "--help"} <= set(options)
        shown = subprocess.run([paths.CLI, command, "--help"], capture_output=True, text=True).stdout
        assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*[a-z0-9]", shown)) <= set(options)


@pytest.mark.parametrize("typed,offered", [
    (("st",), ["status"]), (("status", "--j"), ["--json"]), (("--json", "rest"), ["restore"]), (("--config", ""), []),
    (("--config", "x.ini", "dri"), ["drill"]), (("restore", "u"), ["undo"]), (("restore", "undo", "--y"), ["--yes"]),
    (("cert", "re"), ["renew", "revoke"]), (("cert", "init", "--ho"), ["--host"]), (("log-level", ""), ["error", "warning", "info", "debug"]),
    (("config", ""), ["check", "show", "set"]), (("backup", "--n"), ["--now"]), (("nonsense", ""), []), (("nonsense", "--js"), ["--json"]),
    (("completion", ""), ["bash", "zsh"]), (("cert", "renew", "in"), []),
])
def test_words(typed, offered):
    assert words(*typed) == offered


def test_the_words_are_real():
    """What is offered is understood: no subcommand that there is none of."""
    for command in ("cert", "config", "backups", "restore"):
        for word in words(command, ""):
            done = subprocess.run([paths.CLI, command, word, "--no-such-option"], capture_output=True, text=True, timeout=20)
            assert "there is no subcommand" not in done.stderr and f'no "{command} {word}"' not in done.stderr, (command, word)


def shell(argv, setup, typed):
    """What the shell shows when typed is typed."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update({"PATH": PATH, "TERM": "dumb", "PS1": "$ ", "LC_ALL": "C.UTF-8", "HISTFILE": "", "HOME": "/nonexistent"})
        os.execvp(argv[0], argv)
    seen = b""

    def read(until, timeout=15):
        nonlocal seen
        end = time.monotonic() + timeout
        while time.monotonic() < end and until not in seen:
            if select.select([fd], [], [], 0.2)[0]:
                try:
                    seen += os.read(fd, 65536)
                except OSError:
                    break
        assert until in seen, seen
        return seen

    try:
        os.write(fd, f"{setup}; echo rea''dy\n".encode())
        read(b"ready\r\n")
        seen = b""
        os.write(fd, typed.encode())
        time.sleep(0.5)
        os.write(fd, b"\n")
        os.write(fd, b"echo o''ver\n")
        return read(b"over\r\n").decode()
    finally:
        os.close(fd)
        os.waitpid(pid, 0)


def test_bash_completes():
    text = shell(["bash", "--norc", "--noprofile", "-i"], 'eval "$(elexgate completion bash)"; elexgate() { command elexgate "$@"; }',
                 "echo elexgate; elexgate compl\tb\t")
    assert "complete -o bashdefault" in text, text


def test_zsh_completes():
    text = shell(["zsh", "-f", "-i"], 'autoload -Uz compinit; compinit -D -u; eval "$(elexgate completion zsh)"',
                 "elexgate compl\tz\t")
    assert "#compdef elexgate" in text, text


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_the_scripts_are_good(name):
    text = subprocess.run([paths.CLI, "completion", name], capture_output=True, text=True, check=True).stdout
    done = subprocess.run([name, "-n"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert subprocess.run([paths.CLI, "completion", "fish"], capture_output=True).returncode == 2
