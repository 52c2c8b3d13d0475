# SPDX-License-Identifier: GPL-2.0-only
"""cowbell bench: each experiment in a tiny form, bad input, interruption, true answers."""

import json
import math
import os
import shutil
import signal
import statistics
import subprocess
import time
from pathlib import Path

import pytest

jsonschema = pytest.importorskip("jsonschema")

TOP = Path(__file__).resolve().parent.parent
DRIVER = Path(os.environ.get("COWBELL", TOP / "build" / "cowbell"))
MUTANTS = TOP / "build" / "libcowbell-mutants.so"
FS = TOP / "harness" / "runner" / "cowbell-fs"
SCHEMA = jsonschema.Draft202012Validator(json.loads((TOP / "reports" / "schema.json").read_text()))

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
pytestmark = pytest.mark.skipif(not DRIVER.exists(), reason="build/cowbell is not built")

TINY = {
    "copy": [
        {"experiment": "copy",
         "methods": ["empty", "getppid", "clone", "clone-bare", "copy_file_range", "sendfile",
                     "splice-64K", "rw-4K", "direct-1M", "mmap-both", "uring",
                     "uring-direct-registered", "dedupe", "cp"],
         "factors": {"size": ["4K", "300K"]}, "samples": 2},
        {"experiment": "copy", "methods": ["clone", "rw-256K"], "samples": 2,
         "factors": {"size": "256K", "durable": ["fsync", "syncfs"], "dirty": "64K",
                     "destination": ["existing"], "cache": "cold", "open": "inside"}},
        {"experiment": "copy", "methods": ["clone"], "samples": 2, "derive": "slope",
         "factors": {"size": "1M", "extents": [1, 8, 32]}},
    ],
    "cow": [{"experiment": "cow", "methods": ["clone", "rw-1M"], "samples": 4,
             "factors": {"size": "256K", "pass": ["first", "second"]}},
            {"experiment": "cow", "methods": ["clone", "rw-1M"], "samples": 20,
             "factors": {"size": "256K", "chattr": ["nocow"], "pass": ["first", "second"]}}],
    "dedupe": [{"experiment": "dedupe", "methods": ["dedupe"], "samples": 8,
                "factors": {"size": "512K", "chunk": "64K", "match": [0, 50, 100],
                            "destinations": [1, 2]}}],
    "scaling": [{"experiment": "scaling", "methods": ["clone", "rw-256K", "uring"], "samples": 3,
                 "factors": {"size": "64K", "cloners": [1, 3], "sources": ["same", "own"]},
                 "derive": "scaling"},
                {"experiment": "scaling", "methods": ["clone", "rw-256K"], "samples": 3,
                 "factors": {"size": "64K", "cloners": [1, 3], "open": "inside",
                             "folders": ["same", "own"]}, "derive": "scaling"}],
    "interference": [{"experiment": "interference", "samples": 20,
                      "methods": ["empty", "clone", "rw-1M", "dedupe"],
                      "factors": {"size": "256K", "foreground": ["read", "write"],
                                  "on": ["other", "source"]}}],
    "aftermath": [{"experiment": "aftermath", "methods": ["clone", "rw-1M"], "samples": 10,
                   "factors": {"size": "1M", "io": ["randwrite", "read"]}},
                  {"experiment": "aftermath", "methods": ["clone", "rw-1M"], "samples": 10,
                   "factors": {"size": "1M", "chattr": ["nocow"], "io": ["randwrite", "read"]}}],
}


def suite(folder, name, parts, **more):
    """Write a suite file; its path."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"measures": "a test", "why": ["test"], "blocks": 2, "time_s": 120,
                                "parts": parts} | more))
    return path


def bench(*words, check=None, wrap=()):
    """Run the verb; what came of it."""
    done = subprocess.run([*map(str, wrap), str(DRIVER), "bench", *map(str, words)],
                          capture_output=True, text=True, timeout=300, check=False)
    if check is not None:
        assert done.returncode == check, done.stderr + done.stdout
    return done


def read(path):
    """The lines of a result file, each of which obeys the schema."""
    lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
    for line in lines:
        SCHEMA.validate(line)
    assert lines[0]["kind"] == "run" and lines[0]["verb"] == "bench"
    assert lines[-1]["kind"] == "end"
    return lines


def measured(lines):
    """Result lines by name and metric, those of all blocks in a list."""
    found = {}
    for line in lines:
        if line["kind"] == "bench" and "verdict" not in line:
            found.setdefault((line["name"], line["metric"]), []).append(line)
    return found


def on_fs(tmp_path, fs, parts, *words, check=0, env=()):
    """Measure parts on a filesystem made for it; the lines."""
    path, out = suite(tmp_path, "t", parts), tmp_path / "out.jsonl"
    wrap = (FS, fs, "--size", "1G", "--", "env", *env)
    bench("--dir", "{dir}", "--quiet", "--json", out, "--seed", 1, *words, path, check=check,
          wrap=wrap)
    return read(out)


@pytest.mark.parametrize("name", TINY)
def test_each_experiment_runs_here(tmp_path, name):
    """In memory or on what the checkout lies on: measured, or skipped for a reason."""
    folder = tmp_path / "dir"
    folder.mkdir()
    out = tmp_path / "out.jsonl"
    bench("--dir", folder, "--quiet", "--json", out, suite(tmp_path, "t", TINY[name]))
    lines = read(out)
    cells = {line["name"] for line in lines if line["kind"] == "bench"}
    assert lines[-1]["cells"] == len(cells) == lines[0]["points"]
    assert list(folder.iterdir()) == []


@needs_root
@pytest.mark.parametrize("fs", ["xfs", "btrfs"])
@pytest.mark.parametrize("name", TINY)
def test_each_experiment_measures(tmp_path, fs, name):
    """Where data can be shared nothing is skipped, and what is said of each copy is true."""
    lines = on_fs(tmp_path, fs, TINY[name])
    skipped = {line["reason"] for line in lines if line.get("verdict") == "skip"}
    assert skipped <= {"fio is not installed"} | (
        {"chattr +C: Operation not supported"} if fs == "xfs" else set())
    for (_, metric), blocks in measured(lines).items():
        assert len(blocks) == 2 and [one["block"] for one in blocks] == [0, 1]
        for one in blocks:
            assert one["samples"] and min(one["samples"]) > 0 or metric != "time_ns" \
                or one["method"] == "empty"
            assert one["observed"].get("verified", True) is True
    if name == "copy":
        mechanisms_are_true(lines)
        fit_is_true(lines)
    for line in lines:
        if line.get("metric") == "efficiency_ratio" and "cloners=1" in line["name"]:
            assert line["value"] == 1
        if line["kind"] == "derived":
            higher = line["metric"].endswith(("_per_s", "_ratio"))
            assert line["better"] == ("higher" if higher else "lower")
            own = line["metric"] == "slope_ns_per_extent"
            assert line["role"] == ("measure" if own else "summary")


@pytest.mark.parametrize("folders", ["same", "own"])
def test_cloners_have_folders_of_their_own(tmp_path, folders):
    """What each thread made lies in its folder, or all in one, until the block ends."""
    folder = tmp_path / "dir"
    folder.mkdir()
    path = suite(tmp_path, "t", [{"experiment": "scaling", "methods": ["rw-256K"], "samples": 2,
                                  "factors": {"size": "4K", "cloners": 3, "open": "inside",
                                              "folders": folders}}], blocks=9999, time_s=60)
    child = subprocess.Popen([DRIVER, "bench", "--dir", folder, "--json", "/dev/null", "--quiet",
                              path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wanted = {f"folder-{i}" for i in range(3)} if folders == "own" else {""}
    seen, deadline = set(), time.monotonic() + 30
    while time.monotonic() < deadline and not wanted <= seen:
        # what is walked through is made and removed at the same time, and os.walk knows
        for at, _, names in os.walk(folder):
            if any(name.startswith("copy-") for name in names):
                seen.add("/".join(Path(at).relative_to(folder).parts[1:]))
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=30) == 130
    assert seen == wanted
    assert list(folder.iterdir()) == []


def fit_is_true(lines):
    """Slope and intercept are those of Theil and Sen's line through the blocks."""
    told = {line["metric"]: line for line in lines if line["kind"] == "derived"
            and line["name"] == "t/clone"}
    points = [(one["observed"]["source_extents"], int(statistics.median(one["samples"])))
              for blocks in measured(lines).values() for one in blocks
              if one["factors"]["extents"]]
    slope = statistics.median((b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(points)
                              for b in points[i + 1:] if a[0] != b[0])
    wanted = {"slope_ns_per_extent": slope,
              "intercept_ns": statistics.median(y - slope * x for x, y in points)}
    for metric, value in wanted.items():
        line = told[metric]
        assert math.isclose(line["value"], value, rel_tol=1e-9, abs_tol=1e-6)
        assert line["low"] <= line["value"] <= line["high"] and line["n"] == len(points) == 6


def mechanisms_are_true(lines):
    """Clones and dedupes share all, reads and writes nothing, by whatever name they are called."""
    for (name, _), blocks in measured(lines).items():
        for one in blocks:
            method, seen, size = one["method"], one["observed"], one["factors"]["size"]
            if method.startswith("clone") or method in ("dedupe", "copy_file_range"):
                assert seen["mechanism"] == "shared", name
                assert seen["copied_bytes"] == 0, name
                if not one["factors"]["extents"]:
                    assert seen["shared_bytes"] >= size, name
            elif one["role"] in ("measure", "outside"):
                assert seen["mechanism"] == "copied", name
                assert seen["shared_bytes"] == 0, name
    extents = {one["factors"]["extents"]: one["observed"]["source_extents"]
               for blocks in measured(lines).values() for one in blocks
               if one["factors"].get("extents")}
    assert extents[1] <= extents[8] <= extents[32] and extents[32] >= 32


@needs_root
def test_dedupe_counts(tmp_path):
    """As many chunks as were asked for are equal, and as many bytes are shared."""
    found = measured(on_fs(tmp_path, "xfs", TINY["dedupe"]))
    for match, equal in ((0, 0), (50, 4), (100, 8)):
        for to in (1, 2):
            seen = found[f"t/dedupe[match={match},destinations={to}]", "time_ns"][0]["observed"]
            assert seen["deduped_bytes"] == equal * to * 65536
            assert seen["differs"] == (8 - equal) * to
            assert seen["shared_bytes"] == equal * 65536


@needs_root
def test_nocow_is_written_in_place(tmp_path):
    """Of a file with chattr +C, btrfs writes elsewhere only what is shared."""
    both = [{"experiment": "cow", "methods": ["clone", "rw-1M"], "samples": 20,
             "factors": {"size": "256K", "chattr": ["none", "nocow"]}}]
    found = measured(on_fs(tmp_path, "btrfs", both))
    seen = {key: found[f"t/{method}[chattr={attribute}]", "time_ns"][0]["observed"]
            for key in ("clone none", "clone nocow", "rw-1M none", "rw-1M nocow")
            for method, attribute in [key.split()]}
    assert found["t/clone[chattr=nocow]", "time_ns"][0]["factors"]["chattr"] == "nocow"
    # of 64 blocks 20 were written: to new places, or not
    assert seen["clone none"]["copied_bytes"] == seen["clone nocow"]["copied_bytes"] == 20 * 4096
    assert seen["rw-1M none"]["extents"] > 10 > seen["rw-1M nocow"]["extents"]


@needs_root
@pytest.mark.parametrize("fs", ["xfs", "ext4", "tmpfs"])
def test_nocow_is_skipped_elsewhere(tmp_path, fs):
    """Not measured under a wrong name where there is no such attribute."""
    parts = [{"experiment": "cow", "methods": ["rw-1M"], "samples": 2,
              "factors": {"size": "256K", "chattr": "nocow"}}]
    lines = on_fs(tmp_path, fs, parts, check=77)
    reasons = [line["reason"] for line in lines if line.get("verdict") == "skip"]
    assert reasons == ["chattr +C: Operation not supported"]


@needs_root
@pytest.mark.parametrize("fs", ["ext4", "tmpfs", "overlay"])
@pytest.mark.parametrize("name", TINY)
def test_each_experiment_elsewhere(tmp_path, fs, name):
    """Where data cannot be shared clones are skipped, with the errno, and copies are measured."""
    lines = on_fs(tmp_path, fs, TINY[name], check=None)
    for line in lines:
        if line.get("verdict") == "skip":
            assert line["reason"]
            if line["method"] == "clone" and fs in ("ext4", "tmpfs") and name != "aftermath":
                assert "EOPNOTSUPP" in line["reason"] or "ENOTTY" in line["reason"]
    names = {one["method"] for blocks in measured(lines).values() for one in blocks}
    assert name == "dedupe" or "rw-1M" in names or "rw-4K" in names or "rw-256K" in names \
        or name == "aftermath"


@needs_root
def test_wrong_copy_is_found(tmp_path):
    """A kernel whose clone drops the last block: exit 1, and the line says so."""
    parts = [{"experiment": "copy", "methods": ["clone", "rw-4K"], "samples": 2,
              "factors": {"size": "64K"}}]
    env = ("COWBELL_MUTANT=clone-drops-last-block", f"LD_PRELOAD={MUTANTS}")
    lines = on_fs(tmp_path, "xfs", parts, check=1, env=env)
    for (name, _), blocks in measured(lines).items():
        wrong = name == "t/clone"
        assert all(("content-differs" in one["flags"]) == wrong for one in blocks)
        assert all(one["observed"]["verified"] != wrong for one in blocks)


def test_the_background_runs_at_least_once(tmp_path):
    """A foreground that is done at once: what is verified after was copied nevertheless."""
    out = tmp_path / "out.jsonl"
    parts = [{"experiment": "interference", "methods": ["rw-4K", "rw-1M"], "samples": 1,
              "factors": {"size": "64K", "rate": 100000}}]
    bench("--dir", tmp_path, "--quiet", "--json", out, suite(tmp_path, "t", parts, blocks=10),
          check=0)
    for blocks in measured(read(out)).values():
        assert all(one["observed"]["background_calls"] >= 1 for one in blocks)


@needs_root
@pytest.mark.parametrize("wrap, source", [
    ((), "schedstat"),
    # where no kernel thread can be seen
    (("unshare", "--pid", "--fork", "--mount-proc"), "stat"),
])
def test_time_of_kernel_threads(tmp_path, wrap, source):
    """Writing back through a loop device keeps kworkers busy; whose time it is is recorded."""
    parts = [{"experiment": "copy", "methods": ["rw-256K"], "samples": 3,
              "factors": {"size": "32M", "durable": "fsync"}}]
    lines = on_fs(tmp_path, "xfs", parts, env=wrap)
    assert lines[0]["environment"]["kernel_thread_time"] == source
    seen = [one["observed"] for one in measured(lines)["t/rw-256K", "time_ns"]]
    times = [one["kernel_thread_ns"] for one in seen]
    assert max(times) > 1000000
    # not more than two seconds of each CPU for what takes a tenth
    assert max(times) < 2e9 * os.cpu_count()


def test_seed_repeats_the_order(tmp_path):
    """The same seed measures in the same order, another one in another."""
    parts = [{"experiment": "copy", "methods": ["empty", "rw-4K", "rw-1M"], "samples": 1,
              "factors": {"size": ["1K", "2K", "4K", "8K"]}}]
    orders = []
    for seed in (1, 1, 2):
        out = tmp_path / "out.jsonl"
        bench("--dir", tmp_path, "--quiet", "--seed", seed, "--json", out,
              suite(tmp_path, "t", parts), check=0)
        lines = [line for line in read(out) if line["kind"] == "bench"]
        orders.append([line["name"] for line in sorted(lines,
                                                       key=lambda l: (l["block"], l["order"]))])
    assert orders[0] == orders[1] != orders[2]
    half = len(orders[0]) // 2
    assert sorted(orders[0][:half]) == sorted(orders[0][half:])


def test_too_large_is_skipped_with_bytes(tmp_path):
    """What does not fit says how much it needs; nothing else: 77."""
    parts = [{"experiment": "copy", "methods": ["rw-1M"], "factors": {"size": "512T"}}]
    out = tmp_path / "out.jsonl"
    bench("--dir", tmp_path, "--quiet", "--json", out, suite(tmp_path, "t", parts), check=77)
    lines = read(out)
    assert lines[-1]["skipped"] == lines[-1]["cells"] == 1
    reason = next(line for line in lines if line.get("verdict"))["reason"]
    words = reason.split()
    assert words[0] == "needs" and int(words[1]) > 512 << 40 and "free, has" in reason


@pytest.mark.parametrize("words, message", [
    ([], "--dir is missing"),
    (["--dir"], "--dir needs a value"),
    (["--nope"], "bad option '--nope'"),
    (["--dir", ".", "--time", "0"], "--time must be a number from 1"),
    (["--dir", ".", "--seed", "x"], "--seed must be a number"),
    (["--dir", ".", "nope"], "no suite 'nope'"),
    (["--dir", ".", "quick", "quick"], "is named twice"),
    (["--dir", ".", "./nowhere.json"], "./nowhere.json: No such file"),
    (["--dir", "/nowhere", "quick"], "/nowhere: cannot be opened"),
    (["--dir", "/proc", "quick"], "/proc: cannot make a folder in it"),
])
def test_bad_command_line(words, message):
    """One clear line, exit code 2."""
    done = bench(*words, check=2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""


@pytest.mark.parametrize("text, message", [
    ("", "t.json:1:0: "),
    ("{", "t.json:1:1: "),
    ('{"measures": "a", "measures": "b"}', "duplicate object key"),
    ('{"measures": "a", "why": ["b"], "parts": [{"experiment": "copy", "methods": ["clon"]}]}',
     'parts[0].methods[0]: unknown method "clon" (did you mean "clone"?)'),
    ('{"measures": "a", "why": ["b"], "parts": [{"experiment": "copy", "methods": ["clone"], '
     '"factors": {"colour": 1}}]}', 'parts[0].factors: unknown factor "colour"'),
])
def test_bad_suite(tmp_path, text, message):
    """File and place, and nothing is begun."""
    path = tmp_path / "t.json"
    path.write_text(text)
    out = tmp_path / "out.jsonl"
    done = bench("--dir", tmp_path, "--json", out, path, check=2)
    assert str(path) in done.stderr and message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not out.exists()


@needs_root
def test_read_only_and_full(tmp_path):
    """A filesystem that takes nothing: a clear line, or every cell skipped for want of room."""
    parts = [{"experiment": "copy", "methods": ["rw-4K"], "factors": {"size": "1M"}}]
    path = suite(tmp_path, "t", parts)
    run = f"{DRIVER} bench --quiet --json - --dir $COWBELL_DIR {path}"
    for prepare, status, text in (("mount -o remount,ro $COWBELL_DIR", 2, "Read-only file system"),
                                  ("fallocate -l 50M $COWBELL_DIR/big; true", 77, "bytes free")):
        done = subprocess.run([FS, "tmpfs", "--size", "64M", "--", "sh", "-c", f"{prepare}; {run}"],
                              capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr + done.stdout
        assert text in done.stderr + done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("method", ["rw-4K", "cp"])
def test_interruption_leaves_nothing(tmp_path, number, method):
    """Told to end amid a block: an end line that says so, no folder, no process."""
    folder, out = tmp_path / "dir", tmp_path / "out.jsonl"
    folder.mkdir()
    path = suite(tmp_path, "t", [{"experiment": "copy", "methods": [method, "empty"],
                                  "factors": {"size": "8K"}, "samples": 500}],
                 blocks=9999, time_s=60)
    child = subprocess.Popen([DRIVER, "bench", "--dir", folder, "--json", out, "--quiet", path],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (not out.exists() or out.read_text().count("\n") < 4):
        time.sleep(0.01)
    child.send_signal(number)
    assert child.wait(timeout=30) == 128 + number
    assert read(out)[-1]["interrupted"] == number.name
    assert list(folder.iterdir()) == []
    command = f"bench\0--dir\0{folder}".encode()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert command not in entry.read_bytes()
        except OSError:
            pass


def test_list_and_shipped_suites():
    """Every suite of the checkout loads."""
    done = bench("--list", check=0)
    for path in (TOP / "bench" / "suites").glob("*.json"):
        assert f"\n  {path.stem} " in done.stdout


def test_without_fio(tmp_path):
    """A program that is missing is a reason to skip, not to fail."""
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("true", "cp"):
        (bare / name).symlink_to(shutil.which(name))
    out = tmp_path / "out.jsonl"
    parts = [{"experiment": "copy", "methods": ["fio", "dd-1M", "cp"], "samples": 1}]
    done = subprocess.run([DRIVER, "bench", "--dir", tmp_path, "--quiet", "--json", out,
                           suite(tmp_path, "t", parts)], env={"PATH": str(bare)}, check=False,
                          stdout=subprocess.DEVNULL)
    assert done.returncode == 0
    reasons = {line["method"]: line["reason"] for line in read(out) if line.get("verdict")}
    assert reasons == {"fio": "fio is not installed", "dd-1M": "dd is not installed"}
