# SPDX-License-Identifier: GPL-2.0-only
"""The JSON schema of the case language says what the loader says."""

import json
import os
import pathlib
import subprocess

import jsonschema
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
COWBELL = ROOT / os.environ.get("COWBELL_BUILD", "build") / "cowbell"
CASES = ROOT / "cases"
INVALID = CASES / "invalid"


def read_blind():
    """Names of invalid cases in which no schema can see what is wrong."""
    lines = (INVALID / "schema-blind").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def case_files():
    others = {CASES / "invalid", CASES / "quirks"}
    return sorted(
        path for path in CASES.rglob("*.json")
        if path.name != "schema.json" and not others & set(path.parents)
    )


def invalid_names():
    return sorted(path.parent.name for path in INVALID.glob("*/case.json"))


@pytest.fixture(scope="module")
def validator():
    schema = json.loads((CASES / "schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_schema_is_generated_from_the_tables():
    made = subprocess.run([COWBELL, "lint", "--schema"], capture_output=True, check=True)
    assert made.stdout == (CASES / "schema.json").read_bytes(), \
        f"run: {COWBELL.relative_to(ROOT)} lint --schema >cases/schema.json"


def test_all_references_have_a_definition():
    schema = json.loads((CASES / "schema.json").read_text())
    seen = 0

    def walk(value):
        nonlocal seen
        if isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                place = schema
                for part in value["$ref"].removeprefix("#/").split("/"):
                    assert part in place, value["$ref"]
                    place = place[part]
                seen += 1
            for item in value.values():
                walk(item)

    walk(schema)
    assert seen > 100


def test_there_are_cases():
    assert case_files()
    assert len(invalid_names()) >= 60


@pytest.mark.parametrize("path", case_files(), ids=lambda p: str(p.relative_to(CASES)))
def test_schema_accepts_case(validator, path):
    errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}"
              for e in validator.iter_errors(json.loads(path.read_text()))]
    assert not errors


@pytest.mark.parametrize("name", invalid_names())
def test_schema_refuses_what_the_loader_refuses(validator, name):
    text = (INVALID / name / "case.json").read_text()
    try:
        valid = validator.is_valid(json.loads(text, object_pairs_hook=no_duplicates))
    except ValueError:
        valid = False
    # A name in the list that the schema does refuse is a stale entry.
    assert valid == (name in read_blind())


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError("duplicate key")
    return dict(pairs)


def test_schema_blind_names_cases():
    assert read_blind() <= set(invalid_names())


def test_refused_cases_have_one_line_of_error():
    for name in invalid_names():
        text = (INVALID / name / "error").read_text()
        assert text.startswith("case.json:") and text.count("\n") == 1, name
