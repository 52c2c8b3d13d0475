# SPDX-License-Identifier: GPL-2.0-only
"""cowbell coverage: each thing that can be wrong is seen to be reported, and nothing else is."""

import json
import subprocess
from pathlib import Path

import pytest

from cowbell import coverage

TOP = Path(__file__).resolve().parents[1]
SCRIPT = TOP / "harness" / "runner" / "cowbell-coverage"

HEAD = "| id | statement | source |\n| --- | --- | --- |\n"
PAGES = {
    "contract.md": f"# The contract\n\n## C: copy\n\n{HEAD}| C1 | Copies. | man |\n"
                   f"| C2 | Moves. | man |\n\n## F: clone\n\n{HEAD}| F5 | Atomic. | man |\n",
    "properties.md": f"## T1: errnos\n\n{HEAD}| 1 | EXDEV. | g157 |\n\n## T13: races\n\n{HEAD}"
                     f"| 99 | Old or new. | g164 |\n\n## Gaps: copies\n\n{HEAD}"
                     "| N14 | Counts. | - |\n",
    "bugs.md": f"## VFS\n\n{HEAD}| B-vfs-1 | SAME. | seen |\n| B-vfs-2 | Tail. | seen |\n",
}
EXCEPTIONS = {
    "needs": {"concurrency": {"here": True, "means": "two at once"},
              "another kernel": {"here": False, "means": "not this one"}},
    "exceptions": {"contract:F5": {"needs": "concurrency", "because": "a writer"},
                   "property:99": {"needs": "another kernel", "because": "old"}},
}
POINT = {"checks": "it copies", "why": ["contract:C1", "property:1", "man:cp(1)"],
         "strength": "must"}
POINTS = [POINT | {"case": "copy/all[len=1]"}, POINT | {"case": "copy/all[len=2]"},
          POINT | {"case": "errno/flags", "why": ["contract:C2", "contract:C1", "gap:N14"],
                   "checks": "it's a | refusal", "strength": "should"}]
LONG = [POINT | {"case": "scale/huge", "why": ["bug:B-vfs-1"], "strength": "observe"}]


class Lab:
    """Pages, exceptions and a driver that knows some cases, all to be changed before a run."""

    def __init__(self, folder):
        self.folder = folder
        self.pages = dict(PAGES)
        self.exceptions = json.loads(json.dumps(EXCEPTIONS))
        self.points, self.long = list(POINTS), list(LONG)

    def run(self, *arguments):
        """What the command prints, and its exit status."""
        for name, text in self.pages.items():
            (self.folder / name).write_text(text)
        text = self.exceptions
        (self.folder / coverage.EXCEPTIONS).write_text(
            text if isinstance(text, str) else json.dumps(text))
        for name, points in (("all", self.points), ("long", self.long)):
            (self.folder / name).write_text("".join(json.dumps(one) + "\n" for one in points))
        driver = self.folder / "driver"
        # The real one ends with 2 if nothing has the tag.
        driver.write_text(f'#!/bin/sh\ncase "$*" in\n"list --json") cat {self.folder}/all ;;\n'
                          f'"list --json tag:long") cat {self.folder}/long\n'
                          f'\ttest -s {self.folder}/long || exit 2 ;;\n*) exit 9 ;;\nesac\n')
        driver.chmod(0o755)
        return subprocess.run([SCRIPT, "--docs", self.folder, "--cowbell", driver, *arguments],
                              capture_output=True, text=True, check=False)

    def problems(self, *arguments):
        """The complaints of a run that must have some, without the command's name."""
        done = self.run(*arguments)
        assert done.returncode == 1
        return [line.removeprefix("cowbell coverage: ") for line in done.stderr.splitlines()]


@pytest.fixture(name="lab")
def fixture_lab(tmp_path):
    """A lab in which all is well."""
    return Lab(tmp_path)


def test_all_is_well(lab):
    done = lab.run()
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "contract:C1      copy/all, errno/flags" in lines
    assert "contract:F5      needs concurrency: a writer" in lines
    assert "bug:B-vfs-1      scale/huge" in lines
    assert "bug:B-vfs-2      -" in lines
    rows = {line.split("  ")[0]: line.split()[-6:] for line in lines if "%" in line}
    assert rows["contract: C: copy"] == ["copy", "2/2", "0", "0", "0", "100%"]
    assert rows["contract: F: clone"] == ["clone", "0/1", "1", "0", "0", "0%"]
    # What can only be checked elsewhere does not count.
    assert rows["property: T13: races"] == ["races", "0/1", "0", "1", "0", "100%"]
    targets = [line for line in lines if line.startswith("= ")]
    assert [line.split()[-1] for line in targets] == ["MISSED", "reached", "reached"]


def test_no_long_case_is_no_harm(lab):
    lab.long = []
    done = lab.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "bug:B-vfs-1      -" in done.stdout.splitlines()


def test_neither_checked_nor_excepted(lab):
    lab.points = [one for one in lab.points if one["case"] != "errno/flags"]
    del lab.exceptions["exceptions"]["contract:F5"], lab.exceptions["needs"]["concurrency"]
    assert lab.problems() == [
        "contract:C2 is neither checked nor in coverage-exceptions.json: Moves.",
        "contract:F5 is neither checked nor in coverage-exceptions.json: Atomic.",
        "gap:N14 is neither checked nor in coverage-exceptions.json: Counts."]


def test_excepted_although_a_case_checks_it(lab):
    lab.exceptions["exceptions"]["contract:C2"] = {"needs": "concurrency", "because": "so"}
    assert lab.problems() == [
        "coverage-exceptions.json: contract:C2 needs concurrency, it says, but errno/flags "
        "checks it"]


@pytest.mark.parametrize("source", ["contract:C36", "property:158", "gap:N38", "bug:B-vfs-9"])
def test_why_names_what_is_nowhere(lab, source):
    lab.points[0] = lab.points[1] = lab.points[0] | {"why": [*POINT["why"], source]}
    assert lab.problems() == [f'copy/all: "why" names {source}, which is in no page of docs/']


def test_exception_for_what_is_nowhere(lab):
    lab.exceptions["exceptions"]["gap:N99"] = {"needs": "concurrency", "because": "so"}
    assert lab.problems() == ["coverage-exceptions.json: there is no gap:N99"]


def test_a_missed_target_counts_if_asked_for(lab):
    assert lab.run().returncode == 0
    assert lab.problems("--gate") == ["the target for contract is missed"]
    lab.pages["contract.md"] = lab.pages["contract.md"].replace("F5", "C3")
    lab.exceptions["exceptions"] = {
        "contract:C3": {"needs": "another kernel", "because": "so"},
        "property:99": {"needs": "concurrency", "because": "so"}}
    assert lab.run("--gate").returncode == 0


BROKEN = [
    ("twice", "contract.md", ("| C2 |", "| C1 |"), "contract.md: C1 is there twice"),
    ("foreign-number", "contract.md", ("| C2 |", "| X2 |"),
     'contract.md: "X2" is no number that belongs here'),
    ("no-source", "bugs.md", ("| Tail. | seen |", "| Tail. |"),
     "bugs.md: B-vfs-2 must have a statement and a source"),
    ("empty-statement", "properties.md", ("| EXDEV. |", "| |"),
     "properties.md: 1 must have a statement and a source"),
]


@pytest.mark.parametrize("page,change,said", [one[1:] for one in BROKEN],
                         ids=[one[0] for one in BROKEN])
def test_broken_page(lab, page, change, said):
    lab.pages[page] = lab.pages[page].replace(*change)
    done = lab.run()
    assert (done.returncode, done.stdout) == (99, "")
    assert done.stderr == f"cowbell coverage: {said}\n"


F5 = '"contract:F5": {"needs": "concurrency", "because": "a writer"}'
BAD_EXCEPTIONS = [
    ("twice", (F5, f"{F5}, {F5}"), "contract:F5 is there twice"),
    ("unknown-need", ('"needs": "concurrency"', '"needs": "luck"'),
     'contract:F5 needs "luck", which is not listed there'),
    ("no-reason", ('"a writer"', '" "'), "contract:F5 does not say why"),
    ("unused-need", (F5 + ", ", ""), 'nothing needs "concurrency"'),
    ("no-needs", ('"needs": {"conc', '"need": {"conc'), "KeyError: 'needs'"),
    ("no-object", (F5, '"contract:F5": 1'), "TypeError: 'int' object is not subscriptable"),
]


@pytest.mark.parametrize("change,said", [one[1:] for one in BAD_EXCEPTIONS],
                         ids=[one[0] for one in BAD_EXCEPTIONS])
def test_broken_exceptions(lab, change, said):
    text = json.dumps(EXCEPTIONS)
    lab.exceptions = text.replace(*change)
    assert lab.exceptions != text
    done = lab.run()
    assert (done.returncode, done.stdout) == (99, "")
    assert done.stderr == f"cowbell coverage: coverage-exceptions.json: {said}\n"


def test_exceptions_that_are_no_json(lab):
    lab.exceptions = "{"
    done = lab.run()
    assert (done.returncode, done.stdout) == (99, "")
    assert done.stderr.startswith("cowbell coverage: coverage-exceptions.json: JSONDecodeError")


def test_a_driver_that_fails(lab):
    lab.points = ["no point"]
    done = lab.run()
    assert (done.returncode, done.stdout) == (99, "")
    assert done.stderr.startswith("cowbell coverage: cowbell list: TypeError")
    done = subprocess.run([SCRIPT, "--cowbell", "/bin/false"], capture_output=True, text=True,
                          check=False)
    assert (done.returncode, done.stderr) == (99, "cowbell coverage: cowbell list: exit status 1\n")


def test_only_what_is_missing(lab):
    lab.pages["contract.md"] += "| F6 | Far. | man |\n"
    done = lab.run("--missing")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "contract:F5      needs concurrency: a writer [Atomic.]",
        "contract:F6      no case [Far.]",
        "property:99      needs another kernel: old [Old or new.]"]


def test_json(lab):
    lab.pages["contract.md"] += "| F6 | Far. | man |\n"
    done = lab.run("--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["statements"]["contract:C1"] == {
        "statement": "Copies.", "group": "C: copy", "state": "checked",
        "cases": ["copy/all", "errno/flags"]}
    assert told["statements"]["contract:F5"] == {
        "statement": "Atomic.", "group": "F: clone", "state": "later", "cases": [],
        "needs": "concurrency", "because": "a writer"}
    assert {one: told["statements"][one]["state"] for one in
            ("contract:F6", "property:99", "bug:B-vfs-2")} == {
        "contract:F6": "missing", "property:99": "elsewhere", "bug:B-vfs-2": "not required"}
    assert told["targets"]["contract"] == {
        "all": 4, "checked": 2, "later": 1, "elsewhere": 0, "missing": 1, "percent": 50,
        "wanted": 95}
    assert len(told["problems"]) == 1 and "contract:F6" in told["problems"][0]


def test_markdown(lab):
    done = lab.run("--markdown")
    assert done.returncode == 0
    assert "| contract | 2/3 | 1 | 0 | 0 | 66% | 95% |" in done.stdout.splitlines()
    assert "| C1 | Copies. | copy/all, errno/flags |" in done.stdout.splitlines()
    missing = lab.run("--markdown", "--missing").stdout.splitlines()
    assert "| F5 | Atomic. | needs concurrency: a writer |" in missing
    assert "## contract: F: clone" in missing and "## contract: C: copy" not in missing


def test_catalogue(lab):
    done = lab.run("--catalogue")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 cases with 4 points" in done.stdout
    assert [line for line in done.stdout.splitlines() if line.startswith(("## ", "| "))
            and "---" not in line and "checks that" not in line] == [
        "## copy", "| all | it copies | must | 2 | contract:C1, property:1, man:cp(1) |",
        "## errno",
        "| flags | it's a \\| refusal | should | 1 | contract:C2, contract:C1, gap:N14 |",
        "## scale", "| huge | it copies | observe | 1 | bug:B-vfs-1 |"]


def test_usage(lab):
    assert lab.run("--markdown", "--json").returncode == 2
    assert lab.run("--nonsense").returncode == 2


def test_the_pages_are_whole():
    """Every number that a case may cite has its line."""
    found = coverage.read_statements(TOP / "docs")
    wanted = [f"contract:{letter}{number}" for letter, last in
              (("C", 35), ("F", 22), ("D", 20), ("S", 5), ("P", 1), ("O", 4))
              for number in range(1, last + 1)]
    wanted += [f"property:{number}" for number in range(1, 159)]
    wanted += [f"gap:N{number}" for number in range(1, 39)]
    assert [one for one in found if not one.startswith("bug:")] == wanted
    assert {one.group for one in found.values() if one.kind == "property"} == {
        f"T{number}" for number in range(1, 27)}
