# SPDX-License-Identifier: GPL-2.0-only
"""Mutants of races: what they are, and how many runs must notice."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from cowbell import mutants, race_mutants

TOP = Path(__file__).resolve().parents[1]
BUILD = TOP / os.environ.get("COWBELL_BUILD", "build")
DRIVER = BUILD / "cowbell"
LIBRARY = BUILD / mutants.LIBRARY
SCRIPT = TOP / "harness" / "runner" / "cowbell-race-mutants"

COPY = {
    "checks": "a copy that races with a write invents nothing", "why": ["man:sendfile(2)"],
    "strength": "must", "files": {"a": {"size": "64K"}, "b": {"size": "64K"}},
    "actors": {
        "copier": [{"op": "seek", "fd": "a", "off": "0"}, {"op": "seek", "fd": "b", "off": "0"},
                   {"op": "sendfile", "from": "a", "to": "b", "len": "64K"}],
        "writer": {"times": 4, "steps": [{"op": "put", "fd": "a", "within": "64K", "len": "8K"}]}},
    "after": ["origin"]}


@pytest.fixture(name="cases")
def fixture_cases(tmp_path, monkeypatch):
    """A folder with one case that has actors and one that has none, and an empty one to run in."""
    folder, place = tmp_path / "cases" / "tiny", tmp_path / "place"
    folder.mkdir(parents=True)
    place.mkdir()
    (folder / "race.json").write_text(json.dumps(COPY))
    (folder / "steps.json").write_text(json.dumps({
        "checks": "a copy is made", "why": ["man:sendfile(2)"], "strength": "must",
        "files": {"a": {"size": "8K"}, "b": {}},
        "steps": [{"op": "sendfile", "from": "a", "to": "b", "len": "8K"}]}))
    monkeypatch.setenv("COWBELL_CASES", str(folder.parent))
    monkeypatch.delenv("COWBELL_MUTANT", raising=False)
    return place


def run(place, *args):
    """Run the command; what it said."""
    return subprocess.run((SCRIPT, "--cowbell", DRIVER, "--dir", place, "--results", place.parent,
                           *args), capture_output=True, text=True, check=False, timeout=300)


def tally(runs, killed):
    """A mutant that so many of so many runs noticed."""
    made = race_mutants.Tally(mutants.Mutant("slow", "clone", "it is slow"), runs=runs)
    if killed:
        made.kills["tiny/race"] = killed
    return made


def test_mutants_of_races_are_part_of_all():
    """At least a dozen, each known to the matrix, and each of an op that exists."""
    races = race_mutants.list_race_mutants(LIBRARY)
    ops = {name for point in mutants.list_points(DRIVER, []) for name in point.ops}
    assert len(races) >= 12
    assert set(races) < set(mutants.list_mutants(LIBRARY))
    assert {mutant.subject for mutant in races} <= ops


def test_every_op_with_such_a_mutant_has_cases_with_actors():
    """Otherwise nothing could notice."""
    points = race_mutants.race_points(DRIVER, [])
    for mutant in race_mutants.list_race_mutants(LIBRARY):
        assert points.get(mutant.subject), mutant.name


@pytest.mark.parametrize(("runs", "killed", "good"), [
    (20, 20, True), (20, 19, True), (20, 18, False), (10, 10, True), (10, 9, False), (0, 0, False)])
def test_one_of_twenty_may_notice_nothing(runs, killed, good):
    """And of fewer none."""
    assert tally(runs, killed).good() is good


def test_line_says_who_noticed():
    """The case and how often; what was tried if none did."""
    assert "by tiny/race 19" in tally(20, 19).line(10)
    assert "0 cases, acted 0 times" in tally(20, 0).line(10)


def test_bug_is_noticed_by_the_case_with_actors(cases):
    """The case that takes one step after the other cannot notice, and is not run."""
    done = run(cases, "--repeat", "2", "sendfile-byte-by-byte")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2/2" in done.stdout and "by tiny/race 2" in done.stdout
    entry = json.loads((cases.parent / "race-mutants.json").read_text())["mutants"][0]
    assert (entry["runs"], entry["killed"], entry["killed_by"]) == (2, 2, {"tiny/race": 2})
    assert entry["acts"] > 0 and "nobody put" in entry["last_reason"]


def test_bug_that_no_case_could_notice_is_missed(cases):
    """No case with actors clones."""
    done = run(cases, "--repeat", "1", "clone-in-two-steps")
    assert done.returncode == 1
    assert "missed: clone-in-two-steps (clone)" in done.stdout


@pytest.mark.parametrize(("args", "said"), [
    (("no-such-mutant",), "no mutant 'no-such-mutant'"), (("--repeat", "0"), "at least 1")])
def test_bad_arguments_are_one_line(cases, args, said):
    """With exit code 2."""
    done = run(cases, *args)
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1
