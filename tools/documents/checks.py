"""What is asked of each document, and what each tool answers."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PACKAGES = {
    "@asyncapi/parser": "3.6.6",
    "@redocly/cli": "2.77.0",
    "@stoplight/spectral-cli": "6.16.3",
    "openapi-typescript": "7.13.0",
    "typescript": "5.9.3",
}
"""Name -> version. What they stand on is not pinned."""
CONTRACTS = Path(__file__).resolve().parents[2] / "libs" / "rapport-contracts"
OPENAPI = sorted((CONTRACTS / "openapi").glob("*.json"))
ASYNCAPI = CONTRACTS / "asyncapi.json"
_RULES = 'extends: ["spectral:oas", "spectral:asyncapi"]\n'
_PARSE = """\
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";
const text = readFileSync(process.argv[2], "utf-8");
const { diagnostics } = await new Parser().parse(text);
console.log(JSON.stringify(diagnostics));
"""
_SEVERITIES = ("error", "warn", "info", "hint")
_QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


@dataclass(frozen=True)
class Verdict:
    """What one tool found in one document, and the first of its errors."""

    tool: str
    document: str
    errors: int
    warnings: int
    first: str = ""


class DidNotRun(Exception):
    """A tool ended without an answer that can be read; the text is what it said."""


def install(folder: Path) -> None:
    """Install the tools into this folder. Raises CalledProcessError."""
    (folder / "package.json").write_text('{"private": true, "type": "module"}\n', "utf-8")
    (folder / "rules.yml").write_text(_RULES, "utf-8")
    (folder / "parse.mjs").write_text(_PARSE, "utf-8")
    wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
    command = ("npm", "install", "--save-exact", "--no-audit", "--no-fund", "--loglevel=error")
    subprocess.run([*command, *wanted], cwd=folder, check=True)


def verdicts(folder: Path) -> Iterator[Verdict]:
    """Every tool on every document that it reads. Raises DidNotRun."""
    for path in OPENAPI:
        yield _redocly(folder, path)
        yield _spectral(folder, path)
        yield _typescript(folder, path)
    yield _spectral(folder, ASYNCAPI)
    yield _diagnosed("asyncapi parser", ASYNCAPI, _run(folder, "node", "parse.mjs", str(ASYNCAPI)))


def _redocly(folder: Path, path: Path) -> Verdict:
    said = _run(folder, _tool("redocly"), "lint", "--format=json", str(path))
    found = _parsed(said)
    faults = [one["message"] for one in found["problems"] if one["severity"] == "error"]
    totals = found["totals"]
    return Verdict("redocly", path.name, totals["errors"], totals["warnings"], _first(faults))


def _spectral(folder: Path, path: Path) -> Verdict:
    options = ("--format=json", "--ruleset=rules.yml", "--quiet")
    return _diagnosed(
        "spectral", path, _run(folder, _tool("spectral"), "lint", *options, str(path))
    )


def _typescript(folder: Path, path: Path) -> Verdict:
    """Types are generated, and must compile."""
    types = folder / f"{path.stem}.ts"
    written = _process(folder, _tool("openapi-typescript"), str(path), "--output", str(types))
    compiled = _process(folder, _tool("tsc"), "--noEmit", "--strict", str(types))
    faults = [done.stdout + done.stderr for done in (written, compiled) if done.returncode != 0]
    return Verdict("openapi-typescript, tsc", path.name, len(faults), 0, _first(faults))


def _diagnosed(tool: str, path: Path, said: str) -> Verdict:
    found = _parsed(said)
    counts = Counter(_SEVERITIES[one["severity"]] for one in found)
    faults = [one["message"] for one in found if one["severity"] == 0]
    return Verdict(tool, path.name, counts["error"], counts["warn"], _first(faults))


def _first(faults: Sequence[str]) -> str:
    return faults[0].strip().splitlines()[0] if faults else ""


def _tool(name: str) -> str:
    return f"node_modules/.bin/{name}"


def _run(folder: Path, *command: str) -> str:
    """What it wrote to standard output, whatever its exit status: linters count faults by it."""
    return _process(folder, *command).stdout


def _process(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=folder, env=os.environ | _QUIET, capture_output=True, text=True, check=False
    )


def _parsed(said: str) -> Any:
    try:
        return json.loads(said)
    except ValueError:
        raise DidNotRun(said[:500]) from None
