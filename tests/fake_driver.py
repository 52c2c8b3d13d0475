#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A driver whose results are known beforehand: those of the file that FAKE_RESULTS names.

It speaks as much of the real one's command line as the runner uses. A result `sleep_s` comes that
much later; `exit` ends the driver there and then; `damage_at` zeroes 16 MiB of the filesystem's
image from that byte on.
"""

import json
import os
import sys
import time
from pathlib import Path

RUN = {"kind": "run", "schema": 1, "command": sys.argv, "seed": 7}


def option(name: str) -> str:
    """What follows an option of the command line."""
    return sys.argv[sys.argv.index(name) + 1]


def chosen(entries: list[dict]) -> list[dict]:
    """The results of the points that the command line names, or all."""
    return [entry for entry in entries if entry["case"] in sys.argv[2:]] or entries


def damage(image: Path, offset_bytes: int) -> None:
    """Zero 16 MiB of an image."""
    with image.open("r+b") as file:
        file.seek(offset_bytes)
        file.write(bytes(16 << 20))


def run(entries: list[dict]) -> int:
    """Print the results as the real driver does."""
    with Path(option("--json")).open("w") as out:
        print(json.dumps({**RUN, "dir": option("--dir")}), file=out, flush=True)
        for entry in chosen(entries):
            time.sleep(entry.pop("sleep_s", 0))
            if "exit" in entry:
                print("the fake driver gives up")
                return entry["exit"]
            if "damage_at" in entry:
                damage(Path(option("--dir")).parent / "image", entry.pop("damage_at"))
            entry.pop("tags", None)
            again = f"cowbell run --dir {option('--dir')} --dir2 {option('--dir2')} --seed 7"
            line = {"kind": "case", "seed": 7, "wall_ns": 2_000_000_000,
                    "repeat": f"{again} '{entry['case']}'", **entry}
            print(json.dumps(line), file=out, flush=True)
        print(json.dumps({"kind": "end", "wall_ns": 5_000_000_000}), file=out, flush=True)
    return int(any(entry.get("verdict") == "fail" for entry in chosen(entries)))


def main() -> int:
    """The command; its exit status."""
    entries = json.loads(Path(os.environ["FAKE_RESULTS"]).read_text())
    if sys.argv[1:3] == ["list", "--json"]:
        for entry in entries:
            print(json.dumps({"strength": "must", **entry}))
        return 0
    return run(entries)


sys.exit(main())
