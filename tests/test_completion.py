# SPDX-License-Identifier: GPL-2.0-only
"""Result files of guests that died: what is added to them."""

import json

import pytest

from cowbell.completion import KMSG_LINES, complete_results
from cowbell.driver import Point
from cowbell.results import read_results

OOPS = "Oops: int3: 0000 [#1] PREEMPT SMP NOPTI"


def completed(tmp_path, log, **run):
    """The cases of a file whose driver announced a/x and wrote no more, and has a/y left."""
    path = tmp_path / "results.jsonl"
    lines = [{"kind": "run", "schema": 1, "seed": 7, **run},
             {"kind": "start", "case": "a/x", "strength": "must", "seed": 7, "timeout_s": 60}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    complete_results(path, [Point("a/x", "must", ()), Point("a/y", "must", ())], "panic: oh", log)
    return {case["case"]: case for case in read_results(path).cases}


def test_what_ran_failed_and_the_rest_is_missing(tmp_path):
    cases = completed(tmp_path, ["BUG: oh"], vm="tcg")
    assert (cases["a/x"]["verdict"], cases["a/x"]["reason"]) == ("fail", "panic: oh")
    assert cases["a/x"]["kmsg"] == ["BUG: oh"] and "timeout_s" not in cases["a/x"]
    assert (cases["a/y"]["verdict"], cases["a/y"]["reason"]) == \
        ("miss", "panic: oh while a/x ran")


@pytest.mark.parametrize("run, verdict", [({"vm": "tcg"}, "error"), ({"vm": "kvm"}, "fail"),
                                          ({}, "fail")])
def test_where_the_emulation_failed_nobody_else_did(tmp_path, run, verdict):
    """However far down in the log; on a real CPU it would be the kernel's own fault."""
    cases = completed(tmp_path, [*["noise"] * KMSG_LINES, OOPS], **run)
    assert cases["a/x"]["verdict"] == verdict
    assert (OOPS in cases["a/x"]["reason"]) == (verdict == "error")
    assert len(cases["a/x"]["kmsg"]) == KMSG_LINES
