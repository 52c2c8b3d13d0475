# SPDX-License-Identifier: GPL-2.0-only
"""What `make verdicts` measures with: mutants that are only slower, by as much as they are told."""

import json
import os
import statistics
import subprocess

import pytest
from bench_files import COWBELL, TOP

LIBRARY = COWBELL.parent / "libcowbell-mutants.so"


def test_slow_mutants_are_not_listed():
    listed = subprocess.run(["true"], capture_output=True, text=True, check=True,
                            env={"LD_PRELOAD": str(LIBRARY), "COWBELL_MUTANT": "list"}).stdout
    assert "copy-range-" in listed and "slow-" not in listed


def test_slow_mutants_take_the_time_that_they_are_told(tmp_path):
    medians = []
    for percent in 0, 200:
        results = tmp_path / f"{percent}.json"
        run = subprocess.run([COWBELL, "bench", "--quiet", "--time", "1", "--dir", tmp_path,
                              "--json", results, TOP / "tests/verdicts/copy_file_range.json"],
                             capture_output=True, check=False,
                             env=os.environ | {"LD_PRELOAD": str(LIBRARY),
                                               "COWBELL_MUTANT": "slow-copy-range",
                                               "COWBELL_DELAY_PERCENT": str(percent)})
        if run.returncode == 77:
            pytest.skip("there is no copy_file_range here")
        assert run.returncode == 0, run.stderr
        lines = [json.loads(line) for line in results.read_text().splitlines()]
        assert lines[0]["mutant"] == "slow-copy-range"
        samples = [sample for line in lines if line.get("metric") == "time_ns"
                   for sample in line["samples"]]
        medians.append(statistics.median(samples))
    # three times, but that the machine does something else meanwhile
    assert 2 < medians[1] / medians[0] < 4.5
