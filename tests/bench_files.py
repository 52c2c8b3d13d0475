# SPDX-License-Identifier: GPL-2.0-only
"""Result files as `cowbell bench` writes them, for tests of what reads them.

The numbers are made up from a seed: a median, what a run adds, and what a sample adds.
"""

import json
import math
import os
import random
import subprocess
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / os.environ.get("COWBELL_BUILD", "build")
COWBELL = Path(os.environ.get("COWBELL", BUILD / "cowbell")).absolute()


def run_line(start=0, **changes):
    """A first line; start is in seconds, changes replace or add keys, None takes one away."""
    line = {
        "kind": "run", "schema": 1, "cowbell": "0.1.0+abc", "verb": "bench",
        "started": f"2026-11-20T{start // 3600:02}:{start // 60 % 60:02}:{start % 60:02}Z",
        "command": ["cowbell", "bench"], "dir": "/mnt/x",
        "kernel": {"release": "6.18.44", "version": "#1 SMP PREEMPT_DYNAMIC", "machine": "x86_64"},
        "filesystem": {"type": "xfs", "mount_options": "rw", "unit_bytes": 4096,
                       "page_bytes": 4096},
        "machine": {"cpus": 2, "memory_bytes": 8 << 30, "clock": "tsc", "governor": "performance"},
        "seed": 1, "environment": {},
    } | changes
    return {key: value for key, value in line.items() if value is not None}


def bench_line(name="paths/clone[size=4K]", **changes):
    """One block of one metric; None takes a key away."""
    line = {"kind": "bench", "suite": "paths", "name": name, "method": "clone",
            "role": "measure", "factors": {"size": 4096}, "metric": "time_ns", "better": "lower",
            "block": 0, "order": 0, "samples": [100, 101, 99], "work_bytes": 4096,
            "observed": {"mechanism": "shared"}} | changes
    return {key: value for key, value in line.items() if value is not None}


END = {"kind": "end", "cells": 1, "skipped": 0, "wall_ns": 1}


def write_lines(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def write_run(path, seed, median=10000, run_noise=0.01, start=0, names=("paths/clone[size=4K]",),
              blocks=3, run=None, reference=None, **changes):
    """A whole file of some blocks; noise of samples is 3%. With a reference row, if its median is
    given."""
    rng = random.Random(seed)
    lines = [run_line(start, **(run or {}))]
    for name in names:
        middle = median * math.exp(rng.gauss(0, run_noise))
        for block in range(blocks):
            samples = [int(middle * math.exp(rng.gauss(0, 0.03))) for _ in range(15)]
            lines.append(bench_line(name, block=block, samples=samples, **changes))
    for block in range(blocks if reference else 0):
        samples = [int(reference * math.exp(rng.gauss(0, 0.02))) for _ in range(15)]
        lines.append(bench_line("paths/getppid", role="reference", block=block, samples=samples,
                                observed=None))
    return write_lines(path, [*lines, END])


def write_side(folder, letter, count, median=10000, first=0, step=20, **changes):
    """Several runs, step seconds apart."""
    return [write_run(folder / f"{letter}{i}.json", f"{letter}{i}", median,
                      start=first + i * step, **changes) for i in range(count)]


def cowbell(*args, cwd=None, **more):
    return subprocess.run([COWBELL, *map(str, args)], cwd=cwd, capture_output=True, text=True,
                          check=False, **more)
