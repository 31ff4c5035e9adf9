"""A password as the page gives it to the keeper: sealed with the key beside the keeper's socket (people/sealed.h)."""
import base64
import ctypes
import ctypes.util
import os
import pathlib
import struct

from . import grant

_sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
assert _sodium.sodium_init() >= 0
LAYOUT = struct.Struct("=256s72sQ16s")  # struct sealed
SIZE, OVERHEAD = LAYOUT.size, 48  # crypto_box_SEALBYTES


def seal(socket, text, act="", at_ms=None, nonce=None):
    """act: the request that it confirms (lib/grant.py)."""
    key = (pathlib.Path(socket).parent / "password.pub").read_bytes()
    plain = LAYOUT.pack(text.encode()[:255], act.encode(), grant.now_ms() if at_ms is None else at_ms, nonce or os.urandom(16))
    box = ctypes.create_string_buffer(len(plain) + OVERHEAD)
    assert _sodium.crypto_box_seal(box, plain, ctypes.c_ulonglong(len(plain)), key) == 0
    return base64.b64encode(box.raw).decode()


def with_sealed(socket, request):
    """The request, its passwords sealed, the one that confirms with what it confirms; what is no text stays as it is."""
    request = dict(request)
    for key in ("password", "confirm"):
        if isinstance(request.get(key), str) and request[key]:
            request[key] = seal(socket, request[key], grant.act(request) if key == "confirm" else "")
    return request
