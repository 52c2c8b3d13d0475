# SPDX-License-Identifier: GPL-2.0-only
"""cowbell profile: what it makes of result files, and that the driver writes what it needs."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[1]
PROFILE = TOP / "harness" / "runner" / "cowbell-profile"
DRIVER = Path(os.environ.get("COWBELL", TOP / "build" / "cowbell"))

NEEDS = {"clone": "yes", "copy_range": "yes"}
LACKS = {"clone": "no: FICLONE: EOPNOTSUPP", "copy_range": "yes"}
END = {"kind": "end", "counts": {}, "wall_ns": 1}


def head(needs=None, unit=4096, **more):
    """The first line of a result file."""
    return {"kind": "run", "schema": 1, "needs": needs or NEEDS,
            "filesystem": {"type": "x", "unit_bytes": unit}, "kernel": {"release": "6.1"}, **more}


def case(name, answers=None, verdict="pass", **more):
    """A result line, with its answers if there are any."""
    line = {"kind": "case", "case": name, "strength": "must", "verdict": verdict, **more}
    if answers is not None:
        line |= {"checks": f"the sentence of {name.partition('[')[0]}", "answers": answers}
    return line


def skip(name, reason="clone: FICLONE: EOPNOTSUPP"):
    """A result that was not tried."""
    return case(name, verdict="skip", reason=reason)


def write(path, *lines):
    """Write a result file."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(name="two")
def fixture_two(tmp_path):
    """Writes the results of two filesystems and gives the files."""
    def make(left, right, needs=None, unit=4096):
        return (write(tmp_path / "xfs.jsonl", head(), *left, END),
                write(tmp_path / "ext4.jsonl", head(needs, unit), *right, END))
    return make


def profile(*words, width=100):
    """Run cowbell profile in a terminal of some width."""
    return subprocess.run([PROFILE, *map(str, words)], capture_output=True, text=True, check=False,
                          env={**os.environ, "COLUMNS": str(width)})


def rows(*words):
    """The rows in JSON, without those that the probes make."""
    done = profile("--format", "json", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return [row for row in json.loads(done.stdout)["rows"] if row["case"]]


def brief(*words):
    """Of each row the call, the situation, the answers and whether they differ."""
    return [(row["call"], row["situation"], tuple(row["answers"].values()), row["differs"])
            for row in rows(*words)]


CLONE = {"steps[0] clone": "EINVAL"}


def test_text(two):
    left = [case("e/a[len=1]", CLONE), case("e/a[len=2]", CLONE),
            case("e/b[to=dir]", {"steps[1] copy_range": "EISDIR"}),
            case("e/b[to=pipe]", {"steps[1] copy_range": "EINVAL"})]
    right = [skip("e/a[len=1]"), skip("e/a[len=2]"),
             case("e/b[to=dir]", {"steps[1] copy_range": "EISDIR"}),
             case("e/b[to=pipe]", {"steps[1] copy_range": "EBADF"})]
    done = profile(*two(left, right, LACKS), width=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"""\
clone: FICLONE                          xfs     ext4
{'-' * 60}
whether there is the call at all
!                                       yes     EOPNOTSUPP
the sentence of e/a (e/a)
                                        EINVAL  (EOPNOTSUPP)

copy_range: copy_file_range(2)                xfs     ext4
{'-' * 60}
whether there is the call at all
                                              yes     yes
the sentence of e/b (e/b)
!   to=pipe                                   EINVAL  EBADF
the sentence of e/b (e/b)
    to=dir                                    EISDIR  EISDIR
"""


def test_markdown(two):
    left = [case("e/a[how=a]", {"steps[0] clone": "EINVAL"}), case("e/a[how=b]", {})]
    right = [case("e/a[how=a]", {"steps[0] clone": "EPERM | x"}), case("e/a[how=b]", {})]
    done = profile("--format", "markdown", "--differences", *two(left, right))
    assert done.stdout == """\
## clone: FICLONE

|  | situation | xfs | ext4 |
| --- | --- | --- | --- |
| ! | the sentence of e/a (`e/a`) | EINVAL | EPERM \\| x |
"""


def test_what_succeeds_everywhere_is_left_out(two):
    both = [case("a/ok", {"steps[0] clone": "ok"}), case("a/count", {"steps[0] copy_range": "12"}),
            case("a/same", {"steps[0] dedupe": "[SAME 8192 x2, SAME 1]"}),
            case("a/reply", {"steps[0] dedupe": "[SAME 8192, EINVAL 0]"}),
            case("a/known", {"steps[0] clone result": "ok"}, "done", observed={"result": "ok"})]
    assert [row["case"] for row in rows(*two(both, both))] == ["a/known", "a/reply"]


def test_success_that_the_driver_leaves_out_is_told_where_others_refuse(two):
    left = [case("a/x", {"steps[0] clone": "ok", "steps[1] clone": "EPERM"})]
    assert brief(*two(left, [case("a/x")])) == [("clone", "steps[1]", ("EPERM", "ok"), True)]


def test_points_make_products(two):
    # All lengths to "pipe" and one of them to "dir" agree.
    points = [case(f"a/x[len={size},to={to}]",
                   {"steps[0] clone": "EINVAL" if to == "pipe" or size == 2 else "EISDIR"})
              for size in (1, 2, 3) for to in ("dir", "pipe", "file")]
    assert brief(*two(points, points)) == [
        ("clone", "len=1 or 3, to=dir or file", ("EISDIR",) * 2, False),
        ("clone", "len=1 or 3, to=pipe; len=2", ("EINVAL",) * 2, False)]
    names = [row["points"] for row in rows(*two(points, points))]
    assert sorted(sum(names, [])) == sorted(point["case"] for point in points)


def test_order_of_lines_does_not_matter(two):
    points = [case(f"a/{name}[len={size}]", {"steps[0] clone": f"E{size % 2}"})
              for name in "cab" for size in range(4)]
    there = profile(*two(points, points)).stdout
    assert there == profile(*two(points[::-1], points)).stdout
    assert [row["case"] for row in rows(*two(points, points))] == sorted(
        ["a/a", "a/b", "a/c"] * 2)


def test_differences_come_first_and_alone_if_asked(two):
    left = [case("a/a", CLONE), case("a/b", {"steps[0] clone": "EPERM"})]
    files = two(left, [case("a/a", CLONE), case("a/b", CLONE)])
    assert [row["case"] for row in rows(*files)] == ["a/b", "a/a"]
    assert [row["case"] for row in rows("--differences", *files)] == ["a/b"]
    same = profile("--differences", files[0], files[0])
    assert (same.returncode, same.stdout) == (0, "no differences\n")


def test_what_was_not_tried_is_no_difference(two):
    left = [case("a/a", CLONE), case("a/b", CLONE), case("a/c", CLONE)]
    files = two(left, [skip("a/a"), skip("a/b", "swap: swapon: EINVAL")], LACKS)
    assert brief(*files) == [("clone", "", ("EINVAL", "(EOPNOTSUPP)"), False),
                             ("clone", "", ("EINVAL", "-"), False),
                             ("clone", "", ("EINVAL", "-"), False)]
    plain, told = profile(*files).stdout, profile("--reasons", *files).stdout
    assert "swapon" not in plain
    for reason in ("swap: swapon: EINVAL", "clone: FICLONE: EOPNOTSUPP", "not in the file"):
        assert re.search(rf"^\[\d\] {reason}$", told, re.MULTILINE)
    assert brief(*two([skip("a/a")], [skip("a/a")])) == []


def test_only_one_call(two):
    both = [case("a/a", CLONE), case("a/b", {"steps[0] copy_range": "EPERM"}),
            case("a/c", {"steps[0] write": "EFBIG"})]
    files = two(both, both)
    assert [row["call"] for row in rows(*files)] == ["clone", "copy_range"]
    assert [row["call"] for row in rows("--call", "copy_range", *files)] == ["copy_range"]
    assert [row["call"] for row in rows("--call", "write", *files)] == ["write"]
    done = profile("--call", "clon", *files)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("cowbell profile: nothing is recorded of a call clon; there are "
                           "clone, copy_range, write\n")


def test_counts_agree_in_units_of_the_filesystem(two):
    def observe(count, other):
        return [case("a/n", {"steps[0] copy_range result": count}, "done",
                     observed={"result": count}),
                case("a/o", {"steps[0] copy_range result": other}, "done",
                     observed={"result": other})]
    assert [row[2] for row in brief(*two(observe("12289", "100"), observe("3073", "99"), None,
                                         1024))] == [("100", "99"), ("3B+1", "3B+1")]
    assert [row[2] for row in brief(*two(observe("8190", "20479"), observe("2046", "5119"), None,
                                         1024))] == [("2B-2",) * 2, ("5B-1",) * 2]
    texts = [observe(f"[size {size}, mode 0777]", "700") for size in (8192, 2048)]
    assert [row[2] for row in brief(*two(*texts, None, 1024))] == [
        ("[size 2B, mode 0777]",) * 2, ("700",) * 2]
    assert [row[2] for row in brief(*two(observe("12289", "7"), observe("12289", "7"), None,
                                         1024))] == [("12289", "12289"), ("7", "7")]


def test_success_of_another_size_is_no_news_where_units_differ(two):
    left = [case("a/x", {"steps[0] copy_range": "65536", "steps[1] dedupe": "[SAME 65536]"}),
            case("a/y", {"steps[0] copy_range": "65536"})]
    right = [case("a/x", {"steps[0] copy_range": "20480", "steps[1] dedupe": "[SAME 5]"}),
             case("a/y", {"steps[0] copy_range": "ok"})]
    assert brief(*two(left, right, None, 1024)) == [("copy_range", "", ("65536", "ok"), True)]
    assert len(brief(*two(left, right))) == 3


def test_observations_of_other_steps_and_of_oracles(two):
    shared = {"shared": 2, "copied": 0, "unknown": 0}
    mixed = {"shared": 1, "copied": 1, "unknown": 0}
    left = [case("a/x", {"steps[0] clone": "ok", "steps[1] statx after": "[size 1]"}, "done",
                 observed={"after": "[size 1]", "optional_sharing_blocks": shared}),
            case("a/plain", {"steps[0] clone": "ok"}, observed={"sharing_blocks": shared}),
            case("a/bad", {"steps[0] clone": "ok"}, observed={"sharing_blocks": mixed}),
            case("a/none", {}, observed={"space_taken_bytes": -5})]
    found = rows(*two(left, left))
    assert [(row["call"], row["case"], row["answers"]["xfs"]) for row in found] == [
        ("clone", "a/x", "[size 1]"), ("clone", "a/bad", "shared 1, copied 1"),
        ("clone", "a/x", "shared 2"), ("other", "a/none", "-5 bytes")]
    assert "clone: FICLONE, blocks and space" in profile(*two(left, left)).stdout


def test_beyond_the_model_is_shown_as_such(two):
    def beyond(move):
        return [case("a/x", {"steps[0] copy_range result": "5"}, "done", observed={
            "result": "5", "beyond_model": f"mtime of a moved by {move} ns; by the model: stays"}),
                case("a/y", {}, "done", observed={"beyond_model": "odd"})]
    files = two(beyond(17), beyond(23))
    assert brief(*files) == [("copy_range", "", ("5 beyond",) * 2, False),
                             ("other", "", ("beyond",) * 2, False)]
    text = profile(*files).stdout
    assert "5 beyond [1]  5 beyond [1]\n" in text
    assert "[1] beyond the model: mtime of a moved; by the model: stays\n" in text
    assert "[2] beyond the model: odd\n" in text


def test_red_results_are_marked(two):
    quirk = {"quirk": {"reason": "a known one", "link": "x"}}
    red = {"seen": "ok", "allowed": "EPERM"}
    left = [case("a/fail", {"steps[0] clone": "ok"}, "fail", place="steps[0]", **red),
            case("a/known", {"steps[0] clone": "ok"}, "xfail", place="end", **red, **quirk)]
    right = [case("a/fail", {"steps[0] clone": "EPERM"}), case("a/known")]
    files = two(left, right)
    assert brief(*files) == [("clone", "", ("ok!", "EPERM"), True),
                             ("clone", "end as promised", ("no!", "yes"), True)]
    text = profile(*files).stdout
    assert "[1] seen: ok; allowed: EPERM\n[2] known: a known one\n" in text


def test_rounds_that_disagree_show_all_answers(two):
    left = [case("a/x", {"steps[0] clone": text}, round=number)
            for number, text in enumerate(("EINVAL", "EPERM", "EINVAL"), 1)]
    assert brief(*two(left, [case("a/x", CLONE)])) == [
        ("clone", "", ("EINVAL or EPERM", "EINVAL"), True)]


def test_columns_have_names_of_their_own(tmp_path):
    for kernel in ("6.1", "6.12"):
        (tmp_path / kernel).mkdir()
        write(tmp_path / kernel / "xfs-1k.jsonl", head(kernel={"release": kernel}), END)
    files = [tmp_path / "6.1/xfs-1k.jsonl", tmp_path / "6.12/xfs-1k.jsonl"]
    mutant = write(tmp_path / "xfs-1k.jsonl", head(mutant="odd"), END)
    done = json.loads(profile("--format", "json", *files, mutant, files[0]).stdout)
    assert done["columns"] == ["xfs:1k 6.1 #1", "xfs:1k 6.12", "xfs:1k odd", "xfs:1k 6.1 #4"]


@pytest.mark.parametrize("width", [30, 60, 80, 100, 150])
def test_lines_fit_the_terminal(width, tmp_path):
    reply = "[" + ", ".join(["SAME 4096, DIFFERS 0"] * 20) + "]"
    long = {"steps[0] dedupe": reply, "steps[1] clone": "EOPNOTSUPP",
            "steps[2] copy_range result": "8192+SIGXFSZ beyond"}
    names = ("xfs", "btrfs", "ext4", "tmpfs", "overlay", "overlay-btrfs", "xfs-1k", "xfs-noreflink")
    files = [write(tmp_path / f"{name}.jsonl", head(),
                   *(case(f"a/x[of={'word-' * 5}{n},it={n}]",
                          long if n < 9 or name != "xfs" else CLONE) for n in range(12)), END)
             for name in names]
    for count in (1, 2, 5, 8):
        done = profile(*files[:count], width=width)
        assert (done.returncode, done.stderr) == (0, "")
        assert max(map(len, done.stdout.splitlines())) <= width
        assert "EOPNOTSUPP" in done.stdout and "8192+SIGXFSZ" in done.stdout


RUN = json.dumps(head()) + "\n"


@pytest.mark.parametrize("text, why", [
    ("", "not a result file: no line of a run in it"),
    ("hello\n", "line 1: not a result file: no JSON"),
    ('{"kind":"run","schema":9}\n', "line 1: not a result file: schema 9, only 1 is known"),
    (RUN, "no last line: the run was cut short"),
    (RUN + '{"kind":"ca', "ends in the middle of a line: the run was cut short"),
    (RUN + json.dumps(case("a/x", [])) + "\n" + json.dumps(END) + "\n",
     "not a result file: answers of a/x make no sense"),
    (RUN + json.dumps(case("a/x", {"steps[0]": "ok"})) + "\n" + json.dumps(END) + "\n",
     "not a result file: answers of a/x make no sense"),
    (RUN + json.dumps(case("a/x", {"steps[0] clone": 7})) + "\n" + json.dumps(END) + "\n",
     "not a result file: answers of a/x make no sense"),
    (RUN + json.dumps(case("a/x", {}, observed="no")) + "\n" + json.dumps(END) + "\n",
     "not a result file: observed of a/x make no sense"),
    (RUN + json.dumps(case("a/x", {}, place=5)) + "\n" + json.dumps(END) + "\n",
     "not a result file: place of a/x make no sense"),
    (json.dumps({"kind": "run", "schema": 1, "needs": 5}) + "\n" + json.dumps(END) + "\n",
     "not a result file: needs of the run make no sense"),
])
def test_bad_input_is_refused_in_one_line(text, why, tmp_path):
    path = tmp_path / "file"
    path.write_text(text)
    good = write(tmp_path / "good.jsonl", head(), END)
    for words in ((path,), (good, path)):
        done = profile(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"cowbell profile: {path}: {why}\n"


def test_missing_files_and_usage(tmp_path):
    for words in ((tmp_path / "missing",), (tmp_path,)):
        done = profile(*words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    for words in ((), ("--format", "xml", "x")):
        assert profile(*words).returncode == 2


def test_run_that_was_interrupted_is_shown_with_what_it_has(tmp_path):
    path = write(tmp_path / "xfs.jsonl", head(), case("a/x", CLONE),
                 {**END, "interrupted": "SIGINT"})
    done = profile(path)
    assert done.returncode == 0 and "EINVAL" in done.stdout
    assert done.stderr == f"cowbell profile: {path}: interrupted: SIGINT\n"


COPY = {"op": "copy_range", "from": "a", "from_off": "0", "to": "b", "to_off": "0", "len": "1B"}


def test_driver_writes_what_a_profile_needs(tmp_path):
    if not DRIVER.exists():
        pytest.skip("build/cowbell is not built")
    cases = {
        "refused": ("must", [COPY | {"flags": "1", "expect": {"err": "EINVAL"},
                                     "twin": {"flags": None}}]),
        "plain": ("must", [COPY]),
        "asked": ("observe", [COPY | {"observe": "result"}, {"op": "fsync", "fd": "b"},
                              {"op": "statx", "fd": "b", "observe": "after"}]),
        "wrong": ("must", [COPY | {"expect": {"ret": 1}}]),
    }
    (tmp_path / "cases").mkdir()
    (tmp_path / "dir").mkdir()
    for name, (strength, steps) in cases.items():
        (tmp_path / "cases" / f"{name}.json").write_text(json.dumps({
            "checks": f"the sentence of {name}", "why": ["property:5"], "strength": strength,
            "files": {"a": {"size": "1B"}, "b": {}}, "steps": steps}))
    found = tmp_path / "found.jsonl"
    subprocess.run([DRIVER, "run", "--dir", tmp_path / "dir", "--json", found,
                    tmp_path / "cases"], capture_output=True, check=False)
    lines = {line["case"]: line for line in map(json.loads, found.read_text().splitlines())
             if line["kind"] == "case"}
    assert lines["refused"]["answers"] == {"steps[0] copy_range": "EINVAL"}
    assert lines["refused"]["checks"] == "the sentence of refused"
    assert "answers" not in lines["plain"] and "checks" not in lines["plain"]
    asked = lines["asked"]
    assert list(asked["answers"]) == ["steps[0] copy_range result", "steps[2] statx after"]
    assert list(asked["answers"].values()) == [asked["observed"]["result"],
                                               asked["observed"]["after"]]
    size = asked["observed"]["result"]
    assert lines["wrong"]["answers"] == {"steps[0] copy_range": size}
    told = {row["case"]: row["answers"]["found"] for row in rows(found)}
    assert told["refused"] == "EINVAL" and told["wrong"] == f"{size}!"
