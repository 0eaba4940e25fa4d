"""Files of contacts and consents: each row is what it says, is refused by line, or is asked."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport_files.options import BadAnswer
from rapport_files.people import PeopleUnderstanding, understand_people
from rapport_files.people_rows import Contact, Statement, Told
from rapport_files.problems import ErrorFile, Problem
from rapport_files.survey import NotUnderstood
from tests.unit.rapport_files.workbooks import workbook

LONG = (
    "client_id,name,channel,address,language,zone,valid_from,consent,purpose,stated_at,"
    "statement_id,evidence,text_version\n"
)
ROW = (
    "c-1,小满,sms,+8613800138000,zh-CN,Asia/Shanghai,2024-06-01T09:00+08:00,given,care,"
    "2024-06-01T12:00+08:00,form-1,cabinet 3,care-1\n"
)
WIDE = "客户编号,姓名,手机号,邮箱,营销同意,关怀同意,同意时间,备注\n"
BY_SMS = "客户编号,渠道,营销同意,同意时间\n1,短信,是,2024-06-01T09:00Z\n"
PROOF = {"evidence": "cabinet 3", "text_version": "v1", "since": "unknown"}
CLOCK = {"time_zone": "Asia/Shanghai", "time_of_day": "noon"}


def look(folder: Path, text: str, **answers: str) -> tuple[PeopleUnderstanding, list[Problem]]:
    path = folder / "people.csv"
    path.write_text(text, encoding="utf-8")
    found: list[Problem] = []
    return understand_people(path, answers, found.append), found


def told(folder: Path, text: str, **answers: str) -> list[Told]:
    understood, found = look(folder, text, **answers)
    assert (found, understood.questions) == ([], [])
    return list(understood.told())


def asked(folder: Path, text: str, **answers: str) -> list[str]:
    understood, _ = look(folder, text, **answers)
    with pytest.raises(NotUnderstood):
        understood.told()
    return [each.key for each in understood.questions]


def test_a_row_may_tell_a_contact_and_a_consent(tmp_path: Path) -> None:
    contact, statement = told(tmp_path, LONG + ROW)
    assert isinstance(contact, Contact)
    assert isinstance(statement, Statement)
    at = datetime(2024, 6, 1, 1, tzinfo=UTC)
    assert (contact.client, contact.channel, contact.address) == ("c-1", "sms", "+8613800138000")
    assert (contact.name, contact.language, contact.zone) == ("小满", "zh-CN", "Asia/Shanghai")
    assert contact.valid_from == at
    assert (statement.channel, statement.purpose, statement.granted) == ("sms", "care", True)
    assert statement.stated_at == datetime(2024, 6, 1, 4, tzinfo=UTC)
    assert (statement.id_for("x"), statement.evidence) == ("form-1", "cabinet 3")


def test_what_was_understood_is_said_first(tmp_path: Path) -> None:
    text = WIDE + "1,小满,13800138000,,是,,2024-06-01,秘密\n2,大雪,,d@x.example,,,,\n3,,1,,,,,\n"
    understood, found = look(tmp_path, text, **PROOF, **CLOCK, consent_channel="sms")
    assert [(each.line, each.column) for each in found] == [(4, "姓名")]
    lines = list(understood.preview.by())
    assert lines[0] == "CSV, read as contacts and consents"
    assert "手机号 = phone" in lines[1]
    assert "columns that are not read: H" in lines
    assert {"consent.marketing.given: 1", "contact.email: 1", "contact.sms: 1"} <= set(lines)
    assert lines[-1] == "2 clients, from 2024-06-01 to 2024-06-01"


@pytest.mark.parametrize(
    ("text", "answers", "key"),
    [
        (WIDE + "1,小满,138,a@x.example,是,,2024-06-01T09:00Z,\n", {}, "consent_channel"),
        (WIDE + "1,小满,138,,是,,2024-06-01,\n", {"time_zone": "Asia/Tokyo"}, "time_of_day"),
        (WIDE + "1,小满,138,,是,,2024-06-01 9:00,\n", {}, "time_zone"),
        (WIDE + "1,小满,138,,是,,1/6/2024 9:00,\n", {"time_zone": "Asia/Tokyo"}, "day_order"),
        (WIDE + "1,小满,138,,否,,2024-06-01T09:00Z,\n", {}, "no"),
        ("客户编号,手机,姓名,同意,同意时间\n1,138,a,是,2024-06-01T09:00Z\n", {}, "purpose"),
        ("客户编号,手机,姓名\n1,138,a\n", {"since": ""}, "since"),
        (
            "客户编号,渠道,营销同意,同意时间\n1,短信,是,2024-06-01T09:00Z\n",
            {"evidence": ""},
            "evidence",
        ),
        (
            "客户编号,渠道,营销同意,同意时间\n1,短信,是,2024-06-01T09:00Z\n",
            {"text_version": ""},
            "text_version",
        ),
        ("客户编号,手机,电话,姓名\n1,138,139,a\n", {}, "column.phone"),
    ],
)
def test_where_two_readings_are_possible_it_asks(
    tmp_path: Path, text: str, answers: dict[str, str], key: str
) -> None:
    base = {**PROOF} if key == "consent_channel" else {**PROOF, "consent_channel": "sms"}
    given_answers = {name: each for name, each in {**base, **answers}.items() if each}
    assert asked(tmp_path, text, **given_answers) == [key]


def test_a_consent_to_one_of_several_channels_is_that_of_the_answer(tmp_path: Path) -> None:
    row = "1,小满,13800138000,a@x.example,同意,退订,2024-06-01T09:00Z,\n"
    found = told(tmp_path, WIDE + row, **PROOF, consent_channel="all")
    said = [(e.channel, e.purpose, e.granted) for e in found if isinstance(e, Statement)]
    assert sorted(said) == [
        ("email", "care", False),
        ("email", "marketing", True),
        ("sms", "care", False),
        ("sms", "marketing", True),
    ]
    assert len({e.id_for("x") for e in found if isinstance(e, Statement)}) == 4


@pytest.mark.parametrize(("no", "count"), [("withdrawn", 1), ("not_given", 0)])
def test_a_no_is_what_the_answer_says(tmp_path: Path, no: str, count: int) -> None:
    found = told(tmp_path, BY_SMS.replace("是", "否"), **PROOF, no=no)
    assert [each.granted for each in found if isinstance(each, Statement)] == [False] * count


@pytest.mark.parametrize(
    ("since", "instant"),
    [
        ("unknown", None),
        ("form", datetime(2024, 6, 1, 9, tzinfo=UTC)),
        ("2026-11-30T00:00Z", datetime(2026, 11, 30, tzinfo=UTC)),
        ("2026-11-30", datetime(2026, 11, 30, 4, tzinfo=UTC)),
    ],
)
def test_since_when_an_address_is_the_clients(
    tmp_path: Path, since: str, instant: datetime | None
) -> None:
    row = "1,小满,13800138000,,是,,2024-06-01T09:00Z,\n"
    answers = {**PROOF, **CLOCK, "since": since, "consent_channel": "sms"}
    contact = told(tmp_path, WIDE + row, **answers)[0]
    assert isinstance(contact, Contact)
    assert contact.valid_from == instant


@pytest.mark.parametrize(
    ("change", "column"),
    [
        (("given", "perhaps"), "consent"),
        ((",care,2024", ",fun,2024"), "purpose"),
        (("sms", "fax"), "channel"),
        (("zh-CN", "klingon"), "language"),
        (("Asia/Shanghai", "Nowhere"), "zone"),
        (("2024-06-01T12:00+08:00", "soon"), "stated_at"),
        (("2024-06-01T12:00+08:00", ""), "stated_at"),
        (("小满", ""), "name"),
        (("+8613800138000", "1.38001E+10"), "address"),
        (("+8613800138000", "#REF!"), "address"),
        (("c-1", ""), "client_id"),
    ],
)
def test_a_bad_cell_is_refused_by_line(
    tmp_path: Path, change: tuple[str, str], column: str
) -> None:
    other = ROW.replace("c-1", "c-2").replace("form-1", "form-2")
    understood, found = look(tmp_path, LONG + ROW.replace(*change) + other)
    assert [(each.line, each.column) for each in found] == [(2, column)]
    assert {each.client for each in understood.told()} == {"c-2"}


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "c" * 201},
        {"client_id": "c\x07"},
        {"client_id": "\u200b"},
        {"name": "a\x00b"},
        {"evidence": "a\x00b"},
        {"statement_id": "a\x00b"},
        {"address": "a\x00b"},
    ],
)
def test_what_no_service_takes_is_refused_alone(tmp_path: Path, change: dict[str, str]) -> None:
    """One of them in a body would stop all that is sent with it."""
    good = dict(zip(LONG.strip().split(","), ROW.strip().split(","), strict=True))
    other = {**good, "client_id": "c-2", "statement_id": "form-2"}
    text = json.dumps({**good, **change}) + "\n" + json.dumps(other) + "\n"
    understood, found = look(tmp_path, text)
    assert [(each.line, each.column) for each in found] == [(1, *change)]
    assert {each.client for each in understood.told()} == {"c-2"}


def test_two_consents_of_a_row_to_one_purpose_are_both_told(tmp_path: Path) -> None:
    """Outreach lets the withdrawal win; none of them is lost here."""
    text = BY_SMS.replace("同意时间\n", "同意时间,用途,同意\n").replace("Z\n", "Z,营销,撤回\n")
    found = told(tmp_path, text, **PROOF)
    assert [each.granted for each in found if isinstance(each, Statement)] == [True, False]


def test_a_row_that_tells_nothing_is_refused(tmp_path: Path) -> None:
    _, found = look(tmp_path, "client_id,name,phone\nc-1,小满,\n", **PROOF)
    assert [(each.line, str(each.reason)) for each in found] == [
        (2, "tells neither a contact nor a consent")
    ]


@pytest.mark.parametrize(
    "change",
    [("+8613800138000", "+8613900139000"), ("given", "withdrawn"), ("cabinet 3", "cabinet 4")],
)
def test_lines_that_contradict_each_other_are_all_refused(
    tmp_path: Path, change: tuple[str, str]
) -> None:
    other = ROW.replace("c-1", "c-2").replace("form-1", "form-2")
    understood, found = look(tmp_path, LONG + ROW + other + ROW.replace(*change))
    assert {each.line for each in found} == {2, 4}
    assert {each.client for each in understood.told()} == {"c-2"}


def test_an_address_since_later_contradicts_none(tmp_path: Path) -> None:
    later = ROW.replace("+8613800138000", "+8613900139000").replace(
        "2024-06-01T09", "2025-06-01T09"
    )
    found = told(tmp_path, LONG + ROW + later.replace("form-1", "form-2"))
    assert len([each for each in found if isinstance(each, Contact)]) == 2


def test_where_a_client_lives_is_not_read(tmp_path: Path) -> None:
    text = "client_id,name,phone,address\nc-1,小满,13800138000,secret street 1\n"
    understood, found = look(tmp_path, text, **PROOF)
    assert found == []
    assert understood.preview.unread == ["D"]
    assert "address" not in understood.preview.columns


def test_a_file_without_a_channel_for_its_addresses_says_what_it_lacks(tmp_path: Path) -> None:
    understood, found = look(tmp_path, "client_id,name,address\nc-1,小满,x\n", **PROOF)
    assert understood.blocked
    assert [each.column for each in found] == ["channel"]


@pytest.mark.parametrize(
    "answers",
    [
        {"purpose": "fun"},
        {"time_zone": "Nowhere"},
        {"since": "soon"},
        {"evidence": " "},
        {"text_version": "x" * 65},
        {"told_as": "events"},
        {"word.came": "completed"},
        {"column.amount": "A"},
    ],
)
def test_an_answer_that_is_none_is_refused(tmp_path: Path, answers: dict[str, str]) -> None:
    with pytest.raises(BadAnswer):
        look(tmp_path, LONG + ROW, **answers)


def ids(understood: PeopleUnderstanding) -> list[str]:
    return [each.id_for("x") for each in understood.told() if isinstance(each, Statement)]


def test_a_statement_without_an_id_has_the_same_in_every_format_and_order(tmp_path: Path) -> None:
    header = ["client_id", "channel", "营销同意", "stated_at", "evidence", "text_version"]
    rows: Sequence[Sequence[str]] = [
        ["1", "短信", "是", "2024/6/1 9:00", "cabinet", "v1"],
        ["1", "微信", "退订", "2024/6/2 9:00", "cabinet", "v1"],
    ]
    answers = {"time_zone": "Asia/Shanghai"}
    lines = [",".join(each) + "\n" for each in [header, *rows]]
    plain = ids(look(tmp_path, "".join(lines), **answers)[0])
    other = "".join([lines[0], lines[2], lines[1], lines[2]])
    shuffled = ids(look(tmp_path, other, **answers)[0])
    times = [datetime(2024, 6, day, 9, tzinfo=UTC) for day in (1, 2)]
    cells = [[*row[:3], at, *row[4:]] for row, at in zip(rows, times, strict=True)]
    book = workbook(tmp_path / "my.xlsx", {"a": [header, *cells]})
    path = tmp_path / "my.jsonl"
    path.write_text("".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in rows))
    assert plain == ids(understand_people(book, answers))
    assert plain == ids(understand_people(path, answers))
    assert set(plain) == set(shuffled)
    assert len(set(plain)) == 2


def test_the_id_of_a_statement_is_made_of_the_random_id_of_its_client(tmp_path: Path) -> None:
    text = "client_id,channel,营销同意,stated_at\n{},sms,是,2024-06-01T09:00Z\n"
    one = told(tmp_path, text.format("13800138000"), **PROOF)[0]
    other = told(tmp_path, text.format("13900139000"), **PROOF)[0]
    assert isinstance(one, Statement)
    assert isinstance(other, Statement)
    assert one.id_for("x") == other.id_for("x") != one.id_for("y")


@given(st.dictionaries(st.sampled_from(LONG.strip().split(",")), st.text(max_size=9), max_size=13))
def test_any_row_is_told_refused_or_asked(
    tmp_path_factory: pytest.TempPathFactory, cells: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("any") / "my.jsonl"
    path.write_text(json.dumps({name: cells.get(name, "") for name in LONG.strip().split(",")}))
    found: list[Problem] = []
    understood = understand_people(path, PROOF, found.append)
    if understood.can_begin and not found:
        list(understood.told())
    assert understood.preview.rows in (0, 1)


def test_no_word_of_a_file_is_told(tmp_path: Path) -> None:
    header = LONG.strip().split(",")
    good = dict(zip(header, ROW.strip().split(","), strict=True))
    good |= {"client_id": "secret-client", "address": "secret@x.example", "channel": "email"}
    good |= {"name": "secret-name", "statement_id": "secret-form", "evidence": "secret-proof"}
    rows = [{**good, "secret-header": "secret-note"}]
    rows += [{**good, name: "secret \x07"} for name in header] + [{**good, "address": "secret2"}]
    rows += [{**good, name: ""} for name in header]
    path = tmp_path / "my.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = tmp_path / "errors.csv"
    for answers in (CLOCK, PROOF):
        with ErrorFile(report) as errors:
            understood = understand_people(path, answers, errors.add)
        lines = [*understood.preview.by(), *understood.refusals.by()]
        lines += [each.by() for each in understood.questions]
        assert understood.refusals.count > 0
        assert "secret" not in "\n".join([*lines, report.read_text("utf-8-sig")])
        if understood.can_begin:
            assert "secret" not in "".join(map(repr, understood.told()))
