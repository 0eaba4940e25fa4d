"""How long the demo's replay takes: all of Rapport, on servers of the demo's own."""

import re
import subprocess
import sys

from tools.bench.environment import Environment
from tools.bench.figures import at_most, plain
from tools.bench.sizes import Sizes
from tools.claim import Measured

GOAL_SECONDS = 180.0
_REPLAYED = re.compile(r"replayed in (\d+) s")


def measure(_environment: Environment, sizes: Sizes) -> list[Measured]:
    """Once, whatever the repetitions: it is minutes, and each of its days is one already."""
    days = sizes.demo_days
    seconds = _replay(["--exit", *([f"--days={days}"] if days else [])])
    if days:
        return [plain(f"the demo's replay of its first {days} days, s", f"{seconds:.0f}")]
    return [at_most("the demo's replay of 546 days, s", [seconds], GOAL_SECONDS)]


def _replay(options: list[str]) -> float:
    """Seconds of the replay as the demo tells them. Raises RuntimeError when it lost something."""
    command = [sys.executable, "-m", "rapport_devkit.demo", "--language", "en", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    match = _REPLAYED.search(done.stdout)
    if done.returncode or match is None:
        raise RuntimeError(f"the demo ended with {done.returncode}: {done.stdout[-2000:]}")
    return float(match[1])
