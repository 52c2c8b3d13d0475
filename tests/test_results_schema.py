# SPDX-License-Identifier: GPL-2.0-only
"""Result lines obey reports/schema.json, and each report format can be read by what reads it."""

import json
import os
import re
import shlex
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
DRIVER = Path(os.environ.get("COWBELL", TOP / "build" / "cowbell"))
SCHEMA = json.loads((TOP / "reports" / "schema.json").read_text())
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}

WRITE = {"op": "write", "fd": "a", "off": "0", "len": "512"}
CASES = {
    "good": {"vary": {"len": ["1", "2B"]}, "steps": [WRITE | {"len": "$len"}]},
    "red": {"steps": [WRITE | {"expect": {"ret": 7}}]},
    "known": {"steps": [WRITE | {"expect": {"ret": 7}}]},
    "better": {"steps": [WRITE]},
    "skipped": {"needs": ["hook:nowhere"], "steps": [WRITE]},
    "hangs": {
        "files": {},
        "timeout_s": 1,
        "steps": [
            {"op": "pipe", "read": "r", "write": "w", "blocking": True},
            {"op": "read", "fd": "r", "len": "1"},
            {"op": "close", "fd": "w"},
        ],
    },
}
QUIRKS = {
    "filesystem": None,
    "quirks": [
        {"case": name, "reason": "it's <known> & \"odd\" # here", "link": "contract:F8"}
        for name in ("known", "better")
    ],
}


def problems(value, schema, at="$"):
    """What is wrong with a value; knows as much of JSON Schema as the schema uses, and no more."""
    known = {
        "$ref",
        "type",
        "const",
        "enum",
        "minimum",
        "minLength",
        "pattern",
        "items",
        "required",
        "properties",
        "additionalProperties",
        "oneOf",
        "$schema",
        "title",
        "$defs",
    }
    assert not schema.keys() - known, f"{at}: the test does not know {schema.keys() - known}"
    if "$ref" in schema:
        return problems(value, SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], at)
    if "type" in schema and (
        not isinstance(value, TYPES[schema["type"]]) or isinstance(value, bool)
    ):
        return [f"{at}: {value!r} is no {schema['type']}"]
    if "const" in schema and (
        value != schema["const"] or type(value) is not type(schema["const"])
    ):
        return [f"{at}: {value!r} is not {schema['const']!r}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r} is none of {schema['enum']}"]
    if "minimum" in schema and value < schema["minimum"]:
        return [f"{at}: {value} is too small"]
    if "minLength" in schema and len(value) < schema["minLength"]:
        return [f"{at}: too short"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return [f"{at}: {value!r} does not match {schema['pattern']}"]
    if "oneOf" in schema:
        found = [problems(value, one, at) for one in schema["oneOf"]]
        return (
            []
            if found.count([]) == 1
            else [f"{at}: fits {found.count([])} of the kinds", *sum(found, [])]
        )
    out = [f"{at}: has no {key}" for key in schema.get("required", []) if key not in value]
    for i, item in enumerate(value) if "items" in schema else ():
        out += problems(item, schema["items"], f"{at}[{i}]")
    for key, item in value.items() if isinstance(value, dict) else ():
        rule = schema.get("properties", {}).get(key, schema.get("additionalProperties", {}))
        out += [f"{at}.{key}: unknown"] if rule is False else problems(item, rule, f"{at}.{key}")
    return out


@pytest.fixture
def place(tmp_path):
    """A folder of cases, a directory to run them in, and the quirks for it."""
    if not DRIVER.exists():
        pytest.skip("build/cowbell is not built")
    (tmp_path / "cases").mkdir()
    (tmp_path / "dir").mkdir()
    for name, case in CASES.items():
        whole = {
            "checks": "a test of the reports works",
            "why": ["property:5"],
            "strength": "must",
            "files": {"a": {"size": "4B"}},
        } | case
        (tmp_path / "cases" / f"{name}.json").write_text(json.dumps(whole))
    probe = subprocess.run(
        [
            DRIVER,
            "run",
            "--dir",
            tmp_path / "dir",
            "--json",
            "-",
            tmp_path / "cases" / "good.json",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    fs_type = json.loads(probe.stdout.splitlines()[0])["filesystem"]["type"]
    (tmp_path / "q.json").write_text(json.dumps(QUIRKS | {"filesystem": fs_type}))
    return tmp_path


def command(place, *more):
    return [
        DRIVER,
        "run",
        "--dir",
        place / "dir",
        "--quirks",
        place / "q.json",
        "--seed",
        "5",
        *more,
        place / "cases",
    ]


def run(place, *more):
    done = subprocess.run(command(place, *more), capture_output=True, text=True)
    assert list((place / "dir").iterdir()) == [], "something was left behind"
    return done


def lines_of(text):
    lines = [json.loads(line) for line in text.splitlines()]
    assert [problem for line in lines for problem in problems(line, SCHEMA)] == []
    assert lines[0]["kind"] == "run" and lines[-1]["kind"] == "end"
    return lines


VERDICTS = {
    "good[len=1]": "pass",
    "good[len=2B]": "pass",
    "red": "fail",
    "known": "xfail",
    "better": "xpass",
    "skipped": "skip",
    "hangs": "fail",
}


def test_the_checker_of_schemas_finds_what_is_wrong():
    good = {
        "kind": "end",
        "counts": dict.fromkeys(SCHEMA["$defs"]["end"]["properties"]["counts"]["required"], 0),
        "wall_ns": 1,
    }
    assert problems(good, SCHEMA) == []
    for bad in (
        good | {"more": 1},
        good | {"wall_ns": -1},
        good | {"wall_ns": "1"},
        good | {"counts": {}},
        good | {"kind": "run"},
        good | {"wall_ns": True},
        good | {"interrupted": "SIGKILL"},
        [],
        {},
    ):
        assert problems(bad, SCHEMA), bad


def test_every_line_obeys_the_schema_and_says_enough(place):
    done = run(place, "--json", "-")
    lines = lines_of(done.stdout)
    cases = {line["case"]: line for line in lines if line["kind"] == "case"}
    assert {name: line["verdict"] for name, line in cases.items()} == VERDICTS
    assert done.returncode == 1
    assert lines[0]["points"] == len(VERDICTS)
    assert lines[-1]["counts"] == {
        "fail": 2,
        "error": 0,
        "miss": 0,
        "xpass": 1,
        "xfail": 1,
        "pass": 2,
        "done": 0,
        "skip": 1,
    }
    assert cases["skipped"]["reason"].startswith("hook:nowhere")
    assert cases["hangs"]["reason"] == "hang" and cases["hangs"]["stacks"]
    assert cases["known"]["quirk"]["link"] == "contract:F8"
    for key in ("done", "seen", "allowed", "repeat"):
        assert cases["red"][key]


def test_points_are_announced_before_they_run_if_that_is_asked_for(place):
    lines = lines_of(run(place, "--announce", "--json", "-").stdout)
    told = [(line["kind"], line["case"]) for line in lines[1:-1]]
    started = [name for kind, name in told if kind == "start"]
    assert sorted(started) == sorted(name for name in VERDICTS if name != "skipped")
    for name in started:
        assert told.index(("start", name)) < told.index(("case", name))
    red = {line["kind"]: line for line in lines if line.get("case") == "red"}
    for key in ("strength", "seed", "repeat"):
        assert red["start"][key] == red["case"][key]
    assert "start" not in {line["kind"] for line in lines_of(run(place, "--json", "-").stdout)}


def test_a_point_is_announced_while_it_runs(place):
    file = place / "r.json"
    driver = subprocess.Popen(
        [DRIVER, "run", "--dir", place / "dir", "--announce", "--json", file,
         place / "cases" / "hangs.json"],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    # The whole line: the first line of a file has a "started".
    while time.monotonic() < deadline and not (
        file.exists() and file.read_text().count("\n") == 2
    ):
        time.sleep(0.005)
    driver.kill()
    driver.wait()
    assert [json.loads(line)["kind"] for line in file.read_text().splitlines()] == ["run", "start"]
    # Only the case that did not come to its end is run again.
    assert run(place, "--resume", file).returncode == 1
    kinds = [json.loads(line)["kind"] for line in file.read_text().splitlines()]
    assert kinds[:3] == ["run", "start", "run"] and kinds.count("case") == len(VERDICTS)


@pytest.mark.parametrize("value, told", [("tcg", "tcg"), ("kvm", "kvm"), ("", None), ("x", None)])
def test_a_run_in_a_guest_says_so(place, value, told, monkeypatch):
    monkeypatch.setenv("COWBELL_VM", value)
    assert lines_of(run(place, "--json", "-").stdout)[0].get("vm") == told


def test_the_repeat_command_can_be_pasted(place):
    red = next(
        line for line in lines_of(run(place, "--json", "-").stdout) if line.get("case") == "red"
    )
    words = shlex.split(red["repeat"])
    again = subprocess.run(
        [DRIVER, *words[1:], "--json", "-"], capture_output=True, text=True, cwd=place
    )
    assert words[0] == "cowbell" and words[-1].endswith("red.json")
    line = lines_of(again.stdout)[1]
    assert (line["verdict"], line["seed"], line["repeat"]) == ("fail", 5, red["repeat"])


def parse_tap(text):
    """TAP 14 as its specification has it: {number: (ok, name, directive, yaml)}."""
    lines = text.splitlines()
    assert lines.pop(0) == "TAP version 14"
    plan = int(re.fullmatch(r"1\.\.(\d+)", lines.pop(0))[1])
    points, block = {}, None
    for line in lines:
        if block is not None:
            if line == "  ...":
                block = None
            else:
                key, value = re.fullmatch(r"  (\w+): (.*)", line).groups()
                block[key] = json.loads(value)
        elif line == "  ---":
            block = points[max(points)][3]
        else:
            m = re.fullmatch(
                r"(ok|not ok) (\d+) - ((?:[^#\\]|\\.)*?)(?: # (SKIP|TODO) (.*))?", line
            )
            assert m, line
            assert int(m[2]) == len(points) + 1
            points[int(m[2])] = (m[1] == "ok", re.sub(r"\\(.)", r"\1", m[3]), m[4], {})
    assert block is None and len(points) == plan
    return points.values()


def test_tap(place):
    points = {
        name: (ok, directive, yaml)
        for ok, name, directive, yaml in parse_tap(run(place, "--format", "tap").stdout)
    }
    assert {name: (ok, directive) for name, (ok, directive, _) in points.items()} == {
        "good[len=1]": (True, None),
        "good[len=2B]": (True, None),
        "red": (False, None),
        "known": (False, "TODO"),
        "better": (True, "TODO"),
        "skipped": (True, "SKIP"),
        "hangs": (False, None),
    }
    assert points["red"][2]["verdict"] == "fail" and points["red"][2]["seed"] == 5
    assert points["hangs"][2]["stacks"] and points["good[len=1]"][2] == {}


def test_ktap(place):
    text = run(place, "--format", "ktap").stdout.splitlines()
    assert text[:2] == ["KTAP version 1", f"1..{len(VERDICTS)}"]
    found = {}
    for line in text[2:]:
        m = re.fullmatch(r"(ok|not ok) (\d+) ([^#]+?)(?: # (\w+)(?: .*)?)?", line)
        assert m or line.startswith("# "), line
        if m:
            assert int(m[2]) == len(found) + 1
            found[m[3]] = (m[1], m[4])
    assert found == {
        "good[len=1]": ("ok", None),
        "good[len=2B]": ("ok", None),
        "red": ("not ok", None),
        "known": ("ok", "XFAIL"),
        "better": ("ok", None),
        "skipped": ("ok", "SKIP"),
        "hangs": ("not ok", None),
    }
    assert any(line.startswith("# repeat: cowbell run ") for line in text)


def test_junit(place):
    suite = ET.fromstring(run(place, "--format", "junit").stdout.encode()).find("testsuite")
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == [
        "7",
        "2",
        "0",
        "2",
    ]
    found = {case.get("name"): [child.tag for child in case] for case in suite.findall("testcase")}
    assert found == {
        "good[len=1]": [],
        "good[len=2B]": [],
        "red": ["failure"],
        "known": ["skipped"],
        "better": [],
        "skipped": ["skipped"],
        "hangs": ["failure"],
    }
    known = suite.find("testcase[@name='known']/skipped")
    assert QUIRKS["quirks"][0]["reason"] in json.loads(known.text.split("quirk: ")[1])["reason"]


def test_pretty_names_every_point_and_sums_up(place):
    text = run(place).stdout
    for name, verdict in VERDICTS.items():
        assert re.search(rf"^{verdict} +{re.escape(name)}[ :]", text, re.MULTILINE), name
    assert "\x1b" not in text
    assert re.search(r"^2 fail, 1 xpass, 1 xfail, 2 pass, 1 skip in [\d.]+ s$", text, re.MULTILINE)


def test_rounds_have_numbers_and_seeds_of_their_own(place):
    done = subprocess.run(
        [
            DRIVER,
            "run",
            "--dir",
            place / "dir",
            "--seed",
            "5",
            "--repeat",
            "2",
            "--json",
            "-",
            place / "cases" / "good.json",
        ],
        capture_output=True,
        text=True,
    )
    cases = [line for line in lines_of(done.stdout) if line["kind"] == "case"]
    assert sorted((line["round"], line["seed"]) for line in cases) == [
        (1, 5),
        (1, 5),
        (2, 6),
        (2, 6),
    ]


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_can_be_resumed(place, sig):
    file = place / "r.json"
    driver = subprocess.Popen(
        command(place, "--json", file, "--jobs", "1", "--timeout", "9"), stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (
        file.exists() and "good[len=2B]" in file.read_text()
    ):
        time.sleep(0.01)
    driver.send_signal(sig)
    assert driver.wait(60) == 128 + sig
    first = lines_of(file.read_text())
    assert first[-1]["interrupted"] == sig.name
    assert list((place / "dir").iterdir()) == []
    with file.open("a") as f:
        f.write('{"kind":"case","ca')
    assert run(place, "--resume", file).returncode == 1
    lines = lines_of(file.read_text())
    cases = [line["case"] for line in lines if line["kind"] == "case"]
    assert sorted(cases) == sorted(VERDICTS), "each point once, in both runs together"
    assert [line["kind"] for line in lines].count("run") == 2
    assert sum(lines[-1]["counts"].values()) == len(VERDICTS)


def test_a_driver_that_is_killed_is_cleaned_up_by_the_next(place):
    driver = subprocess.Popen(
        [DRIVER, "run", "--dir", place / "dir", place / "cases" / "hangs.json"],
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list((place / "dir").glob("cowbell-run.*/p0")):
        time.sleep(0.005)
    driver.kill()
    driver.wait()
    assert len(list((place / "dir").iterdir())) == 1
    assert run(place).returncode == 1
