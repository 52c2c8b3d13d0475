# SPDX-License-Identifier: GPL-2.0-only
"""cowbell fs: run a command on a filesystem made for it, and leave nothing behind."""

import argparse
import contextlib
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Iterator, Sequence

from . import kernel, server, state
from .filesystems import DEFAULT_SIZE_BYTES, VARIANTS, find_filesystem, parse_size
from .tools import (EXIT_FAILED, RunnerError, UsageError, complain, exit_status,
                    require_root)

NAME = "cowbell fs"
SCRIPT = Path(__file__).resolve().parent.parent / "cowbell-fs"
HOOKS = ("remount", "push_down", "crash_server")
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

HELP = """\
Makes a filesystem in a loop image, mounts it where only the command sees it, runs the command,
unmounts, checks and removes it. In the command's words, {dir} and {dir2} stand for where the
filesystems are mounted, {view} for where the first one is mounted a second time, {remount} for the
command that unmounts and mounts them again, {push_down} for the one that has all of an overlay in
its lower layer, {crash_server} for the one that has an NFS server lose what is not on its disk. In
its environment the same are COWBELL_DIR, COWBELL_DIR2, COWBELL_VIEW, COWBELL_REMOUNT,
COWBELL_PUSH_DOWN and COWBELL_CRASH_SERVER; COWBELL_FS is TYPE.

The command's exit status comes back unchanged. 1: the command succeeded, but the check afterwards
found the filesystem damaged. 77: this machine cannot make it. 99: something else went wrong. What
a killed run leaves is removed by the next; runs are kept in COWBELL_STATE (/var/tmp/cowbell-fs).
"""


@contextlib.contextmanager
def signals_held() -> Iterator[set[signal.Signals]]:
    """Keep signals waiting, so that none interrupts set-up and clean-up; gives the mask before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*FORWARDED, signal.SIGCHLD))
    try:
        yield {signal.Signals(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def forward_until_end(child: subprocess.Popen[bytes]) -> int:
    """Wait for a command, pass on the signals that arrive, and return its exit status."""
    while child.poll() is None:
        told = signal.sigtimedwait((*FORWARDED, signal.SIGCHLD), 1)
        # A positive code is the kernel's own: a key of the terminal, which the command gets too.
        if told and told.si_signo != signal.SIGCHLD and told.si_code <= 0:
            child.send_signal(told.si_signo)
    return exit_status(child.returncode)


def run_command(command: Sequence[str], environment: dict[str, str],
                mask: set[signal.Signals]) -> int:
    """Run a command with signals as the caller of cowbell fs had them; return its exit status."""
    parent = os.getpid()

    def prepare() -> None:
        kernel.die_with_parent(parent, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    try:
        child = subprocess.Popen(command, env=environment, preexec_fn=prepare)
    except OSError as error:
        complain(NAME, f"{command[0]}: {error.strerror}")
        return 127 if isinstance(error, FileNotFoundError) else 126
    return forward_until_end(child)


def values_for(run: state.Run) -> dict[str, str]:
    """What the command is told, by the name that it has in the command's words."""
    values = dict(zip(("dir", "dir2"), run.directories))
    if run.places[0].view.is_dir():
        values["view"] = str(run.places[0].view)
    for name in run.filesystem.hooks:
        values[name] = shlex.join((str(SCRIPT), f"--{name.replace('_', '-')}", *run.directories))
    return values


WITHOUT_VALUE = {
    "dir2": "there is no second filesystem; ask for it with --second",
    "view": "it is mounted only once; ask for a second time with --view",
    "remount": "what this filesystem holds does not outlive a remount",
    "push_down": "only an overlay has layers",
    "crash_server": "only a server of NFS on xfs is made to crash",
}


def fill_in(words: Sequence[str], values: dict[str, str]) -> list[str]:
    """The words with {name} replaced by its value; other braces stay. Raises UsageError."""
    for name, why in WITHOUT_VALUE.items():
        if name not in values and any(f"{{{name}}}" in word for word in words):
            raise UsageError(f"{{{name}}}: {why}")
    filled = []
    for word in words:
        for name, value in values.items():
            word = word.replace(f"{{{name}}}", value)
        filled.append(word)
    return filled


def environment_for(run: state.Run, values: dict[str, str]) -> dict[str, str]:
    """This process's environment with what the command is told."""
    ours = {f"COWBELL_{name.upper()}": value for name, value in values.items()}
    kept = {name: value for name, value in os.environ.items()
            if name not in {f"COWBELL_{word.upper()}" for word in ("dir", *WITHOUT_VALUE)}}
    return {**kept, **ours, "COWBELL_FS": run.filesystem.name}


def end_strays() -> None:
    """Kill what the command left running: it would keep the filesystem in use."""
    strays = kernel.end_namespace_mates()
    if strays:
        names = ", ".join(f"{stray.pid} {stray.name}" for stray in strays)
        complain(NAME, f"ended what the command left running: {names}")


UNCHECKED = "was not checked"


def is_damage(log: str) -> bool:
    """Whether a text of check() tells of damage, and not that it could not look for any."""
    return f" {UNCHECKED}: " not in log.partition("\n")[0]


def check(run: state.Run, log: str | None) -> int:
    """End what is left, unmount and check the filesystems; the exit status of that alone.

    What is wrong, also if that cannot be found out, is printed, and written to a file too.
    """
    try:
        end_strays()
        run.unmount()
        damage, status = run.check(), EXIT_FAILED
        said = f"is damaged:\n{damage.rstrip()}" if damage else ""
    except RunnerError as error:
        said, status = f"{UNCHECKED}: {error}", error.status
    if not said:
        return 0
    said = f"{run.filesystem.name} {said}"
    complain(NAME, said)
    if log:
        Path(log).write_text(f"{said}\n")
    return status


def use(run: state.Run, args: argparse.Namespace, mask: set[signal.Signals]) -> int:
    """Run the command on mounted filesystems, unmount and check them; the exit status."""
    waiting = sorted(signal.sigpending().intersection(FORWARDED))
    if waiting:
        return 128 + waiting[0]
    values = values_for(run)
    status = run_command(fill_in(args.command, values), environment_for(run, values), mask)
    checked = check(run, args.check_log)
    return status or checked


def run_on_filesystem(args: argparse.Namespace) -> int:
    """Do what the command line asks for when it names a filesystem; the exit status."""
    filesystem = find_filesystem(args.filesystem)
    size_bytes = max(DEFAULT_SIZE_BYTES, filesystem.least_bytes)
    if args.size:
        size_bytes = parse_size(args.size)
    count = 2 if args.second else 1
    with signals_held() as mask:
        with state.mounted(filesystem, size_bytes, count, NAME, private=True,
                           view=args.view) as run:
            return use(run, args, mask)


def print_list() -> None:
    """Print the filesystems, one a line, and whether this machine can make them."""
    for filesystem in VARIANTS.values():
        reason = filesystem.missing()
        print(f"{filesystem.name:<16} {'no: ' + reason if reason else 'yes':<6}  {filesystem.doc}")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line. Raises UsageError."""
    parser = argparse.ArgumentParser(
        prog=NAME, description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f"{NAME} TYPE[:VARIANT] [OPTIONS] -- COMMAND...\n"
              f"       {NAME} --list\n       {NAME} --remount DIR...")
    parser.add_argument("filesystem", nargs="?", metavar="TYPE[:VARIANT]",
                        help="one of those that --list shows")
    parser.add_argument("--size", metavar="N", help="size of each filesystem (default 1G)")
    parser.add_argument("--second", action="store_true", help="make a second one of the same kind")
    parser.add_argument("--view", action="store_true",
                        help="mount the first one a second time, with caches of its own if a "
                        "network is between")
    parser.add_argument("--check-log", metavar="FILE",
                        help="where to write what is wrong with it afterwards, if anything")
    parser.add_argument("--list", action="store_true", help="show the filesystems")
    parser.add_argument("--remount", nargs="+", metavar="DIR",
                        help="in the command: unmount and mount again")
    parser.add_argument(server.OPTION, metavar="FOLDER", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--push-down", nargs="+", metavar="DIR",
                        help="in the command, for overlays: move what is in the upper layer down")
    parser.add_argument("--crash-server", nargs="+", metavar="DIR",
                        help="in the command, for NFS: have the server crash and start anew")
    words = list(argv)
    split = words.index("--") if "--" in words else len(words)
    args = parser.parse_args(words[:split])
    args.command = words[split + 1:]
    args.hooks = {name: getattr(args, name) for name in HOOKS if getattr(args, name)}
    wanted = args.list or args.serve or args.hooks or (args.filesystem and args.command)
    if not wanted:
        raise UsageError("a filesystem and a command are needed: cowbell fs xfs -- ls {dir}")
    return args


def main(argv: Sequence[str]) -> int:
    """The command; its exit status."""
    try:
        args = parse(argv)
        if args.list:
            print_list()
            return 0
        if args.serve:
            state.serve(args.serve)
            return 0
        if args.hooks:
            require_root()
            for name, directories in args.hooks.items():
                for directory in directories:
                    state.run_hook(name, Path(directory))
            return 0
        return run_on_filesystem(args)
    except RunnerError as error:
        complain(NAME, error)
        return error.status
    except OSError as error:
        complain(NAME, error)
        return RunnerError.status


def run() -> None:
    """Entry of the executable."""
    sys.exit(main(sys.argv[1:]))
