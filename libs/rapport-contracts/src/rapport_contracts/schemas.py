"""Writes every event's JSON Schema anew from the code, and the bundle of all examples:
`python -m rapport_contracts.schemas`."""

import argparse
import inspect
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from rapport_contracts.catalogue import ANY_SOURCE, CANONICAL
from rapport_contracts.envelope import Envelope
from rapport_contracts.examples import BUNDLE
from rapport_contracts.source_envelope import SourceEnvelope

DIRECTORY = Path(__file__).resolve().parents[2] / "schemas"
"""Beside the package's `src`, in a checkout of the repository."""

EXAMPLES = DIRECTORY.parent / "examples"
_BUNDLE = Path(__file__).with_name(BUNDLE)

Schema = dict[str, Any]


def schemas() -> dict[str, Schema]:
    """Event type -> its JSON Schema (draft 2020-12), self-contained; sorted by type."""
    found = {name: _of_canonical(event) for on in CANONICAL.values() for name, event in on.items()}
    found |= {name: _of_source(event) for name, event in ANY_SOURCE.items()}
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:rapport:schema:{name}",
            **found[name],
        }
        for name in sorted(found)
    }


def inlined(name: str) -> Schema:
    """One event's schema without references, for a document with definitions of its own."""
    schema = schemas()[name]
    parts = schema.pop("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, list):
            return [inline(item) for item in node]
        if not isinstance(node, dict):
            return node
        part = parts[node["$ref"].rpartition("/")[2]] if "$ref" in node else {}
        own = {key: value for key, value in node.items() if key not in {"$ref", "$schema", "$id"}}
        return {key: inline(value) for key, value in {**part, **own}.items()}

    found: Schema = inline(schema)
    return found


def files() -> dict[str, str]:
    """File name -> text of each schema, as committed."""
    return {
        f"{name}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas().items()
    }


def bundle(examples: Path) -> str:
    """The text of the package's bundle of the examples in this folder."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(examples.glob("*/*.json")):
        found.setdefault(path.parent.name, {})[path.stem] = json.loads(path.read_text("utf-8"))
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def differences(directory: Path) -> list[str]:
    """Names of files in `directory` that are missing, outdated or superfluous."""
    wanted = files()
    present = {path.name: path.read_text("utf-8") for path in directory.glob("*.schema.json")}
    return sorted(name for name in wanted | present.keys() if wanted.get(name) != present.get(name))


def write(directory: Path) -> None:
    """Make `directory` hold exactly the schemas of today's code."""
    directory.mkdir(exist_ok=True)
    for name in differences(directory):
        (directory / name).unlink(missing_ok=True)
    for name, text in files().items():
        (directory / name).write_text(text, "utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Write the schemas, or with `--check` name those that differ; returns the exit status."""
    parser = argparse.ArgumentParser(prog="rapport_contracts.schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a file differs")
    if not parser.parse_args(arguments).check:
        write(DIRECTORY)
        if _is_bundle_outdated():
            _BUNDLE.write_text(bundle(EXAMPLES), "utf-8")
        return 0
    outdated = differences(DIRECTORY) + ([BUNDLE] if _is_bundle_outdated() else [])
    sys.stderr.writelines(f"{name} differs from the code\n" for name in outdated)
    return 1 if outdated else 0


def _is_bundle_outdated() -> bool:
    return not _BUNDLE.exists() or _BUNDLE.read_text("utf-8") != bundle(EXAMPLES)


def _of_canonical(event: type[Envelope]) -> Schema:
    """Msgspec's schema, with `specversion` required: every writer must write it."""
    schema = msgspec.json.schema(event)
    for part in schema["$defs"].values():
        part["description"] = inspect.cleandoc(part["description"])
    schema["$defs"][event.__name__]["required"].append("specversion")
    return schema


def _of_source(event: type[SourceEnvelope]) -> Schema:
    """Pydantic's schema of what is accepted."""
    return event.model_json_schema()


if __name__ == "__main__":
    sys.exit(main())
