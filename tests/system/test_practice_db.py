"""scripts/practice-db: the synthetic practice database that demo, tests and benchmarks stand on."""
import hashlib

import pytest

from lib import paths, process

SMALL = ["--patients", "20", "--documents", "1"]


def generate(*args):
    return process.run([paths.PRACTICE_DB, *args]).stdout


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_same_seed_gives_the_same_bytes():
    first, again = generate(*SMALL, "--seed", "7"), generate(*SMALL, "--seed", "7")
    assert digest(first) == digest(again)
    assert digest(generate(*SMALL, "--seed", "8")) != digest(first)


def test_output_file_and_standard_output_are_the_same(folder):
    process.run([paths.PRACTICE_DB, *SMALL, "--output", folder / "p.sql"])
    assert (folder / "p.sql").read_text() == generate(*SMALL, "--output", "-")


@pytest.mark.parametrize("mixed", [False, True])
def test_it_loads_and_its_parts_belong_together(server, mixed):
    database = f"elexis{int(mixed)}"
    args = ["--patients", "50", "--documents", "3", "--socket", server.socket, "--database", database]
    process.run([paths.PRACTICE_DB, *args, *(["--mixed-engines"] if mixed else [])])

    engines = dict(server.sql(f"SELECT table_name, engine FROM information_schema.tables WHERE table_schema='{database}'"))
    for table in ("KONTAKT FAELLE BEHANDLUNGEN LEISTUNGEN LABORWERTE HEAP LOGS CONFIG AGNTERMINE "
                  "PATIENT_ARTIKEL_JOINT RECHNUNGEN").split():
        assert table in engines
    assert set(engines.values()) == ({"InnoDB", "Aria", "MyISAM"} if mixed else {"InnoDB"})

    def value(sql):
        return server.value(sql, database)

    assert value("SELECT COUNT(*) FROM KONTAKT WHERE ISTPATIENT='1'") == 50
    assert value("SELECT SUM(LENGTH(INHALT)) FROM HEAP") == 3 << 20
    for child, column, parent in [("FAELLE", "PATIENTID", "KONTAKT"), ("BEHANDLUNGEN", "FALLID", "FAELLE"),
                                  ("LEISTUNGEN", "BEHANDLUNG", "BEHANDLUNGEN"), ("LABORWERTE", "ITEMID", "LABORITEMS"),
                                  ("LABORWERTE", "PATIENTID", "KONTAKT"), ("RECHNUNGEN", "FALLID", "FAELLE"),
                                  ("BEHANDLUNGEN", "RECHNUNGSID", "RECHNUNGEN"), ("AGNTERMINE", "PATID", "KONTAKT"),
                                  ("BRIEFE", "PATIENTID", "KONTAKT")]:
        assert value(f"SELECT COUNT(*) FROM {child} c LEFT JOIN {parent} p ON p.ID=c.{column} "
                     f"WHERE p.ID IS NULL AND c.{column} IS NOT NULL") == 0, (child, column)
        assert value(f"SELECT COUNT(*) FROM {child}") > 0
    assert value("SELECT COUNT(*) FROM KONTAKT WHERE BEZEICHNUNG1 REGEXP '[äöüé]'") > 0
    assert value("SELECT COUNT(*) FROM KONTAKT WHERE BEZEICHNUNG1 REGEXP 'Ã|\\\\?'") == 0
    assert value("SELECT COUNT(*) FROM BEHANDLUNGEN WHERE DATUM NOT REGEXP '^20[0-9]{6}$'") == 0


@pytest.mark.parametrize("args, words", [
    (["--patients", "-1"], "cannot be negative"),
    (["--today", "yesterday"], "20261101"),
    (["--socket", "/nowhere/db.sock", "--output", "-"], "exclude each other"),
    (["--socket", "/nowhere/db.sock"], "/nowhere/db.sock"),
    (["--output", "/nowhere/p.sql"], "/nowhere/p.sql"),
])
def test_bad_arguments_are_refused_in_words(args, words):
    done = process.run([paths.PRACTICE_DB, *SMALL, *args], check=False)
    assert done.returncode != 0
    assert words in done.stderr
