# SPDX-License-Identifier: GPL-2.0-only
"""`cowbell compare`: verdicts, refusals, messages, exit codes."""

import json

import jsonschema
import pytest
from bench_files import END, TOP, bench_line, cowbell, run_line, write_lines, write_run, write_side

SCHEMA = json.loads((TOP / "reports/schema.json").read_text())


def compare(*args):
    """Exit code, the metrics of the JSON by name, and the whole JSON."""
    done = cowbell("compare", "--json", "-", *args)
    assert done.stderr == "", done.stderr
    whole = json.loads(done.stdout)
    jsonschema.validate(whole, SCHEMA)
    return done.returncode, {item["name"]: item for item in whole["metrics"]}, whole


def sides(tmp_path, factor, count=10, **changes):
    """Runs of A and B, taken in turn."""
    a = write_side(tmp_path, "a", count, **changes)
    b = write_side(tmp_path, "b", count, int(10000 * factor), first=10, **changes)
    return ["--a", *a, "--b", *b]


@pytest.mark.parametrize("factor, better, verdict, code", [
    (1.1, "lower", "worse", 1),
    (0.9, "lower", "better", 0),
    (1.0, "lower", "same", 0),
    (1.1, "higher", "better", 0),
    (0.9, "higher", "worse", 1),
])
def test_verdicts(tmp_path, factor, better, verdict, code):
    status, items, whole = compare(*sides(tmp_path, factor, better=better, run_noise=0.004,
                                            blocks=9))
    item = items["paths/clone[size=4K] time_ns"]
    assert (item["verdict"], status) == (verdict, code)
    assert whole["paired"] and whole["unit"] == "run"
    assert item["n"] == [10, 10] and item["better"] == better
    assert item["ratio_low"] < factor < item["ratio_high"]
    assert item["ratio_low"] < item["ratio"] < item["ratio_high"]
    assert whole["counts"] == dict.fromkeys(whole["counts"], 0) | {verdict: 1}


def test_noise_is_inconclusive(tmp_path):
    status, items, _ = compare(*sides(tmp_path, 1.0, run_noise=0.1))
    item = items["paths/clone[size=4K] time_ns"]
    assert (item["verdict"], item["reason"], status) == ("inconclusive", "too noisy to tell", 0)


def test_three_per_cent_are_not_the_same_at_two(tmp_path):
    _, items, _ = compare(*sides(tmp_path, 1.03, run_noise=0.004))
    assert items["paths/clone[size=4K] time_ns"]["verdict"] in ("worse", "inconclusive")


def test_threshold(tmp_path):
    args = sides(tmp_path, 1.05, run_noise=0.004, blocks=9)
    verdicts = [compare("--threshold", pct, *args)[1]["paths/clone[size=4K] time_ns"]["verdict"]
                for pct in (2, 5, 15)]
    assert verdicts == ["worse", "inconclusive", "same"]


def test_confidence_widens_the_interval(tmp_path):
    args = sides(tmp_path, 1.0)
    narrow, wide = (compare("--confidence", pct, *args)[1]["paths/clone[size=4K] time_ns"]
                    for pct in (80, 99))
    assert wide["ratio_low"] < narrow["ratio_low"] < narrow["ratio_high"] < wide["ratio_high"]


def test_holm_over_metrics(tmp_path):
    names = [f"paths/clone[size={i}K]" for i in range(1, 9)]
    status, items, _ = compare(*sides(tmp_path, 1.1, names=names, count=8))
    # 2 / 2^8 for each of eight
    assert [item["p"] for item in items.values()] == [pytest.approx(2 / 256)] * 8
    assert [item["p_holm"] for item in items.values()] == [pytest.approx(16 / 256)] * 8
    assert {item["verdict"] for item in items.values()} == {"inconclusive"}
    assert status == 0
    done = cowbell("compare", *sides(tmp_path, 1.1, names=names, count=8))
    assert "nothing can be proven better or worse;\ntake 11 pairs of runs" in done.stdout


def test_metric_chooses_and_takes_other_roles(tmp_path):
    names = ["paths/clone[size=4K]", "paths/copy[size=4K]"]
    args = sides(tmp_path, 1.1, names=names)
    assert set(compare("--metric", "paths/copy*", *args)[1]) == {"paths/copy[size=4K] time_ns"}
    assert set(compare("--metric", names[0], *args)[1]) == {names[0] + " time_ns"}
    args = sides(tmp_path, 1.1, role="reference")
    assert cowbell("compare", *args).returncode == 77
    assert compare("--metric", "*", *args)[0] == 1


def test_files_that_were_not_taken_in_turn_are_not_pairs(tmp_path):
    a = write_side(tmp_path, "a", 8)
    b = write_side(tmp_path, "b", 8, 11000, first=1000)
    status, items, whole = compare("--a", *a, "--b", *b)
    assert not whole["paired"] and status == 1
    # 2 of the choices of 8 among 16
    assert items["paths/clone[size=4K] time_ns"]["p"] == pytest.approx(2 / 12870)
    assert "not taken in turn" in cowbell("compare", "--a", *a, "--b", *b).stdout


def test_single_files_say_that_they_promise_less(tmp_path):
    a = write_run(tmp_path / "a.json", "a", blocks=8)
    b = write_run(tmp_path / "b.json", "b", 13000, blocks=8)
    done = cowbell("compare", a, b)
    assert done.returncode == 1 and "note: one file per side:" in done.stdout
    assert compare(a, b)[2]["unit"] == "block"


@pytest.mark.parametrize("changes, what", [
    ({"filesystem": {"type": "btrfs", "mount_options": "rw", "unit_bytes": 4096,
                     "page_bytes": 4096}}, "filesystem.type"),
    ({"filesystem": {"type": "xfs", "mount_options": "rw,dax", "unit_bytes": 4096,
                     "page_bytes": 4096}}, "filesystem.mount_options"),
    ({"machine": {"cpus": 4, "memory_bytes": 8 << 30, "clock": "tsc",
                  "governor": "performance"}}, "machine.cpus"),
    ({"machine": {"cpus": 2, "memory_bytes": 4 << 30, "clock": "tsc",
                  "governor": "performance"}}, "machine.memory_bytes"),
    ({"machine": {"cpus": 2, "memory_bytes": 8 << 30, "clock": "hpet",
                  "governor": "performance"}}, "machine.clock"),
    ({"machine": {"cpus": 2, "memory_bytes": 8 << 30, "clock": "tsc"}}, "machine.governor"),
    ({"cowbell": "0.2.0"}, "cowbell"),
    ({"environment": {"device": {"loop_direct": 1}}}, "environment.device.loop_direct"),
    ({"kernel": {"release": "6.18.44", "version": "#1 SMP PREEMPT_RT", "machine": "x86_64"}},
     "kernel.version"),
    ({"kernel": {"release": "6.18.44", "version": "#1 SMP PREEMPT_DYNAMIC", "machine": "x86_64",
                 "config_sha256": "0"}}, "kernel.config_sha256"),
])
def test_incomparable_runs(tmp_path, changes, what):
    a = write_run(tmp_path / "a.json", "a")
    b = write_run(tmp_path / "b.json", "b", run=changes)
    done = cowbell("compare", a, b)
    assert done.returncode == 77 and done.stdout == ""
    assert done.stderr.splitlines()[0].startswith("cowbell compare: incomparable")
    assert [line.split(":")[0].strip() for line in done.stderr.splitlines()[1:]] == [what]
    forced = cowbell("compare", "--force", "--json", "-", a, b)
    assert forced.returncode == 0
    assert [one["what"] for one in json.loads(forced.stdout)["differs"]] == [what]


@pytest.mark.parametrize("changes", [
    # what is under test, and what varies by itself
    {"kernel": {"release": "6.19.0", "version": "#2 SMP PREEMPT_DYNAMIC", "machine": "x86_64",
                "config_sha256": "0"}},
    {"machine": {"cpus": 2, "memory_bytes": (8 << 30) - (16 << 20), "clock": "tsc",
                 "governor": "performance"}},
    {"cowbell": "0.1.0+def-dirty"},
    {"mutant": "slow-clone"},
    {"seed": 2},
    {"environment": {"load": "1.0"}},
    {"dir": "/mnt/y"},
])
def test_comparable_runs(tmp_path, changes):
    a = write_run(tmp_path / "a.json", "a")
    b = write_run(tmp_path / "b.json", "b", run=changes)
    done = cowbell("compare", a, b)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("a, b, word, note", [
    ([1] * 8, [1] * 8, "same", None),
    ([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8], "same", None),
    ([1, 2, 3, 4, 5, 6, 7, 8], [2, 1, 3, 4, 5, 6, 7, 8], "differ", "counts as noise here"),
    ([1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 2], "differ", "counts as noise here"),
    ([1] * 8, [2] * 8, "by-side", "counts as a difference of A and B here"),
    ([1], [2], "by-side", "counts as a difference of A and B here"),
    ([1], [1], "same", None),
    ([None] * 8, [None] * 8, "differ", "counts as noise here"),
])
def test_seeds_are_told(tmp_path, a, b, word, note):
    files = [[write_run(tmp_path / f"{letter}{i}.json", f"{letter}{i}", start=20 * i + first,
                        run={"seed": seed}, blocks=8) for i, seed in enumerate(seeds)]
             for letter, first, seeds in (("a", 0, a), ("b", 10, b))]
    args = ["--a", *files[0], "--b", *files[1]]
    assert compare(*args)[2]["seeds"] == word
    done = cowbell("compare", *args)
    assert done.returncode == 0
    assert ("have not the same seeds" in done.stdout) == bool(note)
    assert not note or note in done.stdout


def test_a_side_must_be_one_kernel(tmp_path):
    a = write_side(tmp_path, "a", 2)
    b = [write_run(tmp_path / "b0.json", "b0"),
         write_run(tmp_path / "b1.json", "b1", run={"mutant": "slow-clone"})]
    done = cowbell("compare", "--a", *a, "--b", *b)
    assert done.returncode == 77 and "  mutant: not known" in done.stderr


@pytest.mark.parametrize("change, reason", [
    ({"observed": {"mechanism": "copied"}}, "the data was shared in A and copied in B"),
    ({"factors": {"size": 4096, "cache": "cold"}}, "other factors or sizes under one name"),
    ({"work_bytes": 8192}, "other factors or sizes under one name"),
    ({"better": "higher"}, "what is better differs"),
    ({"samples": [0, 0]}, "0 has no ratio"),
    ({"verdict": "skip", "reason": "needs 2 GiB", "samples": None}, "skipped in FILE: needs 2 GiB"),
    ({"name": "paths/other"}, "not in FILE"),
])
def test_incomparable_metrics(tmp_path, change, reason):
    common = bench_line("paths/both", samples=[5, 6])
    a = write_lines(tmp_path / "a.json", [run_line(), common, bench_line(), END])
    b = write_lines(tmp_path / "b.json", [run_line(), common, bench_line(**change), END])
    status, items, _ = compare(a, b)
    item = items["paths/clone[size=4K] time_ns"]
    assert item["verdict"] == "incomparable" and status == 0
    assert item["reason"].replace(str(b), "FILE") == reason


def test_zero_is_the_same_as_zero(tmp_path):
    for name in "ab":
        write_lines(tmp_path / name, [run_line(), bench_line(samples=[0, 0]), END])
    item = compare(tmp_path / "a", tmp_path / "b")[1]["paths/clone[size=4K] time_ns"]
    assert (item["verdict"], item["reason"]) == ("same", "all are 0")


def test_derived_values_count_where_their_direction_is_known(tmp_path):
    line = {"kind": "derived", "suite": "extents", "name": "extents/clone",
            "metric": "slope_ns_per_extent", "confidence": 0.95, "low": 1, "high": 9}
    args = {"a": [], "b": []}
    for i in range(8):
        for side, value in ("a", 5 + i / 100), ("b", 6 + i / 100):
            path = tmp_path / f"{side}{i}.json"
            args[side].append(write_lines(path, [
                run_line(i * 20 + 10 * (side == "b")), line | {"value": value, "better": "lower"},
                line | {"name": "extents/copy", "value": value},
                line | {"metric": "intercept_ns", "value": value, "better": "lower",
                        "role": "summary"},
                # the samples are in the file, and this says nothing more
                line | {"metric": "median_time_ns", "value": value, "better": "lower",
                        "role": "summary", "of": "samples"}, END]))
    status, items, _ = compare("--a", *args["a"], "--b", *args["b"])
    assert status == 1
    assert {name: item["verdict"] for name, item in items.items()} == {
        "extents/clone slope_ns_per_extent": "worse"}
    # what says anew what other lines say is compared only by name
    _, items, _ = compare("--metric", "extents/*", "--a", *args["a"], "--b", *args["b"])
    assert items.keys() == {"extents/clone slope_ns_per_extent", "extents/clone intercept_ns"}


RUN, CELL = run_line(), bench_line()


@pytest.mark.parametrize("lines, message", [
    ([], "FILE: the file is empty"),
    ([RUN, CELL], 'FILE:2: the file ends here, without an "end" line: the run was cut short'),
    ([RUN, CELL, END | {"interrupted": "SIGINT"}], "FILE:3: the run was interrupted"),
    ([run_line(schema=2), END], "FILE:1: schema 2; this cowbell reads schema 1"),
    ([run_line(schema=None), END], 'FILE:1: this is no result file: "schema" is missing'),
    ([run_line(verb=None), END],
     "FILE:1: these are results of `cowbell run`, not of `cowbell bench`"),
    ([CELL, END], 'FILE:1: the first line is no "run" line; this is no result file'),
    ([RUN, RUN, END], 'FILE:2: a second "run" line'),
    ([RUN, END, CELL], 'FILE:3: a line after the "end" line'),
    ([RUN, [7], END], 'FILE:2: this is no result line: "kind" is missing'),
    ([RUN, CELL, CELL, END],
     "FILE:3: block 0 of paths/clone[size=4K] time_ns for the second time"),
    ([RUN, bench_line(name=None), END], 'FILE:2: "name" must be a name of 512 bytes at most'),
    ([RUN, bench_line("x" * 600), END], 'FILE:2: "name" must be a name of 512 bytes at most'),
    ([RUN, bench_line(metric=None), END], 'FILE:2: "metric" is missing'),
    ([RUN, bench_line(samples=[]), END], 'FILE:2: "samples" must be 1 to 1000000 numbers'),
    ([RUN, bench_line(samples=[1, "2"]), END], "FILE:2: samples[1] is no number from 0 on"),
    ([RUN, bench_line(samples=[-1]), END], "FILE:2: samples[0] is no number from 0 on"),
    ([RUN, bench_line(block=None), END], 'FILE:2: "block" must be the number of the block'),
    ([RUN, bench_line(better="faster"), END], 'FILE:2: "better" must be "lower" or "higher"'),
], ids=lambda value: value.split(":", 2)[-1].strip() if isinstance(value, str) else "")
def test_unfit_files(tmp_path, lines, message):
    good = write_run(tmp_path / "good.json", "a")
    bad = write_lines(tmp_path / "bad.json", lines)
    for args in (good, bad), (bad, good):
        done = cowbell("compare", *args)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"cowbell compare: {message.replace('FILE', str(bad))}\n"


def test_files_that_are_no_lines_of_json(tmp_path):
    good = write_run(tmp_path / "good.json", "a")
    text = good.read_text()
    bad = tmp_path / "bad.json"
    for content, message in [(text[:-5], "the line is cut off"),
                             (text.replace('"kind"', "kind", 1), "no JSON at column"),
                             ("\x7fELF\n" + text, ":1: no JSON at column"),
                             (text.replace("3", "1e999", 1), "no JSON at column"),
                             (text.replace("4K]", "4K]\\u0000", 1), "no JSON at column")]:
        bad.write_text(content)
        done = cowbell("compare", good, bad)
        assert done.returncode == 2 and message in done.stderr, message
        assert done.stderr.count("\n") == 1 and done.stderr.startswith(f"cowbell compare: {bad}:")
    done = cowbell("compare", good, tmp_path / "none.json")
    assert done.returncode == 2 and "No such file" in done.stderr
    done = cowbell("compare", good, tmp_path)
    assert done.returncode == 2 and "Is a directory" in done.stderr


def test_partial_takes_what_there_is(tmp_path):
    whole = write_run(tmp_path / "whole.json", "a")
    part = tmp_path / "part.json"
    part.write_text(whole.read_text()[:-80])
    assert cowbell("compare", whole, part).returncode == 2
    assert cowbell("compare", "--partial", whole, part).returncode == 0


def test_nothing_in_common(tmp_path):
    a = write_run(tmp_path / "a.json", "a", names=["paths/a"])
    b = write_run(tmp_path / "b.json", "b", names=["paths/b"])
    done = cowbell("compare", a, b)
    assert done.returncode == 77 and done.stdout == ""
    assert done.stderr == f"cowbell compare: no metric is both in {a} and in {b}\n"


@pytest.mark.parametrize("args, message", [
    ([], "two files, or --a FILE... and --b FILE..."),
    (["x"], "two files, or"),
    (["x", "y", "z"], "two files, or"),
    (["--a", "x"], "two files, or"),
    (["--a", "--b", "x"], "--a needs a value"),
    (["--a", "x", "--a", "y"], "--a is given twice"),
    (["--threshold", "x", "a", "b"], "--threshold must be a number from 0 to 1000, not 'x'"),
    (["--threshold"], "--threshold needs a value"),
    (["--confidence", "100", "a", "b"], "--confidence must be a number from 50 to 99.9"),
    (["--seed", "1.5", "a", "b"], "--seed must be a whole number"),
    (["--nonsense", "a", "b"], "bad option '--nonsense'"),
    (["a", "--force", "b"], "'b' is apart from 'a'"),
])
def test_usage(args, message):
    done = cowbell("compare", *args)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1


def test_json_that_cannot_be_written(tmp_path):
    a = write_run(tmp_path / "a.json", "a")
    done = cowbell("compare", "--json", tmp_path / "no/where", a, a)
    assert done.returncode == 99 and "no/where: No such file" in done.stderr
    done = cowbell("compare", "--json", "/dev/full", a, a)
    assert done.returncode == 99 and "/dev/full: No space left" in done.stderr
