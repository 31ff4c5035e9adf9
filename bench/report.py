"""Tables and goals. A result is results[measure][peer] = list of one dict a round."""

from statistics import median

TERMINATORS = ("haproxy", "hitch", "stunnel")

# ProxySQL is not in Debian, so it cannot stand beside the others here. Somebody else had ProxySQL 2.7,
# hitch and a bare hop on one machine (interleaved rounds, MariaDB 10.11, TLS 1.3, P-256): CPU seconds
# per million selects (fast-forward mode) and CPU ms per full login (normal mode), as published.
# ProxySQL's ratio to a peer there, times that peer here, says where ProxySQL would stand. The two
# peers give two answers; both are printed, and both are estimates.
ELSEWHERE = {
    1: {"proxysql": 58, "hitch": 57.5, "hop": 47},
    8: {"proxysql": 60, "hitch": 52, "hop": 40},
    64: {"proxysql": 57, "hitch": 59, "hop": 45},
    "login": {"proxysql": 0.88, "hitch": 0.96, "hop": 0.87},
}

# measure, field, title, decimals; tables in the order in which people ask
CPU = [("cpu", "proxy CPU, s per million", 1), ("server_cpu", "server CPU, s per million", 1)]
ALONE = [("p50_us", "p50, µs", 1), ("added_us", "added p50, µs", 1), ("rate", "per s", 0), *CPU]
MANY = [("rate", "per s", 0), ("p99_ms", "p99, ms", 2), *CPU]
BULK = [("mb_s", "MB/s", 0), ("cpu", "proxy CPU, s per GB", 2), ("server_cpu", "server CPU, s per GB", 2)]
COLUMNS = [
    ("Point selects, 1 connection, all on one core", "onecore1", ALONE),
    ("Point selects, 8 connections, all on one core", "onecore8", MANY),
    ("Point selects, 64 connections, all on one core", "onecore64", MANY),
    ("Point selects, 1 connection, unpinned", "select1", ALONE),
    ("Point selects, 8 connections, unpinned", "select8", MANY),
    ("Point selects, 64 connections, unpinned", "select64", MANY),
    ("Logins, full handshake, all on one core", "login",
     [("rate", "per s", 0), ("p50_ms", "p50, ms", 2), ("cpu_ms", "proxy CPU, ms", 2),
      ("server_cpu_ms", "server CPU, ms", 2)]),
    ("Logins, resumed, all on one core", "resume",
     [("rate", "per s", 0), ("p50_ms", "p50, ms", 2), ("cpu_ms", "proxy CPU, ms", 2),
      ("server_cpu_ms", "server CPU, ms", 2), ("resumed", "share resumed", 2)]),
    ("Bulk, 256 MiB as rows of 1 MiB, all on one core", "onecorebulk", BULK),
    ("Bulk, 100 MB as rows of 200 bytes, all on one core", "onecorerows", BULK),
    ("Bulk, 256 MiB as rows of 1 MiB, unpinned", "bulk", BULK),
    ("Bulk, 100 MB as rows of 200 bytes, unpinned", "rows", BULK),
    ("Memory of an idle session", "idle",
     [("query_kib", "KiB after one query", 1), ("bulk_kib", "KiB after 1 MiB more", 1)]),
]


def add_derived(results):
    """Added p50: against plaintext in the same round."""
    for peers in results.values():
        plain = peers.get("plaintext")
        for rounds in peers.values():
            for number, r in enumerate(rounds):
                if plain and "p50_us" in r:
                    r["added_us"] = r["p50_us"] - plain[number]["p50_us"]


def spread(values, decimals):
    """Median and, when there are several rounds, the smallest and the largest."""
    text = f"{median(values):.{decimals}f}"
    if len(values) > 1:
        text += f" ({min(values):.{decimals}f}–{max(values):.{decimals}f})"
    return text


def field(results, measure, peer, key):
    """The values of all rounds, or None where this was not measured."""
    rounds = results.get(measure, {}).get(peer)
    return [r[key] for r in rounds] if rounds and key in rounds[0] else None


def tables(results):
    lines = []
    for title, measure, columns in COLUMNS:
        peers = results.get(measure)
        if not peers:
            continue
        lines += [f"**{title}**", "", "| | " + " | ".join(c[1] for c in columns) + " |",
                  "|---" * (len(columns) + 1) + "|"]
        for peer in peers:
            cells = [field(results, measure, peer, key) for key, _, _ in columns]
            lines.append(f"| {peer} | " + " | ".join(
                spread(v, c[2]) if v else "–" for v, c in zip(cells, columns)) + " |")
        lines.append("")
    return lines


def ratio(results, measure, key, peer, scale=1.0, subject="elexgate"):
    """subject / (peer x scale), round by round; None where one of the two was not measured."""
    a, b = field(results, measure, subject, key), field(results, measure, peer, key)
    if not a or not b:
        return None
    return [x / (y * scale) if y * scale > 0 else float("inf") for x, y in zip(a, b)]


def best_ratio(results, measure, key, peers):
    """Elexgate / the best of the peers, round by round. The best is the one with the smallest median:
    the smallest of each round would be the luckiest."""
    known = [p for p in peers if field(results, measure, p, key)]
    if not known or not field(results, measure, "elexgate", key):
        return None
    return ratio(results, measure, key, min(known, key=lambda p: median(field(results, measure, p, key))))


RATIOS = [  # what is printed as ratios against named peers: title, measure, field
    ("proxy CPU per select, 1 connection, one core", "onecore1", "cpu"),
    ("proxy CPU per select, 8 connections, one core", "onecore8", "cpu"),
    ("proxy CPU per select, 64 connections, one core", "onecore64", "cpu"),
    ("proxy CPU per select, 1 connection, unpinned", "select1", "cpu"),
    ("proxy CPU per select, 8 connections, unpinned", "select8", "cpu"),
    ("proxy CPU per select, 64 connections, unpinned", "select64", "cpu"),
    ("added p50, 1 connection, one core", "onecore1", "added_us"),
    ("p99, 64 connections, one core", "onecore64", "p99_ms"),
    ("p99, 64 connections, unpinned", "select64", "p99_ms"),
    ("rate, 64 connections, unpinned", "select64", "rate"),
    ("proxy CPU per full login", "login", "cpu_ms"),
    ("proxy CPU per resumed login", "resume", "cpu_ms"),
    ("proxy CPU per GB, rows of 1 MiB, one core", "onecorebulk", "cpu"),
    ("proxy CPU per GB, rows of 200 bytes, one core", "onecorerows", "cpu"),
    ("proxy CPU per GB, rows of 1 MiB, unpinned", "bulk", "cpu"),
    ("proxy CPU per GB, rows of 200 bytes, unpinned", "rows", "cpu"),
    ("memory per idle session, after one query", "idle", "query_kib"),
    ("memory per idle session, after 1 MiB", "idle", "bulk_kib"),
]


def ratios(results, subject):
    """Ratios of one subject to every peer: median (min–max) of the rounds' own ratios."""
    present = {p for peers in results.values() for p in peers} - {subject}
    peers = [p for p in ("haproxy-pass", *TERMINATORS, "hop", "hop-unix") if p in present]
    lines = [f"**{subject} as a ratio to** (median of the rounds, smallest–largest)", "",
             "| | " + " | ".join(peers) + " |", "|---" * (len(peers) + 1) + "|"]
    any_row = False
    for title, measure, key in RATIOS:
        cells = [ratio(results, measure, key, p, subject=subject) for p in peers]
        if any(cells):
            any_row = True
            lines.append(f"| {title} | " + " | ".join(spread(c, 2) if c else "–" for c in cells) + " |")
    return [*lines, ""] if any_row else []


def proxysql(results, title, limit, measure, key, at):
    for peer in ("hitch", "hop"):
        scale = ELSEWHERE[at]["proxysql"] / ELSEWHERE[at][peer]
        yield (f"{title}, estimated as {scale:.2f} × {peer}", limit,
               ratio(results, measure, key, peer, scale))


def goal_rows(results):
    """(goal, limit, the rounds' values or None)"""
    for layout, m in (("one core", "onecore"), ("unpinned", "select")):
        for n in (1, 8, 64):
            what = f"CPU per select, {n} conn., {layout}"
            yield f"{what}, / hitch", 0.85, ratio(results, f"{m}{n}", "cpu", "hitch")
            yield from proxysql(results, f"{what}, / ProxySQL fast-forward", 0.8, f"{m}{n}", "cpu", n)
            yield f"{what}, / bare hop", 1.05, ratio(results, f"{m}{n}", "cpu", "hop")
            yield (f"{what}, unix socket, / bare hop, unix socket", 1.05,
                   ratio(results, f"{m}{n}", "cpu", "hop-unix", subject="elexgate-unix"))
    for peer in TERMINATORS:
        yield f"added p50, 1 conn., one core, / {peer}", 1.0, ratio(results, "onecore1", "added_us", peer)
    for layout, m in (("one core", "onecore64"), ("unpinned", "select64")):
        yield (f"p99, 64 conn., {layout}, / best terminator", 0.7,
               best_ratio(results, m, "p99_ms", TERMINATORS))
    for layout, m in (("one core", "onecore"), ("unpinned", "")):
        yield f"bulk CPU, rows of 1 MiB, {layout}, / hitch", 1.0, ratio(results, m + "bulk", "cpu", "hitch")
        yield f"bulk CPU, rows of 200 bytes, {layout}, / hitch", 1.0, ratio(results, m + "rows", "cpu", "hitch")
    yield from proxysql(results, "full login CPU / ProxySQL", 1.0, "login", "cpu_ms", "login")
    resumed = field(results, "resume", "elexgate", "resumed")
    yield "logins not resumed of those that offer a ticket", 0.01, resumed and [1 - r for r in resumed]
    yield "KiB per idle session, after one query", 14.0, field(results, "idle", "elexgate", "query_kib")
    yield "KiB per idle session, after 1 MiB", 14.0, field(results, "idle", "elexgate", "bulk_kib")


def goals(results):
    """Met when the median is within the limit; and in how many rounds it was."""
    lines, missing = ["| goal | limit | this run | |", "|---|---|---|---|"], 0
    for title, limit, values in goal_rows(results):
        if not values:
            missing += 1
            continue
        within = sum(v <= limit for v in values)
        verdict = "met" if median(values) <= limit else "**not met**"
        lines.append(f"| {title} | ≤ {limit} | {spread(values, 2)} | {verdict}, "
                     f"{within} of {len(values)} rounds |")
    return [*lines, "", *([f"{missing} more goals were not measured in this run.", ""] if missing else [])]


def disturbance(results):
    """How much other programs worked during the measurements."""
    others = [r["others"] for peers in results.values() for rounds in peers.values() for r in rounds
              if "others" in r]
    if not others:
        return []
    return [f"Other programs kept {median(others):.2f} processors busy during a measurement (median; "
            f"at most {max(others):.2f}).", ""]


# What goes into docs/evidence/performance.md: one table, without what chance decides (unpinned) or what says the same again.
EXTRACT = [("added p50, µs", "onecore1", "added_us", 1), ("CPU, 1 conn., s", "onecore1", "cpu", 1), ("CPU, 64 conn., s", "onecore64", "cpu", 1),
           ("p99, 64 conn., ms", "onecore64", "p99_ms", 2), ("CPU, login, ms", "login", "cpu_ms", 2), ("CPU, resumed, ms", "resume", "cpu_ms", 2),
           ("CPU, bulk, s per GB", "onecorebulk", "cpu", 2), ("idle, KiB", "idle", "query_kib", 1), ("idle after 1 MiB", "idle", "bulk_kib", 1)]


def extract(results):
    """The table of EXTRACT, and Elexgate's ratios in the same measures."""
    measures = {measure for _, measure, _, _ in EXTRACT}
    results = {name: peers for name, peers in results.items() if name in measures}
    add_derived(results)
    lines = [*disturbance(results), "| | " + " | ".join(column[0] for column in EXTRACT) + " |", "|---" * (len(EXTRACT) + 1) + "|"]
    for peer in {p: None for peers in results.values() for p in peers}:
        cells = [(field(results, measure, peer, key), decimals) for _, measure, key, decimals in EXTRACT]
        lines.append(f"| {peer} | " + " | ".join(spread(v, decimals) if v else "–" for v, decimals in cells) + " |")
    return "\n".join([*lines, "", *ratios(results, "elexgate")])


def text(results):
    add_derived(results)
    lines = disturbance(results) + tables(results)
    for subject in ("elexgate", "elexgate-unix", "hop"):
        lines += ratios(results, subject)
    if any("elexgate" in peers for peers in results.values()):
        lines += ["**Goals**", "", *goals(results)]
    return "\n".join(lines)
