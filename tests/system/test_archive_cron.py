"""Cron against another implementation: python3-croniter, which Debian ships (pinned by the release).

What is left out of the comparison, since the two differ on purpose:

- a field that begins with `*` or names all weekdays, beside a restricted one: Debian's cron(8) and we take "begins with
  *", and only that, as unrestricted (both must fit); croniter looks at what the field comes to;
- days 29 to 31 as one of several: croniter 1.3.5 skips 1 March after them (`*/15`), and finds nothing at all where such
  a day never comes in the months given although a weekday does. test_cron.c tries these against every minute;
- the days on which the clock changes: croniter knows no zone here. The unit tests have them.
"""
import datetime
import json
import os
import random
import subprocess

import pytest
from croniter import CroniterBadDateError, croniter

from lib import paths

COUNT, EXPRESSIONS = 25, 200
START = datetime.datetime(2026, 11, 22, 21, 46)
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    file = tmp_path_factory.mktemp("cron") / "elexgate.ini"
    file.write_text("[log]\nlevel = error\n")
    return file


def ours(config, expression, start, count, zone="UTC"):
    """The next runs in local time, or None if it is refused."""
    done = subprocess.run([paths.JOB, "--config", config, "schedule", "--count", str(count), "--from",
                           start.strftime("%Y-%m-%d %H:%M"), expression], capture_output=True, text=True,
                          timeout=60, env=os.environ | {"TZ": zone})
    answer = json.loads(done.stdout.splitlines()[-1])
    if done.returncode == 2:
        return None
    assert done.returncode == 0, answer
    return [run["local"][:16] for run in answer["schedules"][0]["next"]]


def theirs(expression, start, count):
    it, runs = croniter(expression, start), []
    for _ in range(count):
        try:
            runs.append(it.get_next(datetime.datetime).strftime("%Y-%m-%d %H:%M"))
        except CroniterBadDateError:  # it looks 50 years ahead of the start: 29 February
            break
    return runs


def field(rng, low, high, names=None, base=0):
    def value(v):
        return names[(v - base) % len(names)] if names and rng.random() < 0.3 else str(v)

    kind = rng.choice(["any", "any", "one", "one", "list", "range", "step", "range-step"])
    if kind == "any":
        return "*"
    if kind == "one":
        return value(rng.randint(low, high))
    if kind == "list":
        return ",".join(value(v) for v in sorted(rng.sample(range(low, high + 1), rng.randint(2, 4))))
    if kind == "step":
        return f"*/{rng.randint(1, max(2, high // 2))}"
    a, b = sorted(rng.sample(range(low, high + 1), 2))
    return f"{a}-{b}" if kind == "range" else f"{a}-{b}/{rng.randint(1, 5)}"


def expressions(seed):
    rng = random.Random(seed)
    while True:
        weekday = field(rng, 0, 6, DAYS)
        day = str(rng.randint(29, 31)) if weekday == "*" and rng.random() < 0.1 else field(rng, 1, 28).replace("*/", "1-28/")
        if day != "*" and (weekday.startswith("*/") or weekday in ("0-6", "sun-sat", "0-sat", "sun-6")):
            continue
        yield " ".join([field(rng, 0, 59), field(rng, 0, 23), day, field(rng, 1, 12, MONTHS, 1), weekday])


def test_same_runs_as_croniter(config):
    compared, different = 0, []
    for expression in expressions(20261122):
        mine = ours(config, expression, START, COUNT)
        other = theirs(expression, START, COUNT)
        if mine is None:  # 30 February
            assert other == [], expression
            continue
        if mine[:len(other)] != other or not other:
            different.append((expression, mine[:5], other[:5]))
        compared += 1
        if compared == EXPRESSIONS:
            break
    assert not different, "\n".join(map(str, different))


def test_same_runs_in_summer_time(config):
    """Between the changes local time is local time."""
    start, compared = datetime.datetime(2026, 6, 1, 0, 0), 0
    for expression in expressions(7):
        mine = ours(config, expression, start, COUNT, "Europe/Zurich")
        if mine is None:
            continue
        end = datetime.datetime(2026, 10, 25).strftime("%Y-%m-%d %H:%M")
        pairs = [(a, b) for a, b in zip(mine, theirs(expression, start, COUNT)) if b < end]
        assert all(a == b for a, b in pairs), expression
        compared += len(pairs)
        if compared > 2000:
            break


def test_the_comparison_can_fail(config):
    assert ours(config, "15 3 * * *", START, 3) != theirs("16 3 * * *", START, 3)
