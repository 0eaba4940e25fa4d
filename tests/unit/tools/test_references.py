"""References lead somewhere: what the check finds, and what it lets pass."""

from pathlib import Path

import pytest

from tools.lint import references
from tools.lint.__main__ import main
from tools.lint.references import Finding

PAGE = """# Requirements

| id | what must hold |
|---|---|
| R2 | A worker exits in time. |
| S2-06 | Recency. |
"""
KNOWN = references.defined(PAGE)
RECORDS = frozenset({6, 16})
PUBLIC = "libs/rapport-contracts/openapi/x-service.json"
SHOWN = "libs/x/src/x/texts.py"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository in which all is well: it cites both ids of the page, one of them in a test."""
    write(tmp_path, "docs/requirements.md", PAGE)
    write(tmp_path, "docs/adr/0006-dead-letters.md", "# Dead letters\n\n## Why\n")
    write(tmp_path, "README.md", "[why](docs/adr/0006-dead-letters.md#why), see ADR 6\n")
    write(tmp_path, SHOWN, '"""Stops in time (R2)."""\n')
    write(tmp_path, "tests/unit/test_x.py", '"""Recency (S2-06)."""\n')
    write(tmp_path, PUBLIC, '{"description": "How a client stands."}\n')
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def places(found: list[Finding]) -> list[tuple[str, int]]:
    return [(each.path, each.line) for each in found]


def names(text: str) -> list[str]:
    return [name for name, _ in references.cited(text)]


def test_a_page_defines_the_ids_that_open_its_rows() -> None:
    assert KNOWN == {"R2": 5, "S2-06": 6}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("exits in time (R2, L14).", ["R2", "L14"], id="several"),
        pytest.param("(S2-06) or S2", ["S2-06", "S2"], id="with a dash and without"),
        pytest.param("C-03: by example", ["C-03"], id="at the start"),
        pytest.param("(F37)", ["F37"], id="a feature"),
        pytest.param("R2/R3", ["R2", "R3"], id="with a stroke"),
        pytest.param("I1-I3 hold", ["I1", "I2", "I3"], id="a range"),
        pytest.param("S2-09..S2-11", ["S2-09", "S2-10", "S2-11"], id="a range with dots"),
        pytest.param("R9 to\n    R10", ["R9", "R10"], id="a range over two lines"),
        pytest.param("R2 to L3", ["R2", "L3"], id="two families are no range"),
    ],
)
def test_ids_are_found_in_prose(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("# noqa: S311, C901, F401", id="rules of ruff"),
        pytest.param("PrivateFormat.PKCS8, RFC 8058, X509", id="other words"),
        pytest.param("a-F37-b 0R2 R2x %F09", id="parts of words"),
        pytest.param("P1 = partition(1); T0; P1Y", id="families that we do not have"),
    ],
)
def test_what_only_looks_like_an_id_is_none(text: str) -> None:
    assert names(text) == []


def test_an_id_without_a_line_is_found_where_it_stands() -> None:
    (found,) = references.undefined_ids("a.py", "# one (R2)\n# two (R99)\n", KNOWN)
    assert (found.path, found.line) == ("a.py", 2)
    assert str(found).startswith("a.py:2: R99 is no requirement")


def test_ids_with_a_line_pass() -> None:
    assert list(references.undefined_ids("a.py", "# R2, S2-06", KNOWN)) == []


def test_two_lines_for_one_id_are_one_too_many() -> None:
    (found,) = references.twice_defined(PAGE + "| R2 | Something else. |\n")
    assert found.line == 7
    assert list(references.twice_defined(PAGE)) == []


@pytest.mark.parametrize("text", ["x\nADR 99", "x\ndocs/adr/0099-gone.md", "x\nsee ADR\n 99"])
def test_a_decision_that_does_not_exist_is_found(text: str) -> None:
    (found,) = references.missing_records("a.py", text, RECORDS)
    assert found.line == 2


def test_decisions_that_exist_pass_however_they_are_written() -> None:
    text = "ADR 6, ADR 0016, docs/adr/0006-dead-letters.md, migrations/0001_walk.py"
    assert list(references.missing_records("a.py", text, RECORDS)) == []


@pytest.mark.parametrize(
    "text",
    [
        "(ARCHITECTURE §3, blame)",
        "RELIABILITY R5",
        "RELIABILITY finding 1",
        "(RELIABILITY\n    §5.1)",
        "# as of CLIENTS\n# §3",
        "REQUIREMENTS C-21",
        "LIBRARIES 1c",
        "STYLE rule 20",
        "see PERFORMANCE.md",
        "HOUSE-1 says",
        "findings 1–4",
        "rule 20",
        "(issue 3)",
        "issue #14",
        "as the issue asks",
        "the first issue's goal",
        "happens (§5.2)",
    ],
)
def test_documents_of_other_places_are_found(text: str) -> None:
    assert len(list(references.outside_documents("a.py", text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "CLIENTS = 500",
        "each = BACKLOG // CLIENTS\nmore = 1",
        "hours[Purpose.CARE]; range(CLIENTS), 3; RAPPORT_CLIENTS 1c",
        "USE OR PERFORMANCE OF THE SOFTWARE",
        "RFC 5321 §4.2.1",
        "a later issue; the rule of 3; 3 findings",
        "[architecture, §3](architecture.md#the-bus)",
    ],
)
def test_names_standards_and_our_own_pages_pass(text: str) -> None:
    assert list(references.outside_documents("a.md", text)) == []


@pytest.mark.parametrize("cites", ["(F19)", "\\nF19", "ADR 6", "STYLE rule 2", "§4", "docs/x.md"])
def test_a_public_text_that_cites_is_found(cites: str) -> None:
    found = list(references.in_public(PUBLIC, f'{{\n"description": "Why {cites}"}}'))
    assert {each.line for each in found} == {2}


@pytest.mark.parametrize("folder", ["documents", "examples", "openapi", "schemas"])
def test_what_contracts_publish_is_public(repository: Path, folder: str) -> None:
    path = f"libs/rapport-contracts/{folder}/x.json"
    write(repository, path, '{"description": "Stops in time (R2)."}\n')
    assert places(references.public_citations(repository)) == [(path, 1)]


def test_a_public_text_that_says_it_itself_passes() -> None:
    text = '{"description": "A period such as P1Y, RFC 8058; never more than 3."}'
    assert list(references.in_public(PUBLIC, text)) == []


def test_an_id_in_a_message_of_the_code_is_found() -> None:
    source = 'def f(x):\n    raise ValueError(f"{x} may not (L14)")\n'
    (found,) = references.in_shown("a.py", source)
    assert found.line == 2


def test_ids_in_docstrings_and_comments_of_columns_pass() -> None:
    source = '"""Stops (R2)."""\nA = 1\n"""Why (L14)."""\nf(comment="never (C-15)")  # R2\n'
    assert list(references.in_shown("a.py", source)) == []


def test_a_line_that_nobody_cites_is_found() -> None:
    (found,) = references.dead_lines(KNOWN, {"R2"})
    assert (found.path, found.line) == ("docs/requirements.md", 6)
    assert list(references.dead_lines(KNOWN, {"R2", "S2-06"})) == []


def test_headings_become_the_anchors_that_github_makes() -> None:
    page = "# The `rooms`\n## A [link](x.md), and more: 2\n## Why\n## Why\n```\n# no heading\n```\n"
    assert references.anchors(page) == {"the-rooms", "a-link-and-more-2", "why", "why-1"}


@pytest.mark.parametrize("link", ["gone.md", "#gone", "docs/adr/0006-dead-letters.md#gone"])
def test_a_link_that_leads_nowhere_is_found(repository: Path, link: str) -> None:
    (found,) = references.broken_links(repository, "README.md", f"# Here\n[x]({link})\n")
    assert found.line == 2


def test_links_to_what_exists_to_other_sites_and_in_code_pass(repository: Path) -> None:
    page = "# Here\n[a](docs/adr) [b](#here) [c](https://example.org/x)\n`d[e](f)\ng[h](i)`\n"
    assert list(references.broken_links(repository, "README.md", page)) == []


def test_a_repository_in_which_all_is_well_has_no_findings(repository: Path) -> None:
    assert references.unresolved(repository) == []
    assert references.public_citations(repository) == []


def test_every_rule_is_asked_of_a_repository(repository: Path) -> None:
    write(repository, "tests/unit/test_x.py", "# R99\n# ADR 99\n# issue 3\n")
    write(repository, "docs/page.md", "[x](gone.md)\n")
    write(repository, "docs/requirements.md", PAGE + "| R2 | Again. |\n")
    assert places(references.unresolved(repository)) == [
        ("docs/page.md", 1),
        ("docs/requirements.md", 6),
        ("docs/requirements.md", 7),
        ("tests/unit/test_x.py", 1),
        ("tests/unit/test_x.py", 2),
        ("tests/unit/test_x.py", 3),
    ]


def test_public_texts_of_a_repository_are_held_to_more(repository: Path) -> None:
    write(repository, PUBLIC, '{"description": "Stops in time (R2)."}\n')
    write(repository, SHOWN, '"""Stops in time (R2)."""\nSAID = "no (R2)"\n')
    assert references.unresolved(repository) == []
    assert places(references.public_citations(repository)) == [(PUBLIC, 1), (SHOWN, 2)]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("libs/x/own/page.md", [("libs/x/own/page.md", 1)]),
        ("libs/x/released/0.1.0/page.md", []),
        ("libs/x/viewer/page.md", []),
        ("docs/renames.md", []),
        ("tests/.cache/page.md", []),
    ],
)
def test_released_vendored_hidden_and_old_names_may_cite_anything(
    repository: Path, path: str, found: list[tuple[str, int]]
) -> None:
    write(repository, "libs/x/viewer/LICENSE", "Somebody else's.\n")
    write(repository, path, "R99\n")
    assert places(references.unresolved(repository)) == found


def test_what_is_found_is_printed_and_fails_the_lint(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    write(repository, "README.md", "A page.\n")
    assert main() == 0
    write(repository, "README.md", "ADR 99\n")
    assert main() == 1
    assert capsys.readouterr().out == "README.md:1: ADR 99 does not exist, see docs/adr\n"
