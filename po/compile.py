#!/usr/bin/env python3
"""compile.py [--pseudo] OUT.c DE.po FR.po IT.po: the translations as one C table (common/lang.h). Of what is fuzzy or empty the English stays.

--pseudo: all three languages are English in brackets, a third longer, as the tests want it: what then stands outside of them was never
looked up, and what does not fit is too narrow for somebody."""
import pathlib
import re
import sys

import pofile


def literal(s):
    """%<PRId64> is what xgettext makes of the macro, and becomes it again."""
    if s is None:
        return "NULL"
    octal = "".join(c if 32 <= ord(c) < 127 and c not in '"\\?' else "".join(f"\\{b:03o}" for b in c.encode()) for c in s)
    return '"' + octal.replace("<PRId64>", '" PRId64 "') + '"'


PLACEHOLDER = re.compile(r"(%(?:\d\$)?[-+ #0.*\d]*(?:<PRI\w+>|(?:hh|h|ll|l|z|j|t)?[a-zA-Z%])|\{\w+\})")


def pseudo(s):
    """"  Two of %d\n" becomes "  ⟦Twoo oof %d⟧\n": vowels are doubled until it is a third longer. What has no words stays."""
    parts = PLACEHOLDER.split(s)
    if not any(re.search(r"[^\W\d_]", p) for p in parts[::2]):
        return s
    more = -(-sum(map(len, parts[::2])) // 3)
    for i in range(0, len(parts), 2):
        grown = ""
        for c in parts[i]:
            grown += c * (2 if c in "aeiouAEIOU" and more > 0 else 1)
            more -= c in "aeiouAEIOU"
        parts[i] = grown
    left, inner, right = re.fullmatch(r"(\s*)(.*?)(\s*)", "".join(parts), re.DOTALL).groups()
    return f"{left}⟦{inner}{'~' * max(more, 0)}⟧{right}"


def pseudo_catalogue(catalogue):
    return {k: {**e, "flags": set(), "str": [pseudo(k)] + ([] if e["plural"] is None else [pseudo(e["plural"])])} for k, e in catalogue.items() if k}


def french(s):
    """No line begins with a ":" or "?", and no quotation mark stands alone: their blank is one that does not break."""
    return s and re.sub(r" (?=[:;?!](?:\s|$)|»)|(?<=«) ", "\u00a0", s)


def main(out, *files):
    as_pseudo = out == "--pseudo"
    if as_pseudo:
        out, *files = files
    catalogues = [pofile.read(pathlib.Path(f).read_text(encoding="utf-8")) for f in files]
    for f, catalogue in zip(files, catalogues):
        for e in catalogue.values():
            e["french"] = pathlib.Path(f).name == "fr.po" and not as_pseudo
    if as_pseudo:
        catalogues = [pseudo_catalogue(c) for c in catalogues]
    keys = sorted(set().union(*catalogues) - {""})
    lines = ["#include <inttypes.h>", "#include <stddef.h>", "", '#include "common/lang.h"', "", "const struct lang_entry lang_entries[] = {"]
    for key in keys:
        row = []
        for catalogue in catalogues:
            e = catalogue.get(key, {"str": [], "flags": set()})
            own = french if e.get("french") else lambda s: s
            forms = [] if "fuzzy" in e["flags"] else [own(s) or None for s in e["str"]]
            row.append("{" + ", ".join(literal(s) for s in (forms + [None, None])[:2]) + "}")
        lines.append(f"    {{{literal(key)}, {{{', '.join(row)}}}}},")
    lines += ["};", "const unsigned lang_entry_count = sizeof lang_entries / sizeof lang_entries[0];", ""]
    pathlib.Path(out).write_text("\n".join(lines))


main(*sys.argv[1:])
