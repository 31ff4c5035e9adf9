"""MariaDB's STARTTLS by hand, for what no driver lets a test do: resumed sessions, half a handshake, odd bytes."""
import socket
import ssl
import struct

CLIENT_PROTOCOL_41, CLIENT_SSL, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH = 1 << 9, 1 << 11, 1 << 15, 1 << 19
CAPS = 1 | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH


def packet(payload, seq):
    return struct.pack("<I", len(payload))[:3] + bytes([seq]) + payload


def read_exactly(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(n - len(data))
        if not part:
            raise EOFError(f"closed after {len(data)} of {n} bytes")
        data += part
    return data


def read_packet(sock):
    """(sequence number, payload)"""
    head = read_exactly(sock, 4)
    return head[3], read_exactly(sock, int.from_bytes(head[:3], "little"))


def ssl_request(seq=1, caps=CAPS):
    return packet(struct.pack("<IIB23x", caps | CLIENT_SSL, 1 << 24, 45), seq)


def response(user, seq, caps=CAPS, auth=b""):
    """A HandshakeResponse41 for mysql_native_password; no password unless auth is given."""
    body = struct.pack("<IIB23x", caps, 1 << 24, 45) + user.encode() + b"\0" + bytes([len(auth)]) + auth
    return packet(body + b"mysql_native_password\0", seq)


def context(ca, **options):
    c = ssl.create_default_context(cafile=str(ca))
    for key, value in options.items():
        setattr(c, key, value)
    return c


def connect(port, host="127.0.0.1", timeout=20):
    return socket.create_connection((host, port), timeout=timeout)


def login(port, ca, user="root", session=None, tls=None, host="127.0.0.1"):
    """A logged-in TLS socket of an account without a password; .session can be resumed."""
    raw = connect(port, host)
    read_packet(raw)
    raw.sendall(ssl_request())
    sock = (tls or context(ca)).wrap_socket(raw, server_hostname="localhost", session=session)
    sock.sendall(response(user, 2))
    seq, payload = read_packet(sock)
    assert payload[0] == 0 and seq == 3, payload
    return sock


def query(sock, sql):
    """The first payload of the answer."""
    sock.sendall(packet(b"\x03" + sql.encode(), 0))
    return read_packet(sock)[1]
