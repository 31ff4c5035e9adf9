"""Free TCP ports from a fixed range below the ephemeral one.

The range starts at $ELEXGATE_TEST_PORT_BASE (default 20100) and has 200 ports, so that several test runs on one
machine can be kept apart; when pytest runs in several processes (pytest -n), each takes its share. A port is handed out
once per run until the range is through; one that somebody else listens on is passed over.
"""
import itertools
import os
import socket

COUNT = 200 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
BASE = int(os.environ.get("ELEXGATE_TEST_PORT_BASE", "20100")) + COUNT * int(
    os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_next = itertools.cycle(range(BASE, BASE + COUNT))


def is_free(port, address="127.0.0.1"):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((address, port))
        except OSError:
            return False
    return True


def free_port():
    for _ in range(COUNT):
        port = next(_next)
        if is_free(port):
            return port
    raise RuntimeError(f"no free port in {BASE}..{BASE + COUNT - 1}")


def free_row(n):
    """The first of n free ports in a row, for a program that takes those behind it as well."""
    row = []
    for _ in range(2 * COUNT):
        port = free_port()
        row = [*row, port] if row and port == row[-1] + 1 else [port]
        if len(row) == n:
            return row[0]
    raise RuntimeError(f"no {n} free ports in a row in {BASE}..{BASE + COUNT - 1}")
