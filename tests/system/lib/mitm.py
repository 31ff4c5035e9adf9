"""Somebody in the middle: speaks TLS with the client, with a certificate of his own, and TLS with the gate, and passes
on every packet in between. He has no password and no salt."""
import select
import socket
import ssl
import threading

from lib import ports, starttls


class Mitm:
    def __init__(self, leaf, gate_port, address="127.0.0.1"):
        self.gate_port = gate_port
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(leaf.certificate, leaf.key)
        self.seen = []  # the bytes that he read of each session
        self.port = ports.free_port()
        self.listener = socket.create_server((address, self.port))
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                self._session(client)
            except (OSError, EOFError):
                client.close()

    def _session(self, client):
        client.settimeout(20)
        gate = starttls.connect(self.gate_port)
        _, greeting = starttls.read_packet(gate)
        client.sendall(starttls.packet(greeting, 0))
        _, request = starttls.read_packet(client)
        gate.sendall(starttls.packet(request, 1))
        blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
        with blind.wrap_socket(gate) as there, self.tls.wrap_socket(client, server_side=True) as here:
            heard = bytearray()
            self.seen.append(heard)
            while True:
                ready = [s for s in (here, there) if s.pending()] or select.select([here, there], [], [], 20)[0]
                for s in ready:
                    s.setblocking(False)  # it may be a session ticket only
                    try:
                        data = s.recv(65536)
                    except ssl.SSLWantReadError:
                        continue
                    finally:
                        s.settimeout(20)
                    if not data:
                        return
                    heard += data
                    (there if s is here else here).sendall(data)
