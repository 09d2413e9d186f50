"""The Django processes of the stack: web, worker and beat."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from governance.stack.layout import Layout
from governance.stack.logs import LogWatch
from governance.stack.processes import Fate, Footprint, await_end, start
from governance.stack.progress import Progress

STOP_S = 15.0
KILL_S = 5.0
# A child that dies again and again is started after 1, 2, 4 ... seconds, at most this many.
LONGEST_PAUSE_S = 30.0
CALM_S = 60.0


@dataclass(frozen=True)
class Program:
    """One long-running command of the stack. ``after_seed``: started when the demo is seeded; the engine
    loads longest, and on two processors each more that starts beside it makes it later. ``late``: started
    when the others are healthy, because nobody waits for it. ``once``: an errand, over when it ends; the
    next ``up`` runs it again."""

    name: str
    command: tuple[str, ...]
    after_seed: bool = False
    late: bool = False
    once: bool = False


@dataclass
class Child:
    """A program that runs, or waits to be started again."""

    program: Program
    process: "subprocess.Popen[bytes]"
    watch: LogWatch
    started: float = field(default_factory=time.monotonic)
    deaths: int = 0
    start_at: float | None = None


@dataclass
class Children:
    """All of them, in one process group of their own: Ctrl-C reaches ``up`` alone, which stops
    them in order."""

    layout: Layout
    environment: Mapping[str, str]
    folder: Path
    progress: Progress
    running: list[Child] = field(default_factory=list)
    group: int = 0

    @property
    def note(self) -> Path:
        """Where the running processes are written down for the next ``up``."""
        return self.layout.run / "children.json"

    def start(self, program: Program) -> None:
        """Start one program."""
        watch = LogWatch(program.name, self.layout.log(program.name))
        self.running.append(Child(program, self.launch(program), watch))
        self.write_note()

    def launch(self, program: Program) -> "subprocess.Popen[bytes]":
        """Start its process in the common group; the first one, or one left alone, leads it."""
        alive = any(child.process.poll() is None for child in self.running)
        process = start(
            program.command,
            log=self.layout.log(program.name),
            fate=Fate(signal.SIGTERM, group=self.group if alive else 0),
            environment=self.environment,
            folder=self.folder,
        )
        if not alive:
            self.group = process.pid
        return process

    def tend(self) -> None:
        """Show warnings, notice deaths, start again what died."""
        for child in list(self.running):
            child.watch.show_new()
            if child.start_at is not None:
                self.start_again(child)
            elif child.process.poll() is not None:
                if child.program.once:
                    self.dismiss(child)
                else:
                    self.plan_restart(child)

    def dismiss(self, child: Child) -> None:
        """An errand has ended; one that failed is told, and tried again by the next ``up``."""
        self.running.remove(child)
        if child.process.returncode:
            self.progress.tell(
                f"{child.program.name} failed ({ending(child.process.returncode)}). "
                f"Its log: {child.watch.log}"
            )

    def plan_restart(self, child: Child) -> None:
        """Say that a child died and when it comes back."""
        now = time.monotonic()
        child.deaths = 1 if now - child.started > CALM_S else child.deaths + 1
        pause = min(2.0 ** (child.deaths - 1), LONGEST_PAUSE_S)
        child.start_at = now + pause
        self.progress.tell(
            f"{child.program.name} stopped ({ending(child.process.returncode)}); starting it again "
            f"in {pause:.0f} s. Its log: {child.watch.log}"
        )

    def start_again(self, child: Child) -> None:
        """Start a dead child once its pause is over."""
        now = time.monotonic()
        if child.start_at is not None and now >= child.start_at:
            child.process = self.launch(child.program)
            child.started, child.start_at = now, None
            self.write_note()

    def stop(self) -> None:
        """Ask all to stop, wait, then end whatever is left of their group."""
        for child in self.running:
            if child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + STOP_S
        for child in self.running:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.progress.tell(
                    f"{child.program.name} did not stop in {STOP_S:.0f} s; ending it"
                )
        end_group(self.group)
        for child in self.running:
            child.process.wait()
        self.note.unlink(missing_ok=True)

    def write_note(self) -> None:
        """Write the processes down, with their start times."""
        alive = [child.process.pid for child in self.running if child.process.poll() is None]
        prints = [Footprint.of(pid) for pid in alive]
        facts = {"group": self.group, "children": [[p.pid, p.started] for p in prints]}
        self.note.write_text(json.dumps(facts))

    def end_leftovers(self) -> None:
        """End what a killed ``up`` left running: it was told to stop, but may not have done so yet."""
        try:
            facts = json.loads(self.note.read_text())
        except (FileNotFoundError, ValueError):
            return
        members = [Footprint(pid, started) for pid, started in facts["children"]]
        members = [member for member in members if member.is_alive()]
        for member in members:
            os.kill(member.pid, signal.SIGTERM)
        for member in members:
            await_end(member, seconds=KILL_S)
        self.end_orphans(int(facts["group"]))
        self.note.unlink(missing_ok=True)

    def end_orphans(self, group: int) -> None:
        """Kill what still is in the group of a killed ``up`` and says that it works for this home."""
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("LICET_HOME") == str(self.layout.home)
                if ours and os.getpgid(process.pid) == group:
                    process.kill()
            except (psutil.Error, OSError):
                continue


def end_group(group: int) -> None:
    """Kill what is left of a process group, such as a grandchild whose parent was killed."""
    if group:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def ending(code: int) -> str:
    """How a process ended, for people."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
