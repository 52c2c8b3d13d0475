# SPDX-License-Identifier: GPL-2.0-only
"""What a driver could not write any more, since its guest had died: fail, miss, and an end."""

import json
from pathlib import Path
from typing import Sequence

from .driver import Point
from .kmsg import find_trip
from .results import VERDICTS, find_started, whole_lines

# As many lines of the kernel's log are kept with a case that its guest died in.
KMSG_LINES = 60


def complete_results(path: Path, points: Sequence[Point], why: str, kernel_log: Sequence[str],
                     wall_ns: int = 0) -> None:
    """Complete a result file: what was announced (--announce) is a fail, other points are a miss.

    Where the emulation has failed, what was announced is an error, as it is nobody else's fault.

    A file that has its end stays as it is, and so does one without its first line, which says
    nothing of where it is from.
    """
    data = path.read_bytes() if path.exists() else b""
    lines, length = whole_lines(data)
    if not lines or lines[-1]["kind"] == "end":
        return
    known = len(lines)
    seed = lines[0].get("seed", 0)
    trip = find_trip(kernel_log) if lines[0].get("vm") == "tcg" else ""
    verdict, why = ("error", f"the emulation failed: {trip}; {why}") if trip else ("fail", why)
    running = find_started(lines)
    names = [line["case"] for line in running]
    done = {line["case"] for line in lines if line["kind"] in ("case", "start")}
    for line in running:
        others = [name for name in names if name != line["case"]]
        also = f" (so did run {', '.join(others)})" if others else ""
        lines.append({**line, "kind": "case", "verdict": verdict, "reason": why + also,
                      "kmsg": list(kernel_log[:KMSG_LINES])})
        # Only announcements have it.
        lines[-1].pop("timeout_s", None)
    while_running = f" while {' and '.join(names)} ran" if names else ""
    lines += [{"kind": "case", "case": point.name, "strength": point.strength, "verdict": "miss",
               "reason": why + while_running, "seed": seed}
              for point in points if point.name not in done]
    counts = dict.fromkeys(VERDICTS, 0)
    for line in lines:
        if line["kind"] == "case":
            counts[line["verdict"]] += 1
    lines.append({"kind": "end", "counts": counts, "wall_ns": wall_ns, "aborted": why})
    # Who follows the file has read whole lines only.
    added = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines[known:])
    path.write_bytes(data[:length] + added.encode())
