"""Workers that die, freeze, join and leave on a plan, while another thread moves the days.

Each slot is one worker's place. The one in it may be armed with a failpoint at which SIGKILL
strikes; a dead worker is replaced. All is done on the caller's thread (`tend`), so that
the children live as long as it does.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rapport_devkit.failpoints import parse
from rapport_devkit.stack import Stack
from tests.support.oracles.messages import Window

KILLED = -9
CANNOT_START = 1
MOST_SURPRISES = 3
_STRUCK = re.compile(r"failpoint (\w+) at passing \d+: kill")
IN_HANDS = timedelta(seconds=40)
"""The longest that a worker of outreach may hold a claimed message, on a busy machine."""


@dataclass(frozen=True)
class Death:
    """From day `day` on the slot's worker runs with `failpoint`, such as `in_tx=kill@3`."""

    day: int
    failpoint: str


@dataclass
class Slot:
    """One worker's place and the deaths that its workers still have ahead of them."""

    service: str
    deaths: list[Death] = field(default_factory=list)
    name: str = ""
    armed: str = ""
    since: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    struck: list[str] = field(default_factory=list)


@dataclass
class Freeze:
    """One worker stopped for so many real seconds."""

    name: str
    until: float


class TooManySurprises(RuntimeError):
    """Workers end again and again though nobody killed them; the message says how."""


class Workers:
    """The slots of a stack that was started without workers."""

    def __init__(self, stack: Stack, slots: Sequence[Slot], lists: Path | None = None) -> None:
        """`lists`: a folder; each worker then has a list of failpoints there, and can be armed
        while it runs (`arm`)."""
        self._stack = stack
        self._lists = lists
        self.slots = list(slots)
        self.joins = 0
        self.leaves = 0
        self.freezes = 0
        self.surprises: list[str] = []
        self.in_doubt: list[Window] = []
        self.failed_starts = 0
        self.servers_away_since: datetime | None = None
        """Set by the chaos that stops the servers: a worker that starts later may fail to start."""
        self._frozen: Freeze | None = None
        self._extra: list[str] = []
        self._shot: set[str] = set()

    # -- on the plan ----------------------------------------------------------------------------

    def man(self, day: int = 0) -> None:
        """Start a worker in every slot, and wait until all are ready."""
        for slot in self.slots:
            self._fill(slot, day)
        self._stack.wait_ready()

    def new_day(self, day: int) -> None:
        """Swap workers whose next death is due: the old one leaves, an armed one joins."""
        for slot in self.slots:
            due = slot.deaths and slot.deaths[0].day <= day
            if due and not slot.armed and slot.name != self._frozen_name():
                self._leave(slot.name)
                self._fill(slot, day)
                self.joins += 1

    def tend(self, day: int) -> None:
        """Thaw a worker that has been frozen long enough; replace dead workers."""
        if self._frozen is not None and time.monotonic() >= self._frozen.until:
            self._stack.child(self._frozen.name).thaw()
            self._frozen = None
        for slot in self.slots:
            child = self._stack.supervisor.children.get(slot.name)
            if child is not None and not child.running:
                self._bury(slot)
                self._fill(slot, day)

    def disarm(self, day: int) -> None:
        """Stop the deaths: each worker with a failpoint leaves, and one without takes its place."""
        for slot in self.slots:
            slot.deaths.clear()
        for slot in self.slots:
            if slot.armed:
                self._leave(slot.name)
                self._fill(slot, day)
                self.joins += 1

    # -- on demand ------------------------------------------------------------------------------

    def arm(self, slot: Slot, failpoint: str) -> None:
        """The slot's worker, as it runs, will be killed at the failpoint (`in_tx=kill@3`)."""
        path = self._list_of(slot)
        partial = path.with_suffix(".partial")
        partial.write_text(failpoint)
        partial.rename(path)

    def disarm_all(self) -> None:
        """Remove every failpoint; a worker that has not reached its own yet lives on."""
        for slot in self.slots:
            self._list_of(slot).unlink(missing_ok=True)

    def _list_of(self, slot: Slot) -> Path:
        assert self._lists is not None
        return self._lists / f"{slot.service}-{self.slots.index(slot)}"

    def shoot(self, slot: Slot) -> None:
        """SIGKILL at whatever moment it is; `tend` replaces the dead."""
        self._shot.add(slot.name)
        self._stack.child(slot.name).kill()

    def swap(self, slot: Slot, day: int) -> float:
        """SIGTERM under load, and another in its place; the seconds until it had ended."""
        began = time.monotonic()
        self._end(slot.name)
        took = time.monotonic() - began
        self._fill(slot, day)
        return took

    def dismiss(self, service: str) -> None:
        """All workers of a service leave and nobody comes, until `recall`."""
        for slot in self._of(service):
            self._end(slot.name)

    def recall(self, service: str, day: int) -> None:
        """Fill a service's places again."""
        for slot in self._of(service):
            self._fill(slot, day)

    def _of(self, service: str) -> list[Slot]:
        return [slot for slot in self.slots if slot.service == service]

    def join(self, service: str) -> None:
        """One more worker of a service."""
        self._extra.append(self._stack.start_worker(service))
        self.joins += 1

    def leave(self) -> None:
        """The worker that joined first leaves, and stops cleanly."""
        self._leave(self._extra.pop(0))

    def freeze(self, service: str, seconds: float) -> None:
        """SIGSTOP for the first unarmed worker of a service; `tend` lets it go on."""
        name = next(s.name for s in self.slots if s.service == service and not s.armed)
        self._stack.child(name).freeze()
        self._frozen = Freeze(name, time.monotonic() + seconds)
        self.freezes += 1

    @property
    def freezing(self) -> bool:
        """Whether a worker is frozen."""
        return self._frozen is not None

    def kills(self) -> dict[str, list[str]]:
        """Each slot, and the failpoints at which its workers were killed."""
        return {
            f"{slot.service} {number}": slot.struck for number, slot in enumerate(self.slots, 1)
        }

    # -- single steps ---------------------------------------------------------------------------

    def _frozen_name(self) -> str:
        return self._frozen.name if self._frozen else ""

    def _fill(self, slot: Slot, day: int) -> None:
        slot.armed = ""
        if slot.deaths and slot.deaths[0].day <= day:
            slot.armed = slot.deaths.pop(0).failpoint
            assert parse(slot.armed)
        slot.since = datetime.now(UTC)
        failpoints = slot.armed
        if self._lists is not None:
            self._list_of(slot).unlink(missing_ok=True)
            failpoints = f"@{self._list_of(slot)}"
        slot.name = self._stack.start_worker(
            slot.service, failpoints=failpoints, restart_on_exit=False
        )

    def _bury(self, slot: Slot) -> None:
        """Note how a worker ended: at its failpoint, or in a way that the plan does not have."""
        child = self._stack.child(slot.name)
        code, log = child.wait(1), child.log
        self._stack.end_child(slot.name)
        struck = _STRUCK.findall(log.read_text(errors="replace"))
        if slot.name in self._shot:
            struck = ["SIGKILL"]
        away = self.servers_away_since
        if code == CANNOT_START and away is not None and slot.since >= away:
            self.failed_starts += 1
            return
        if code != KILLED or not struck:
            end = log.read_text(errors="replace")[-1_500:]
            self.surprises.append(f"{slot.name} ended with {code}: {end}")
            if len(self.surprises) >= MOST_SURPRISES:
                raise TooManySurprises("\n".join(self.surprises))
            return
        slot.struck.append(struck[-1])
        if slot.service == "outreach":  # its sending thread dies with it, whichever was struck
            now = datetime.now(UTC)
            self.in_doubt.append(Window(max(slot.since, now - IN_HANDS), now))

    def _leave(self, name: str) -> None:
        """SIGTERM for a worker, once it is ready and so can stop cleanly."""
        if self._stack.child(name).running:
            self._stack.wait_ready([name])
        self._end(name)

    def _end(self, name: str) -> None:
        code = self._stack.end_child(name)
        self.leaves += 1
        if code:
            self.surprises.append(f"{name} left with {code}")
