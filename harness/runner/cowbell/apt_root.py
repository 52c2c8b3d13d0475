# SPDX-License-Identifier: GPL-2.0-only
"""A root of its own for apt: the package lists of any suite of Debian, and the packages in them.

Nothing of the machine's apt is changed, and no root is needed. What is taken from its
configuration, each time anew, is the mirror, the keyring, and how it is reached (proxy, passwords).
apt itself verifies the signature of the lists, and each package by the hash that they name.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, Sequence

from . import kernel
from .command import endings_held
from .tools import TOOL_PATH, RunnerError, Unsupported, find_tool, last_line

ARCHITECTURE = "amd64"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
APT_HELPER = "/usr/lib/apt/apt-helper"
APT_SECONDS = 900

# What apt reads of its folders sources.list.d.
SOURCE_FILE = re.compile(r"[\w.-]+\.(list|sources)")
# The archive "debian", also a snapshot of it, or a list of mirrors of it (mirror+file:).
ARCHIVE = re.compile(r"/debian(/\d{8}T\d{6}Z)?(\.list)?/*$")
SECURITY_SUITE = re.compile(r"(-security|/updates)$")


@dataclass(frozen=True)
class Source:
    """Where the machine gets packages from: one suite at one address."""

    uri: str
    suite: str
    components: tuple[str, ...]
    # Keyring, fingerprints or a whole key, as apt takes them; empty if the source names none.
    signed_by: str = ""


@dataclass(frozen=True)
class Package:
    """One package of one suite, as the suite's signed list describes it."""

    name: str
    version: str
    suite: str
    uri: str
    sha256: str
    size_bytes: int
    # What it takes once unpacked.
    unpacked_bytes: int
    depends: str


class ProgramFailed(RunnerError):
    """A program ran to its end, and its exit status says that it failed."""


def end_group(child: subprocess.Popen[bytes] | None) -> None:
    """Kill a program and all that it started, and see them gone."""
    if child:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        # Ends only when no one has the pipe open any more.
        child.communicate()


def run_to_end(command: Sequence[str | Path], seconds: float = APT_SECONDS,
               **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run a program with `more` in its environment; output and errors are its .stdout.

    It and all that it started is dead when this returns, or is interrupted. Raises RunnerError if
    it cannot be started or takes longer than `seconds`.
    """
    path = find_tool(str(command[0]))
    if path is None:
        raise Unsupported(f"{command[0]} is not installed")
    parent, child = os.getpid(), None

    def prepare() -> None:
        kernel.die_with_parent(parent, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        with endings_held() as before:
            child = subprocess.Popen(
                (path, *command[1:]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=prepare,
                env={**os.environ, "PATH": TOOL_PATH, "LC_ALL": "C", **more})
        output, _ = child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        end_group(child)
        raise RunnerError(f"{command[0]} did not end within {seconds} s") from None
    except BaseException:
        end_group(child)
        raise
    return subprocess.CompletedProcess(command, child.returncode, output)


def reason(output: bytes, status: int) -> str:
    """Why a program failed, in one line of its output: the first that says so, or the last."""
    text = output.decode(errors="replace")
    for pattern in (r".*No space left on device.*", r"(?<=^E: ).*", r"(?<=^W: ).*", r"^tar: .*",
                    # What make itself says, or what it says only the exit status of.
                    r"^make(\[\d+\])?: \*\*\* [^[\n].*", r"^.+(?=\nmake(\[\d+\])?: \*\*\* \[)"):
        found = re.search(pattern, text, re.MULTILINE)
        if found:
            return " ".join(found[0].split())
    return last_line(text) or f"exit status {status}"


def checked(command: Sequence[str | Path], what: str, **more: str) -> bytes:
    """The output of a program that must succeed.

    Raises ProgramFailed: `what`, and the reason; and as run_to_end() does.
    """
    done = run_to_end(command, **more)
    if done.returncode != 0:
        raise ProgramFailed(f"{what}: {reason(done.stdout, done.returncode)}")
    return done.stdout


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The paragraphs of a file in the format of Debian's control files (deb822(5)).

    Names of fields are in lower case; lines that continue a value keep their first blank.
    """
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0] in " \t":
            if name:
                fields[name] += "\n" + line
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.lower()
            fields[name] = value.strip()


def read_deb822(text: str) -> Iterator[Source]:
    """The sources of a file *.sources (sources.list(5))."""
    for entry in stanzas(text):
        if entry.get("enabled", "yes").lower() in ("no", "false", "without", "off", "disable"):
            continue
        if "deb" not in entry.get("types", "").split():
            continue
        components = tuple(entry.get("components", "").split())
        for uri in entry.get("uris", "").split():
            for suite in entry.get("suites", "").split():
                yield Source(uri, suite, components, entry.get("signed-by", ""))


ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)"
                      r"(?P<components>[^#]*)")


def read_one_line(text: str) -> Iterator[Source]:
    """The sources of a file *.list, one to a line."""
    for line in text.splitlines():
        found = ONE_LINE.match(line.strip())
        if found:
            options = dict(word.partition("=")[::2] for word in (found["options"] or "").split())
            yield Source(found["uri"], found["suite"],
                         tuple(found["components"].split()),
                         options.get("signed-by", "").replace(",", " "))


def machine_sources() -> list[Source]:
    """What the machine's apt is configured to use, whatever the files are called and are in."""
    said = checked(["apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f",
                    "PARTS", "Dir::Etc::sourceparts/d"], "apt-config").decode(errors="replace")
    places = dict(word.partition("=")[::2] for word in shlex.split(said))
    files = [Path(places["LIST"])] if places.get("LIST") else []
    if places.get("PARTS") and Path(places["PARTS"]).is_dir():
        files += sorted(path for path in Path(places["PARTS"]).iterdir()
                        if SOURCE_FILE.fullmatch(path.name))
    found: list[Source] = []
    for path in files:
        if path.is_file():
            reader = read_deb822 if path.suffix == ".sources" else read_one_line
            found += reader(path.read_text(errors="replace"))
    return found


def find_mirror(sources: Iterable[Source]) -> tuple[Source, Source | None]:
    """The machine's source of the archive "debian", and that of its security updates if any.

    Raises RunnerError if there is no mirror of Debian.
    """
    useful = [source for source in sources if "main" in source.components]
    security = [source for source in useful if SECURITY_SUITE.search(source.suite)]
    archive = [source for source in useful
               if ARCHIVE.search(source.uri) and source not in security]
    if not archive:
        raise RunnerError("the configuration of apt names no mirror of the archive debian, "
                          "which kernels are fetched from")
    return archive[0], security[0] if security else None


CONFIGURATION = """\
// Written by cowbell.
Dir::State "{root}/state";
Dir::State::lists "{root}/state/lists";
Dir::State::status "{root}/state/status";
Dir::State::extended_states "{root}/state/extended_states";
Dir::Cache "{root}/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{root}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Log "{root}/log";
// Hooks of the machine are about the machine's lists.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architecture "{architecture}";
#clear APT::Architectures;
APT::Architectures {{ "{architecture}"; }};
// The user _apt may not look into a user's folders.
APT::Sandbox::User "root";
// Old suites are wanted because they are old; their signatures are verified all the same.
Acquire::Check-Valid-Until "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::PDiffs "false";
Acquire::Retries "1";
Acquire::Retries::Delay "false";
Acquire::http::Timeout "15";
Acquire::https::Timeout "15";
APT::Get::AllowUnauthenticated "false";
APT::Update::Error-Mode "any";
"""

STANZA = """\
Types: deb
URIs: {uri}
Suites: {suites}
Components: main
Architectures: {architecture}
Targets: Packages
Languages: none
Signed-By: {signed_by}

"""


def source_stanzas(suites: Sequence[str], sources: Sequence[Source]) -> str:
    """The file *.sources for these suites on the machine's mirror, as far as it serves them."""
    archive, security = find_mirror(sources)
    text = ""
    for source, wanted in (
            (archive, [name for name in suites if not SECURITY_SUITE.search(name)]),
            (security, [name for name in suites if SECURITY_SUITE.search(name)])):
        if source and wanted:
            text += STANZA.format(uri=source.uri, suites=" ".join(wanted),
                                  architecture=ARCHITECTURE,
                                  signed_by=source.signed_by or KEYRING)
    return text


def parse_packages(index: bytes, suite: str, base: str, prefix: str) -> Iterator[Package]:
    """The packages of a list whose names begin with `prefix`; `base` is the archive's address."""
    start = f"Package: {prefix}".encode()
    for stanza in index.split(b"\n\n"):
        if not stanza.startswith(start):
            continue
        for entry in stanzas(stanza.decode(errors="replace")):
            if not {"version", "filename", "sha256", "size"} <= entry.keys():
                continue
            yield Package(entry["package"], entry["version"], suite,
                          f"{base.rstrip('/')}/{entry['filename']}", entry["sha256"],
                          int(entry["size"]), int(entry.get("installed-size", 0)) * 1024,
                          entry.get("depends", ""))


class AptRoot:
    """A folder with lists and configuration for apt. Its caller sees that it is used by one."""

    def __init__(self, folder: Path) -> None:
        """Use this folder, which need not exist."""
        self.folder = folder
        self.configuration = folder / "apt.conf"

    def prepare(self) -> None:
        """Write what apt needs but its sources. Raises OSError, as for a folder that is full."""
        for name in ("state/lists/partial", "cache/archives/partial", "sources", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "state/status").write_text("")
        self.configuration.write_text(
            CONFIGURATION.format(root=self.folder, architecture=ARCHITECTURE))

    def update(self, suites: Sequence[str]) -> str:
        """Get the signed lists of these suites; why some cannot be had, or nothing.

        Raises RunnerError if the mirror cannot be reached.
        """
        text = source_stanzas(suites, machine_sources())
        self.prepare()
        (self.folder / "sources/kernels.sources").write_text(text)
        done = run_to_end(["apt-get", "-c", self.configuration, "-q", "update"])
        if done.returncode == 0:
            return ""
        why = reason(done.stdout, done.returncode)
        if not re.search(rb"^(Get|Hit):\d", done.stdout, re.MULTILINE):
            raise RunnerError(f"no package list can be had: {why}")
        return f"not every package list can be had: {why}"

    def packages(self, prefix: str) -> list[Package]:
        """The packages of all lists whose names begin with `prefix`. Raises RunnerError."""
        said = checked(["apt-get", "-c", self.configuration, "indextargets", "--format",
                        "$(RELEASE) $(REPO_URI) $(FILENAME)", "Created-By: Packages"],
                       "apt-get indextargets").decode(errors="replace")
        found: list[Package] = []
        for line in said.splitlines():
            suite, base, path = line.split(" ", 2)
            index = checked([APT_HELPER, "-c", self.configuration, "cat-file", path],
                            f"the package list of {suite}")
            found += parse_packages(index, suite, base, prefix)
        return found

    def download(self, package: Package, folder: Path) -> Path:
        """Get a package into a folder, its hash verified; where it is. Raises RunnerError."""
        self.prepare()
        path = folder / f"{package.name}.deb"
        what = f"{package.name} {package.version}"
        try:
            checked([APT_HELPER, "-c", self.configuration, "download-file", package.uri, path,
                     f"SHA256:{package.sha256}"], what)
        except RunnerError as error:
            hint = "; --refresh reads the package lists anew" if "404" in str(error) else ""
            raise RunnerError(f"{error}{hint}") from None
        if path.stat().st_size != package.size_bytes:
            raise RunnerError(f"{what}: {path.stat().st_size} bytes came, "
                              f"not the {package.size_bytes} of the package list")
        return path
