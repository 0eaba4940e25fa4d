"""The committed documents are the code's, keep every released promise, and are what they claim."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from rapport_contracts import asyncapi
from rapport_contracts.schemas import schemas
from rapport_contracts.topics import TOPICS
from tests.support.contracts import documents
from tests.support.contracts.comparison import announced, breaks_since, may_break
from tests.support.contracts.events import undecodable

OFFICIAL = Path(__file__).parent / "vendor" / "asyncapi-specs" / "3.0.0.json"
each_release = pytest.mark.parametrize(
    "release", documents.releases(), ids=lambda folder: folder.name
)


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    return Draft7Validator(json.loads(OFFICIAL.read_text("utf-8")))


@pytest.fixture
def committed() -> dict[str, Any]:
    return documents.read(documents.PACKAGE, documents.ASYNCAPI)


def test_the_committed_documents_are_those_of_the_code():
    outdated = documents.outdated(documents.PACKAGE)
    assert not outdated, f"{outdated}: run `make schemas` (python -m tests.support.contracts write)"


def test_an_outdated_and_a_missing_document_are_named_and_written_anew(tmp_path: Path):
    documents.write(tmp_path)
    assert documents.outdated(tmp_path) == []
    (tmp_path / "asyncapi.json").write_text("{}", "utf-8")
    (tmp_path / "openapi" / "scoring-service.json").unlink()
    assert documents.outdated(tmp_path) == ["asyncapi.json", "openapi/scoring-service.json"]


@each_release
def test_a_promise_of_a_release_is_kept_or_the_changelog_says_what_replaces_it(release: Path):
    """Of any release, not of the last alone: a break must not become right by being released."""
    breaks = breaks_since(release, documents.PACKAGE)
    changelog = (documents.PACKAGE / "CHANGELOG.md").read_text("utf-8")
    version = documents.version()
    if not (may_break(release.name, version) and announced(version, changelog)):
        assert breaks == []


@pytest.mark.parametrize(
    ("release", "version", "may"),
    [
        ("0.1.0", "0.2.0", True),
        ("0.2.0", "0.2.0", False),
        ("0.2.0", "0.2.1", False),
        ("0.3.0", "0.2.0", False),
        ("0.9.0", "1.0.0", False),
        ("1.0.0", "1.1.0", False),
    ],
)
def test_only_another_minor_version_of_0_x_may_break(release: str, version: str, *, may: bool):
    assert may_break(release, version) == may


@pytest.mark.parametrize(
    ("changelog", "is_announced"),
    [
        ("# C\n\n## 0.2.0\n\n- read the score as null\n", True),
        ("# C\n\n## 0.2.0\n\n## 0.1.0\n\n- first\n", False),
        ("# C\n\n## 0.2.01\n\n- no\n", False),
        ("# C\n", False),
    ],
)
def test_a_break_is_announced_by_a_line_under_its_own_version(
    changelog: str, *, is_announced: bool
):
    assert announced("0.2.0", changelog) == is_announced


def test_the_version_has_its_section_in_the_changelog():
    changelog = (documents.PACKAGE / "CHANGELOG.md").read_text("utf-8")
    assert announced(documents.version(), changelog)


@each_release
def test_a_release_holds_examples_of_all_its_events(release: Path):
    promised = documents.read(release, documents.ASYNCAPI)["components"]["messages"]
    assert {path.parent.name for path in (release / "examples").glob("*/*.json")} == set(promised)


def test_a_released_example_that_no_longer_decodes_is_named(tmp_path: Path):
    (source,) = (documents.PACKAGE / "examples").glob("rapport.tier.changed.v1/entered.json")
    folder = tmp_path / source.parent.name
    folder.mkdir()
    (folder / "kept.json").write_bytes(source.read_bytes())
    event = json.loads(source.read_bytes())
    del event["data"]["zone"]
    (folder / "before-zones.json").write_text(json.dumps(event), "utf-8")
    (named,) = undecodable(tmp_path)
    assert "before-zones.json" in named
    assert "tier-changes.v1" in named


def test_a_snapshot_keeps_what_is_committed_and_is_never_rewritten(tmp_path: Path):
    documents.write(tmp_path)
    (tmp_path / "examples").mkdir()
    release = documents.snapshot(tmp_path, "9.9.9")
    assert breaks_since(release, tmp_path) == []
    with pytest.raises(FileExistsError):
        documents.snapshot(tmp_path, "9.9.9")


def test_the_version_is_one_everywhere():
    apps = {documents.APPS[name]().version for name in documents.APPS}
    assert apps | {asyncapi.VERSION} == {documents.version()}


@pytest.mark.parametrize("service", documents.APPS)
def test_every_list_takes_its_cursor_and_gives_the_next_one_by_the_same_words(service: str):
    document = documents.APPS[service]().openapi()
    lists = 0
    for path, methods in document["paths"].items():
        operation = methods.get("get", {})
        words = {one["name"] for one in operation.get("parameters", ()) if one.get("in") == "query"}
        content = operation.get("responses", {}).get("200", {}).get("content", {})
        name = (
            content.get("application/json", {}).get("schema", {}).get("$ref", "").rpartition("/")[2]
        )
        answer = document["components"]["schemas"].get(name, {}).get("properties", {})
        if "application/json" in content:
            assert ("cursor" in words) == ("next_cursor" in answer), path
            lists += "next_cursor" in answer
        assert not words & {"after", "page_token", "offset"}, path
    assert lists


def test_the_asyncapi_document_meets_the_official_schema(
    official: Draft7Validator, committed: dict[str, Any]
):
    assert [
        f"{one.json_path}: {one.message[:200]}" for one in official.iter_errors(committed)
    ] == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("asyncapi",), "4.0.0"),
        (("operations", "scoring-service.send.tier-changes.v1", "action"), "shout"),
        (("channels", "tier-changes.v1", "bindings", "kafka", "partitions"), "four"),
        (("components", "schemas", "TierChange", "type"), "objct"),
        (("components", "messages", "rapport.tier.changed.v1", "headers"), "none"),
    ],
)
def test_the_official_schema_finds_a_seeded_fault(
    official: Draft7Validator, committed: dict[str, Any], place: tuple[str, ...], value: str
):
    part = committed
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    assert not official.is_valid(committed)


def test_every_reference_of_the_asyncapi_document_leads_somewhere_inside(committed: dict[str, Any]):
    references = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(committed)))
    assert references
    for reference in references:
        part = committed
        for step in reference.removeprefix("#/").split("/"):
            part = part[step]


def test_channels_are_the_topic_table_and_messages_all_events(committed: dict[str, Any]):
    assert set(committed["channels"]) == {topic.name for topic in TOPICS}
    assert set(committed["components"]["messages"]) == set(schemas())
    ways = {
        (*name.split(".", 2)[:2], one["channel"]["$ref"].removeprefix("#/channels/"))
        for name, one in committed["operations"].items()
    }
    table = {(service, "send", topic.name) for topic in TOPICS for service in topic.writers}
    table |= {(service, "receive", topic.name) for topic in TOPICS for service in topic.readers}
    assert ways == {way for way in table if way[0].endswith("-service")}
    assert len(ways) == len(committed["operations"])


@pytest.mark.parametrize("event_type", sorted(schemas()))
def test_an_events_payload_says_what_its_own_schema_says(
    committed: dict[str, Any], event_type: str
):
    """Both permit the examples, and refuse them without any one of their fields alike."""
    payload = committed["components"]["messages"][event_type]["payload"]
    in_asyncapi = Draft7Validator({**payload, "components": committed["components"]})
    alone = Draft202012Validator(schemas()[event_type])
    for path in (documents.PACKAGE / "examples" / event_type).glob("*.json"):
        example = json.loads(path.read_bytes())
        in_asyncapi.validate(example)
        for part in (example, example["data"]):
            for field in list(part):
                value = part.pop(field)
                assert in_asyncapi.is_valid(example) == alone.is_valid(example), field
                part[field] = value
