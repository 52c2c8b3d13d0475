# SPDX-License-Identifier: GPL-2.0-only
"""Each rule of ci/tidy fires on a small bad tree and on nothing else; ci/deps, ci/check, make."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[1]
SPDX = "SPDX-License-Identifier: GPL-2.0-only"
C_SPDX = f"/* {SPDX} */\n"
PY_SPDX = f"# {SPDX}\n"

GOOD = {
    "harness/driver/model.c": C_SPDX + '#include <string.h>\n#include "model.h"\n\n'
                              "int model(void)\n{\n\treturn 0; /* never sleep(1) here */\n}\n",
    "harness/driver/main.c": C_SPDX + '#include <fcntl.h>\n\nint x(void)\n{\n'
                             '\treturn puts("strcpy(a, b)");\n}\n',
    "harness/driver/ops/check.c": C_SPDX + '#include "check.h"\n',
    "harness/driver/check/space.c": C_SPDX + '#include "model.h"\n',
    "reports/tap.c": C_SPDX + '#include <stdio.h>\n#include <jansson.h>\n#include "report.h"\n',
    "bench/wait.c": C_SPDX + "void wait(void)\n{\n\tnanosleep(&t, NULL);\n}\n",
    "ci/tool": "#!/bin/sh\n" + PY_SPDX + "echo build/work/x\n",
    "harness/runner/tool.py": PY_SPDX + "def short():\n    return 1\n",
    "harness/runner/__init__.py": "",
    "docs/page.md": "[good](page.md#there) [far](https://example.org/x)\n\n    [code](nowhere)\n",
    "cases/errno/one.json": "{}\n",
    "cases/errno/long.json": "{}\n",
    "cases/quirks/xfs.json": json.dumps([{"case": "errno/*", "reason": "known",
                                          "link": "https://lore.kernel.org/x"}]),
    "cases/invalid/bad.json": "not JSON",
    "cases/schema.json": "{}",
}
POINTS = {
    # By default, and for one path.
    "": [{"case": "errno/one[len=1]", "ops": ["clone"], "tags": []},
         {"case": "errno/one[len=2]", "ops": ["clone"], "tags": []}],
    "cases/errno/long.json": [{"case": "errno/long", "ops": ["write"], "tags": ["long"]}],
    "cases/errno/two.json": [{"case": "errno/two", "ops": [], "tags": ["quick"]}],
}
OPS = ("clone", "write")


def tidy(root):
    """What ci/tidy says about a tree, and its exit status."""
    run = subprocess.run([TOP / "ci/tidy", root], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    return run.stdout.splitlines(), run.returncode


def plant(root, files, ops=OPS):
    """Write a tree with a driver that knows these points and ops."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)
    script = ["#!/bin/sh", 'case "$2$3" in', "--ops)"]
    script += [f"echo '{op}: what it does'; echo '    fd: descriptor'" for op in ops]
    for path, points in POINTS.items():
        script += [";;", f'"--json{path}")', *(f"echo '{json.dumps(point)}'" for point in points)]
    driver = root / "build/cowbell"
    driver.parent.mkdir(exist_ok=True)
    driver.write_text("\n".join([*script, ";;", "*) exit 2 ;;", "esac"]) + "\n")
    driver.chmod(0o755)


def test_a_good_tree_is_tidy(tmp_path):
    plant(tmp_path, GOOD)
    assert tidy(tmp_path) == ([], 0)


FUNCTION = "int f(void)\n{\n" + "\tg();\n" * 69 + "}\n"

BAD = [
    ("long-c-function", "harness/driver/main.c", C_SPDX + FUNCTION,
     "harness/driver/main.c:3: function of 71 lines, at most 70"),
    ("long-python-function", "tests/x.py", PY_SPDX + "def f():\n" + "    g()\n" * 70,
     "tests/x.py:2: function of 71 lines, at most 70"),
    ("wide-line", "harness/driver/x.h", C_SPDX + "\t/* " + "x" * 90 + " */\n",
     "harness/driver/x.h:2: 104 columns, at most 100"),
    ("wide-python", "tests/x.py", PY_SPDX + "# " + "x" * 99 + "\n",
     "tests/x.py:2: 101 columns, at most 100"),
    ("no-licence", "harness/driver/x.c", "int x;\n",
     f"harness/driver/x.c:1: must be: /* {SPDX} */"),
    ("no-licence-in-script", "ci/x", "#!/bin/sh\necho\n", f"ci/x:2: must be: # {SPDX}"),
    ("no-licence-in-workflow", ".github/workflows/x.yml", "on: push\n",
     f".github/workflows/x.yml:1: must be: # {SPDX}"),
    ("impure-module", "harness/driver/stamp.c", C_SPDX + "#include <unistd.h>\n",
     "harness/driver/stamp.c:2: a pure module must not include <unistd.h>"),
    ("impure-part-of-module", "harness/driver/load_text.c", C_SPDX + "#include <sys/ioctl.h>\n",
     "harness/driver/load_text.c:2: a pure module must not include <sys/ioctl.h>"),
    ("impure-call", "harness/driver/emit.c",
     C_SPDX + '#include <stdio.h>\n\tf = fopen(path, "r");\n',
     "harness/driver/emit.c:3: a pure module must not call fopen()"),
    ("op-knows-oracle", "harness/driver/ops/x.c", C_SPDX + '#include "check.h"\n',
     "harness/driver/ops/x.c:2: what lies in harness/driver/ops/ must not include check.h"),
    ("op-knows-executor", "harness/driver/ops/x.c", C_SPDX + '#include "../exec.h"\n',
     "harness/driver/ops/x.c:2: what lies in harness/driver/ops/ must not include ../exec.h"),
    ("oracle-knows-op", "harness/driver/check/x.c", C_SPDX + '#include "ops/clone.h"\n',
     "harness/driver/check/x.c:2: what lies in harness/driver/check/ must not include ops/clone.h"),
    ("driver-knows-benchmark", "harness/driver/x.c", C_SPDX + '#include "suite.h"\n',
     "harness/driver/x.c:2: what lies in harness/driver/ must not include suite.h"),
    ("impure-statistics", "bench/series.c", C_SPDX + "#include <unistd.h>\n",
     "bench/series.c:2: a pure module must not include <unistd.h>"),
    ("report-knows-driver", "reports/x.c", C_SPDX + '#include "case.h"\n',
     "reports/x.c:2: a report includes report.h and libraries, not case.h"),
    ("report-knows-report", "reports/x.c", C_SPDX + '#include "tap.h"\n',
     "reports/x.c:2: a report includes report.h and libraries, not tap.h"),
    ("sleep", "harness/driver/x.c", C_SPDX + "\tsleep(1);\n",
     "harness/driver/x.c:2: sleep() is not for this project"),
    ("strcpy", "bench/x.c", C_SPDX + "\tstrcpy (a, b);\n",
     "bench/x.c:2: strcpy() is not for this project"),
    ("system-after-string", "reports/x.c", C_SPDX + '\tputs("\\""); system("ls");\n',
     "reports/x.c:2: system() is not for this project"),
    ("lost-case", "cases/errno/two.json", "{}\n",
     "cases/errno/two.json:1: is not collected by `cowbell list`"),
    ("quirk-without-reason", "cases/quirks/x.json", '[{"reason": " ", "link": "https://x.org/y"}]',
     "cases/quirks/x.json:1: quirk 0 has no reason"),
    ("quirk-without-link", "cases/quirks/x.json", '[{"reason": "because", "link": "somewhere"}]',
     "cases/quirks/x.json:1: quirk 0 has no link that a reader can follow"),
    ("broken-quirks", "cases/quirks/x.json", "\n{", "cases/quirks/x.json:2: no JSON: "),
    ("dead-link", "docs/x.md", "\nsee [it](gone.md)\n",
     "docs/x.md:2: links to gone.md, which is not there"),
    ("dead-picture", "docs/x.md", '<img src="gone.svg">\n',
     "docs/x.md:1: links to gone.svg, which is not there"),
    ("large-file", "docs/x.txt", "x\n" * 160000, "docs/x.txt:1: 320000 bytes, at most 307200"),
    ("machine-path", "docs/x.txt", "see /wo" "rk/tree\n",
     "docs/x.txt:1: /wo" "rk/ exists on one machine only"),
    ("machine-host", "docs/x.txt", "get http://" "mirror.corp/x\n",
     "docs/x.txt:1: http://" "mirror.corp exists on one machine only"),
]


@pytest.mark.parametrize("name, text, wanted", [row[1:] for row in BAD],
                         ids=[row[0] for row in BAD])
def test_a_bad_tree_is_not(tmp_path, name, text, wanted):
    plant(tmp_path, GOOD | {name: text})
    said, status = tidy(tmp_path)
    assert status == 1
    assert len(said) == 1 and said[0].startswith(wanted), said


def test_an_op_without_a_case_is_named(tmp_path):
    plant(tmp_path, GOOD, ops=OPS + ("dedupe",))
    assert tidy(tmp_path) == (["cases:1: no case uses the op dedupe"], 1)


def test_a_missing_driver_is_no_pass(tmp_path):
    plant(tmp_path, GOOD)
    (tmp_path / "build/cowbell").unlink()
    said, status = tidy(tmp_path)
    assert status == 1 and said[0].startswith("build/cowbell:1: cannot be asked: ")


@pytest.mark.parametrize("text, mode, wanted", [
    ("#!/bin/sh\n" + PY_SPDX, 0o644, "ci/x:1: begins with #!, but is not executable"),
    ("data\n", 0o755, "ci/x:1: is executable, but does not begin with #!"),
])
def test_mode_and_first_line_agree(tmp_path, text, mode, wanted):
    plant(tmp_path, GOOD | {"ci/x": text})
    (tmp_path / "ci/x").chmod(mode)
    assert tidy(tmp_path) == ([wanted], 1)


def test_git_decides_which_files_count(tmp_path):
    plant(tmp_path, GOOD | {"scratch.c": "no licence\n", ".gitignore": "scratch.c\n/build/\n"})
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert tidy(tmp_path) == ([], 0)
    (tmp_path / ".gitignore").write_text("/build/\n")
    assert tidy(tmp_path) == ([f"scratch.c:1: must be: /* {SPDX} */"], 1)


def fake_commands(folder, **scripts):
    """A PATH whose first folder holds these commands."""
    folder.mkdir()
    for name, script in scripts.items():
        path = folder / name.replace("_", "-")
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}


def deps(group, env):
    return subprocess.run([TOP / "ci/deps", group], env=env, capture_output=True, text=True,
                          check=False)


def test_deps_installs_what_is_missing_and_only_that(tmp_path):
    log = tmp_path / "log"
    env = fake_commands(tmp_path / "bin",
                        dpkg_query="printf 'gcc installed\\nmake installed\\n"
                                   "libc6-dev installed\\nliburing-dev config-files\\n'; exit 1",
                        id="echo 0", apt_get=f'echo "$@" >>{log}')
    run = deps("build", env)
    assert run.returncode == 0, run.stderr
    assert log.read_text().splitlines() == [
        "update -q", "install -y --no-install-recommends libjansson-dev liburing-dev"]


def test_deps_without_root_says_the_command(tmp_path):
    env = fake_commands(tmp_path / "bin", dpkg_query="echo gcc installed", id="echo 1000",
                        apt_get="exit 9")
    run = deps("build", env)
    assert run.returncode == 1
    assert run.stderr.endswith("sudo apt-get install -y --no-install-recommends "
                               "libc6-dev make libjansson-dev liburing-dev\n")


def test_deps_is_quiet_when_nothing_is_missing(tmp_path):
    env = fake_commands(tmp_path / "bin", id="echo 0", apt_get="exit 9",
                        dpkg_query='shift 3; for p; do echo "$p installed 9"; done')
    run = deps("test", env)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


# An apt that knows ksmbd-tools in a version of its own, and another one in the backports.
BACKPORTS = r"""
echo "$@" >>%s/log
case "$*" in
indextargets*) printf 'sid http://127.0.0.1/a/\n%s http://127.0.0.1/debian/\n' ;;
*download*) %s ;;
install*.deb) echo 3.5.2-2~bpo12+1 >%s/version ;;
esac"""


@pytest.mark.parametrize("download, version, said", [
    ("touch ksmbd-tools_3.5.2_amd64.deb", "3.5.2-2~bpo12+1", ""),
    ("exit 100", "3.4.7-1", "ci/deps: there is only ksmbd-tools 3.4.7-1 here; 3.5.2 is wanted\n"),
])
def test_deps_takes_what_is_too_old_from_the_backports(download, version, said, tmp_path):
    os_release = pathlib.Path("/etc/os-release").read_text().splitlines()
    suite = dict(line.partition("=")[::2] for line in os_release)["VERSION_CODENAME"]
    (tmp_path / "version").write_text("3.4.7-1\n")
    env = fake_commands(
        tmp_path / "bin", id="echo 0", apt_get=BACKPORTS % (tmp_path, suite, download, tmp_path),
        dpkg_query=f'case $3 in *Package*) ;; *) exec cat {tmp_path}/version ;; esac\nshift 3\n'
                   'for p; do case $p in ksmbd-tools) echo "$p installed 3.4.7-1";; '
                   '*) echo "$p installed 9";; esac; done')
    run = deps("vmfs", env)
    assert (run.returncode, run.stderr) == (0, said)
    log = (tmp_path / "log").read_text()
    assert "download ksmbd-tools\n" in log and (tmp_path / "version").read_text().strip() == version
    installed = [line.split()[-1] for line in log.splitlines() if line.startswith("install ")]
    assert [pathlib.Path(name).name for name in installed] == [
        "ksmbd-tools" if said else "ksmbd-tools_3.5.2_amd64.deb"]


def test_deps_refuses_an_unknown_group():
    assert deps("everything", os.environ).returncode == 2


@pytest.fixture(name="checks")
def small_checks(tmp_path):
    """ci/check with three checks of our own in place of the real ones."""
    (tmp_path / "ci").mkdir()
    text = (TOP / "ci/check").read_text()
    before, rest = text.split("\nstatic=(", 1)
    functions = ("check_good() { echo 7 passed in 1s; }\n"
                 "check_bad() { echo because; false; echo never; }\n"
                 "check_absent() { skip 'needs a moon'; }\n")
    text = before + "\nstatic=(" + rest.split("\n", 1)[1].replace("\n# Runs one", "\n" + functions
                                                                  + "# Runs one")
    text = text.replace("\nstatic=(", "\nstatic=(bad good)\n", 1)
    lines = ["serial=(absent)" if line.startswith("serial=(") else line
             for line in text.splitlines()]
    path = tmp_path / "ci/check"
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o755)
    return path


def test_check_counts_and_shows_what_failed(checks):
    run = subprocess.run([checks], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stdout.splitlines()[-2:] == ["1 skipped", "1 passed, 1 failed"]
    assert "    because\n    again: ci/check bad\n" in run.stdout
    assert "never" not in run.stdout
    assert any(line.split()[0] == "good" and line.endswith("7 passed in 1s")
               for line in run.stdout.splitlines())
    assert any(line.endswith("skipped: needs a moon") for line in run.stdout.splitlines())


def test_check_runs_one_by_name(checks):
    run = subprocess.run([checks, "good"], capture_output=True, text=True, check=False)
    assert run.returncode == 0
    assert run.stdout.splitlines()[-1] == "1 passed, 0 failed"


def test_check_knows_its_names(checks):
    run = subprocess.run([checks, "goood"], capture_output=True, text=True, check=False)
    assert run.returncode == 2 and "goood" in run.stderr


def test_the_workflow_runs_every_check():
    names = subprocess.run([TOP / "ci/check", "--list"], capture_output=True, text=True,
                           check=True).stdout.split()
    workflow = (TOP / ".github/workflows/ci.yml").read_text()
    listed = workflow.split("check: [", 1)[1].split("]", 1)[0].replace(",", " ").split()
    assert sorted(listed) == sorted(names)


@pytest.fixture(name="small_tree")
def small_buildable_tree(tmp_path):
    """The Makefile with a driver of two files."""
    for name in ("Makefile", "ci/deps"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(TOP / name, tmp_path / name)
    plant_c = {"harness/driver/main.c": '#include "word.h"\n#include <stdio.h>\n'
                                        "int main(void)\n{\n\tputs(WORD);\n\treturn 0;\n}\n",
               "harness/driver/word.h": '#define WORD "one"\n',
               "harness/driver/ops/other.c": "extern int unused;\nint unused;\n"}
    for name, text in plant_c.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(C_SPDX + text)
    return tmp_path


def make(tree, *arguments):
    env = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(["make", "-C", tree, *arguments], env=env, capture_output=True, text=True,
                          check=True).stdout


def test_make_rebuilds_what_changed_and_nothing_else(small_tree):
    def compiled(said):
        return [line.split()[1] for line in said.splitlines() if line.split()[:1] == ["CC"]]

    assert len(compiled(make(small_tree))) == 2
    assert compiled(make(small_tree)) == []
    header = small_tree / "harness/driver/word.h"
    header.write_text(C_SPDX + '#define WORD "two"\n')
    os.utime(header, (header.stat().st_atime, header.stat().st_mtime + 5))
    assert compiled(make(small_tree)) == ["harness/driver/main.c"]
    said = subprocess.check_output([small_tree / "build/cowbell"], text=True)
    assert said == "two\n"
    assert len(compiled(make(small_tree, "DEBUG=1"))) == 2
    make(small_tree, "clean")
    assert not (small_tree / "build").exists()


def test_make_run_only_shows_when_asked_to(small_tree):
    for name, script in (("ci/deps", "exit 0"),
                         ("harness/runner/cowbell-matrix", "echo ran >>matrix; exit 3"),
                         ("harness/runner/cowbell-fs", "echo ran >>fs; echo {} >results/x.jsonl"),
                         ("harness/runner/cowbell-report", "echo ran >>report")):
        (small_tree / name).parent.mkdir(exist_ok=True)
        (small_tree / name).write_text(f"#!/bin/sh\n{script}\n")
        (small_tree / name).chmod(0o755)
    said = make(small_tree, "-n", "run")
    for name in ("matrix", "fs", "report"):
        assert not (small_tree / name).exists()
    assert "harness/runner/cowbell-matrix" in said and "harness/runner/cowbell-fs" in said
    if os.geteuid() != 0:
        return
    with pytest.raises(subprocess.CalledProcessError) as failed:
        make(small_tree, "run")
    assert "Error 3" in failed.value.stderr
    # benchmarks and the report come although cases failed
    assert (small_tree / "fs").read_text() == "ran\n" * 4
    for name in ("matrix", "report"):
        assert (small_tree / name).read_text() == "ran\n"


def test_make_help_lists_every_public_target():
    said = make(TOP, "-s", "help")
    for target in ("all", "run", "test", "check", "check-fs", "unit", "lint", "fuzz", "schema",
                   "tidy", "format", "install", "uninstall", "clean", "help"):
        assert any(line.split()[:1] == [target] for line in said.splitlines()), target
