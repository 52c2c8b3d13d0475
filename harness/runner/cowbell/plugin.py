# SPDX-License-Identifier: GPL-2.0-only
"""pytest plugin: one item for each case, point, filesystem and kernel, and a fixture that mounts
a filesystem.

    pytest --fs xfs,xfs:1k,btrfs -k overlap -m "must and not long" -n 2
    pytest --fs xfs,btrfs --kernel host,5.10,6.12

The first item of a filesystem starts one driver with all the points that are selected of it. Of
another kernel, the first item boots a guest for all its filesystems (guests.py). Each item then
waits for its own result. The last item, fsck, waits for the end and the check.
"""

import contextlib
import json
import os
import re
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from . import state
from .command import check_budget
from .driver import LONG, Point, driver_command, find_driver, list_points, require_words, start
from .filesystems import DEFAULT_SIZE_BYTES, Filesystem, find_filesystem
from .guests import HOST, STALL_SECONDS, GuestKernel, Guests, Job, find_kernels
from .results import Follower, Line, file_name, repeat_command
from .summary import failure
from .tools import (EXIT_FAILED, EXIT_HARNESS, EXIT_SKIPPED, RunnerError, Unsupported, exit_status,
                    words)

POLL_SECONDS = 0.02
# Well below the kernel's limit of 2 MiB for arguments and environment.
ARGUMENT_BYTES_MAX = 1 << 20
# As cowbell run has them.
FSCK = "fsck"
STRENGTHS = {"must": "documented", "should": "intended by those who designed the call",
             "observe": "promised by nobody, only recorded"}
# Names that mean something to pytest itself.
TAKEN_MARKERS = {"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings"}


@dataclass(frozen=True)
class Place:
    """A filesystem on a kernel."""

    filesystem: Filesystem
    # None is the kernel that runs.
    kernel: GuestKernel | None

    @property
    def name(self) -> str:
        """What it is called: "xfs:1k", or "6.12/xfs:1k" in a guest."""
        return f"{self.kernel.name}/{self.filesystem.name}" if self.kernel else \
            self.filesystem.name

    @property
    def group(self) -> str:
        """What must be on one worker of xdist: a guest with all its filesystems."""
        return self.kernel.name if self.kernel else self.filesystem.name

    @property
    def markers(self) -> set[str]:
        """What -m can ask for: the type, and variant and kernel with characters that -m knows."""
        return {self.filesystem.name.partition(":")[0], self.filesystem.name.replace(":", "_"),
                kernel_marker(self.kernel)}


def kernel_marker(kernel: GuestKernel | None) -> str:
    """What -m calls a kernel: host, or k6_12."""
    return "k" + re.sub(r"\W", "_", kernel.name) if kernel else HOST


class Run:
    """The results of one place as they come; subclasses know who makes them."""

    def __init__(self, place: Place, results: Path, check_log: Path, output: Path) -> None:
        """Nothing is read yet."""
        self.place = place
        self.follower = Follower(results)
        self.check_log, self.output = check_log, output
        self.run: Line = {}
        self.results: dict[str, Line] = {}

    def ended(self) -> bool:
        """Whether no result will come any more; looks after whatever makes them."""
        raise NotImplementedError

    def end(self) -> int:
        """Wait for the end of the driver and of its filesystem; the exit status."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it, whether done or not."""
        raise NotImplementedError

    def complaints(self) -> list[str]:
        """After the end: what the kernel complained about that no result tells."""
        return []

    def cannot(self) -> str:
        """After the end: why the cases cannot be run here at all, or nothing."""
        return self.said() if self.end() == EXIT_SKIPPED and not self.run else ""

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
            ended = self.ended()
            self.read_more()
            if name in self.results or ended:
                return self.results.get(name)
            time.sleep(POLL_SECONDS)

    def said(self) -> str:
        """What driver and runner printed."""
        return self.output.read_text(errors="replace").strip() if self.output.exists() else ""


class DriverRun(Run):
    """A driver on this machine."""

    def __init__(self, driver: Path, place: Place, folder: Path, words_: list[str]) -> None:
        """Start the driver with these options and names of points; its files are in the folder."""
        stem = folder / file_name(place.filesystem.name)
        files = [stem.with_suffix(ending) for ending in (".jsonl", ".fsck", ".txt")]
        for path in files:
            path.unlink(missing_ok=True)
        super().__init__(place, *files)
        command = driver_command(driver, place.filesystem, self.follower.path, *words_,
                                 check_log=self.check_log)
        with self.output.open("wb") as output:
            self.child = start(command, output)

    def ended(self) -> bool:
        return self.child.poll() is not None

    def end(self) -> int:
        return exit_status(self.child.wait())

    def stop(self) -> None:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            self.child.wait()


class GuestRun(Run):
    """A driver in a guest, which it shares with those of other filesystems."""

    def __init__(self, place: Place, guests: Guests, job: Job) -> None:
        """The first that is waited for starts the guest."""
        super().__init__(place, job.results, job.check_log, job.output)
        self.guests, self.job = guests, job

    def ended(self) -> bool:
        self.guests.advance()
        return self.job.over

    def end(self) -> int:
        while not self.ended():
            time.sleep(POLL_SECONDS)
        return EXIT_HARNESS if self.job.status is None else self.job.status

    def stop(self) -> None:
        self.guests.tidy()

    def complaints(self) -> list[str]:
        return self.job.outside()

    def cannot(self) -> str:
        return self.job.why if self.job.skipped else super().cannot()

    def said(self) -> str:
        return "\n".join(filter(None, (self.job.why, super().said())))


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

    def __init__(self, *, matrix: "Matrix", place: Place, **kwargs: Any) -> None:
        """Belong to a filesystem on a kernel, and be marked with both."""
        super().__init__(**kwargs)
        self.matrix = matrix
        self.place = place
        self.add_marker(pytest.mark.xdist_group(name=place.group))
        for marker in sorted(place.markers):
            self.add_marker(marker)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException],
                     style: Any = None) -> Any:
        """A red result speaks for itself; anything else is a fault of this plugin."""
        if isinstance(excinfo.value, RedResult):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where pytest says that the item is: there is no source file to point to."""
        # The end of an item's id would be taken for Python, with dots for "::".
        return self.config.rootpath, None, f"{self.place.name}: {self.name}"


class PointItem(MatrixItem):
    """One point of a case on one filesystem."""

    def __init__(self, *, point: Point, **kwargs: Any) -> None:
        """Be marked with what the point is."""
        super().__init__(name=point.name, **kwargs)
        self.point = point
        self.result: Line | None = None
        for marker in sorted(markers_of(point)):
            self.add_marker(marker)

    def runtest(self) -> None:
        """Wait for the point's result and tell pytest its verdict."""
        run = self.matrix.run_of(self.place, self.session)
        self.result = run.wait_for(self.point.name)
        if self.result is None:
            self.tell_missing(run)
        else:
            self.tell(self.result, run)

    def tell(self, result: Line, run: Run) -> None:
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

    def tell_missing(self, run: Run) -> None:
        """Say why the driver ended without this result."""
        if run.cannot():
            pytest.skip(run.cannot())
        raise RedResult(f"miss: {self.place.name}: {self.point.name}: the driver ended with "
                        f"status {run.end()} before it came to this\n{run.said()}")


class FsckItem(MatrixItem):
    """The check of a filesystem after its last point."""

    def runtest(self) -> None:
        """Wait for the end of the driver, and fail if the filesystem is damaged."""
        run = self.matrix.run_of(self.place, self.session)
        status = run.end()
        if run.cannot():
            pytest.skip(run.cannot())
        if run.check_log.exists():
            raise RedResult(f"{self.place.name}: {run.check_log.read_text()}")
        run.read_more()
        red = any(result["verdict"] in ("fail", "error", "miss")
                  for result in run.results.values())
        if status not in (0, EXIT_FAILED, EXIT_SKIPPED) and not red:
            raise RedResult(f"{self.place.name}: exit status {status}\n{run.said()}")
        self.tell_unchecked(run)

    def tell_unchecked(self, run: Run) -> None:
        """Fail if a guest has died, or if its kernel complained while no case ran."""
        why = run.job.why if isinstance(run, GuestRun) else ""
        if why:
            raise RedResult(f"miss: {self.place.name}: fsck: {why}")
        complaints = run.complaints()
        if complaints:
            raise RedResult("\n    ".join((f"{self.place.name}: the kernel complained while no "
                                           "case ran:", *complaints)))


def markers_of(point: Point) -> set[str]:
    """What -m can ask for: strength, area and tags."""
    return {point.strength, point.area, *point.tags} - TAKEN_MARKERS - {""}


def reason_of(result: Line) -> str:
    """Why a result is what it is; a quirk knows that better than the driver."""
    return str(result.get("quirk", {}).get("reason") or result.get("reason", ""))


def explain(result: Line, run: Run) -> str:
    """All that a red result says, line by line."""
    again = repeat_command(run.run, result, run.place.filesystem.name)
    lines = [failure(run.place.name, result, again)]
    for key in ("trace", "kmsg"):
        if result.get(key):
            lines += [f"    {key}:", *(f"        {line}" for line in result[key])]
    for process, stack in result.get("stacks", {}).items():
        lines += [f"    stack of {process}:", *(f"        {line}" for line in stack.splitlines())]
    return "\n".join(lines)


class Matrix:
    """The hooks that are at work when --fs is given."""

    def __init__(self, config: pytest.Config, places: list[Place], driver: Path) -> None:
        """Ask the driver for its points and register their markers. Raises UsageError."""
        self.config = config
        self.places = places
        self.driver = driver
        self.points = list_points(driver)
        self.runs: dict[Place, Run] = {}
        self.folders: list[tempfile.TemporaryDirectory[str]] = []
        self.register_markers()

    def register_markers(self) -> None:
        """Tell pytest the names of all markers."""
        known = dict(STRENGTHS)
        for point in self.points:
            for marker in markers_of(point):
                known.setdefault(marker, "area or tag of a case")
        for place in self.places:
            for marker in place.markers:
                known.setdefault(marker, "filesystem or kernel")
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

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Have xdist take all filesystems of a guest as one scope, unless told something else."""
        if config.option.dist != "loadscope":
            return None
        # Not everybody has it, and it is there if this is called.
        from xdist.scheduler import LoadScopeScheduling
        groups = {place.name: place.group for place in self.places}

        class ByGuest(LoadScopeScheduling):
            """Scopes as usual, but for filesystems in guests."""

            def _split_scope(self, nodeid: str) -> str:
                scope = super()._split_scope(nodeid)
                return groups.get(scope, scope)

        return ByGuest(config, log)

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
        """All items, kernel by kernel, each filesystem's check at its end."""
        items: list[MatrixItem] = []
        for place in self.places:
            parent = FilesystemCollector.from_parent(session, name=place.name, nodeid=place.name)
            common = {"matrix": self, "place": place}
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
                     and item.place is check.place]
            if check in items:
                items.remove(check)
            if mates:
                items.insert(items.index(mates[-1]) + 1, check)

    def run_of(self, place: Place, session: pytest.Session) -> Run:
        """The run of a place; it is started if this is the first that asks for it."""
        if place not in self.runs:
            if place.kernel:
                self.prepare_guests(place.kernel, session)
            else:
                words_ = self.driver_words(place, chosen_of(place, session))
                self.runs[place] = DriverRun(self.driver, place, self.folder(""), words_)
        return self.runs[place]

    def driver_words(self, place: Place, points: list[Point]) -> list[str]:
        """The driver's options, and the names of points."""
        budget = self.config.option.budget
        release = place.kernel.release if place.kernel else os.uname().release
        return ["--jobs", "2", *require_words(place.filesystem, release),
                *(("--budget", budget) if budget else ()),
                *fitting([point.name for point in points])]

    def folder(self, name: str) -> Path:
        """A folder for results: below that of --results, or one that is gone in the end."""
        if self.config.option.results:
            path = Path(self.config.option.results) / name
            path.mkdir(parents=True, exist_ok=True)
        else:
            self.folders.append(tempfile.TemporaryDirectory(prefix="cowbell-pytest-"))
            path = Path(self.folders[-1].name)
        return path.resolve()

    def prepare_guests(self, kernel: GuestKernel, session: pytest.Session) -> None:
        """The runs of all places of a kernel; the first that is waited for boots a guest."""
        folder, jobs = self.folder(kernel.name), {}
        for place in self.places:
            points = chosen_of(place, session) if place.kernel == kernel else []
            if points:
                jobs[place] = Job(self.driver, place.filesystem, folder, points,
                                  self.driver_words(place, points))
        guests = Guests(kernel, list(jobs.values()), folder, self.config.option.guest_timeout)
        self.runs.update({place: GuestRun(place, guests, job) for place, job in jobs.items()})

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
            report.longrepr = (item.place.name, None, report.longrepr[2])
        if isinstance(item, PointItem) and item.result:
            report.duration = item.result.get("wall_ns", 0) / 1e9
            if item.result["verdict"] == "xpass":
                report.wasxfail = reason_of(item.result)

    def pytest_sessionfinish(self) -> None:
        """End the drivers and guests that still run and remove their files."""
        for run in self.runs.values():
            run.stop()
        for folder in self.folders:
            folder.cleanup()
        self.runs.clear()
        self.folders.clear()


def chosen_of(place: Place, session: pytest.Session) -> list[Point]:
    """The points of a place that are to be run."""
    return [item.point for item in session.items
            if isinstance(item, PointItem) and item.place is place]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the matrix."""
    group = parser.getgroup("cowbell", "cowbell: cases on filesystems")
    group.addoption("--fs", action="append", default=[], metavar="FS,...",
                    help="run the cases on these filesystems (cowbell fs --list)")
    group.addoption("--kernel", action="append", default=[], metavar="KERNEL,...",
                    help="on these kernels: host, the running one (default), or as cowbell "
                    "kernel names them: 6.12; write --kernel=PATH")
    group.addoption("--results", metavar="DIR",
                    help="keep result files there, and consoles of guests: DIR/xfs.jsonl, "
                    "DIR/6.12/xfs.jsonl, DIR/6.12/console.txt; write --results=DIR")
    group.addoption("--guest-timeout", metavar="S", type=float, default=STALL_SECONDS,
                    help="take a guest for dead if nothing comes from it for so long "
                    f"({STALL_SECONDS:g})")
    group.addoption("--cowbell", metavar="PATH",
                    help="the driver (default: build/cowbell); write --cowbell=PATH")
    group.addoption("--budget", metavar="FACTOR",
                    help="as cowbell run: scales the time that races are run")


def check_distribution(config: pytest.Config) -> None:
    """See to it that xdist keeps a filesystem's items on one worker. Raises UsageError."""
    option = config.option
    if not getattr(option, "numprocesses", None) and not getattr(option, "tx", None):
        return
    guests = any(name != HOST for name in words(option.kernel))
    good = ["loadscope", "loadgroup"] + ["loadfile"] * (not guests)
    if option.dist == "no":
        option.dist = "loadscope"
    if option.dist not in good:
        what = "the filesystems of a guest" if guests else "a filesystem's cases"
        raise pytest.UsageError(f"--dist {option.dist} would tear {what} apart; leave --dist out, "
                                f"or use {' or '.join(good)}")


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Choose the way of distribution before xdist does."""
    if config.option.fs:
        check_distribution(config)


def pytest_configure(config: pytest.Config) -> None:
    """Set up the matrix if --fs is given."""
    kernels = words(config.option.kernel) or [HOST]
    if not config.option.fs:
        if kernels != [HOST]:
            raise pytest.UsageError(f"--kernel {','.join(kernels)}: nothing is run on it without "
                                    "--fs")
        return
    try:
        check_budget(config.option.budget)
        names = dict.fromkeys(words(config.option.fs))
        filesystems = [find_filesystem(name) for name in names]
        driver = find_driver(config.option.cowbell)
        places = [Place(filesystem, kernel) for kernel in find_kernels(kernels)
                  for filesystem in filesystems]
        matrix = Matrix(config, places, driver)
    except RunnerError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(matrix, "cowbell-matrix")


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
