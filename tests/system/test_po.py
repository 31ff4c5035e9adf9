"""scripts/po: a sentence of the code that bypasses the catalogue is found, whatever brings it to its reader."""
import shutil
import subprocess

import pytest
from lib import paths

CODE = """
static const char *const table[] = {"the table has a sentence", N_("this one is marked")};
int f(void)
{
    /* "a comment is no sentence" */
    server_exec(s, e, "SELECT name FROM some_table WHERE it=%s", x);
    log_event(LOG_INFO, "the log is English");
    snprintf(buf, sizeof buf, N_("this one is marked"));
    err_set(e, EIO, "an error has its words", why->text, je.text, row->text[0]);
    return err_set(e, EIO, "an error has its words") + told(flag ? "told in one way" : "told in %" PRIu64 " ways");
}
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    top = tmp_path_factory.mktemp("po")
    for name in "po", "console/texts":
        shutil.copytree(paths.ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    (top / "scripts").mkdir()
    shutil.copy(paths.ROOT / "scripts/po", top / "scripts/po")
    (top / "link").mkdir()
    (top / "link/planted.c").write_text(CODE)
    subprocess.run(["git", "init", "-q", "."], cwd=top, check=True)
    subprocess.run(["git", "add", "."], cwd=top, check=True)
    done = subprocess.run(["scripts/po", "--check", "fr"], cwd=top, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 1
    return [line for line in done.stdout.splitlines() if "used nowhere" not in line]


def test_what_bypasses_the_catalogue_is_found(told):
    found = [line.split("N_(): ")[1] for line in told if line.startswith("link/planted.c:") and "N_()" in line]
    assert found == ["'the table has a sentence'", "'told in one way'", "'told in %<PRIu64> ways'"]


def test_a_sentence_that_is_words_too_early_is_found(told):
    """What is stored or sent as text stays English: neither a formatted sentence, nor an error's text within another."""
    found = [line.split(": ", 1)[1] for line in told if line.startswith("link/planted.c:") and "N_()" not in line]
    assert len(found) == 2 and found[0].startswith("snprintf makes words of a sentence"), found
    assert found[1] == "the English text of an error within a sentence: take err_words()"


def test_errors_and_marks_are_in_the_catalogue_by_themselves(told):
    missing = [line for line in told if "not in the file" in line]
    assert len(missing) == 2 and "an error has its words" in missing[0] and "this one is marked" in missing[1]
