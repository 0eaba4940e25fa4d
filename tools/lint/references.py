"""Every reference leads somewhere: ids, decisions, links; and none stands in public texts.

What an id is: `docs/requirements.md`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

REQUIREMENTS = "docs/requirements.md"
RECORDS = "docs/adr"
PLACES = ("services", "libs", "tests", "tools", "docs", "deploy")
NAMES = ("Makefile", "Dockerfile", ".importlinter")
SUFFIXES = (".py", ".md", ".yml", ".json", ".toml", ".sql", ".sh", ".mako", ".ini")
EXEMPT = (REQUIREMENTS, "docs/renames.md", "tests/unit/tools/test_references.py")
"""What may name an id that nothing defines: the definitions, old names, this check's own test."""
PUBLIC = re.compile(
    r"libs/rapport-contracts/(?:(?:documents|openapi|schemas|examples)/|asyncapi[^/]*\.json$)"
)
SHOWN = re.compile(r"(?:libs|services)/[^/]+/src/.*\.py$")

_ID = r"(?:S[0-4]-\d{2}|[CE]-\d{2}|F\d{2}|[DILMRS]\d{1,2})"
_CITED = re.compile(rf"(?<![\w%–-])({_ID})(?:(?:-|–|\.\.|\s+to\s+)({_ID}))?(?![\w–-])")
_DEFINED = re.compile(rf"^\| ({_ID}) \|", re.MULTILINE)
_RECORD = re.compile(r"\bADRs?\s+(\d{1,4})\b|\badr/(\d{4})(?:-[\w-]+)?\b")
_DOCUMENT = (
    r"\b(?:ARCHITECTURE|RELIABILITY|REQUIREMENTS|STYLE|LIBRARIES|PERFORMANCE|SCHEMES|CLIENTS|CARE"
    r"|CONSOLE|SOURCES)"
)
_PLACE = rf"(?:§\s?[\d.]*\d|(?:rule|finding|section)s?\s\d+|\d+[a-z]\b|{_ID}\b)"
_OUTSIDE = re.compile(
    rf"{_DOCUMENT}(?:\.md\b|\s{{1,20}}(?:#\s)?{_PLACE})"
    r"|(?:REVIEW|TRIALS|REPLAY|CASES|HOUSE)-\d\b"
    r"|\b[Ff]indings?\s+\d+|\b[Rr]ules?\s+\d+\b|\b[Ii]ssues?\s+#?\d+"
    r"|\b(?:as|by|in|of)\s+the\s+issue\b|\bfirst\s+issue\b"
    r"|(?P<section>§\s?\d[\d.]*)"
)
_STANDARD = re.compile(r"\bRFC\s+\d+,?\s+$")
_PAGE = re.compile(r"\b[\w/-]+\.md\b")
_LINK = re.compile(r"\[(?:[^\]\[]|\[[^\]]*\])*\]\((?![a-z]+:)([^)\s]+)(?:\s\"[^\"]*\")?\)")
_CODE = re.compile(r"^```.*?^```|`(?:[^`\n]|\n(?!\s*\n))+`", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+\s+(.+?)\s*#*$|<a (?:id|name)=\"([^\"]+)\"", re.MULTILINE)


class Finding(NamedTuple):
    """A reference that leads nowhere or may not be here; prints as `path:line: what, way out`."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def defined(page: str) -> dict[str, int]:
    """The ids that the text of `docs/requirements.md` defines, each with its first line."""
    lines: dict[str, int] = {}
    for match in _DEFINED.finditer(page):
        lines.setdefault(match[1], _line(page, match.start()))
    return lines


def cited(text: str) -> Iterator[tuple[str, int]]:
    """Every id that `text` cites, and where it stands; of `I1-I6`, also those in between."""
    for match in _CITED.finditer(text):
        first, last = match[1], match[2] or match[1]
        family, digits = re.split(r"(?<=\D)(?=\d+$)", first)
        if not re.fullmatch(rf"{re.escape(family)}\d+", last):
            yield from ((each, match.start()) for each in (first, last))
            continue
        for number in range(int(digits), int(last.removeprefix(family)) + 1):
            yield f"{family}{number:0{len(digits)}d}", match.start()


def twice_defined(page: str) -> Iterator[Finding]:
    """Ids that have two lines in `docs/requirements.md`."""
    first = defined(page)
    for match in _DEFINED.finditer(page):
        line = _line(page, match.start())
        if line != first[match[1]]:
            yield Finding(REQUIREMENTS, line, f"{match[1]} is defined twice, keep one line")


def undefined_ids(path: str, text: str, known: dict[str, int]) -> Iterator[Finding]:
    """Ids in `text` that `docs/requirements.md` does not define."""
    for name, start in cited(text):
        if name not in known:
            way_out = f"define it in {REQUIREMENTS} or give the reason itself"
            yield Finding(path, _line(text, start), f"{name} is no requirement, {way_out}")


def missing_records(path: str, text: str, numbers: frozenset[int]) -> Iterator[Finding]:
    """Decisions in `text` that have no page in `docs/adr`."""
    for match in _RECORD.finditer(text):
        if int(match[1] or match[2]) not in numbers:
            what = f"{_words(match)} does not exist, see {RECORDS}"
            yield Finding(path, _line(text, match.start()), what)


def outside_documents(path: str, text: str) -> Iterator[Finding]:
    """What names a document that is not in the repository, a section of one, or an issue.

    Sections of a standard (`RFC 5321 §4.2.1`) and those in links to our own pages are no findings.
    """
    links = [match.span() for match in _LINK.finditer(text)] if path.endswith(".md") else []
    for match in _OUTSIDE.finditer(text):
        start = match.start()
        if match["section"] and (
            _STANDARD.search(text[max(0, start - 20) : start])
            or any(begin <= start < end for begin, end in links)
        ):
            continue
        what = f"'{_words(match)}' is not in the repository"
        way_out = "cite a requirement or a decision, or give the reason itself"
        yield Finding(path, _line(text, start), f"{what}, {way_out}")


def in_public(path: str, text: str) -> Iterator[Finding]:
    """Ids, decisions and documents in a text that others read without our repository."""
    text = text.replace("\\n", "  ")
    found = {(start, name) for name, start in cited(text)}
    for pattern in (_RECORD, _OUTSIDE, _PAGE):
        found |= {(match.start(), _words(match)) for match in pattern.finditer(text)}
    for start, what in sorted(found):
        way_out = "take it out of the docstring or description that this is made from"
        yield Finding(path, _line(text, start), f"'{what}' in a public text, {way_out}")


def in_shown(path: str, source: str) -> Iterator[Finding]:
    """Ids in strings of Python code: a caller may be shown them. Docstrings and `comment=` may."""
    if next(cited(source), None) is None:
        return
    tree = ast.parse(source)
    allowed: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) or (isinstance(node, ast.keyword) and node.arg == "comment"):
            allowed.add(id(node.value))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in allowed
        ):
            for name, _ in cited(node.value):
                what = f"'{name}' in a string that may be shown, move it into a comment"
                yield Finding(path, node.lineno, what)


def dead_lines(known: dict[str, int], used: set[str]) -> Iterator[Finding]:
    """Lines of `docs/requirements.md` whose id nobody cites."""
    for name in known.keys() - used:
        yield Finding(REQUIREMENTS, known[name], f"nobody cites {name}, delete the line")


def broken_links(root: Path, path: str, text: str) -> Iterator[Finding]:
    """Relative links of a Markdown page to a file or heading that does not exist."""
    prose = _CODE.sub(lambda match: re.sub(r"[^\n`]", "x", match[0]), text)
    for match in _LINK.finditer(prose):
        target, _, anchor = match[1].partition("#")
        file = (root / path).parent / target
        line = _line(text, match.start())
        if not file.exists():
            yield Finding(path, line, f"{match[1]} does not exist, mend the link")
        elif anchor and anchor not in anchors(_text(file) if file.is_file() else text):
            yield Finding(path, line, f"{match[1]} has no such heading, mend the link")


def anchors(page: str) -> set[str]:
    """The anchors of a Markdown page, as GitHub makes them from its headings."""
    found: set[str] = set()
    plain = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    for heading, named in _HEADING.findall(plain):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = named or re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number, made = 0, slug
        while made in found and not named:
            number += 1
            made = f"{slug}-{number}"
        found.add(made)
    return found


def unresolved(root: Path) -> list[Finding]:
    """Everything in the repository at `root` that leads nowhere, by file and line."""
    page = _text(root / REQUIREMENTS)
    known, used = defined(page), set[str]()
    numbers = frozenset(int(each.name[:4]) for each in (root / RECORDS).glob("[0-9]*.md"))
    found = list(twice_defined(page))
    for path in sources(root):
        text = _text(root / path)
        if path.endswith(".md"):
            found += broken_links(root, path, text)
        if path in EXEMPT or PUBLIC.match(path):
            continue
        used |= {name for name, _ in cited(text)}
        found += undefined_ids(path, text, known)
        found += missing_records(path, text, numbers)
        found += outside_documents(path, text)
    return sorted([*found, *dead_lines(known, used)])


def public_citations(root: Path) -> list[Finding]:
    """Everything that a public text of the repository at `root` cites, by file and line."""
    found: list[Finding] = []
    for path in sources(root):
        if PUBLIC.match(path):
            found += in_public(path, _text(root / path))
        elif SHOWN.match(path):
            found += in_shown(path, _text(root / path))
    return sorted(found)


def sources(root: Path) -> Iterator[str]:
    """The paths below `root` that may cite: our own texts, not what was released or vendored.

    A folder with a LICENSE of its own is somebody else's.
    """
    yield from sorted(each.name for each in root.iterdir() if each.is_file() and _is_text(each))
    folders = [root / place for place in PLACES if (root / place).is_dir()]
    while folders:
        folder = folders.pop()
        for each in sorted(folder.iterdir()):
            if each.is_dir() and not _is_foreign(each):
                folders.append(each)
            elif each.is_file() and _is_text(each):
                yield each.relative_to(root).as_posix()


def _is_text(file: Path) -> bool:
    return file.suffix in SUFFIXES or file.name in NAMES


def _is_foreign(folder: Path) -> bool:
    name = folder.name
    made = name.startswith((".", "__pycache__")) or name.endswith(".egg-info") or name == "released"
    return made or (folder / "LICENSE").exists()


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _line(text: str, start: int) -> int:
    return text.count("\n", 0, start) + 1


def _words(match: re.Match[str]) -> str:
    return " ".join(match[0].split())
