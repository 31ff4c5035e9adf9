"""Whole sessions, both sides scripted, against elexgate-proxy-small: random commands, cuts, pauses, orders, ends of either side, and blocks,
holds, kills and reloads in between. A model says what every answer, every session's transaction and, when all have left, every counter
must be. The short form is test_session_fuzz.py, the long one scripts/session-fuzz.

What the server answers stands in the statement, so the server needs no script of its own: "SELECT /*? R3;7 */" asks for a result set of three
rows as answer number 7. T1 and T0 in front begin and end a transaction.
"""
import itertools
import random
import select
import socket
import ssl
import struct
import threading
import time

from lib import process, starttls
from lib.fakeserver import greeting
from lib.rawclient import DEPRECATE_EOF, LOCAL_FILES, USUAL

WAIT = 20  # nothing may take longer: what does is a hang
IN_TRANS, AUTOCOMMIT, MORE = 1, 2, 8
SSL = 1 << 11
OK_HEAD = b"\0\0\0"


class Violation(Exception):
    pass


def frame(payload, sequence):
    return len(payload).to_bytes(3, "little") + bytes([sequence & 255]) + payload


def exactly(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_packet(sock):
    head = exactly(sock, 4)
    return head[3], exactly(sock, int.from_bytes(head[:3], "little"))


def send_cut(sock, data, rng):
    """In pieces, with pauses, or all at once."""
    if rng.random() < 0.4:
        sock.sendall(data)
        return
    while data:
        n = rng.choice((1, 3, 4, 5, rng.randrange(1, 200)))
        sock.sendall(data[:n])
        data = data[n:]
        if rng.random() < 0.2:
            time.sleep(rng.random() * 0.004)


def has_hung_up(sock, wait=0):
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(wait * 1000))


class Server:
    """Answers what the statements ask for. Each connection has a thread; .truth tells by thread id whether a transaction is open. Connections that
    broke off before their login was over, which is what a server counts towards max_connect_errors: .late, those that had gone before this server
    had said its word (it was starved), and .unheard, those that had its word and went: that must not be."""

    def __init__(self, seed):
        self._rng = random.Random(seed)
        self._ids = itertools.count(1000)
        self.truth, self.open, self.late, self.unheard, self.nobodies = {}, 0, 0, [], 0
        self._lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with self._lock:
                self.open += 1
                thread, rng = next(self._ids), random.Random(self._rng.random())
            threading.Thread(target=self._serve, args=(s, thread, rng), daemon=True).start()

    def _serve(self, s, thread, rng):
        s.settimeout(60)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._session(s, thread, rng)
        except (OSError, EOFError):
            pass
        finally:
            self.truth.pop(thread, None)
            s.close()
            with self._lock:
                self.open -= 1

    def _session(self, s, thread, rng):
        if rng.random() < 0.01:
            return  # away before its greeting
        if rng.random() < 0.005:
            has_hung_up(s, WAIT)  # starved: gets to it when nobody waits any more
        words = bytearray(greeting())
        at = words.index(0, 5) + 1
        words[at:at + 4] = struct.pack("<I", thread)
        words[at + 19] |= DEPRECATE_EOF >> 24
        caps = self._login(s, thread, rng, bytes(words))
        while caps is not None and self._command(s, thread, caps, rng):
            pass

    def _ask(self, s, thread, data, rng):
        """Says data, and is answered."""
        gone = True
        try:
            send_cut(s, data, rng)
            gone = has_hung_up(s)
            return read_packet(s)
        except (ConnectionError, EOFError) as e:
            with self._lock:
                self.late += gone
                self.unheard += [] if gone else [f"connection {thread} broke off before its login: {e!r}"]
            raise

    def _login(self, s, thread, rng, words):
        """The client's capabilities; None: it is not let in."""
        if rng.random() < 0.01:
            send_cut(s, words, rng)
            return None
        sequence, login = self._ask(s, thread, words, rng)
        user = login[32:login.index(0, 32)]
        if user.startswith(b"elexgate"):
            self.nobodies += 1
        if b"switch" in user:
            sequence, _ = self._ask(s, thread, frame(b"\xfemysql_native_password\0" + b"x" * 20 + b"\0", sequence + 1), rng)
        if b"slow" in user:
            time.sleep(rng.random() * 0.2)
        if b"denied" in user or user.startswith(b"elexgate"):
            send_cut(s, frame(b"\xff\x15\x04#28000no", sequence + 1), rng)
            return None
        self.truth[thread] = False
        send_cut(s, frame(OK_HEAD + struct.pack("<HH", AUTOCOMMIT, 0), sequence + 1), rng)
        return int.from_bytes(login[:4], "little")

    def _status(self, thread, more=False):
        return AUTOCOMMIT | (IN_TRANS if self.truth[thread] else 0) | (MORE if more else 0)

    def _command(self, s, thread, caps, rng):
        _, packet = read_packet(s)
        if packet[:1] == b"\x01":
            return False
        if packet[:1] == b"\x0e":
            s.sendall(frame(OK_HEAD + struct.pack("<HH", self._status(thread), 0), 1))
            return True
        what, number = packet.split(b"/*? ", 1)[1].split(b" */", 1)[0].split(b";")
        if what[:1] == b"T":
            self.truth[thread] = what[1:2] == b"1"
            what = what[2:]
        if what == b"X":
            return False
        if what[:1] == b"S":
            time.sleep(0.03)
            what = b"O"
        answer = self._answer(s, thread, caps, what, number, 1, rng)
        if what[:1] == b"H":
            s.sendall(answer[:rng.randrange(1, len(answer))])
            return False
        send_cut(s, answer, rng)
        return True

    def _answer(self, s, thread, caps, what, number, sequence, rng):
        def eof(q, more=False):
            body = (b"\xfe\0\0" + struct.pack("<HH", self._status(thread, more), 0) if caps & DEPRECATE_EOF
                    else b"\xfe\0\0" + struct.pack("<H", self._status(thread, more)))
            return frame(body, q)
        if what == b"E":
            return frame(b"\xff\x28\x04#42000" + number, sequence)
        if what == b"F":
            s.sendall(frame(b"\xfbfile", sequence))
            while True:
                sequence, data = read_packet(s)
                if not data:
                    break
            return frame(OK_HEAD + struct.pack("<HH", self._status(thread), 0) + number, sequence + 1)
        if what[:1] in b"RMH":
            rows, out = int(what[1:] or b"2"), b""
            for last in ([False, True] if what[:1] == b"M" else [True]):
                column = b"\3def\0\0\0\1a\0\x0c\x3f\0\1\0\0\0\x08\x81\0\0\0\0"
                packets = [b"\x01", column] + ([] if caps & DEPRECATE_EOF else [None])
                packets += [bytes([min(250, len(number) + pad)]) + number + b"." * (min(250, len(number) + pad) - len(number))
                            for pad in (rng.randrange(0, 200) for _ in range(rows))]
                for p in packets:
                    out += eof(sequence) if p is None else frame(p, sequence)
                    sequence += 1
                out += eof(sequence, more=not last)
                sequence += 1
            return out
        return frame(OK_HEAD + struct.pack("<HH", self._status(thread), 0) + number, sequence)


class Ended(Exception):
    """The session was ended in words; .text has them."""


class Client:
    def __init__(self, fuzz, rng, number):
        self.fuzz, self.rng, self.number = fuzz, rng, number
        self.caps = USUAL | LOCAL_FILES | (DEPRECATE_EOF if rng.random() < 0.5 else 0)
        self.server_ends = False
        self.in_transaction = False
        self.log = []

    def run(self):
        rng = self.rng
        tls = rng.random() < 0.35
        self.sock = socket.create_connection(("127.0.0.1", self.fuzz.gate.ports["elexis" if tls else "inner"]), WAIT)
        self.sock.settimeout(WAIT)
        try:
            if not self._login(tls):
                return
            for _ in range(rng.randrange(0, 6)):
                self._batch()
                if rng.random() < 0.3:
                    self._look()
            self._leave()
        except Ended as e:
            self.log.append(f"ended: {e}")
        except EOFError:
            # A server that went away in mid-answer leaves no place for words; whatever else ends a session has them.
            if not self.server_ends:
                raise Violation(f"session {self.number}: closed without a word; {self.log}") from None
        except (ConnectionError, ssl.SSLError, BrokenPipeError) as e:
            self.log.append(repr(e))
        except TimeoutError:
            raise Violation(f"session {self.number}: hangs; {self.log}") from None
        finally:
            self.sock.close()

    def _maybe_break_off(self):
        if self.rng.random() < 0.04:
            self.log.append("breaks off")
            if self.rng.random() < 0.5:
                self._reset()
            raise Ended("by itself")

    def _reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _words(self, payload):
        if payload[:1] == b"\xff":
            code = int.from_bytes(payload[1:3], "little")
            if code in (1053, 1040, 1045):
                raise Ended(payload[3:90])
            raise Violation(f"session {self.number}: error {payload!r}")

    def _login(self, tls):
        rng = self.rng
        self._maybe_break_off()
        self.server_ends = True  # in about one of fifty, before the login
        _, hello = read_packet(self.sock)
        self._words(hello)
        at = hello.index(0, 1) + 1
        self.thread = struct.unpack_from("<I", hello, at)[0]
        self._maybe_break_off()
        if tls:
            send_cut(self.sock, frame(struct.pack("<IIB23x", self.caps | SSL, 1 << 24, 45), 1), rng)
            self._maybe_break_off()
            self.sock = self.fuzz.tls.wrap_socket(self.sock, server_hostname="localhost")
            self._maybe_break_off()
        kind = rng.choice(["", "", "", "switch", "slow", "switch slow", "denied"])
        body = struct.pack("<IIB23x", self.caps & 0xffffffff, 1 << 24, 45) + f"u{self.number} {kind}".encode() + b"\0\0mysql_native_password\0"
        data = frame(body, 1 + tls)
        ahead = [t for t in (self._statement() for _ in range(rng.randrange(0, 5))) if t[1] != "F"] if "switch" not in kind and rng.random() < 0.3 else []
        send_cut(self.sock, data + b"".join(frame(t, 0) for t, *_ in ahead), rng)
        self._maybe_break_off()
        sequence, answer = read_packet(self.sock)
        if answer[:1] == b"\xfe":
            self._maybe_break_off()
            send_cut(self.sock, frame(b"", sequence + 1), rng)
            sequence, answer = read_packet(self.sock)
        self._words(answer)
        if "denied" in kind or answer[:1] != b"\0":
            raise Violation(f"session {self.number}: login of {kind!r} got {answer!r}")
        self.server_ends = False
        self._answers(ahead)
        return True

    def _statement(self):
        """(payload, what is asked for, its number, whether a transaction is open behind it)"""
        rng = self.rng
        what = rng.choice(["O", "O", "O", "E", "R0", "R3", "M2", "S"] + (["F"] if rng.random() < 0.1 else []))
        if rng.random() < 0.01:
            what = rng.choice(["X", "H3"])
        turn = rng.choice(["", "", "", "T1", "T0"])
        number = str(next(self.fuzz.numbers))
        verb = rng.choice(["SELECT", "INSERT INTO t", "SET @a=1,", "CALL p", "/* c */ select", "SHOW", "UPDATE t"])
        if what == "E" and turn == "T1" and verb.strip("/* c").upper() in ("SELECT", "SHOW"):
            turn = ""  # what only reads begins no transaction when it fails
        return f"\x03{verb} /*? {turn}{what};{number} */".encode(), what, number.encode(), {"T1": True, "T0": False}.get(turn)

    def _batch(self):
        rng = self.rng
        batch = [self._statement() for _ in range(rng.choice((1, 1, 1, 2, 5, 9)))]
        for i, (_, what, _, _) in enumerate(batch):
            if what == "F":  # file data may not be sent ahead of the question
                batch = batch[:i + 1]
                break
        self.log.append([f"{w}{'' if t is None else int(t)}" for _, w, _, t in batch])
        send_cut(self.sock, b"".join(frame(t, 0) for t, *_ in batch), rng)
        self._maybe_break_off()
        self._answers(batch)

    def _answers(self, batch):
        self.server_ends |= any(what[0] in "XH" for _, what, _, _ in batch)  # what it sent before may be lost with it
        for _, what, number, turn in batch:
            self._answer(what, number)
            if turn is not None:
                self.in_transaction = turn

    def _answer(self, what, number):
        sequence, first = read_packet(self.sock)
        if first[:1] == b"\xff":
            if what == "E" and first[9:] == number:
                return
            self._words(first)
        if first[:1] == b"\xfb":
            for _ in range(self.rng.randrange(0, 4)):
                sequence += 1
                send_cut(self.sock, frame(bytes(self.rng.randrange(1, 300)), sequence), self.rng)
            self.sock.sendall(frame(b"", sequence + 1))
            sequence, first = read_packet(self.sock)
            self._words(first)
        if what[0] in "OSF":
            if first[:1] != b"\0" or first[7:] != number:
                raise Violation(f"session {self.number}: {what} {number} got {first!r}; {self.log}")
            return
        for _ in range(2 if what[0] == "M" else 1):
            self._result(first, number)
            if what[0] == "M":
                what = "R"
                _, first = read_packet(self.sock)
                self._words(first)

    def _result(self, first, number):
        if first != b"\x01":
            raise Violation(f"session {self.number}: a result set for {number} begins with {first!r}; {self.log}")
        for _ in range(1 if self.caps & DEPRECATE_EOF else 2):
            self._words(read_packet(self.sock)[1])
        while True:
            _, row = read_packet(self.sock)
            self._words(row)
            if row[:1] == b"\xfe" and len(row) < 9:
                return
            if not row[1:].startswith(number):
                raise Violation(f"session {self.number}: a row of {row!r} in the answer to {number}; {self.log}")

    def _look(self):
        """Nothing of mine is under way: what does the gate say of me?"""
        deadline = time.monotonic() + WAIT
        while True:
            mine = [s for s in self.fuzz.gate.sessions() if s["thread_id"] == self.thread and s["state"] == "relay"]
            if not mine:
                return  # ended by somebody meanwhile; the next answer says so
            s = mine[0]
            if not s["in_flight"] and s["in_transaction"] == self.in_transaction:
                return
            if time.monotonic() > deadline:
                raise Violation(f"session {self.number}: transaction {self.in_transaction}, the gate says {s}; {self.log}")
            time.sleep(0.01)

    def _leave(self):
        how = self.rng.choice(["quit", "close", "reset", "half", "abandon"])
        self.log.append(how)
        if how == "quit":
            self.sock.sendall(frame(b"\x01", 0))
            self.server_ends = True
            while True:  # the gate closes, in words if it ended the session at the same moment
                self._words(read_packet(self.sock)[1])
        if how == "reset":
            self._reset()
        if how == "abandon":
            self.sock.sendall(frame(b"\x03UPDATE /*? T1S;0 */", 0))
        if how == "half":
            number = str(next(self.fuzz.numbers)).encode()
            self.sock.sendall(frame(b"\x03UPDATE /*? S;%s */" % number, 0))
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
            self._answer("S", number)
            self.server_ends = True
            read_packet(self.sock)


class Fuzz:
    """gate: a lib.gate.Gate of elexgate-proxy-small with the listeners elexis (TLS) and inner, in front of server."""

    OPTIONS = {"database": {"connect_timeout": "1s", "connect_retry": "1s"},
               "proxy": {"handshake_timeout": "3s", "login_timeout": "5s", "max_logins_pending": 6, "max_sessions": 40, "grace": "200ms"},
               "log": {"level": "info"}}
    LISTENERS = {"elexis": {}, "inner": {"tls": "off"}}

    @classmethod
    def options(cls, server):
        return {**cls.OPTIONS, "database": {**cls.OPTIONS["database"], "host": "127.0.0.1", "port": server.port}}

    def __init__(self, gate, server, pki, seed, say=print):
        self.gate, self.server, self.seed, self.say = gate, server, seed, say
        self.tls = starttls.context(pki.ca_file)
        self.numbers = itertools.count(1)
        self.sessions = itertools.count(1)
        self.violations, self.done = [], 0

    def _clients(self, seed, end):
        rng = random.Random(seed)
        while time.monotonic() < end and not self.violations:
            client = Client(self, random.Random(rng.random()), next(self.sessions))
            try:
                client.run()
            except Violation as e:
                self.violations.append(str(e))
            except Exception as e:  # of the fuzzer itself
                self.violations.append(f"session {client.number}: {e!r}; {client.log}")
            self.done += 1

    def _disturb(self, rng, end):
        while time.monotonic() < end - 1 and not self.violations:
            time.sleep(rng.random() * 0.6)
            what = rng.choice(["block", "hold", "hold", "kill", "kill", "reload", "status"])
            if what == "block":
                self.gate.control({"cmd": "block", "grace_ms": rng.choice((0, 50, 1000)), "reason": "fuzz"}, check=False)
                time.sleep(rng.random() * 0.1)
                self.gate.control("open")
            elif what == "hold":
                self._hold(rng)
            elif what == "kill":
                sessions = self.gate.sessions()
                if sessions:
                    self.gate.control({"cmd": "kill", "session": rng.choice(sessions)["id"]}, check=False)
            else:
                self.gate.control(what)

    def _hold(self, rng):
        with self.gate.watch() as w:
            w.send({"cmd": "hold", "timeout_ms": rng.choice((50, 1000)), "max_ms": 2000})
            while "held" not in (answer := w.receive()) and "error" not in answer:
                pass
            if not answer.get("held"):
                return
            idle = self.gate.idle()
            busy = [t for t, is_open in list(self.server.truth.items()) if is_open]
            if idle["in_flight"] or idle["transactions"] or idle["transactions_unknown"] or busy:
                self.violations.append(f"held, and the gate says {idle}, the server {busy}")
            w.send({"cmd": "release"})

    def round(self, seconds, clients=8):
        """Sessions for so long; then all leave, and every counter must be 0."""
        end = time.monotonic() + seconds
        rng = random.Random(self.seed)
        self.seed += 1
        threads = [threading.Thread(target=self._clients, args=(rng.random(), end), daemon=True) for _ in range(clients)]
        threads.append(threading.Thread(target=self._disturb, args=(rng, end), daemon=True))
        for t in threads:
            t.start()
        for t in threads:
            t.join(seconds + 4 * WAIT)
            if t.is_alive():
                self.violations.append("a thread of the fuzzer hangs")
        self.violations += self.server.unheard
        if not self.violations:
            self._quiet()
        if not self.gate.alive():
            self.violations.append("the gate is gone")
        if self.violations:
            raise Violation(f"seed {self.seed - 1}: " + "\n".join(self.violations[:5]))

    def _quiet(self):
        def zero():
            status = self.gate.status()
            idle = status["idle"]
            return not any((idle["in_flight"], idle["write_in_flight"], idle["transactions"], idle["transactions_unknown"], idle["sessions"],
                            status["logins_pending"], status["sessions"], self.server.open, sum(w["sessions"] for w in status["loops"])))
        try:
            process.wait_until(zero, WAIT, "all counters 0")
        except TimeoutError:
            self.violations.append(f"all have left, and {self.gate.status()}; at the server {self.server.open}; {self.gate.sessions()}")
        # A server that is starved beyond the gate's bound is left, and the gate says so.
        known = self.gate.status()["totals"]["server_logins_cut"]
        if self.server.late > known:
            self.violations.append(f"{self.server.late} connections were gone before the server's word, and the gate knows of {known}")
