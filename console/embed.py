#!/usr/bin/env python3
"""embed.py OUT.c DEPFILE FOLDER: pages/, texts/ and assets/ beneath the folder as one C table, sorted by name."""
import hashlib
import pathlib
import sys


def files(folder):
    """Every file, and every folder, whose change must bring a new build."""
    found, folders = [], []
    for part in ("assets", "pages", "texts"):
        root = folder / part
        folders += [root] + [p for p in root.rglob("*") if p.is_dir()]
        found += [p for p in root.rglob("*") if p.is_file() and not p.name.startswith(".") and p.suffix not in (".c", ".h")]
    return sorted(found, key=lambda p: p.relative_to(folder).as_posix()), folders


def as_bytes(data):
    """A NUL goes behind, so that texts are strings; it does not count."""
    data += b"\0"
    return ",\n".join("    " + ",".join(map(str, data[i:i + 32])) for i in range(0, len(data), 32))


def main(out, depfile, folder):
    folder = pathlib.Path(folder)
    found, folders = files(folder)
    lines, table, version = ['#include "console/http/assets.h"\n'], [], hashlib.sha256()
    for number, path in enumerate(found):
        name, data = path.relative_to(folder).as_posix(), path.read_bytes()
        version.update(f"{name}\0{len(data)}\0".encode() + data)
        lines.append(f"static const unsigned char f{number}[] = {{\n{as_bytes(data)}}};\n")
        table.append(f'    {{"{name}", f{number}, {len(data)}}},\n')
    lines.append("const struct asset embedded_assets[] = {\n" + "".join(table) + "};\n")
    lines.append("const size_t embedded_assets_count = sizeof embedded_assets / sizeof embedded_assets[0];\n")
    lines.append(f'const char embedded_assets_version[] = "{version.hexdigest()[:12]}";\n')
    pathlib.Path(out).write_text("".join(lines))
    depends = " ".join(str(p).replace(" ", "\\ ") for p in found + folders)
    pathlib.Path(depfile).write_text(f"{out}: {depends}\n")


main(*sys.argv[1:])
