# SPDX-License-Identifier: GPL-2.0-only
"""cowbell changes, and what report and summary make of several kernels."""

import json
import re
import subprocess
from html import unescape
from pathlib import Path

import pytest
from cowbell import changes, results

TOP = Path(__file__).resolve().parents[1]
RUNNER = TOP / "harness" / "runner"
OLD, NEW = "5.10.0-46-amd64", "6.12.117+deb13-amd64"
END = {"kind": "end", "counts": {}, "wall_ns": 5}


def point(name, verdict="pass", **more):
    """A result."""
    return {"kind": "case", "case": name, "strength": "must", "verdict": verdict, "seed": 7, **more}


def write(folder, kernel, *cases, name="xfs", vm=True, end=END):
    """A result file of a kernel."""
    run = {"kind": "run", "schema": 1, "kernel": {"release": kernel},
           "filesystem": {"type": "x", "unit_bytes": 4096}, "needs": {}, **({"vm": "tcg"} if vm
                                                                           else {})}
    path = folder / kernel / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (run, *cases, *([end] * bool(end)))
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def tool(name, *words):
    """Run a command of the runner."""
    return subprocess.run([RUNNER / f"cowbell-{name}", *map(str, words)], capture_output=True,
                          text=True, check=False)


def found(*files):
    """What changed, by filesystem: of each row the case, the situation and the cells."""
    done = tool("changes", "--format", "json", *files)
    assert (done.returncode, done.stderr) == (0, "")
    return {one["filesystem"]: [(row["case"], row["situation"], *row["found"].values())
                                for row in one["changes"]]
            for one in json.loads(done.stdout)["filesystems"]}


def test_verdicts_answers_and_observations_that_differ(tmp_path):
    answers = {"steps[0] clone": "EXDEV"}
    files = [
        write(tmp_path, NEW, point("a/across"), point("a/same"), point("a/now"),
              point("b/seen", "done", observed={"what": "ok"})),
        write(tmp_path, OLD,
              point("a/across", "xfail", answers=answers, place="steps[0]", seen="EXDEV",
                    allowed="ok", quirk={"reason": "old", "link": "x"}),
              point("a/same"), point("a/now", "skip", reason="clone: FICLONE: EOPNOTSUPP"),
              point("b/seen", "done", observed={"what": "EIO"}))]
    assert found(*files) == {"xfs": [
        ("a/across", "verdict", "xfail", "pass"), ("a/across", "clone", "EXDEV!", "ok"),
        ("a/now", "verdict", "skip", "pass"), ("b/seen", "", "EIO", "ok")]}


def test_points_that_change_alike_are_one_row(tmp_path):
    old = [point(f"a/b[len={n}]", "fail" if n < 4 else "pass", seen="x", reason="y")
           for n in (1, 2, 3, 4)]
    files = [write(tmp_path, OLD, *old),
             write(tmp_path, NEW, *(point(line["case"]) for line in old))]
    document = json.loads(tool("changes", "--format", "json", *files).stdout)
    (row,) = [row for row in document["filesystems"][0]["changes"]
              if row["situation"].startswith("verdict")]
    assert row["situation"] == "verdict: len=1 or 2 or 3"
    assert row["points"] == ["a/b[len=1]", "a/b[len=2]", "a/b[len=3]"]
    assert row["found"] == {OLD: "fail", NEW: "pass"}
    assert row["notes"] == {OLD: ["seen: x"]}


@pytest.mark.parametrize("key, old, new, told", [
    ("latency_ns", 5, 6, False), ("undisturbed_ns", 5, 6, False), ("rounds", 5, 6, False),
    ("rounds_torn", 0, 6, False), ("overlaps", 5, 6, False), ("hits", 5, 6, False),
    ("states", {"all": 1}, {"all": 2}, False), ("first_torn", "round 1", "round 2", False),
    ("space_taken_bytes", 4096, 8192, False),
    ("after", "[965423104 bytes available]", "[965423000 bytes available]", False),
    ("after", "[1 extents, 0 shared]", "[2 extents, 0 shared]", True),
    ("sendfile_bytes", "100", "2048", True), ("result", "EINVAL", "ok", True),
    ("around", "1", "2", True), ("sharing_blocks", {"shared": 1}, {"shared": 2}, True),
])
def test_counts_and_timings_are_no_behaviour(key, old, new, told, tmp_path):
    files = [write(tmp_path, kernel, point("a/b", "done", observed={key: value}))
             for kernel, value in ((OLD, old), (NEW, new))]
    assert bool(found(*files)["xfs"]) is told
    assert changes.is_behaviour(key, new) is told


@pytest.mark.parametrize("key, value, cell", [
    ("extra", "yes", "yes"), ("extra", "ok", "ok"), ("extra_ns", 5, None),
    ("sharing_blocks", {"shared": 2}, "shared 2")])
@pytest.mark.parametrize("verdict", ["done", "fail", "skip", "miss", None])
def test_an_observation_that_only_one_kernel_shows(key, value, cell, verdict, tmp_path):
    shows = point("a/b", "done", observed={"what": "ok", key: value})
    quiet = [point("a/b", verdict, observed={"what": "ok"})] if verdict else []
    told = found(write(tmp_path, OLD, shows), write(tmp_path, NEW, point("a/c"), *quiet))["xfs"]
    # Where it failed it was over before it came to that.
    assert [row[2:] for row in told if "-" in row] == \
        ([(cell, "-")] if cell and verdict == "done" else [])


def test_an_answer_that_was_left_out_as_success_is_no_change(tmp_path):
    # Where one step fails the driver tells the answers of the others as well.
    old = point("a/b", "xfail", answers={"steps[0] copy_range": "12288", "steps[1] clone": "EIO"},
                place="steps[1]", seen="EIO", allowed="ok", quirk={"reason": "r", "link": "l"})
    files = [write(tmp_path, OLD, old), write(tmp_path, NEW, point("a/b"))]
    assert found(*files)["xfs"] == [("a/b", "verdict", "xfail", "pass"),
                                    ("a/b", "clone", "EIO!", "ok")]


def test_what_was_not_run_is_no_change(tmp_path):
    files = [write(tmp_path, OLD, point("a/one"), point("a/gone")),
             write(tmp_path, NEW, point("a/one", "miss", reason="panic: x while a/z ran"),
                   point("a/new"))]
    assert found(*files) == {"xfs": []}
    assert tool("changes", *files).stdout == "xfs: nothing changed between 5.10, 6.12\n"


def test_kernels_are_in_order_and_runs_of_one_are_rounds(tmp_path):
    def seen(what):
        return point("a/b", "done", observed={"what": what})
    files = [write(tmp_path / "1", "6.12.1", seen("c")), write(tmp_path / "2", "6.2.0", seen("b")),
             write(tmp_path / "3", "6.12.1", seen("d")), write(tmp_path / "4", "5.10.9", seen("a")),
             write(tmp_path / "5", "6.2.0-rc3", seen("b"))]
    assert found(*files)["xfs"] == [("a/b", "", "a", "b", "b", "c or d")]
    text = tool("changes", *files).stdout.splitlines()[0]
    assert text.split()[-4:] == ["5.10", "6.2.0-rc3", "6.2.0", "6.12"]


def test_filesystems_and_mutants_are_kept_apart(tmp_path):
    files = [write(tmp_path, kernel, point("a/b", verdict), name=name)
             for kernel, verdict in ((OLD, "fail"), (NEW, "pass")) for name in ("xfs", "btrfs-dup")]
    files.append(write(tmp_path, OLD, point("a/b"), name="ext4"))
    assert list(found(*files)) == ["xfs", "btrfs:dup"]


def test_markdown(tmp_path):
    files = [write(tmp_path, OLD, point("a/b", "fail", reason="x | y")),
             write(tmp_path, NEW, point("a/b"))]
    text = tool("changes", "--format", "markdown", *files).stdout
    assert text.startswith("## xfs: what changed between kernels\n")
    assert "| situation | 5.10 | 6.12 |" in text
    assert "fail [1] | pass |" in text and "1. seen: x | y" in text


@pytest.mark.parametrize("kernels, end, message", [
    ((OLD,), END, "these files hold no filesystem that was run on several kernels"),
    ((OLD, NEW), None, "no last line: the run was cut short"),
])
def test_bad_input(kernels, end, message, tmp_path):
    done = tool("changes", *(write(tmp_path, kernel, point("a/b"), end=end) for kernel in kernels))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


@pytest.fixture(name="three")
def fixture_three(tmp_path):
    """Two kernels in guests and that of the host; on one of them xfs differs."""
    return [write(tmp_path, NEW, point("a/<b>")), write(tmp_path, NEW, point("a/<b>"), name="ext4"),
            write(tmp_path, OLD, point("a/<b>", "fail", reason="x")),
            write(tmp_path, "6.18.44", point("a/<b>"), vm=False)]


def test_report_has_columns_of_kernels_and_what_changed(three, tmp_path):
    done = tool("report", *three, "-o", tmp_path / "report")
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "report" / "index.html").read_text()
    data = re.search(r'"runs":(\[.*?\])', unescape(text))[1]
    assert json.loads(data) == ["xfs 5.10", "xfs 6.12", "xfs 6.18", "ext4 6.12"]
    section = text.partition('<section id="changes"')[2].partition("</section>")[0]
    assert "xfs: 1 cases changed between 5.10, 6.12, 6.18" in section
    assert "a/&lt;b&gt;" in section and "<b>" not in section
    assert re.search(r"<td>fail.*?</td><td>pass</td><td>pass</td>", section)
    assert 'href="#changes-1"' in section and 'id="changes-1"' in section
    assert "emulated" in text


def test_notes_of_answers_in_brackets_are_links(tmp_path):
    known = {"place": "steps[0]", "seen": "x", "allowed": "y", "quirk": {"reason": "r", "link": ""}}
    answer = {"steps[0] dedupe": "[EXDEV 0]"}
    files = [write(tmp_path, OLD, point("a/b", "xfail", answers=answer, **known)),
             write(tmp_path, NEW, point("a/b", answers={"steps[0] dedupe": "[SAME 9]"}))]
    assert tool("report", *files, "-o", tmp_path / "report").returncode == 0
    text = (tmp_path / "report" / "index.html").read_text()
    assert '<td>[EXDEV 0]!<sup><a href="#changes-1">1</a></sup><sup> <a href="#changes-2">' in text
    assert "<td>[SAME 9]</td>" in text


def test_report_of_one_kernel_has_no_such_list(three, tmp_path):
    assert tool("report", *three[:2], "-o", tmp_path / "report").returncode == 0
    assert 'id="changes"' not in (tmp_path / "report" / "index.html").read_text()


def test_summary_names_kernels(three):
    lines = tool("summary", *three).stdout.splitlines()
    assert [line[:9] for line in lines[1:5]] == ["xfs 6.12 ", "ext4 6.12", "xfs 5.10 ", "xfs 6.18 "]
    assert "fail: xfs 5.10: a/<b>" in lines


def test_started_are_those_without_result(tmp_path):
    starts = [{"kind": "start", "case": name} for name in ("a", "b", "c")]
    starts.append({"kind": "start", "case": "c", "round": 2})
    path = write(tmp_path, NEW, *starts, point("a"), point("c"), point("b", round=2), end=None)
    assert results.read_results(path).started == [starts[1], starts[3]]


def test_command_that_repeats_boots_the_kernel(tmp_path):
    folder = "/run/cowbell-fs/run-x/1/dir"
    run = {"vm": "tcg", "kernel": {"release": NEW}, "command": ["cowbell", "run", "--dir", folder]}
    case = point("a/b", "fail", repeat=f"cowbell run --dir {folder} --seed 7 a/b")
    assert results.repeat_command(run, case, "xfs:1k") == \
        f"cowbell vm --kernel {NEW} --fs xfs:1k -- cowbell run --dir {{dir}} --seed 7 a/b"
