# SPDX-License-Identifier: GPL-2.0-only
"""SELECT arguments, and what `cowbell list` and `cowbell lint` print."""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
COWBELL = ROOT / os.environ.get("COWBELL_BUILD", "build") / "cowbell"


def case(**more):
    step = {"op": "clone_range", "from": "a", "to": "b", "from_off": "$k", "len": "$len"}
    return {"checks": "something", "why": ["contract:F8"], "strength": "must",
            "vary": {"len": ["1B", "2B"], "k": [1, 2]}, "files": {"a": {}, "b": {}},
            "steps": [step], **more}


def points(*names):
    return [f"{name}[len={b}B,k={k}]" for name in names for b in (1, 2) for k in (1, 2)]


@pytest.fixture
def folder(tmp_path):
    files = {
        "cases/errno/one.json": case(),
        "cases/clone/two.json": case(tags=["slow"]),
        "cases/clone/long.json": case(tags=["long"]),
        "cases/invalid/x/case.json": {},
        "cases/quirks/xfs.json": [],
        "cases/schema.json": {},
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    (tmp_path / "cases/empty").mkdir()
    return tmp_path


def cowbell(folder, *args):
    return subprocess.run([COWBELL, *args], cwd=folder, capture_output=True, text=True,
                          check=False, env={**os.environ, "COWBELL_CASES": str(folder / "cases")})


@pytest.mark.parametrize("select, wanted", [
    ([], points("clone/two", "errno/one")),
    (["errno"], points("errno/one")),
    (["errno/"], points("errno/one")),
    (["errno/one"], points("errno/one")),
    (["err*"], points("errno/one")),
    (["errno/on?"], points("errno/one")),
    (["errno/one[len=1B,k=2]"], ["errno/one[len=1B,k=2]"]),
    (["cases/errno/one.json[len=1B,k=2]"], ["errno/one[len=1B,k=2]"]),
    (["cases/errno/one.json", "!cases/errno/one.json[len=1B,k=2]"],
     [name for name in points("errno/one") if name != "errno/one[len=1B,k=2]"]),
    (["*[len=2B*"], ["clone/two[len=2B,k=1]", "clone/two[len=2B,k=2]",
                     "errno/one[len=2B,k=1]", "errno/one[len=2B,k=2]"]),
    (["clone/*"], points("clone/two")),
    (["clone/long"], points("clone/long")),
    (["clone/long[len=1B,k=1]"], ["clone/long[len=1B,k=1]"]),
    (["tag:long"], points("clone/long")),
    (["tag:slow", "!*k=1]"], ["clone/two[len=1B,k=2]", "clone/two[len=2B,k=2]"]),
    (["!clone"], points("errno/one")),
    (["!tag:slow"], points("errno/one")),
    (["cases/clone"], points("clone/two")),
    (["cases/clone/long.json"], points("clone/long")),
    (["cases/clone", "!cases/clone/two.json", "clone/long"], points("clone/long")),
    (["cases", "cases/errno"], points("clone/two", "errno/one")),
    (["cases/clone/two.json", "errno/*"], points("clone/two", "errno/one")),
], ids=" ".join)
def test_select(folder, select, wanted):
    done = cowbell(folder, "list", *select)
    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (wanted, "", 0)


@pytest.mark.parametrize("select, message", [
    (["nothing"], 'cowbell: "nothing" matches no case\n'),
    (["errno", "no", "!thing"], 'cowbell: "no" matches no case\n'
                                'cowbell: "!thing" matches no case\n'),
    (["tag:no"], 'cowbell: "tag:no" matches no case\n'),
    (["cases/empty"], "cowbell: cases/empty: no case in this folder\n"),
    (["errno", "!errno"], "cowbell: no case is left (long ones must be named in full)\n"),
], ids=str)
def test_select_nothing(folder, select, message):
    done = cowbell(folder, "list", *select)
    assert (done.stdout, done.stderr, done.returncode) == ("", message, 2)


def test_every_bad_file_is_named(folder):
    (folder / "cases/errno/bad.json").write_text("[]")
    (folder / "cases/errno/worse.json").write_text('{"a": 1, "a": 2}')
    said = ("errno/bad.json: must be an object, not a list\n",
            "errno/worse.json:1:12: duplicate object key near '\"a\"'\n")
    # What these say could be points of them.
    for select in ([], ["errno"], ["err*", "!clone"], ["*one[len=1B,k=1]"], ["errno/?ad", "clone"],
                   ["tag:slow"], ["clone", "!tag:slow"], [f"{folder}/cases", "!clone"], ["!clone"]):
        done = cowbell(folder, "list", *select)
        assert done.returncode == 2 and not done.stdout
        assert done.stderr == "".join(f"{folder}/cases/{line}" for line in said), select
    done = cowbell(folder, "lint", "cases")
    assert (done.stdout, done.stderr, done.returncode) == \
        ("".join(f"cases/{line}" for line in said), "", 2)


def test_a_bad_file_that_cannot_be_meant_is_not_read(folder):
    """A run of one case opens that one; reading five hundred takes seconds in a guest."""
    (folder / "cases/errno/bad.json").write_text("[]")
    for select in (["clone"], ["clone/two", "!errno/one"], ["errno/one[len=1B,k=2]"],
                   ["cases/clone"], ["errno/o?e"]):
        done = cowbell(folder, "list", *select)
        assert (done.stderr, done.returncode) == ("", 0) and done.stdout, select


def test_links_are_files_too(folder):
    """A link in a folder of cases is the file that it leads to, once."""
    (folder / "cases/clone/again.json").symlink_to("two.json")
    (folder / "cases/clone/nowhere.json").symlink_to("nothing")
    (folder / "cases/linked").symlink_to("errno")
    assert cowbell(folder, "list", "cases/clone/two.json").returncode == 0
    done = cowbell(folder, "list", "errno")
    assert done.stdout.splitlines() == points("errno/one")
    done = cowbell(folder, "list")
    assert done.stderr == f"{folder}/cases/clone/nowhere.json: No such file or directory\n"
    (folder / "cases/clone/nowhere.json").unlink()
    assert cowbell(folder, "list").stdout.splitlines() == points("clone/two", "errno/one")


def test_one_name_for_two_files(folder):
    other = folder / "other/cases/errno/one.json"
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps(case()))
    done = cowbell(folder, "lint", "cases", "other")
    assert done.returncode == 2
    assert "has the same name as" in done.stdout and done.stdout.count("\n") == 1


def test_lint_counts(folder):
    done = cowbell(folder, "lint")
    assert (done.stdout, done.returncode) == ("3 cases, 12 points: all good\n", 0)


def test_list_json(folder):
    lines = cowbell(folder, "list", "--json", "clone/long").stdout.splitlines()
    assert len(lines) == 4
    assert json.loads(lines[0]) == {
        "case": "clone/long[len=1B,k=1]", "file": f"{folder}/cases/clone/long.json",
        "checks": "something", "why": ["contract:F8"], "strength": "must", "tags": ["long"],
        "needs": ["clone"], "alone": False, "timed": False, "ops": ["clone_range"]}


def test_list_cases(folder):
    assert cowbell(folder, "list", "--cases").stdout == \
        "clone/two: something\nerrno/one: something\n"


@pytest.mark.parametrize("option, line", [
    ("--ops", "clone: ioctl(2) FICLONE"),
    ("--needs", "clone: FICLONE shares data between two files"),
    ("--oracles", "sharing: "),
])
def test_list_words(folder, option, line):
    done = cowbell(folder, "list", option)
    assert done.returncode == 0
    assert any(text.startswith(line) for text in done.stdout.splitlines())


@pytest.mark.parametrize("args", [("list", "--nope"), ("list", "--ops", "x"), ("lint", "--nope")])
def test_usage(folder, args):
    done = cowbell(folder, *args)
    assert done.returncode == 2 and not done.stdout and done.stderr.startswith("usage: ")
