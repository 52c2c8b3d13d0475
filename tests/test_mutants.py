# SPDX-License-Identifier: GPL-2.0-only
"""Mutants: the interposer is what it says it is, and the matrix tells who killed whom."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cowbell import kernel, mutants, results

TOP = Path(__file__).resolve().parents[1]
BUILD = TOP / os.environ.get("COWBELL_BUILD", "build")
DRIVER = BUILD / "cowbell"
LIBRARY = BUILD / mutants.LIBRARY
SCRIPT = TOP / "harness" / "runner" / "cowbell-mutants"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="making filesystems needs root")

TINY = {
    "tiny/cut.json": {
        "checks": "a file is cut where asked", "why": ["man:ftruncate(2)"], "strength": "must",
        "files": {"a": {"size": "4B"}},
        "steps": [{"op": "truncate", "fd": "a", "size": "1B+1"}]},
    "tiny/seek.json": {
        "checks": "a file position moves", "why": ["man:lseek(2)"], "strength": "must",
        "files": {"a": {"size": "4B"}}, "steps": [{"op": "seek", "fd": "a", "off": "1B"}]},
    "tiny/excused.json": {
        "checks": "a file can be flushed", "why": ["man:fsync(2)"], "strength": "must",
        "no_mutant": "nothing that fsync does can be seen", "files": {"a": {"size": "1B"}},
        "steps": [{"op": "fsync", "fd": "a"}, {"op": "truncate", "fd": "a", "size": "0"}]},
}


@pytest.fixture(name="cases")
def fixture_cases(tmp_path, monkeypatch):
    """A folder of few cases, which the driver takes for all there are."""
    folder = tmp_path / "cases"
    for name, case in TINY.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(case))
    monkeypatch.setenv("COWBELL_CASES", str(folder))
    monkeypatch.delenv("COWBELL_MUTANT", raising=False)
    return folder


def drive(mutant, directory, *more, library=LIBRARY):
    """Run all cases under a mutant; what the driver said, and its results."""
    path = directory / "results.jsonl"
    environment = {**os.environ, "COWBELL_MUTANT": mutant, "LD_PRELOAD": str(library)}
    done = subprocess.run((DRIVER, "run", "--dir", directory, "--json", path, *more),
                          capture_output=True, text=True, check=False, env=environment)
    return done, results.read_results(path) if path.exists() else None


def all_mutants():
    """All mutants of the interposer."""
    return mutants.list_mutants(LIBRARY)


def test_every_mutant_has_a_name_an_op_and_a_loss():
    ops = subprocess.run((DRIVER, "list", "--ops"), capture_output=True, text=True, check=True)
    known = set(re.findall(r"^(\w+): ", ops.stdout, re.MULTILINE))
    found = all_mutants()
    assert len(found) >= 60
    assert len({mutant.name for mutant in found}) == len(found)
    for mutant in found:
        assert re.fullmatch(r"[a-zA-Z0-9]+(-[a-zA-Z0-9]+)+", mutant.name)
        assert mutant.subject in known, mutant
        assert re.fullmatch(r"[^\t.]{12,100}", mutant.loses), mutant


def test_every_mutant_can_be_chosen():
    for mutant in all_mutants():
        done = subprocess.run(("true",), env=mutants.preload(LIBRARY, mutant.name), check=False)
        assert done.returncode == 0, mutant


def test_an_unknown_mutant_is_refused_and_the_nearest_are_named(tmp_path):
    done, found = drive("clone-nothing", tmp_path)
    assert done.returncode == 2 and found is None
    assert done.stderr.startswith("cowbell: no mutant 'clone-nothing'; nearest: ")
    assert "clone-does-nothing" in done.stderr and done.stderr.count("\n") == 1


def test_a_driver_without_its_mutant_refuses_to_run(tmp_path):
    environment = {**os.environ, "COWBELL_MUTANT": "clone-does-nothing"}
    done = subprocess.run((DRIVER, "run", "--dir", tmp_path), capture_output=True, text=True,
                          check=False, env=environment)
    assert done.returncode == 2
    assert "there is no mutant" in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_mutant_has_its_bug_and_the_results_name_it(cases, tmp_path, monkeypatch):
    assert cases.exists()
    monkeypatch.setenv("COWBELL_MUTANT_ACTED", str(tmp_path / "acts"))
    done, found = drive("truncate-rounds-down", tmp_path)
    verdicts = {case["case"]: case["verdict"] for case in found.cases}
    assert done.returncode == 1
    assert verdicts == {"tiny/cut": "fail", "tiny/seek": "pass", "tiny/excused": "pass"}
    assert found.run["mutant"] == "truncate-rounds-down"
    assert mutants.count_acts(tmp_path / "acts") == 1


def test_without_a_mutant_the_interposer_changes_nothing(cases, tmp_path, monkeypatch):
    assert cases.exists()
    monkeypatch.setenv("LD_PRELOAD", str(LIBRARY))
    path = tmp_path / "results.jsonl"
    subprocess.run((DRIVER, "run", "--dir", tmp_path, "--json", path), check=True,
                   capture_output=True)
    found = results.read_results(path)
    assert "mutant" not in found.run
    assert [case["verdict"] for case in found.cases] == ["pass"] * 3


def test_what_the_driver_starts_is_not_under_the_mutant():
    done = subprocess.run(("sh", "-c", "echo \"[$LD_PRELOAD]\""), text=True, check=True,
                          capture_output=True, env=mutants.preload(LIBRARY, "clone-does-nothing"))
    assert done.stdout == "[]\n"


def line(name, verdict, wall_ns=0):
    """A result."""
    return {"kind": "case", "case": name, "verdict": verdict, "wall_ns": wall_ns}


def test_only_a_fail_is_a_kill():
    outcome = mutants.Outcome(mutants.Mutant("m", "clone", "loses"))
    found = results.ResultFile(Path("x"), run={"mutant": "m"}, cases=[
        line("a/x", "pass", 10**9), line("a/y", "error"), line("a/z", "fail", 10**9),
        {**line("a/noise", "fail"), "reason": "kmsg"}])
    mutants.judge(outcome, found, 1)
    assert outcome.kills == {"a/z": 2.0}
    assert (outcome.points, outcome.errors, outcome.verdict) == (4, 1, "killed")
    assert outcome.why == "by 1 points of a/z"


def test_a_mutant_that_did_nothing_is_not_killed():
    outcome = mutants.Outcome(mutants.Mutant("m", "clone", "loses"), acts=1)
    mutants.judge(outcome, results.ResultFile(Path("x"), run={"mutant": "m"},
                                              cases=[line("a/z", "fail")]), 0)
    assert outcome.verdict == "survived" and outcome.acts == 1


def test_results_without_the_mutant_are_no_results():
    outcome = mutants.Outcome(mutants.Mutant("m", "clone", "loses"))
    with pytest.raises(mutants.RunnerError):
        mutants.judge(outcome, results.ResultFile(Path("x"), run={}, cases=[line("a", "fail")]), 1)


@pytest.mark.parametrize("points, acts, why", [
    (0, 0, "no case uses clone"), (3, 0, "none of 3 points gave it occasion to act"),
    (3, 2, "it acted 2 times in 3 points, and none noticed")])
def test_a_survivor_is_explained(points, acts, why):
    outcome = mutants.Outcome(mutants.Mutant("m", "clone", "loses"), points=points, acts=acts)
    assert outcome.verdict == "survived" and outcome.why == why


def point(name, *ops, strength="must", timed=False):
    """A point of a case without a file."""
    return mutants.Point(name, "", strength, frozenset(ops), timed)


def test_a_sample_is_spread_and_leaves_slow_points_out():
    points = [point(f"a/x[len={number}]") for number in range(10)]
    points += [point("a/slow"), point("a/race", timed=True)]
    baseline = mutants.Baseline(wall_ns={"a/slow": mutants.SAMPLE_NS + 1})
    names = [p.name for p in mutants.sample(points, baseline, mutants.SAMPLE_NS)]
    assert names == ["a/x[len=0]", "a/x[len=9]"]
    assert len(mutants.sample(points, baseline, None)) == 4


def test_races_have_a_part_of_their_time_without_a_mutant(cases):
    bench = FakeBench(set(), budget="0.5")
    asked = []
    bench.drive = lambda names, _env, _folder, *more: asked.append((names, more)) or \
        results.ResultFile(Path("x"), run={}, cases=[line(name, "pass") for name in names])
    assert mutants.run_baseline(bench, [point("a/race", timed=True)]).passed("a/race")
    assert asked == [(["a/race"], ("--jobs", "1", "--budget", "0.05"))]
    bench.args.budget = "0.001"
    mutants.run_baseline(bench, [point("a/race")])
    assert asked[1][1][-1] == "0.001"


def test_a_race_that_fails_by_itself_has_killed_nothing():
    races = [point(f"a/race[by={by}]", "clone", strength="should", timed=True) for by in "xy"]
    races += [point("a/steps", "clone", strength="should")]
    bench = FakeBench(set())
    asked = []

    def drive(names, environment, _folder, *more):
        asked.append((names, environment, more))
        return results.ResultFile(Path("x"), run={}, cases=[
            {**line(name, "fail" if name.endswith("x]") else "pass"), "reason": "torn"}
            for name in names])
    bench.drive = drive
    tried = mutants.Trial(bench, races, mutants.Baseline({one.name: "pass" for one in races}))
    outcomes = [mutants.Outcome(CLONE, kills={"a/race[by=x]": 1.0}),
                mutants.Outcome(CLONE, kills={"a/race[by=y]": 1.0, "a/steps": 2.0})]
    tried.confirm(outcomes)
    assert asked == [(["a/race[by=x]", "a/race[by=y]"], {}, ("--jobs", "1"))]
    assert [outcome.verdict for outcome in outcomes] == ["survived", "killed"]
    assert tried.baseline.reasons == {"a/race[by=x]": "torn"}
    assert not tried.idle
    tried.confirm([mutants.Outcome(CLONE, kills={"a/steps": 1.0})])
    assert len(asked) == 1


def test_a_case_whose_only_kill_was_none_has_to_kill_again(tmp_path):
    (tmp_path / "case.json").write_text("{}")
    race = mutants.Point("a/race[by=x]", str(tmp_path / "case.json"), "must", frozenset(), True)
    bench = FakeBench(set())
    bench.drive = lambda names, *_: results.ResultFile(
        Path("x"), run={}, cases=[line(name, "fail") for name in names])
    tried = mutants.Trial(bench, [race], mutants.Baseline({race.name: "pass"}))
    tried.idle.clear()
    tried.confirm([mutants.Outcome(CLONE, kills={race.name: 1.0})])
    assert tried.idle == {"a/race"}


def test_the_driver_says_which_points_last_as_long_as_they_may():
    listed = mutants.list_points(DRIVER, ["race/pairs-that-come-back", "errno/overlap-in-one-file",
                                          "interrupt/clone-is-all-or-nothing"])
    assert {one.case: one.timed for one in listed} == {
        "race/pairs-that-come-back": True, "errno/overlap-in-one-file": False,
        "interrupt/clone-is-all-or-nothing": True}


class FakeBench:
    """Drivers that say what they are told to, point by point, and stop if asked to."""

    def __init__(self, fails, acts=(), **options):
        """Points that fail under the mutant, and those in which it acts."""
        self.fails, self.acting = fails, {*fails, *acts}
        self.args = argparse.Namespace(**{"all": False, "first": False, "mutants": [], "cases": [],
                                          "library": LIBRARY, "jobs": 1, **options})
        self.ran = []

    def drive(self, names, environment, _folder, *more):
        """What Bench.drive() does; failing points without an act of the mutant are noise."""
        found = results.ResultFile(Path("x"), run={"mutant": environment["COWBELL_MUTANT"]})
        acted = 0
        for name in names:
            acted += name in self.acting
            found.cases.append(line(name, "fail" if name in self.fails else "pass"))
            if name in self.fails and "--stop-on-fail" in more:
                break
        self.ran.append([case["case"] for case in found.cases])
        Path(environment["COWBELL_MUTANT_ACTED"]).write_bytes(acted.to_bytes(8, sys.byteorder))
        return found


def trial(bench, cases, *names):
    """What is tried with points of one op; those of tiny/excused say why they kill nothing."""
    points = [mutants.Point(name, str(cases / f"{name.partition('[')[0]}.json"), "must",
                            frozenset({"clone"})) for name in names]
    return mutants.Trial(bench, points, mutants.Baseline({name: "pass" for name in names}))


CLONE = mutants.Mutant("clone-does-nothing", "clone", "loses")
POINTS = ("tiny/cut[n=1]", "tiny/cut[n=2]", "tiny/cut[n=3]", "tiny/seek", "tiny/excused")


def test_cases_that_have_killed_nothing_are_run_to_their_end(cases):
    bench = FakeBench({"tiny/cut[n=1]"})
    tried = trial(bench, cases, *POINTS)
    assert tried.idle == {"tiny/cut", "tiny/seek"}
    outcome = tried.run(CLONE)
    assert bench.ran == [["tiny/cut[n=1]", "tiny/cut[n=3]", "tiny/seek"]]
    assert list(outcome.kills) == ["tiny/cut[n=1]"] and tried.idle == {"tiny/seek"}
    # The next mutant is run by those that are left, and by others only until it is killed.
    bench.fails = {"tiny/cut[n=1]", "tiny/excused"}
    bench.acting = bench.fails
    bench.ran = []
    assert list(tried.run(CLONE).kills) == ["tiny/cut[n=1]"]
    assert bench.ran == [["tiny/seek"], ["tiny/cut[n=1]"]]


def test_cases_that_do_not_pass_are_not_judged(cases):
    tried = trial(FakeBench(set()), cases, *POINTS)
    tried = mutants.Trial(tried.bench, tried.points, mutants.Baseline({"tiny/seek": "pass",
                                                                       "tiny/excused": "skip"}))
    assert [point.name for point in tried.points] == ["tiny/seek"]
    assert tried.idle == {"tiny/seek"} and tried.unjudged == {"tiny/cut"}


def test_a_case_may_kill_by_a_point_in_its_middle(cases):
    bench = FakeBench({"tiny/cut[n=2]", "tiny/seek"})
    tried = trial(bench, cases, *POINTS)
    outcome = tried.run(CLONE)
    assert bench.ran == [["tiny/cut[n=1]", "tiny/cut[n=3]", "tiny/seek"]]
    tried.look_again(outcome, False)
    assert tried.idle == {"tiny/cut"}
    tried.look_again(outcome, True)
    assert not tried.idle


def test_a_mutant_lives_only_if_all_points_were_run(cases):
    bench = FakeBench(set())
    outcome = trial(bench, cases, *POINTS).run(CLONE)
    assert outcome.verdict == "survived" and outcome.points == len(POINTS)
    assert sorted(name for names in bench.ran for name in names) == sorted(POINTS)


def test_a_fail_that_is_no_kill_ends_no_search(cases):
    bench = FakeBench({"tiny/cut[n=1]", "tiny/cut[n=3]"}, first=True)
    bench.acting = {"tiny/cut[n=3]"}
    outcome = trial(bench, cases, *POINTS).run(CLONE)
    assert bench.ran == [["tiny/cut[n=1]"], ["tiny/cut[n=3]"]]
    assert list(outcome.kills) == ["tiny/cut[n=3]"]


def test_all_points_are_run_if_asked(cases):
    bench = FakeBench({"tiny/cut[n=1]"}, all=True)
    trial(bench, cases, *POINTS).run(CLONE)
    assert bench.ran == [list(POINTS)]


@pytest.mark.parametrize("fails, status", [({"tiny/cut[n=1]"}, 1),
                                           ({"tiny/cut[n=1]", "tiny/seek"}, 0)])
def test_a_must_case_that_kills_nothing_is_named_and_fails_the_gate(cases, tmp_path, capsys, fails,
                                                                    status):
    bench = FakeBench(fails, results=tmp_path, seed="1", fs=argparse.Namespace(name="xfs"))
    tried = trial(bench, cases, *POINTS)
    outcome = tried.run(CLONE)
    tried.look_again(outcome, True)
    assert mutants.report(tried, [outcome], 1.0) == status
    assert ("must, but kills no mutant: tiny/seek" in capsys.readouterr().out) == bool(status)


@pytest.mark.parametrize("answer, met", [("yes", True), ("broken: it lost a byte", True),
                                         ("no: FICLONE: EOPNOTSUPP", False)])
def test_a_mutant_is_tried_where_it_can_show(answer, met):
    baseline = mutants.Baseline(needs={"clone": answer})
    assert baseline.met(mutants.Mutant("m", "clone", "loses", "clone")) is met
    assert baseline.met(mutants.Mutant("m", "clone", "loses"))


def test_mutants_say_what_they_need_in_words_of_the_driver():
    known = subprocess.run((DRIVER, "list", "--needs"), capture_output=True, text=True,
                           check=True).stdout
    words = {mutant.needs for mutant in all_mutants()} - {""}
    assert "ocfs2_reflink" in words
    for word in words:
        assert re.search(rf"^{word}\b", known, re.MULTILINE), word


def test_mutants_are_chosen_by_name_op_or_pattern():
    found = all_mutants()
    assert [m.name for m in mutants.choose(found, ["clone-does-nothing"])] == [
        "clone-does-nothing"]
    assert {m.subject for m in mutants.choose(found, ["dedupe"])} == {"dedupe"}
    assert all(m.name.startswith("punch-") for m in mutants.choose(found, ["punch-*"]))
    assert mutants.choose(found, []) == found
    with pytest.raises(mutants.UsageError):
        mutants.choose(found, ["no-such-mutant"])


def matrix(tmp_path, *arguments):
    """The command on a filesystem of its own."""
    return subprocess.run((SCRIPT, "--cowbell", DRIVER, "--results", tmp_path / "results",
                           *arguments), capture_output=True, text=True, check=False)


def test_a_missing_library_is_a_usage_error(tmp_path):
    done = matrix(tmp_path, "--library", tmp_path / "none")
    assert done.returncode == 2 and "is not there" in done.stderr


def test_the_list_shows_what_is_lost(tmp_path):
    done = matrix(tmp_path, "--list", "clone-does-nothing")
    assert done.returncode == 0
    assert re.fullmatch(r"clone-does-nothing +clone +the copy is not there.*\n", done.stdout)


@needs_root
def test_the_matrix_tells_killed_from_survived(cases, tmp_path, monkeypatch):
    assert cases.exists()
    monkeypatch.setenv("COWBELL_STATE", str(tmp_path / "state"))
    done = matrix(tmp_path, "--fs", "tmpfs", "truncate-rounds-down", "seek-skips-data")
    assert done.returncode == 1, done.stderr
    found = json.loads((tmp_path / "results" / "mutants.json").read_text())
    verdicts = {entry["mutant"]: entry["verdict"] for entry in found["mutants"]}
    assert verdicts == {"truncate-rounds-down": "killed", "seek-skips-data": "survived"}
    assert found["mutants"][0]["mutant"] == "truncate-rounds-down"
    assert [kill["case"] for kill in found["mutants"][0]["kills"]] == ["tiny/cut"]
    assert "survived: seek-skips-data" in done.stdout
    killed = matrix(tmp_path, "--fs", "tmpfs", "--all", "truncate-rounds-down")
    assert killed.returncode == 0 and "1 of 1 mutants killed on tmpfs" in killed.stdout
    assert not list((tmp_path / "state").glob("run-*"))


@needs_root
def test_an_interrupted_matrix_leaves_nothing(cases, tmp_path, monkeypatch):
    assert cases.exists()
    home = tmp_path / "state"
    monkeypatch.setenv("COWBELL_STATE", str(home))
    with subprocess.Popen((SCRIPT, "--cowbell", DRIVER, "--results", tmp_path, "--fs", "tmpfs",
                           "truncate"), stdout=subprocess.PIPE, text=True) as child:
        first = child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=60)
    assert first.startswith("truncate-")
    assert child.returncode == 128 + signal.SIGTERM
    assert kernel.wait_until(lambda: not list(home.glob("run-*")), 5)
