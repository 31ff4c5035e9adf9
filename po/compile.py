#!/usr/bin/env python3
"""compile.py OUT.c DE.po FR.po IT.po: the translations as one C table (common/lang.h). Of what is fuzzy or empty the English stays."""
import pathlib
import sys

import pofile


def literal(s):
    """%<PRId64> is what xgettext makes of the macro, and becomes it again."""
    if s is None:
        return "NULL"
    octal = "".join(c if 32 <= ord(c) < 127 and c not in '"\\?' else "".join(f"\\{b:03o}" for b in c.encode()) for c in s)
    return '"' + octal.replace("<PRId64>", '" PRId64 "') + '"'


def main(out, *files):
    catalogues = [pofile.read(pathlib.Path(f).read_text(encoding="utf-8")) for f in files]
    keys = sorted(set().union(*catalogues) - {""})
    lines = ["#include <inttypes.h>", "#include <stddef.h>", "", '#include "common/lang.h"', "", "const struct lang_entry lang_entries[] = {"]
    for key in keys:
        row = []
        for catalogue in catalogues:
            e = catalogue.get(key, {"str": [], "flags": set()})
            forms = [] if "fuzzy" in e["flags"] else [s or None for s in e["str"]]
            row.append("{" + ", ".join(literal(s) for s in (forms + [None, None])[:2]) + "}")
        lines.append(f"    {{{literal(key)}, {{{', '.join(row)}}}}},")
    lines += ["};", "const unsigned lang_entry_count = sizeof lang_entries / sizeof lang_entries[0];", ""]
    pathlib.Path(out).write_text("\n".join(lines))


main(*sys.argv[1:])
