"""What a person has confirmed, as elexgate-monitor is told it past the keeper (link/grant.h)."""
import hashlib
import json
import os
import pathlib
import socket
import struct
import time

LAYOUT = struct.Struct("=72s72sQII16s")  # struct grant
VIEWER, ADMIN, MACHINE, NOBODY = range(1, 5)  # enum rights_level
CONFIRMED = {"delete", "mark", "restore", "open-backup", "cert", "account", "config-set", "run"}


def act(request):
    """grant_act: all of a request but who asks and how he is answered."""
    said = {k: v for k, v in request.items() if k not in ("as", "confirm", "follow") and v is not None and v is not False and v != []}
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def now_ms():
    return time.monotonic_ns() // 1_000_000


def message(request, account="", level=MACHINE, at_ms=None, nonce=None):
    return LAYOUT.pack(act(request).encode(), account.encode(), now_ms() if at_ms is None else at_ms, level, 0, nonce or os.urandom(16))


def tell(control_socket, data):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(data, str(pathlib.Path(control_socket).parent / "grant.sock"))


def by_hand(control_socket, request):
    """As elexgate(1) does it before it asks the keeper, for whoever is at the machine."""
    if isinstance(request, dict) and request.get("cmd") in CONFIRMED and "as" not in request:
        try:
            tell(control_socket, message(request))
        except OSError:
            pass  # another program's socket, or whoever may not: the answer says so
