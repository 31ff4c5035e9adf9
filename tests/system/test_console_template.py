"""The console's templates, compared with another implementation of Mustache (python3-pystache)."""
import html
import json
import random
import re

import pystache
import pytest

from lib import paths, process

TOOL = paths.BUILD / "tests" / "tools" / "template-tool"
pytestmark = pytest.mark.sanitize
NAMES = ["a", "b", "c", "list", "o.x", "o.y.z", "none", "text"]
PARTIALS = {"p": "({{a}}{{#list}}{{.}}{{/list}})", "q": "{{>p}}-{{text}}"}


def once(pairs):
    """json.loads keeps the last of two members of one name and says nothing."""
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), sorted(key for key in keys if keys.count(key) > 1)
    return dict(pairs)


def texts(name):
    return json.loads((paths.ROOT / "console" / "texts" / f"{name}.json").read_text(), object_pairs_hook=once)


def test_what_a_job_tells_has_words():
    """Each phase and each kind of job: none of them is shown as the programs call it."""
    page, messages = texts("page"), texts("messages")
    source = lambda pattern: "\n".join(path.read_text() for path in sorted(paths.ROOT.glob(pattern)))
    calls = re.findall(r"run_phase\(([^;]*);", source("backup/job/**/*.c"))
    phases = {words[-1] for words in (re.findall(r'"([a-z-]+)"', call) for call in calls) if words}
    assert {"extract", "copy", "replay", "boot"} <= phases
    assert [p for p in sorted(phases) if f"phase_{p}" not in page] == []
    kinds = re.search(r"names\[\] = \{\s*\"none\",([^}]*)\}", source("backup/keeper/run.c")).group(1)
    kinds = re.findall(r'"([a-z-]+)"', kinds)
    assert "prove" in kinds
    assert [k for k in kinds if f"job_{k}" not in page] == []
    assert [k for k in [*kinds, "opened"] if f"did-job-{k}" not in messages] == []


def render(cases):
    """[(template, model)] -> what the console makes of each."""
    lines = "".join(json.dumps({"template": t, "model": m, "partials": PARTIALS}) + "\n" for t, m in cases)
    done = process.run([TOOL], input=lines, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def other(template, model):
    """pystache's escape of an apostrophe is the hexadecimal one."""
    return pystache.Renderer(partials=PARTIALS, missing_tags="ignore",
                             escape=lambda s: html.escape(s).replace("&#x27;", "&#39;")).render(template, model)


def a_model(r):
    """Only values whose text is the same everywhere: true would be "True" in Python."""
    leaf = lambda: r.choice(["", "x", "<&>\"'", "ü€", 7, None, False, 0])
    return {"a": leaf(), "b": leaf(), "c": r.choice([[], ["1", "<2>"], {"a": "in c"}, leaf()]),
            "list": [leaf() or "-" for _ in range(r.randrange(4))], "o": {"x": leaf(), "y": {"z": leaf(), "a": "deep"}},
            "text": "a\nb"}


def a_template(r, depth=0):
    """No blank behind a tag alone on its line: mustache.js, like us, takes it as part of that line, pystache does not."""
    parts = []
    for _ in range(r.randrange(1, 6)):
        name, kind, end = r.choice(NAMES), r.randrange(9), r.choice(["", "\n", "\n", " "])
        begin = r.choice(["", "", "  "])
        if kind < 3:
            parts.append(begin + r.choice(["{{%s}}", "{{ %s }}", "{{{%s}}}"]) % name + end)
        elif kind < 6 and depth < 3:
            end = end.strip(" ")
            sign, inside = r.choice("#^"), a_template(r, depth + 1)
            parts.append(f"{begin}{{{{{sign}{name}}}}}{end}{inside}{begin}{{{{/{name}}}}}{end}")
        elif kind == 6:
            parts.append(f"{begin}{{{{! a comment }}}}{end.strip(' ')}")
        elif kind == 7:
            parts.append("x{{>" + r.choice("pq") + "}}" + end)  # not alone on its line: we do not indent partials
        else:
            parts.append(r.choice(["text", "<p>", "}}", "{ ", "\n", "é"]) + end)
    return "".join(parts)


@pytest.mark.parametrize("seed", range(5))
def test_the_same_as_another_implementation(seed):
    r = random.Random(seed)
    cases = [(a_template(r).rstrip(" "), a_model(r)) for _ in range(400)]
    different, compared = [], 0
    for (template, model), ours in zip(cases, render(cases)):
        wanted = other(template, model)
        if any(word in wanted for word in ("False", "None", "[", "{")):
            continue  # Python's own text of a value
        compared += 1
        if ours.get("out") != wanted:
            different.append((template, model, ours, wanted))
    assert compared > 150
    assert different == [], f"{len(different)} of {compared}; the first: {different[0]}"


def test_a_sentence_takes_its_arguments_from_the_model():
    model = {"t": {"s": "{n} of <{o.x}>, {gone}{n", "plain": "a & b"}, "n": "{o.x}<", "o": {"x": 7}, "rows": [{"n": 1}, {"n": 2}]}
    assert render([("{{%t.s}}|{{%t.plain}}|{{%t.none}}", model), ("{{#rows}}{{%t.s}};{{/rows}}", model)]) == [
        {"out": "{o.x}&lt; of &lt;7&gt;, {n|a &amp; b|"}, {"out": "1 of &lt;7&gt;, {n;2 of &lt;7&gt;, {n;"}]


def test_no_sentence_is_put_together_from_pieces():
    """A text beside a value is a sentence with a placeholder, {{%t.key}}, for other languages have another order. A label ends with a colon."""
    value = r"\{\{(?!t\.|[#/^>%!]|csrf)[\w.]+\}\}"
    piece = re.compile(rf"\{{\{{t\.(\w+)\}}\}} {value}|{value}(?: %)? \{{\{{t\.(\w+)\}}\}}")
    texts = json.loads((paths.ROOT / "console/texts/page.json").read_text())
    found = [(page.name, m[0]) for page in sorted((paths.ROOT / "console/pages").glob("*.html")) for m in piece.finditer(page.read_text())
             if not texts[m[1] or m[2]].endswith(":")]
    assert found == []
    assert piece.search("<p>{{t.valid_until}} {{date}}</p>") and piece.search("{{n}} {{t.days}}") and not piece.search("{{t.a}}: {{b}}")
