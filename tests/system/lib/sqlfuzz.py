"""SQL texts that are meant to be read in more than one way, and what reads them: our lexer, the stock client, the server.

A text is made of fragments with marker words among them. Where our lexer accepts, each statement must hold the same markers, in code and
literals, as the statement that the stock client sends, and as the one that the server cuts off when it gets the whole text.
"""
import random
import re
import struct
import subprocess

import pymysql

from lib import paths

FRAGMENTS = [
    b"'", b"'", b'"', b"`", b"''", b'""', b"``", b"\\'", b"\\\\", b"\\", b"\\N", b'\\"',
    b"-- ", b"--", b"--\n", b"--\t", b"--\r\n", b"--\x01", b"--\x7f", b"--\xa0", b"--\x0b", b"#", b"/*", b"*/", b"/*!", b"/*!50003 ", b"/*!40101 ",
    b"/*!99999 ", b"/*!80000 ", b"/*M!100100 ", b"/*M!999999\\- ", b"/*!999999", b"/*/", b"/**/", b"*", b"/", b"-", b"!",
    b"\n", b"\n", b"\r\n", b" ", b" ", b"\t", b"\x0c", b"\x1b", b";", b";", b";", b";;", b"//", b"$$", b"; ", b";\n",
    b"\nDELIMITER ;;\n", b"\nDELIMITER //\n", b"\nDELIMITER ;\n", b"delimiter $$\n", b"DELIMITER ", b"\n  delimiter ;;  \n", b"delimiter",
    b"DELIMITER delim\n", b"DELIMITER e\n", b";delimiter $\n", b"\ndelimiter\n", b"$", b"/*/*/", b"help ", b"$$\n",
    b";\nSET sql_mode='ANSI_QUOTES';\n", b";\nSET sql_mode='NO_BACKSLASH_ESCAPES';\n", b";\nSET sql_mode='';\n", b";\nSET SQL_MODE=\"ORACLE\";\n",
    b";\nSET @m=@@sql_mode;\n", b";\nSET sql_mode=@m;\n", b";\n/*!40101 SET @OLD=@@SQL_MODE, SQL_MODE='ANSI' */;\n", b"SET NAMES latin1;\n",
    b"SELECT ", b"DO ", b",", b"(", b")", b"@", b"@@", b"x'", b"N'", b"_latin1'", b"5", b".", b"=", b"\xc3\xa4", b"\xe2\x82\xac", b"\xff", b"\xc3", b"\xef\xbb\xbf",
    b"BEGIN ", b" END", b"CREATE PROCEDURE ", b"IF ", b"system ls\n", b"\nprint\n", b"\\g", b"\\c", b"\\!", b"[", b"]", b"{", b"}",
]
SEEDS = [
    b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump\n/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n"
    b"SELECT 1 FROM `t` WHERE a = 'it\\'s; \xc3\xa4' OR b = \"b\"\"\";\nDELIMITER ;;\n/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER t\n"
    b"BEFORE INSERT ON t FOR EACH ROW BEGIN\n/* c; */ SET @a = 1; # d;\nSET @b = '-- ;;'; END */;;\nDELIMITER ;\n/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;\n",
    b"SELECT 1;\n-- x;\nSELECT '2;', `3;` FROM (SELECT 5--1) a; # y;\nSELECT /* z; */ 4;\n",
    b"SET sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES';\nSELECT \"a\\\", 'b\\';\nSELECT 2;\n",
]
MARKER = re.compile(rb"zq\d+q")
SKIPPED = re.compile(rb"/\*M?!(?:50[7-9]\d\d|5[1-9]\d{3}|[6-9]\d{4}|\d{6}).*?\*/", re.S)
DELIMITER_CRLF = re.compile(rb"delimiter[^\n]*\r\n", re.I)
NESTED = re.compile(rb"/\*M?!.*?/\*|/\*.*?/\*M?!", re.S)


TOKENS_MAX = 96  # SQL_TOKENS_MAX: of a statement with more our lexer tells the first ones only


def markers(tokens):
    return MARKER.findall(b"\0".join(tokens))


def parts_of(theirs, wanted):
    """Each of theirs is a part of one of ours, in the same order, or comes after all that we look at."""
    all_of_ours, rest = {m for own in wanted for m in own}, iter(wanted)
    return all(not all_of_ours & set(mine) or any(set(mine) <= set(own) for own in rest) for mine in theirs)


def text(rng):
    n = [0]

    def marker():
        n[0] += 1
        return b"zq%dq" % n[0]

    if rng.random() < 0.5:
        parts = re.findall(rb"\w+|\s+|.", rng.choice(SEEDS), re.S)
        for _ in range(rng.randint(0, 4)):
            at = rng.randrange(len(parts))
            parts[at:at + rng.randint(0, 2)] = [rng.choice(FRAGMENTS)]
    else:
        parts = [rng.choice(FRAGMENTS) for _ in range(rng.randint(2, 25))]
    out = b""
    for part in parts:
        out += part
        if rng.random() < 0.4 and re.search(rb"[\w\s;'\"`]$", part) and not re.search(rb"--\s*$", part) and not re.search(rb"DELIMITER\s*\S*$", out, re.I) and not re.search(rb"!\d{0,5}$", out):
            out += b" " + marker() + b" "
    return out


class Cutter:
    """sql-cut: our lexer in a process of its own."""

    def __init__(self):
        self.child = subprocess.Popen([paths.BUILD / "tests" / "tools" / "sql-cut"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, sql):
        """([(statement, its tokens)], words of the refusal or "")"""
        self.child.stdin.write(struct.pack("<I", len(sql)) + sql)
        self.child.stdin.flush()
        statements, refused = self.child.stdout.readline().decode().rstrip("\n").split("=", 1)
        return [(bytes.fromhex(s.split(":")[0]), [bytes.fromhex(t) for t in s.split(":")[1].split(",") if t]) for s in statements.split()], refused

    def close(self):
        self.child.stdin.close()
        self.child.wait()


class Judge:
    def __init__(self, server):
        """server: with log_output=TABLE; nothing in it is changed but its log."""
        self.server, self.cut = server, Cutter()
        self.look = server.connect()
        with self.look.cursor() as cursor:
            cursor.execute("SET GLOBAL log_output='TABLE', general_log=1")
            cursor.execute("SET SESSION sql_log_off=1")
        self.cases = self.accepted = self.statements = self.refused = 0

    def close(self):
        self.cut.close()
        with self.look.cursor() as cursor:
            cursor.execute("SET GLOBAL general_log=0")
        self.look.close()

    def logged(self, run):
        """What the server logs as statements of the connection that run makes."""
        with self.look.cursor() as cursor:
            cursor.execute("TRUNCATE mysql.general_log")
            run()
            cursor.execute("SELECT CAST(argument AS BINARY) FROM mysql.general_log WHERE command_type = 'Query'")
            return [row[0] for row in cursor.fetchall()]

    def client(self, sql, mode="--binary-mode"):
        return self.logged(lambda: subprocess.run(
            ["mariadb", "--no-defaults", f"--socket={self.server.socket}", "--user=root", mode, "--force", "--batch",
             "--default-character-set=utf8mb4"], input=sql, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60))

    def one_by_one(self, statements):
        """How many of them the server sees under the sql_mode that our lexer goes by: a SET that fails ends that."""
        connection = self.server.connect(client_flag=0, use_unicode=False, conv={})
        try:
            for i, sql in enumerate(statements):
                try:
                    connection._execute_command(3, sql)
                    connection._read_query_result()
                    while connection._result.has_next:
                        connection._read_query_result()
                except pymysql.MySQLError:
                    if b"sql_mode" in sql.lower():
                        return i + 1
                except (ValueError, TypeError):  # the name of a column; nothing more can be asked on this connection
                    return i + 1
            return len(statements) + 1
        finally:
            connection.close()

    def all_at_once(self, sql):
        connection = self.server.connect(use_unicode=False, conv={})

        def run():
            try:
                connection._execute_command(3, sql)
                connection._read_query_result()
                while connection._result.has_next:
                    connection._read_query_result()
            except (pymysql.MySQLError, ValueError, TypeError):
                pass

        try:
            return self.logged(run)
        finally:
            connection.close()

    def check(self, sql):
        """None, or what is wrong."""
        ours, refused = self.cut(sql)
        self.cases += 1
        self.accepted += not refused
        self.refused += bool(refused)
        self.statements += len(ours)
        if not ours:
            return None
        known = next((i for i, (_, tokens) in enumerate(ours) if len(tokens) >= TOKENS_MAX), len(ours) + 1)
        valid = min(self.one_by_one([s for s, _ in ours]), known)
        wanted = [markers(tokens) for _, tokens in ours][:valid]
        # what holds no marker may be there for one and empty for the other: it runs nothing that was not meant
        # code to some servers, a comment to others: our tokens do not have them, what the client sends does
        skipped = {m for c in SKIPPED.findall(sql) for m in MARKER.findall(c)} - {m for _, t in ours for m in markers(t)}
        most = sum(map(bool, wanted)) if refused or valid <= len(ours) else None
        wanted = [m for m in wanted if m]

        def sent(mode):
            return [m for m in ([m for m in MARKER.findall(q) if m not in skipped] for q in self.client(sql, mode)) if m][:most]

        theirs = sent("--binary-mode")
        # The end of a line on Windows belongs to a delimiter with --binary-mode only: our lexer reads DELIMITER as the client does by itself.
        if theirs != wanted and DELIMITER_CRLF.search(sql):
            theirs = sent("--skip-binary-mode")
        # A comment within a version comment, or the other way round: the client may leave text out, but cuts at the same places.
        nested = NESTED.search(sql)
        if theirs != wanted and not (nested and parts_of(theirs, wanted)):
            return f"the client sends {theirs}, we {wanted}"
        if not refused and b"delimiter" not in sql.lower():
            whole = [MARKER.findall(q) for q in self.all_at_once(sql)]
            full = [MARKER.findall(s) for s, _ in ours]
            if len(whole) > 1 and [m for m in whole[:-1] if m] != [m for m in full if m][:sum(map(bool, whole[:-1]))]:
                return f"the server cuts {whole}, we {full}"
        return None


def smaller(judge, sql):
    """The text with all left out that is not needed for it to be read differently."""
    size = len(sql) // 2
    while size:
        at = 0
        while at < len(sql):
            shorter = sql[:at] + sql[at + size:]
            if judge.check(shorter):
                sql = shorter
            else:
                at += size
        size //= 2
    return sql


def campaign(server, seed, enough, share=(0, 1), tell=lambda sql, what: None):
    """Until enough(judge) says so. share (k, n): only the kth of every n texts. Returns (judge, [(text, what is wrong)]), each told at once."""
    rng, judge, wrong, n = random.Random(seed), Judge(server), [], 0
    try:
        while not enough(judge):
            sql = text(rng)
            n += 1
            if n % share[1] != share[0] or not judge.check(sql):
                continue
            cases = judge.cases, judge.accepted, judge.refused, judge.statements
            sql = smaller(judge, sql)
            wrong.append((sql, judge.check(sql)))
            judge.cases, judge.accepted, judge.refused, judge.statements = cases
            tell(*wrong[-1])
    finally:
        judge.close()
    return judge, wrong
