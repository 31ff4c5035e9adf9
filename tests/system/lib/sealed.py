"""A password as the page gives it to the keeper: sealed with the key beside the keeper's socket (people/sealed.h)."""
import base64
import ctypes
import ctypes.util
import pathlib

_sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
assert _sodium.sodium_init() >= 0
SIZE, OVERHEAD = 256, 48  # SEALED_SIZE, crypto_box_SEALBYTES


def seal(socket, text):
    key = (pathlib.Path(socket).parent / "password.pub").read_bytes()
    plain = text.encode()[:SIZE - 1].ljust(SIZE, b"\0")
    box = ctypes.create_string_buffer(len(plain) + OVERHEAD)
    assert _sodium.crypto_box_seal(box, plain, ctypes.c_ulonglong(len(plain)), key) == 0
    return base64.b64encode(box.raw).decode()


def with_sealed(socket, request):
    """The request, its passwords sealed; what is no text stays as it is."""
    return {k: seal(socket, v) if k in ("confirm", "password") and isinstance(v, str) and v else v for k, v in request.items()}
