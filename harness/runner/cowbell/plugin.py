# SPDX-License-Identifier: GPL-2.0-only
"""pytest plugin: one item for each case, point and filesystem, and a fixture that mounts one.

    pytest --fs xfs,xfs:1k,btrfs -k overlap -m "must and not long" -n 2

The first item of a filesystem starts one driver with all the points that are selected of it. Each
item then waits for its own result. The last item, fsck, waits for the end and the check.
"""

import contextlib
import json
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from . import state
from .driver import driver_command, find_driver, start
from .filesystems import DEFAULT_SIZE_BYTES, Filesystem, find_filesystem
from .results import Follower, Line, repeat_command
from .summary import failure
from .tools import EXIT_FAILED, EXIT_SKIPPED, RunnerError, Unsupported, exit_status, words

POLL_SECONDS = 0.02
# Well below the kernel's limit of 2 MiB for arguments and environment.
ARGUMENT_BYTES_MAX = 1 << 20
# As cowbell run has them.
BUDGET_MIN, BUDGET_MAX = 0.001, 100000
FSCK = "fsck"
LONG = "long"
STRENGTHS = {"must": "documented", "should": "intended by those who designed the call",
             "observe": "promised by nobody, only recorded"}
# Names that mean something to pytest itself.
TAKEN_MARKERS = {"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings"}


@dataclass(frozen=True)
class Point:
    """A case at one place of its cross product, as `cowbell list --json` tells it."""

    name: str
    strength: str
    tags: tuple[str, ...]

    @property
    def case(self) -> str:
        """The name without the place in the cross product."""
        return self.name.partition("[")[0]

    @property
    def markers(self) -> set[str]:
        """What -m can ask for: strength, area and tags."""
        area = self.name.partition("/")[0]
        return {self.strength, area, *self.tags} - TAKEN_MARKERS - {""}


def list_points(driver: Path) -> list[Point]:
    """All points that a driver knows. Raises UsageError with what it says if it cannot tell."""
    done = subprocess.run((driver, "list", "--json"), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise pytest.UsageError(done.stderr.strip() or f"{driver} list --json failed")
    return [Point(entry["case"], entry.get("strength", ""), tuple(entry.get("tags", ())))
            for entry in parse_list(done.stdout)]


def parse_list(text: str) -> list[dict[str, Any]]:
    """What `cowbell list --json` prints: JSON lines, or one array of the same."""
    if text.startswith("["):
        return list(json.loads(text))
    return [json.loads(line) for line in text.splitlines()]


class DriverRun:
    """One driver on one filesystem, and its results as they come."""

    def __init__(self, driver: Path, filesystem: Filesystem, names: list[str],
                 budget: str | None) -> None:
        """Start the driver with the points of these names."""
        self.filesystem = filesystem
        self.folder = tempfile.TemporaryDirectory(prefix="cowbell-pytest-")
        folder = Path(self.folder.name)
        self.follower = Follower(folder / "results.jsonl")
        self.check_log = folder / "check.txt"
        self.output = folder / "output.txt"
        self.run: Line = {}
        self.results: dict[str, Line] = {}
        command = driver_command(driver, filesystem, self.follower.path, "--jobs", "2",
                                 *(("--budget", budget) if budget else ()), *fitting(names),
                                 check_log=self.check_log)
        with self.output.open("wb") as output:
            self.child = start(command, output)

    def read_more(self) -> None:
        """Take in the results that have come since."""
        for line in self.follower.new_lines():
            if line["kind"] == "run":
                self.run = line
            elif line["kind"] == "case":
                self.results[line["case"]] = line

    def wait_for(self, name: str) -> Line | None:
        """The result of a point, as soon as it is there; None if the driver ended without it."""
        while True:
            ended = self.child.poll() is not None
            self.read_more()
            if name in self.results or ended:
                return self.results.get(name)
            time.sleep(POLL_SECONDS)

    def end(self) -> int:
        """Wait for the end of the driver and of its filesystem; the exit status."""
        return exit_status(self.child.wait())

    def said(self) -> str:
        """What driver and runner printed."""
        return self.output.read_text(errors="replace").strip()

    def stop(self) -> None:
        """End it, whether done or not, and forget its files."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            self.child.wait()
        self.folder.cleanup()


def fitting(names: list[str]) -> list[str]:
    """The names as arguments: whole cases in place of their points if those are too many."""
    if sum(len(name) + 1 for name in names) <= ARGUMENT_BYTES_MAX:
        return names
    return list(dict.fromkeys(name.partition("[")[0] for name in names))


class RedResult(Exception):
    """A result that is shown as a failure; the text is all there is to say."""


class FilesystemCollector(pytest.Collector):
    """The parent of a filesystem's items."""

    def collect(self) -> list[pytest.Item]:
        """Nothing: Matrix makes the items."""
        return []


class MatrixItem(pytest.Item):
    """What items of points and of checks have in common."""

    def __init__(self, *, matrix: "Matrix", filesystem: Filesystem, **kwargs: Any) -> None:
        """Belong to a filesystem, and be marked with it."""
        super().__init__(**kwargs)
        self.matrix = matrix
        self.filesystem = filesystem
        self.add_marker(pytest.mark.xdist_group(name=filesystem.name))
        for marker in filesystem_markers(filesystem):
            self.add_marker(marker)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException],
                     style: Any = None) -> Any:
        """A red result speaks for itself; anything else is a fault of this plugin."""
        if isinstance(excinfo.value, RedResult):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where pytest says that the item is: there is no source file to point to."""
        return self.config.rootpath, None, self.nodeid


class PointItem(MatrixItem):
    """One point of a case on one filesystem."""

    def __init__(self, *, point: Point, **kwargs: Any) -> None:
        """Be marked with what the point is."""
        super().__init__(name=point.name, **kwargs)
        self.point = point
        self.result: Line | None = None
        for marker in sorted(point.markers):
            self.add_marker(marker)

    def runtest(self) -> None:
        """Wait for the point's result and tell pytest its verdict."""
        run = self.matrix.run_of(self.filesystem, self.session)
        self.result = run.wait_for(self.point.name)
        if self.result is None:
            self.tell_missing(run)
        else:
            self.tell(self.result, run)

    def tell(self, result: Line, run: DriverRun) -> None:
        """Raise what pytest understands as the verdict."""
        verdict = result["verdict"]
        for key in ("seed", "observed", "quirk"):
            if key in result:
                self.user_properties.append((key, json.dumps(result[key])))
        if verdict == "skip":
            pytest.skip(reason_of(result))
        if verdict == "xfail":
            pytest.xfail(reason_of(result))
        if verdict not in ("pass", "done", "xpass"):
            raise RedResult(explain(result, run))

    def tell_missing(self, run: DriverRun) -> None:
        """Say why the driver ended without this result."""
        status = run.end()
        if status == EXIT_SKIPPED and not run.run:
            pytest.skip(run.said())
        raise RedResult(f"miss: {self.filesystem.name}: {self.point.name}: the driver ended with "
                        f"status {status} before it came to this\n{run.said()}")


class FsckItem(MatrixItem):
    """The check of a filesystem after its last point."""

    def runtest(self) -> None:
        """Wait for the end of the driver, and fail if the filesystem is damaged."""
        run = self.matrix.run_of(self.filesystem, self.session)
        status = run.end()
        if status == EXIT_SKIPPED and not run.run:
            pytest.skip(run.said())
        if run.check_log.exists():
            raise RedResult(f"{self.filesystem.name} is damaged:\n{run.check_log.read_text()}")
        run.read_more()
        red = any(result["verdict"] in ("fail", "error", "miss")
                  for result in run.results.values())
        if status not in (0, EXIT_FAILED, EXIT_SKIPPED) and not red:
            raise RedResult(f"{self.filesystem.name}: exit status {status}\n{run.said()}")


def reason_of(result: Line) -> str:
    """Why a result is what it is; a quirk knows that better than the driver."""
    return str(result.get("quirk", {}).get("reason") or result.get("reason", ""))


def explain(result: Line, run: DriverRun) -> str:
    """All that a red result says, line by line."""
    again = repeat_command(run.run, result, run.filesystem.name)
    lines = [failure(run.filesystem.name, result, again)]
    for key in ("trace", "kmsg"):
        if result.get(key):
            lines += [f"    {key}:", *(f"        {line}" for line in result[key])]
    for process, stack in result.get("stacks", {}).items():
        lines += [f"    stack of {process}:", *(f"        {line}" for line in stack.splitlines())]
    return "\n".join(lines)


def filesystem_markers(filesystem: Filesystem) -> set[str]:
    """What -m can ask for: the type, and the variant with a character that -m understands."""
    return {filesystem.name.partition(":")[0], filesystem.name.replace(":", "_")}


class Matrix:
    """The hooks that are at work when --fs is given."""

    def __init__(self, config: pytest.Config, filesystems: list[Filesystem], driver: Path) -> None:
        """Ask the driver for its points and register their markers."""
        self.config = config
        self.filesystems = filesystems
        self.driver = driver
        self.points = list_points(driver)
        self.runs: dict[str, DriverRun] = {}
        self.register_markers()

    def register_markers(self) -> None:
        """Tell pytest the names of all markers."""
        known = dict(STRENGTHS)
        for point in self.points:
            for marker in point.markers:
                known.setdefault(marker, "area or tag of a case")
        for filesystem in self.filesystems:
            for marker in filesystem_markers(filesystem):
                known.setdefault(marker, "filesystem")
        for marker, meaning in known.items():
            self.config.addinivalue_line("markers", f"{marker}: {meaning}")
        self.config.addinivalue_line("markers", "xdist_group(name): all on one worker")

    @property
    def alone(self) -> bool:
        """Whether nothing else is collected: so it is unless the command line names paths."""
        if hasattr(self.config, "workerinput"):
            return bool(self.config.workerinput["cowbell_alone"])
        return self.config.args_source is not self.config.ArgsSource.ARGS

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of xdist what only the command line of the main process shows."""
        node.workerinput["cowbell_alone"] = self.alone

    def pytest_ignore_collect(self) -> bool | None:
        """Leave out ordinary tests."""
        return True if self.alone else None

    def chosen(self) -> list[Point]:
        """The points to offer: long ones only to who asks for some by name or tag."""
        option = self.config.option
        if option.keyword or LONG in words(option.markexpr.replace("(", " ").replace(")", " ")):
            return self.points
        return [point for point in self.points if LONG not in point.tags]

    def make_items(self, session: pytest.Session) -> list[MatrixItem]:
        """All items of all filesystems, each filesystem's check at its end."""
        items: list[MatrixItem] = []
        for filesystem in self.filesystems:
            parent = FilesystemCollector.from_parent(session, name=filesystem.name,
                                                     nodeid=filesystem.name)
            common = {"matrix": self, "filesystem": filesystem}
            items += [PointItem.from_parent(parent, point=point, **common)
                      for point in self.chosen()]
            items.append(FsckItem.from_parent(parent, name=FSCK, **common))
        return items

    @pytest.hookimpl(hookwrapper=True)
    def pytest_collection_modifyitems(self, session: pytest.Session,
                                      items: list[pytest.Item]) -> Iterator[None]:
        """Add the items before -k and -m choose; a check is there if any item of its kind is."""
        made = self.make_items(session)
        items += made
        yield
        checks = [item for item in made if isinstance(item, FsckItem)]
        for check in checks:
            mates = [item for item in items if isinstance(item, PointItem)
                     and item.filesystem is check.filesystem]
            if check in items:
                items.remove(check)
            if mates:
                items.insert(items.index(mates[-1]) + 1, check)

    def run_of(self, filesystem: Filesystem, session: pytest.Session) -> DriverRun:
        """The driver of a filesystem; it is started if this is the first that asks for it."""
        if filesystem.name not in self.runs:
            names = [item.point.name for item in session.items
                     if isinstance(item, PointItem) and item.filesystem is filesystem]
            self.runs[filesystem.name] = DriverRun(self.driver, filesystem, names,
                                                   self.config.option.budget)
        return self.runs[filesystem.name]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item,
                                  call: pytest.CallInfo[None]) -> Iterator[None]:
        """Report the case's own duration, not that of the waiting, and what passed unexpectedly."""
        outcome = yield
        if call.when != "call" or not isinstance(item, MatrixItem):
            return
        report = outcome.get_result()
        if report.skipped and not hasattr(report, "wasxfail"):
            # A filesystem and a reason, not a line of this file.
            report.longrepr = (item.filesystem.name, None, report.longrepr[2])
        if isinstance(item, PointItem) and item.result:
            report.duration = item.result.get("wall_ns", 0) / 1e9
            if item.result["verdict"] == "xpass":
                report.wasxfail = reason_of(item.result)

    def pytest_sessionfinish(self) -> None:
        """End the drivers that still run and remove their files."""
        for run in self.runs.values():
            run.stop()
        self.runs.clear()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the matrix."""
    group = parser.getgroup("cowbell", "cowbell: cases on filesystems")
    group.addoption("--fs", action="append", default=[], metavar="FS,...",
                    help="run the cases on these filesystems (cowbell fs --list)")
    group.addoption("--kernel", action="append", default=[], metavar="KERNEL,...",
                    help="on these kernels: host, the running one, is the only one so far")
    group.addoption("--cowbell", metavar="PATH",
                    help="the driver (default: build/cowbell); write --cowbell=PATH")
    group.addoption("--budget", metavar="FACTOR",
                    help="as cowbell run: scales the time that races are run")


def check_distribution(config: pytest.Config) -> None:
    """See to it that xdist keeps a filesystem's items on one worker. Raises UsageError."""
    option = config.option
    if not getattr(option, "numprocesses", None) and not getattr(option, "tx", None):
        return
    if option.dist == "no":
        option.dist = "loadscope"
    if option.dist not in ("loadscope", "loadgroup", "loadfile"):
        raise pytest.UsageError(f"--dist {option.dist} would tear a filesystem's cases apart; "
                                "leave --dist out, or use loadscope, loadgroup or loadfile")


def check_budget(text: str | None) -> None:
    """See to it that the driver will take this factor. Raises UsageError."""
    try:
        good = text is None or BUDGET_MIN <= float(text) <= BUDGET_MAX
    except ValueError:
        good = False
    if not good:
        raise pytest.UsageError(f"--budget {text}: must be a factor from {BUDGET_MIN} to "
                                f"{BUDGET_MAX}")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Choose the way of distribution before xdist does."""
    if config.option.fs:
        check_distribution(config)


def pytest_configure(config: pytest.Config) -> None:
    """Set up the matrix if --fs is given."""
    for kernel in words(config.option.kernel):
        if kernel != "host":
            raise pytest.UsageError(f"--kernel {kernel}: only host, the running kernel, so far")
    if not config.option.fs:
        return
    check_budget(config.option.budget)
    try:
        filesystems = [find_filesystem(name) for name in dict.fromkeys(words(config.option.fs))]
        driver = find_driver(config.option.cowbell)
    except RunnerError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(Matrix(config, filesystems, driver), "cowbell-matrix")


@pytest.fixture
def cowbell_fs() -> Callable[..., contextlib.AbstractContextManager[Path]]:
    """A function that mounts a filesystem for the length of a with: `with cowbell_fs("xfs") as d:`.

    The test is skipped if this machine cannot make it, and fails if the filesystem is damaged
    afterwards.
    """
    @contextlib.contextmanager
    def make(name: str, size_bytes: int = DEFAULT_SIZE_BYTES) -> Iterator[Path]:
        try:
            with state.mounted(find_filesystem(name), size_bytes, 1, "cowbell_fs",
                               private=False) as run:
                yield Path(run.directories[0])
                run.unmount()
                damage = run.check()
        except Unsupported as error:
            pytest.skip(str(error))
        if damage:
            pytest.fail(damage)

    return make
