"""A sentence of a program in a language: KEY_phrase of an answer (common/phrase.h), with the words of po/."""
import functools
import re
import sys

from lib import paths

sys.path.insert(0, str(paths.ROOT / "po"))
import pofile  # noqa: E402

CONVERSION = re.compile(r"%(?:(\d)\$)?[-+ #0.*\d]*(?:hh|h|ll|l|z|j|t)?([%diouxXcsfgep])")


@functools.cache
def catalogue(language):
    text = (paths.ROOT / "po" / f"{language}.po").read_text().replace("<PRId64>", "ld").replace("<PRIu64>", "lu")
    return {key: e["str"][0] for key, e in pofile.read(text).items()}


def size(language, n):
    """As common/sizes.h has it."""
    prefixes = ["", "k", "M", "G", "T", "P", "E"]
    while n >= 999.5 and len(prefixes) > 1:
        n, prefixes = n / 1000, prefixes[1:]
    number = f"{n:.1f}" if n < 9.95 and prefixes[0] else f"{n:.0f}"
    return f"{number.replace('.', ',')} {prefixes[0]}{'o' if language == 'fr' else 'B'}"


def words(language, phrase):
    if isinstance(phrase, str):  # of several words: it may be a sentence
        return catalogue(language).get(phrase, phrase) if " " in phrase else phrase
    if isinstance(phrase, dict):  # a moment of the clock on the wall, a size, or several phrases
        if "list" in phrase:
            return ", ".join(words(language, p) for p in phrase["list"])
        if "bytes" in phrase:
            return size(language, phrase["bytes"])
        return re.sub(r"^(\d{4})-(\d\d)-(\d\d)", r"\3.\2.\1", phrase["local"])
    if not isinstance(phrase[0], str):
        return ": ".join(words(language, p) for p in phrase)
    places = iter(range(1, 100))

    def put(m):
        return "%" if m[2] == "%" else words(language, phrase[int(m[1]) if m[1] else next(places)])
    sentence = re.search("[A-Za-z]", CONVERSION.sub("", phrase[0]))
    assert not sentence or phrase[0] in catalogue(language), f"not in the catalogue: {phrase[0]}"
    return CONVERSION.sub(put, catalogue(language).get(phrase[0], phrase[0]))


def german(answer, key="text"):
    return words("de", answer[f"{key}_phrase"])
