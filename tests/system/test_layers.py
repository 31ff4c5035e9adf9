"""Who may include whom: the table of docs/coding.md, held against every #include and every meson dependency."""
import pathlib
import re

import pytest

from lib import paths, process, symbols

# The C library's own headers and folders of headers. What is in neither of these tables is refused.
LIBC = set("""
    arpa/inet.h assert.h byteswap.h ctype.h dirent.h endian.h errno.h fcntl.h float.h fnmatch.h fts.h ftw.h
    getopt.h glob.h grp.h iconv.h ifaddrs.h inttypes.h libgen.h limits.h locale.h malloc.h math.h mntent.h
    net/if.h netdb.h netinet/in.h netinet/ip.h netinet/tcp.h poll.h pthread.h pwd.h regex.h sched.h search.h
    semaphore.h setjmp.h signal.h spawn.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h
    stdlib.h string.h strings.h syslog.h termios.h threads.h time.h unistd.h utime.h wchar.h wctype.h
""".split())
LIBC_FOLDERS = ("sys/", "linux/")
LIBRARIES = {
    "jansson.h": "jansson", "ini.h": "inih", "uv.h": "uv", "openssl/": "openssl", "systemd/": "systemd",
    "mysql.h": "mariadb", "mysqld_error.h": "mariadb", "errmsg.h": "mariadb", "mariadb_rpl.h": "mariadb", "mysql/": "mariadb", "mariadb/": "mariadb",
    "archive.h": "libarchive", "archive_entry.h": "libarchive", "zlib.h": "zlib", "isa-l/": "isal", "isa-l.h": "isal",
    "curl/": "curl", "microhttpd.h": "http", "libwebsockets.h": "http", "sodium.h": "sodium", "gnutls/": "gnutls",
    "liboath/": "oath", "qrencode.h": "qrencode",
}
#: What touches the outside world; not for the pure parts. Headers with types that they need, as sys/socket.h, are let
#: through: what counts is what they call, and that is read from the libraries.
INPUT_OUTPUT = {"dirent.h", "fcntl.h", "netdb.h", "poll.h", "spawn.h", "sys/stat.h", "sys/un.h", "sys/wait.h", "termios.h",
                "unistd.h"}
INPUT_OUTPUT_CALLS = set("""
    accept accept4 bind close connect execve fclose fopen fork fprintf fputs fread fwrite getaddrinfo getenv ioctl listen
    open open64 openat openat64 poll popen posix_spawn printf puts read readv recv recvfrom recvmsg send sendmsg sendto
    socket socketpair stat system unlink write writev log_write
""".split())
PURE_LIBRARIES = [paths.BUILD / "proxy" / "wire" / "libwire.a", paths.BUILD / "backup" / "librules.a"]


class Rule:
    def __init__(self, folders, libraries="", pure=False):
        self.folders, self.libraries, self.pure = folders.split(), libraries.split(), pure


#: The longest prefix that fits a file rules it. common is open to everybody, and so are its JSON and errors.
RULES = {
    "common/digest_ssl.c": Rule("common", "openssl"),
    "common/error_ssl.c": Rule("common", "openssl"),
    "common/error_uv.c": Rule("common", "uv"),
    "common/loop.h": Rule("common", "uv"),
    "common/loop_uv.c": Rule("common", "uv"),
    "common/systemd.c": Rule("common", "systemd"),
    "common/": Rule("common", "jansson inih"),
    "link/": Rule("common link", "jansson uv"),
    "people/": Rule("common people", "jansson sodium oath"),
    "certs/": Rule("common certs", "openssl"),
    "proxy/wire/": Rule("common proxy/wire", pure=True),
    "proxy/": Rule("common link certs proxy proxy/wire", "jansson uv openssl systemd"),
    "proof/": Rule("common link certs proof", "jansson openssl mariadb"),
    "backup/rules/": Rule("common backup/rules", "jansson", pure=True),
    "backup/server/": Rule("common link backup/rules backup/server", "jansson mariadb"),
    "backup/archive/": Rule("common backup/rules backup/archive", "jansson openssl libarchive zlib isal"),
    "backup/job/": Rule("common link certs people backup/rules backup/server backup/archive backup/job", "jansson openssl mariadb libarchive zlib"),
    "backup/keeper/plan.c": Rule("common backup/rules backup/keeper", "jansson", pure=True),
    "backup/monitor/": Rule("common link people backup/rules backup/monitor", "jansson"),
    "backup/keeper/": Rule("common link people backup/rules backup/monitor backup/keeper", "jansson uv openssl"),
    "notify/": Rule("common notify", "jansson curl"),
    "cli/": Rule("common link certs cli", "jansson openssl libarchive"),
    "console/": Rule("common link certs people console", "jansson openssl uv http sodium gnutls qrencode"),
}
#: Variables of the meson files, and the folder or library that they stand for.
DEPENDENCIES = {
    "common_dep": "common", "link_dep": "link", "link_uv_dep": "link", "common_ssl_dep": "common", "common_uv_dep": "common", "common_systemd_dep": "common", "certs_dep": "certs", "wire_dep": "proxy/wire", "salt_dep": "proof",
    "rules_dep": "backup/rules", "archive_dep": "backup/archive", "server_dep": "backup/server", "job_dep": "backup/job", "libuv": "uv",
    "openssl": "openssl", "jansson": "jansson", "inih": "inih", "libarchive": "libarchive", "libmariadb": "mariadb",
    "zlib": "zlib", "isal": "isal", "curl": "curl", "systemd": "systemd", "microhttpd": "http", "gnutls": "gnutls", "sodium": "sodium", "oath": "oath", "qrencode": "qrencode",
    "console_pure_dep": "console", "console_keep_dep": "console", "people_dep": "people",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def rule_of(name):
    prefix = max((p for p in RULES if name.startswith(p)), key=len, default=None)
    return RULES[prefix] if prefix else None


def folder_of(included):
    """"proxy/wire/packet.h" -> "proxy/wire": the longest folder that has a rule of its own."""
    return max((p.rstrip("/") for p in RULES if p.endswith("/") and included.startswith(p)), key=len, default=None)


def library_of(included):
    for prefix, library in LIBRARIES.items():
        if included == prefix or prefix.endswith("/") and included.startswith(prefix):
            return library
    return None


def check_include(rule, quote, included, root):
    """What is wrong with it, or None."""
    if quote == '"':
        if not (root / included).is_file():
            return "is not a path from the top of the tree"
        folder = folder_of(included)
        if folder not in rule.folders:
            return f"lies in {folder or 'a folder that nobody may include'}"
        return None
    library = library_of(included)
    if library:
        return None if library in rule.libraries else f"belongs to {library}"
    if included not in LIBC and not included.startswith(LIBC_FOLDERS):
        return "is a header that this test does not know: add it to LIBC or to LIBRARIES"
    if rule.pure and included in INPUT_OUTPUT:
        return "is input and output, in a part that is pure"
    return None


def sources(root):
    for folder in ("common", "link", "people", "certs", "proxy", "proof", "notify", "backup", "cli", "console"):
        yield from sorted(path for path in (root / folder).rglob("*.[ch]"))


def include_violations(root):
    found = []
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if match:
                wrong = check_include(rule_of(name), *match.groups(), root)
                if wrong:
                    found.append(f"{name}:{number}: {match.group(2)} {wrong}")
    return found


def meson_violations(root):
    """A folder's meson.build may name only the dependencies that its files may include. Backup's one file builds its
    pure part too; there the #includes alone tell."""
    found = []
    for path in sorted(root.glob("*/meson.build")) + sorted(root.glob("*/*/meson.build")):
        name = path.relative_to(root).as_posix()
        rule = rule_of(name)
        if rule is None:
            continue
        libraries = rule.libraries + (["openssl", "uv", "systemd"] if name == "common/meson.build" else [])
        text = re.sub(r"#.*|'[^']*'", "", path.read_text(encoding="utf-8"))
        for word in re.findall(r"\b\w+\b", text):
            needs = DEPENDENCIES.get(word)
            if needs and needs not in rule.folders and needs not in libraries:
                found.append(f"{name}: {word} stands for {needs}")
    return sorted(set(found))


def test_includes():
    assert include_violations(paths.ROOT) == []


def test_meson_dependencies():
    assert meson_violations(paths.ROOT) == []


def test_tables_are_read_as_tables_only():
    """By server_base_table (backup/server/server.h): a name by itself may have become a view, with functions of whoever made it."""
    by_name = re.compile(r"\b(FROM|JOIN|HANDLER|CHECKSUM TABLE|CHECK TABLE) %s\.%s")
    found = {f"{path.relative_to(paths.ROOT)}: {m.group()}" for path in sources(paths.ROOT) for m in by_name.finditer(path.read_text(encoding="utf-8"))}
    # they open a view and read nothing of it
    assert found <= {"backup/job/trial/table_sums.c: CHECKSUM TABLE %s.%s", "backup/job/trial/copy_check.c: CHECK TABLE %s.%s"}, found


def calls_of(library):
    """The symbols that it takes from elsewhere; under -D_FORTIFY_SOURCE __read_chk stands for read."""
    text = process.run(["nm", "--undefined-only", "--format=just-symbols", library]).stdout
    return {re.sub(r"^__(isoc\d+_)?(\w+?)_chk$", r"\2", line.strip().removesuffix("@plt")) for line in text.splitlines()}


@pytest.mark.parametrize("library", PURE_LIBRARIES, ids=lambda path: path.name)
def test_pure_parts_call_nothing_outside(library):
    calls = calls_of(library)
    assert "err_set" in calls
    assert sorted(calls & INPUT_OUTPUT_CALLS) == []
    assert [call for call in calls if call.startswith(("uv_", "SSL_", "EVP_", "mysql_", "archive_read_", "archive_write_"))] == []


def test_calls_of_an_impure_library_are_found():
    assert {"open", "write", "fsync"} <= {call.removesuffix("64") for call in calls_of(paths.BUILD / "common" / "libcommon.a")}


def test_every_source_is_ruled():
    names = [path.relative_to(paths.ROOT).as_posix() for path in sources(paths.ROOT)]
    assert len(names) > 50
    assert [name for name in names if rule_of(name) is None] == []


def test_the_table_is_that_of_the_rules():
    """docs/coding.md names the same modules, so that neither is changed alone."""
    text = (paths.ROOT / "docs" / "coding.md").read_text(encoding="utf-8")
    table = text[text.index("## Layers"):text.index("## Parsers")]
    for prefix in RULES:
        word = pathlib.PurePath(prefix).name if prefix.endswith(".c") else prefix
        assert f"`{word}`" in table, f"docs/coding.md says nothing of {prefix}"


PLANTED = [
    ("common/x.c", "#include <uv.h>", "uv"),
    ("common/error_uv.c", "#include <openssl/ssl.h>", "openssl"),
    ("common/x.h", '#include "certs/pair.h"', "certs"),
    ("certs/x.c", '#include "proxy/wire/packet.h"', "proxy/wire"),
    ("proxy/wire/x.c", "#include <uv.h>", "uv"),
    ("proxy/wire/x.c", "  #  include <fcntl.h>", "input and output"),
    ("proxy/wire/x.h", '#include "proxy/session/session.h"', "proxy"),
    ("proxy/x.c", '#include "backup/server/fence.h"', "backup/server"),
    ("proxy/x.c", "#include <archive.h>", "libarchive"),
    ("backup/rules/x.c", '#include "backup/server/fence.h"', "backup/server"),
    ("backup/rules/x.c", "#include <unistd.h>", "input and output"),
    ("backup/job/x.c", '#include "proxy/session/session.h"', "proxy"),
    ("backup/archive/x.c", '#include "backup/job/run.h"', "backup/job"),
    ("backup/keeper/x.c", "#include <archive.h>", "libarchive"),
    ("backup/keeper/x.c", '#include "backup/job/run.h"', "backup/job"),
    ("backup/keeper/x.c", '#include "backup/archive/store.h"', "backup/archive"),
    ("backup/keeper/plan.c", "#include <unistd.h>", "input and output"),
    ("backup/keeper/plan.c", '#include "backup/server/fence.h"', "backup/server"),
    ("backup/server/x.c", '#include "backup/job/run.h"', "backup/job"),
    ("cli/x.c", '#include "backup/server/fence.h"', "backup/server"),
    ("cli/x.c", '#include "proxy/wire/packet.h"', "proxy/wire"),
    ("console/x.c", "#include <mysql.h>", "mariadb"),
    ("cli/x.c", '#include "tests/unit.h"', "nobody may include"),
    ("cli/x.c", '#include "cli.h"', "not a path from the top"),
    ("cli/x.c", "#include <curl/curl.h>", "curl"),
    ("cli/x.c", "#include <nettle/aes.h>", "does not know"),
]
HEADERS = ["certs/pair.h", "proxy/wire/packet.h", "proxy/session/session.h", "backup/server/fence.h", "tests/unit.h", "cli/cli.h", "backup/job/run.h", "backup/archive/store.h"]


def plant(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="utf-8")


@pytest.mark.parametrize("name,line,says", PLANTED)
def test_a_planted_violation_is_found(tmp_path, name, line, says):
    for header in HEADERS:
        plant(tmp_path, header, "")
    assert include_violations(tmp_path) == []
    plant(tmp_path, name, "\n" + line)
    found = include_violations(tmp_path)
    assert len(found) == 1 and found[0].startswith(f"{name}:2: ") and says in found[0]


def test_a_planted_dependency_is_found(tmp_path):
    plant(tmp_path, "cli/meson.build", "# job_dep\nexecutable('wire_dep', dependencies: [common_dep, certs_dep])")
    assert meson_violations(tmp_path) == []
    plant(tmp_path, "cli/meson.build", "executable('elexgate', dependencies: [common_dep, job_dep])")
    plant(tmp_path, "proxy/wire/meson.build", "static_library('wire', dependencies: [common_dep, libuv])")
    assert meson_violations(tmp_path) == ["cli/meson.build: job_dep stands for backup/job", "proxy/wire/meson.build: libuv stands for uv"]


def test_what_a_server_says_is_cleaned_in_one_place():
    """The text of an error may quote patients' data: it leaves libmariadb only through common/said.h."""
    for path in sources(paths.ROOT):
        text = path.read_text(encoding="utf-8")
        raw = len(re.findall(r"\bmysql_(?:stmt_)?error\(", text))
        assert raw == len(re.findall(r"said_of_ours\(\s*[^;]*?\bmysql_(?:stmt_)?error\(", text)), path


# Root that changes an owner or a mode by a path goes wherever somebody's link leads: fchown, or fchownat beneath an opened folder that is
# ours (backup/job/trial/owned.h). A socket's mode, set by the program that has just made it in its own folder, gives nothing away.
BY_PATH = re.compile(r"(?<![\w>.])(l?chown|chmod)\s*\(")
BY_PATH_ALLOWED = {"console/http/server.c": "chmod"}


def test_nothing_changes_hands_by_its_path():
    found = []
    for path in sources(paths.ROOT):
        name = path.relative_to(paths.ROOT).as_posix()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = BY_PATH.search(line.split("/*")[0])
            if match and BY_PATH_ALLOWED.get(name) != match.group(1) and "held" not in line:
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found, found


# A message, JSON and a log line hold whole characters: common/utf8.h cuts, nothing else does. "%.60s" cuts bytes; so does snprintf, which
# is for numbers, paths and names of fixed form. Words are those formats that have a space beside a letter, and what goes into a field for words.
LITERAL = re.compile(r'"(?:\\.|[^"\\\n])*"')
WORDS = re.compile(r"[A-Za-z\x80-\uffff,;:] | [A-Za-z(]")
FOR_WORDS = re.compile(r"(?:why|said|trouble|words|problem|warning|waiting|reason|->en|->de)$")
HEX_ONLY = {"backup/archive/seal.c"}  # parts of a fingerprint


def byte_cuts(text):
    found = re.findall(r"%-?\d*\.\d+s", "".join(LITERAL.findall(text))) + re.findall(r"\bvsnprintf\(", text)
    for match in re.finditer(r"(?<![\w])snprintf\(((?:[^;\"]|\"(?:\\.|[^\"\\\n])*\")*);", text):
        call = match.group(1)
        literals = "".join(literal[1:-1] for literal in LITERAL.findall(call))
        if "%s" in literals and (WORDS.search(literals) or FOR_WORDS.search(call.split(",")[0].strip())):
            found.append(" ".join(match.group(0).split()))
    return found


def test_hostile_sql_is_read_by_programs_that_can_do_nothing_else():
    """The lexer meets text in a child that is shut in: the import's, and the one that looks through. The third reads a file of the admin's own."""
    users = {path.relative_to(paths.ROOT / "backup/job").as_posix() for path in (paths.ROOT / "backup/job").rglob("*.c")
             if re.search(r"sql_(lexer|scan)_(feed|new|start)\(", path.read_text(encoding="utf-8"))}
    assert users == {"trial/import_child.c", "trial/scan_child.c", "trial/rehearse.c"}


def test_what_others_wrote_is_unpacked_by_a_program_that_can_do_nothing_else():
    """Decompressors, readers of archives and of character sets run in the child of backup/archive/parse.h. Compressed events of a binary log that
    this machine sealed are inflated by one call into a buffer of the size that they say (inflate.c)."""
    reads = re.compile(r"\b(archive_read_\w+|inflate|isal_inflate|uncompress\w*|iconv|gzip_read_(open|next))\(")
    users = {path.relative_to(paths.ROOT / "backup").as_posix() for path in (paths.ROOT / "backup").rglob("*.c")
             if reads.search(path.read_text(encoding="utf-8"))}
    assert users == {"archive/parse_child.c", "archive/parse_sql.c", "archive/parse_tar.c", "archive/gzip_read.c", "archive/deflate.c",
                     "archive/deflate_isal.c", "job/binlog/inflate.c"}


def test_words_are_cut_in_one_place():
    found = {}
    for path in sources(paths.ROOT):
        name = path.relative_to(paths.ROOT).as_posix()
        cuts = byte_cuts(path.read_text(encoding="utf-8"))
        if cuts and name not in HEX_ONLY:
            found[name] = cuts
    assert not found, f"utf8_format, utf8_copy or UTF8_SHORT (common/utf8.h) instead: {found}"


@pytest.mark.parametrize("line,bad", [
    ('err_set(e, EIO, "cannot read %.60s", path);', True), ("vsnprintf(text, sizeof text, fmt, ap);", True),
    ('snprintf(buf, size, "the lock was lost: %s",\n    e.text);', True), ('snprintf(f->why, sizeof f->why, "%s", why);', True),
    ('utf8_format(buf, size, "the lock was lost: %s", e.text);', False), ('snprintf(path, sizeof path, "/proc/%d/%s", pid, name);', False),
    ('snprintf(buf, size, "%d of %d", a, b);', False)])
def test_a_planted_cut_is_found(line, bad):
    assert bool(byte_cuts(line)) == bad


# A program is started in one place (common/process.h), on a loop by uv_spawn. These fork and run no other program.
STARTS = re.compile(r"(?<![\w>.])(fork|vfork|posix_spawnp?|f?exec[vl]\w*|execute|system|popen|uv_spawn)\(|/proc/self/exe")
STARTS_ALLOWED = {"common/process.c": {"fork", "execvp", "execveat", "execute", "/proc/self/exe"}, "notify/main.c": {"fork"},
                  "proxy/control/takeover.c": {"fork"}, "backup/keeper/job.c": {"uv_spawn"}, "proxy/control/handover.c": {"uv_spawn"}}


def starts(name, text):
    found = {match.group(1) or match.group(0) for match in STARTS.finditer(re.sub(r"/\*.*?\*/", "", text, flags=re.S))}
    return found - STARTS_ALLOWED.get(name, set())


def test_programs_are_started_in_one_place():
    found = {path.relative_to(paths.ROOT).as_posix(): path for path in sources(paths.ROOT)}
    assert {name: starts(name, path.read_text(encoding="utf-8")) for name, path in found.items()
            if starts(name, path.read_text(encoding="utf-8"))} == {}


@pytest.mark.parametrize("line,bad", [("pid_t pid = fork();", {"fork"}), ('readlink("/proc/self/exe", self, n);', {"/proc/self/exe"}),
                                      ("execv(program, argv); posix_spawn(a);", {"execv", "posix_spawn"}), ("/* fork() */ x.fork(y);", set())])
def test_a_planted_start_is_found(line, bad):
    assert starts("cli/x.c", line) == bad


# A member of a JSON object is read through common/json_get.h, so that "not there" and "of another type" mean the same everywhere.
BY_HAND = re.compile(r"json_(?:string|integer)_value\(\s*json_object_get\(|json_is_true\(\s*json_object_get\(")


def test_members_are_read_in_one_place():
    assert [str(path) for path in sources(paths.ROOT) if path.name != "json_get.c" and BY_HAND.search(path.read_text(encoding="utf-8"))] == []


# What the objects say: names, and who calls whom.

@pytest.fixture(scope="module")
def built():
    found = symbols.of_build()
    if not any(name.startswith("tests/unit/") for name in found.defined):
        pytest.skip("built without tests: what only they use would look unused")
    assert "err_set" in found.defined["common/error.c"] and "err_set" in found.wanted["common/file.c"]
    return found


def test_no_exported_name_fits_two_files(built):
    assert symbols.twice(built) == {}


def test_every_exported_name_is_used_elsewhere(built):
    """Else it is static, or goes."""
    assert symbols.unused(built) == []


def test_folders_call_in_one_direction(built):
    assert symbols.folder_circles(built, folder_of) == []


def test_files_of_different_headers_call_in_one_direction(built):
    assert symbols.header_circles(built) == []


def made(defined, wanted):
    split = lambda table: {name: set(names.split()) for name, names in table.items()}
    return symbols.Symbols(split(defined), split(wanted))


def test_planted_names_and_circles_are_found(tmp_path):
    good = made({"cli/a.c": "a_run", "certs/b.c": "b_make", "tests/t.c": ""}, {"cli/a.c": "b_make printf", "tests/t.c": "a_run", "certs/b.c": ""})
    assert symbols.twice(good) == {} and symbols.unused(good) == [] and symbols.folder_circles(good, folder_of) == []
    both = made({"cli/a.c": "a_run", "proxy/b.c": "a_run"}, {"cli/a.c": "a_run", "proxy/b.c": ""})
    assert symbols.twice(both) == {"a_run": ["cli/a.c", "proxy/b.c"]}
    assert symbols.unused(made({"cli/a.c": "a_run a_more"}, {"tests/t.c": "a_run"})) == ["cli/a.c: a_more"]
    back = made({"cli/a.c": "a_run", "certs/b.c": "b_make", "common/c.c": "c_do"}, {"cli/a.c": "b_make", "certs/b.c": "c_do", "common/c.c": "a_run"})
    assert symbols.folder_circles(back, folder_of) == [["certs", "cli", "common"]]
    for name, text in (("cli/x.h", "int x_run(void); int x_more(void);"), ("cli/y.h", "int y_run(void); /* x_run */")):
        plant(tmp_path, name, text)
    circle = made({"cli/x.c": "x_run", "cli/x_more.c": "x_more", "cli/y.c": "y_run"}, {"cli/x.c": "y_run x_more", "cli/x_more.c": "x_run", "cli/y.c": "x_more"})
    assert symbols.header_circles(circle, tmp_path) == [["cli/x.h", "cli/y.h"]]
    one_way = made({"cli/x.c": "x_run", "cli/x_more.c": "x_more", "cli/y.c": "y_run"}, {"cli/x.c": "y_run x_more", "cli/x_more.c": "x_run", "cli/y.c": ""})
    assert symbols.header_circles(one_way, tmp_path) == []  # files of one header may


FILE_MAX, FUNCTION_MAX = 500, 60


def too_long(text):
    """A file's lines, and those from a function's brace in the first column to the one that closes it."""
    lines, begin, found = text.splitlines(), None, []
    if len(lines) > FILE_MAX:
        found.append(f"{len(lines)} lines")
    for number, line in enumerate(lines, 1):
        if line == "{":
            begin = number
        elif line == "}" and begin:
            if number - begin + 1 > FUNCTION_MAX:
                found.append(f"the function at line {begin} has {number - begin + 1} lines")
            begin = None
    return found


def test_files_and_functions_are_short():
    assert {path.relative_to(paths.ROOT).as_posix(): too_long(path.read_text(encoding="utf-8")) for path in sources(paths.ROOT)
            if too_long(path.read_text(encoding="utf-8"))} == {}


def test_planted_lengths_are_found():
    function = "int f(void)\n{\n" + "    g();\n" * 58 + "}\n"
    assert too_long(function * 8) == []
    assert too_long(function.replace("g();", "g();\n    h();", 1)) == ["the function at line 2 has 61 lines"]
    assert too_long("int x;\n" * 501) == ["501 lines"]


def test_numbers_and_moments_are_written_in_one_place():
    """What people read is written by common/shown.h, in the page's scripts by assets/shown.js: no private format of a date, a size or a decimal."""
    own = re.compile(r'strftime\(|clock_local\(|"[^"]*%\.\d[fg][^"]*"|\bIntl\.|toLocale\w*\(|toFixed\(|[" ][kMG]B\b"')
    sizes = re.compile(r'%[a-z]+ ?[kMGT]i?B\b|%" PRI\w+ " ?[kMGT]i?B\b')
    # no words: a CA's name, a day in an address, the wall clock for a script
    allowed = {"cli/cert/cmd_cert_make.c": 1, "console/pages/page_timeline.c": 3, "console/view/view.c": 1, "cli/cert/cmd_cert_common.c": 1}
    found = {}
    for path in sorted(p for pattern in ("cli/**/*.c", "console/**/*.c", "console/assets/*.js", "notify/*.c") for p in paths.ROOT.glob(pattern)):
        n = len([line for line in path.read_text().splitlines() if own.search(line.split("/*")[0].split("//")[0])])
        name = str(path.relative_to(paths.ROOT))
        if n > allowed.get(name, 0) and name != "console/assets/shown.js":
            found[name] = n
    found |= {str(path.relative_to(paths.ROOT)): "a size" for path in sources(paths.ROOT) if sizes.search(path.read_text(encoding="utf-8"))}
    assert found == {}
    assert sizes.search('"%s has %llu MB"') and sizes.search('"about %" PRIu64 " MB are"')
    assert own.search('strftime(buf, 16, "%H:%M", &tm)') and own.search('printf("%.1f MB", n)') and own.search("new Intl.NumberFormat(lang)")
