"""Schemathesis over one service's document: every check, a fixed seed, every operation."""

import contextlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from multiprocessing import get_context
from typing import Any

import schemathesis
from hypothesis import strategies
from schemathesis.config import SchemathesisConfig
from schemathesis.config._checks import NEGATIVE_DATA_REJECTION_EXPECTED_STATUSES
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.generation.case import Case
from schemathesis.openapi.checks import RejectedPositiveData

from tests.support.access_matrix.world import ApiWorld
from tests.support.access_matrix.worlds import WORLDS

SEED = 20_240_601
_DRAWS_FOR_AN_EXAMPLE = 2
"""More random data than the examples that each operation must get: some draws are of no use, and an
operation that takes little more than an id has few different ones."""
_CHAINS_FOR_AN_EXAMPLE = 0.8
"""Chains along links, of several operations each; they cost more than twice a draw."""
_WHAT_A_SCHEMA_CANNOT_SAY = (
    "holds U+0000",  # which no text of the database may, in whatever key or value
    "urn:rapport:problem:invalid-cursor",  # a cursor is signed: only one that was given out holds
    "must be a currency code of ISO 4217",  # the list is the standard's, and changes with it
    "must be a country code of ISO 3166-1",  # so is this one
    "not the practice of this key",  # which practice that is, only the key's holder knows
    "currency-mismatch",  # each practice has its own
    "keys alone",  # which scope is for which holders
    "is already taken",  # the key of a play is unique within its playbook
    "Input should be a valid integer",  # 5.0 is an integer to a schema; an amount is refused so
    "mark must not be above scale",  # two numbers of one mood
    '"pointer":"/subject"',  # a settlement names its client, or who pays
    "must stand together",  # an amount and its currency, where neither is required
    '"/settings/',  # what a webhook's adapter needs, the adapter says
    "client-key-opaque",  # which keys a source has, its declaration says
    "must have a constant, or a path and words",  # a mapping says each value in one way
    "must have one of",
    "of this mapping has such a field",  # and says of each kind what that kind has
    "no word becomes this kind",
    "this kind has no such field",
    "is missing: ",
    "names a channel twice",  # the channels of a step differ, their templates may not matter
)
"""Refusals of data that the document allows: rules between values, each named in the answer."""
_REJECTIONS = ["207", *NEGATIVE_DATA_REJECTION_EXPECTED_STATUSES]
"""207 is only ever said when at least one of several was rejected."""
_MOSTLY = 0.6
"""How often a value that the app knows stands where one can: the rest are invented."""


@dataclass
class Report:
    """What a run did and found: cases by operation, findings in words, errors of the run itself."""

    cases: Counter[str] = field(default_factory=Counter)
    findings: dict[str, str] = field(default_factory=dict)
    linked: int = 0
    operations: int = 0
    asked_too_little: dict[str, int] = field(default_factory=dict)
    """Cases of the operations that got fewer examples than were asked for."""

    def __str__(self) -> str:
        """The findings, for an assertion's message."""
        return "\n\n".join(f"{title}\n{text}" for title, text in self.findings.items())


def fuzz_alone(service: str, postgres_url: str, examples: int, kinds: int | None = None) -> Report:
    """Fuzz a service, by its name, in a process of its own; each operation gets `examples` cases.
    A body of many kinds, such as an event, is of `kinds` of them alone, spread over all; None: of
    each.

    What the tool draws hangs on which modules are imported, since it also tries the constants that
    they hold. So the seed finds the same alone, among all tests, and in CI.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        return alone.submit(_fuzz_service, service, postgres_url, examples, kinds).result()


def _fuzz_service(service: str, postgres_url: str, examples: int, kinds: int | None) -> Report:
    # What it found is in the report; what the service logged meanwhile would flood the proof.
    with contextlib.redirect_stdout(io.StringIO()), WORLDS[service](postgres_url) as world:
        report = _fuzz(world, examples, kinds)
        labels = [operation.label for operation in world.operations]
    report.operations = len(labels)
    report.asked_too_little = {
        label: report.cases[label] for label in labels if report.cases[label] < examples
    }
    return report


def _fuzz(world: ApiWorld, examples: int, kinds: int | None) -> Report:
    """Run all phases: examples, edges of each schema, random data, and chains along links."""
    config = SchemathesisConfig.from_dict(_configuration(world, examples))
    document = _of_kinds(world.app.openapi(), kinds)
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.app = world.app
    schema.hook(filter_failure)
    _register_formats()
    report = Report()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished | events.FuzzScenarioFinished):
            _count(report, event.recorder)
        elif isinstance(event, events.NonFatalError):
            report.findings[f"{event.label}: {type(event.value).__name__}"] = str(event.value)
        elif isinstance(event, events.FatalError):
            raise event.exception
    return report


def _of_kinds(document: Any, kinds: int | None) -> Any:
    """The document with so many kinds, evenly spread, where a schema is one of more."""
    if isinstance(document, list):
        return [_of_kinds(each, kinds) for each in document]
    if not isinstance(document, dict):
        return document
    cut = {name: _of_kinds(each, kinds) for name, each in document.items()}
    if kinds is not None and len(cut.get("oneOf", ())) > kinds:
        cut["oneOf"] = cut["oneOf"][:: -(-len(cut["oneOf"]) // kinds)]
    return cut


def filter_failure(_context: Any, failure: Failure, _case: Case, response: Response) -> bool:
    """Keep a failure, unless valid data was refused for what no schema can say."""
    is_excused = any(words in response.text for words in _WHAT_A_SCHEMA_CANNOT_SAY)
    return not (is_excused and isinstance(failure, RejectedPositiveData))


def _register_formats() -> None:
    """Teach the tool what it does not know, or knows otherwise than the services."""
    zones = strategies.sampled_from(["Europe/London", "Asia/Shanghai", "America/St_Johns", "UTC"])
    phones = strategies.from_regex(r"\+861(3[0-9]|8[0-9])[0-9]{8}", fullmatch=True)
    names = strategies.from_regex(r"[a-z][a-z0-9]{0,20}", fullmatch=True)
    tokens = strategies.from_regex(r"[A-Za-z0-9_-]{1,200}", fullmatch=True)
    moments = strategies.datetimes(
        min_value=datetime(1990, 1, 2),  # noqa: DTZ001 - as the strategy wants it
        max_value=datetime(2100, 1, 1),  # noqa: DTZ001 - as above
        timezones=strategies.sampled_from([UTC, timezone(timedelta(hours=8))]),
    )
    schemathesis.openapi.format("iana-time-zone", zones)
    schemathesis.openapi.format("phone-number", phones)
    schemathesis.openapi.format("base64url", tokens)
    schemathesis.openapi.format("discreet-name", strategies.sampled_from(["海港", "The Harbour"]))
    # Without the names that are reserved for tests, such as .test, which are not deliverable.
    schemathesis.openapi.format("email", names.map("{}@practice.com".format))
    # Events of other ages are refused; tests/contract/test_injection.py sends such ones.
    schemathesis.openapi.format("date-time", moments.map(datetime.isoformat))


def _count(report: Report, recorder: ScenarioRecorder) -> None:
    for node in recorder.cases.values():
        report.cases[node.value.operation.label] += 1
        report.linked += node.transition is not None
    for failure, case_id in _failures(recorder):
        label = recorder.cases[case_id].value.operation.label
        title = f"{label}: {failure.title}"
        report.findings.setdefault(title, f"{failure.message}\n{_said(recorder, case_id)}")


def _failures(recorder: ScenarioRecorder) -> Iterator[tuple[Failure, str]]:
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.status == Status.FAILURE and check.failure_info is not None:
                yield check.failure_info.failure, case_id


def _said(recorder: ScenarioRecorder, case_id: str) -> str:
    """The request and the answer, cut to what helps."""
    exchange = recorder.interactions[case_id]
    request, answer = exchange.request, exchange.response
    body = (request.body or b"")[:600]
    shown = "" if answer is None else f"-> {answer.status_code} {answer.text[:600]}"
    return f"{request.method} {request.uri} {body!r}\n{shown}"


def _configuration(world: ApiWorld, examples: int) -> dict[str, Any]:
    draws, chains = _DRAWS_FOR_AN_EXAMPLE * examples, int(_CHAINS_FOR_AN_EXAMPLE * examples)
    names = {place: place.translate(str.maketrans(".[*]", "____")) for place in world.known}
    return {
        "seed": SEED,
        "dictionaries": {
            names[place]: {"values": list(values)} for place, values in world.known.items()
        },
        "parameters": {
            place: {"dictionary": name, "probability": _probability(place)}
            for place, name in names.items()
        },
        "operations": [_as_operator(world)],
        "headers": _bearer(world.keys["practice"]),
        "checks": {"negative_data_rejection": {"expected-statuses": _REJECTIONS}},
        "generation": {"max-examples": draws, "deterministic": True, "no-shrink": True},
        "phases": {"stateful": {"generation": {"max-examples": chains}}},
        # By chance many draws miss a pattern, such as a duration's. Whether enough of them hit is
        # what the test counts, for each operation.
        "suppress-health-check": ["filter_too_much"],
    }


def _probability(place: str) -> float:
    return 1.0 if place.startswith("body.") else _MOSTLY


def _as_operator(world: ApiWorld) -> Mapping[str, Any]:
    labels = [one.label for one in world.operations if one.holder == "operator"]
    return {"include-name": labels, "headers": _bearer(world.keys["operator"])}


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
