# SPDX-License-Identifier: GPL-2.0-only
"""A stand-in for QEMU: "boots" kernels whose image is JSON that says what the case shows there.

Anything may stand before the JSON, such as the header of a bzImage.

{"says": [...]}: what the console says first. {"boots": false}: nothing more. {"rounds": [[LINE,
...], ...]}: what the results of each round hold, the last one again and again; a LINE is what is
special about a result. {"panic": N}, {"stops": N}: what it does after N lines of results, of which
the first is that of the run, and the second announces the first point.
{"status": N}: the command's exit status.
{"hangs": true}: never ends. {"damage": TEXT}: what fsck says. {"prints": TEXT}: what the command
prints. {"torn": TEXT}: what follows the results.
"""

import json
import re
import shlex
import sys
import time

RUN = {"kind": "run", "schema": 1, "started": "2026-11-20T09:00:00Z", "command": ["cowbell", "run"],
       "dir": "/mnt", "filesystem": {"type": "xfs", "mount_options": "rw", "unit_bytes": 4096,
                                     "page_bytes": 4096},
       "machine": {"cpus": 2}, "jobs": 1, "points": 1, "needs": {}}


def option(words, name):
    return words[words.index(name) + 1]


def ports(words):
    """Console, standard output and standard error of the guest."""
    found = {}
    for word in words:
        match = re.fullmatch(r"file,id=(\w+),path=(.*)", word)
        if match:
            found[match[1]] = open(match[2], "wb", buffering=0)
    return found


def results(kernel, command):
    """The lines that the driver would write, each when it is asked for."""
    seed = 7
    repeat = int(option(command, "--repeat")) if "--repeat" in command else 1
    yield RUN | {"command": command[command.index("--") + 1:], "cowbell": kernel["cowbell"],
                 "kernel": {"release": kernel["release"], "version": "#1", "machine": "x86_64"},
                 "seed": seed, "repeat": repeat}
    counts = dict.fromkeys(("fail", "error", "miss", "xpass", "xfail", "pass", "done", "skip"), 0)
    end = {"kind": "end", "counts": counts, "wall_ns": 1}
    for number in range(1, repeat + 1):
        for line in kernel["rounds"][min(number, len(kernel["rounds"])) - 1]:
            line = {"kind": "case", "case": command[-1], "strength": "must", "verdict": "pass",
                    "seed": seed} | ({"round": number} if repeat > 1 else {}) | line
            if "--announce" in command and line["verdict"] != "skip":
                yield {key: line[key] for key in ("case", "strength", "seed", "round")
                       if key in line} | {"kind": "start", "repeat": "cowbell run"}
            counts[line["verdict"]] += 1
            yield line
            if line["verdict"] == "fail" and "--stop-on-fail" in command:
                yield end | {"stopped": line["case"]}
                return
    yield end


def main():
    words = sys.argv[1:]
    with open(option(words, "-kernel"), "rb") as file:
        image = file.read()
    kernel = json.loads(image[image.index(b"{"):])
    with open(option(words, "-initrd"), "rb") as file:
        archive = file.read().decode(errors="replace")
    token = re.search(r"\bTOKEN=(\S+)", archive)[1]
    command = shlex.split(re.search(r"\|\| exit 126\nexec (.*)", archive)[1])
    port = ports(words)
    for line in kernel.get("says", ["Linux"]):
        # what the guest's own init says has no time
        stamp = "" if line.startswith("cowbell: ") else "[    0.000000] "
        port["console"].write(f"{stamp}{line}\n".encode())
    if not kernel.get("boots", True):
        return
    for name in ("out", "err"):
        port[name].write(f"{token} ready\n".encode())
    port["out"].write(kernel.get("prints", "").encode())
    if "rounds" in kernel:
        with open(option(command, "--json"), "w", encoding="utf-8") as file:
            for number, line in enumerate((*results(kernel, command), None)):
                if number == kernel.get("panic", -1):
                    port["console"].write(b"[    1.000000] Kernel panic - not syncing: sysrq\n")
                    return
                if number == kernel.get("stops", -1):
                    return
                file.write(json.dumps(line) + "\n" if line else kernel.get("torn", ""))
                file.flush()
    if "damage" in kernel:
        with open(option(command, "--check-log"), "w", encoding="utf-8") as file:
            file.write(kernel["damage"])
    if kernel.get("hangs"):
        time.sleep(600)
    for name in ("out", "err"):
        port[name].write(f"{token} exit {kernel.get('status', 0)}\n".encode())


if __name__ == "__main__":
    main()
