"""A Dockerfile's steps by hand, for machines without an engine: each stage a folder with a venv.

Knows what `deploy/*Dockerfile` use, and refuses the rest: FROM, ARG, WORKDIR, COPY, RUN (also with
a bind mount of another stage), ENV, USER, EXPOSE, ENTRYPOINT, CMD. What it cannot show is the base
image and the isolation of a container.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.deploy.base_python import BasePython, base_python

_ABSOLUTE = re.compile(r"(?<![\w.:/$}])/(?=[a-z])")
_MOUNT = re.compile(r"--mount=type=bind,from=(?P<stage>\w+),source=(?P<source>\S+),target=\S+\s+")
_PYTHON = re.compile(r"python:(?P<version>\d+\.\d+)")
_SITE = Path("lib", "python{}.{}".format(*sys.version_info), "site-packages")
_PIP = "#!{}\nfrom pip._internal.cli.main import main\n\nraise SystemExit(main())\n"
STEP_SECONDS = 600


@dataclass
class Stage:
    """One stage as it stands: `root` is its file system's, `environment` what its ENV says."""

    root: Path
    python: BasePython
    arguments: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: int | None = None
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def path(self, inside: str) -> Path:
        """Where a path of the stage lies on this machine."""
        return self.root / os.path.join(self.folder, inside).lstrip("/")

    def start(
        self, *arguments: str, environment: dict[str, str], log: Path
    ) -> subprocess.Popen[bytes]:
        """Its entry point with these arguments (default CMD), as its user where we may be another.

        The environment holds what the image and the caller say, and nothing of ours.
        """
        with log.open("wb") as out:
            return subprocess.Popen(
                [*self.entrypoint, *(arguments or self.command)],
                env={**self._base(), **self.environment, **environment},
                cwd=self.path("."),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                user=self.user if os.geteuid() == 0 else None,
                group=self.user if os.geteuid() == 0 else None,
                extra_groups=[] if os.geteuid() == 0 else None,
            )

    def run(self, command: str, mounted: Path | None = None) -> None:
        """One RUN, with absolute paths led into the stage, or into the stage that is mounted."""
        script = _ABSOLUTE.sub(f"{mounted or self.root}/", command)
        done = subprocess.run(
            ["sh", "-euc", script],
            env={**os.environ, **self._base(), **self.environment, **self.arguments},
            cwd=self.path("."),
            capture_output=True,
            text=True,
            timeout=STEP_SECONDS,
        )
        if done.returncode:
            raise RuntimeError(f"RUN {command}\n{done.stdout}{done.stderr}")

    def configure(self, word: str, value: str) -> None:
        """One instruction that sets how the image runs. Raises ValueError."""
        if word == "WORKDIR":
            self.folder = value
            self.path(".").mkdir(parents=True, exist_ok=True)
        elif word == "ENV":
            self.environment |= dict(part.split("=", 1) for part in shlex.split(value))
        elif word == "USER":
            self.user = int(value.partition(":")[0])
        elif word == "ENTRYPOINT":
            self.entrypoint = json.loads(value)
        elif word == "CMD":
            self.command = json.loads(value)
        elif word not in ("ARG", "EXPOSE"):
            raise ValueError(f"{word} is not known here")

    def distributions(self) -> set[str]:
        """The names of what is installed, once pip has found that it fits together."""
        pip = [str(self.root / "usr" / "bin" / "pip")]
        environment = {**os.environ, **self._base()}
        subprocess.run([*pip, "check"], env=environment, check=True, capture_output=True)
        listing = [*pip, "list", "--format=freeze"]
        listed = subprocess.run(
            listing, env=environment, check=True, capture_output=True, text=True
        )
        return {line.partition("==")[0].lower() for line in listed.stdout.splitlines()}

    def _base(self) -> dict[str, str]:
        return {"PATH": f"{self.root / 'usr' / 'bin'}:/usr/bin:/bin", **self.python.environment}


class Builder:
    """Builds Dockerfiles of one context below a folder that every user may enter.

    A stage with a name and without ARG is the same whatever is asked for, so it is built once.
    """

    def __init__(self, context: Path, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self._python = base_python(folder / "python")
        self._shared: dict[str, Stage] = {}
        """By the stage's name: no two Dockerfiles of ours use the same."""

    def build(self, dockerfile: str, name: str, **arguments: str) -> Stage:
        """Run every step; the last stage, in the folder `name`.

        Raises ValueError for a step that is not known here, RuntimeError for a RUN that fails.
        """
        text = (self._context / dockerfile).read_text("utf-8")
        for (_, base), *steps in _stages(text):
            image, _, alias = base.partition(" AS ")
            stage = self._shared.get(alias)
            if stage is None:
                stage = self._from(image, alias or name, arguments)
                for word, rest in steps:
                    self._step(stage, word, rest)
                if alias and all(word != "ARG" for word, _ in steps):
                    self._shared[alias] = stage
        return stage

    def _from(self, base: str, name: str, arguments: dict[str, str]) -> Stage:
        """A new stage: of the base image there is its Python alone, ours if of that version."""
        wanted = _PYTHON.match(base)
        ours = ".".join(map(str, sys.version_info[:2]))
        if wanted is None or wanted["version"] != ours:
            raise ValueError(f"base {base} is no Python {ours}")
        root = self._folder / name
        self._venv(root / "usr", "--without-pip")
        shutil.copytree(self._pip(), root / "usr" / _SITE, dirs_exist_ok=True)
        pip = root / "usr" / "bin" / "pip"
        pip.write_text(_PIP.format(root / "usr" / "bin" / "python"))
        pip.chmod(0o755)
        return Stage(root, self._python, arguments)

    def _pip(self) -> Path:
        """The packages of a new environment with pip, which takes seconds to make: made once."""
        made = self._folder / "pip"
        if not made.exists():
            self._venv(made)
        return made / _SITE

    def _venv(self, folder: Path, *options: str) -> None:
        subprocess.run(
            [self._python.executable, "-m", "venv", *options, folder],
            env={**os.environ, **self._python.environment},
            check=True,
        )

    def _step(self, stage: Stage, word: str, rest: str) -> None:
        value = re.sub(r"\$\{(\w+)\}", lambda found: stage.arguments[found[1]], rest)
        if word == "COPY":
            *sources, target = value.split()
            for source in sources:
                _copy(self._context / source, stage.path(target), into=target.endswith("/"))
        elif word == "RUN":
            mount = _MOUNT.match(value)
            mounted = self._shared[mount["stage"]].root if mount else None
            stage.run(_MOUNT.sub("", value), mounted)
        else:
            stage.configure(word, value)


def _copy(source: Path, target: Path, *, into: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        return
    if into:
        target.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def _stages(text: str) -> list[list[tuple[str, str]]]:
    """The instructions of each stage, word and rest; comments gone, continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    stages: list[list[tuple[str, str]]] = []
    for line in joined.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest))
    return stages
