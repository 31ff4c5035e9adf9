"""gettext's .po files, as far as ours go: read into a dictionary and written one entry after another, in the order of the keys.

No file names and line numbers stand in them, so that two people who add sentences seldom meet in one place."""
import ast
import re

PLAIN = re.compile(r'^(msgid|msgid_plural|msgstr|msgstr\[\d\]|msgctxt) "')


def unquote(s):
    return ast.literal_eval(s)


def quote(s):
    return '"' + s.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r").replace("\033", "\\033") + '"'


def read(text):
    """{msgid: {"plural", "str": [..], "flags": {..}}}; the header is the entry ""."""
    entries, entry, field = {}, {}, None

    def close():
        if "msgid" in entry:
            forms = [entry[k] for k in sorted(entry) if k.startswith("msgstr")]
            if not any(entries.get(entry["msgid"], {"str": []})["str"]):  # two who added the same sentence: the translated one
                entries[entry["msgid"]] = {"plural": entry.get("msgid_plural"), "str": forms, "flags": entry.get("flags", set())}
        entry.clear()

    for line in text.splitlines() + [""]:
        if line.startswith("#~"):
            continue
        if not line or (line.startswith(("#", "msgid ")) and field and field.startswith("msgstr")):  # a merge may lack the empty line
            close()
            field = None
        if line.startswith("#,"):
            entry.setdefault("flags", set()).update(f.strip() for f in line[2:].split(","))
        elif PLAIN.match(line):
            field, value = line.split(" ", 1)
            entry[field] = unquote(value)
        elif line.startswith('"'):
            entry[field] += unquote(line)
    return entries


def write(header, entries):
    """header: the text of the entry "", lines ended by \\n."""
    lines = ['msgid ""', 'msgstr ""'] + [quote(l + "\n") for l in header.rstrip("\n").split("\n")] + [""]
    for key in sorted(k for k in entries if k):
        e = entries[key]
        if e["flags"]:
            lines.append("#, " + ", ".join(sorted(e["flags"])))
        lines.append("msgid " + quote(key))
        if e["plural"] is None:
            lines.append("msgstr " + quote(e["str"][0]))
        else:
            lines.append("msgid_plural " + quote(e["plural"]))
            lines += [f"msgstr[{i}] " + quote(s) for i, s in enumerate(e["str"])]
        lines.append("")
    return "\n".join(lines)
