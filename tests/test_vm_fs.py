# SPDX-License-Identifier: GPL-2.0-only
"""Filesystems that need another kernel come up in a guest, do what they are for, and go."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from cowbell import fs, kernels, vm
from cowbell.tools import find_tool

RUNNER = Path(fs.SCRIPT).parent
# Much more than it takes: emulated guests share the machine with whatever else runs.
SECONDS = 500
CACHED = [kernel for kernel, _ in kernels.cached().values() if kernel.release.startswith("6.12.")]
NAMES = ("ocfs2", "nfs")

pytestmark = pytest.mark.skipif(
    not (CACHED and find_tool(vm.QEMU) and find_tool("busybox") and os.geteuid() == 0),
    reason="needs root, QEMU, busybox and: cowbell kernel get 6.12")

# What a run on each does, and what there is afterwards; one line of JSON.
GUEST = r"""
import json, subprocess, sys
from pathlib import Path

SCRIPT = '''
set -e
dd if=/dev/urandom of={dir}/a bs=64k count=4 conv=fsync status=none
cp --reflink=always {dir}/a {dir}/b
cmp {dir}/a {view}/b
eval "$COWBELL_REMOUNT"
cmp {dir}/b {view}/a
if [ "$COWBELL_CRASH_SERVER" ]
then
    cp --reflink=always {dir}/a {dir}/c
    eval "$COWBELL_CRASH_SERVER"
    cmp {dir}/a {view}/c
fi
stat -f -c "type %T" {dir}
echo "mounts $(grep -c " {dir} \\| {view} " /proc/self/mountinfo)"
exit 7
'''
def left():
    loops = [path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    names = [path.read_text().strip() for path in Path("/proc").glob("[0-9]*/comm")]
    mounts = Path("/proc/mounts").read_text()
    return {"loops": loops, "mounts": mounts.count("run-"),
            "servers": [name for name in names if name in ("nfsd", "rpc.mountd")]}

for name in sys.argv[2:]:
    done = subprocess.run([sys.argv[1], name, "--view", "--", "sh", "-c", SCRIPT],
                          capture_output=True, text=True)
    print(json.dumps({"name": name, "status": done.returncode, "out": done.stdout,
                      "err": done.stderr, "left": left()}), flush=True)
"""


@pytest.fixture(name="said", scope="module")
def fixture_said(tmp_path_factory):
    """What a guest said of each filesystem: one guest for all of them, since it takes a while."""
    script = tmp_path_factory.mktemp("guest") / "guest.py"
    script.write_text(GUEST)
    done = subprocess.run(
        [RUNNER / "cowbell-vm", "--kernel", CACHED[-1].release, "--timeout", str(SECONDS), "--",
         "/usr/bin/python3", script, fs.SCRIPT, *NAMES],
        capture_output=True, text=True, check=False, timeout=SECONDS + 120)
    assert done.returncode == 0, done.stderr
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["name"]: line for line in said}


@pytest.fixture(name="run", params=NAMES)
def fixture_run(request, said):
    """What the guest said of one of them, if this machine has what it takes."""
    run = said[request.param]
    if run["status"] == 77:
        assert re.fullmatch(r"cowbell fs: \w+: .* not installed\n", run["err"])
        pytest.skip(run["err"].strip())
    return run


def test_shares_blocks_and_is_seen_through_both_mounts(run):
    kind = {"ocfs2": "ocfs2", "nfs": "nfs"}[run["name"]]
    assert (run["out"].splitlines(), run["err"], run["status"]) == (
        [f"type {kind}", "mounts 2"], "", 7)


def test_nothing_is_left(run):
    assert run["left"] == {"loops": [], "mounts": 0, "servers": []}
