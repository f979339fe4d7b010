"""Files of leads: what is read, what is normalised, and that a broken file is refused whole with its lines named."""

from importlib import resources
from pathlib import Path

import pytest

from console.leads import BrokenFile, normalised, read_leads

HEADER = "lead_id,name,phone,state,campaign_id,category,instance_id,template\n"
ROW = "lead-1,Ana,+5511987654321,SP,welcome,UTILITY,inst-sp-1,oi\n"


def written(folder: Path, text: str, name: str = "leads.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("(11) 98765-4321", "+5511987654321"),
        ("11 98765 4321", "+5511987654321"),
        (" +5511987654321 ", "+5511987654321"),
        ("+55 (71) 96462-????", "+55 (71) 96462-????"),
        ("n/a", "n/a"),
        ("", ""),
        ("+13052601815", "+13052601815"),
    ],
)
def test_national_format_becomes_e164_and_all_else_stays(given: str, expected: str) -> None:
    assert normalised(given, "BR") == expected


def test_the_sample_is_read_whole() -> None:
    with resources.as_file(resources.files("console") / "sample" / "leads.csv") as path:
        leads = read_leads(path, "BR")
    assert len(leads) == 5000
    assert leads[0].lead_id == "lead-00001"
    assert leads[0].line == 2


def test_json_lines_are_read_like_csv(tmp_path: Path) -> None:
    line = '{"lead_id": "a", "phone": "(11) 98765-4321", "campaign_id": "c", "category": "utility", "template": "t"}\n'
    (lead,) = read_leads(written(tmp_path, line, "leads.jsonl"), "BR")
    assert (lead.phone, lead.category, lead.instance_id) == ("+5511987654321", "UTILITY", "")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1: the header lacks lead_id, phone, campaign_id, category, template"),
        (HEADER, "it has no rows"),
        (HEADER + ROW + "lead-2,Ana\n", "line 3: 2 fields where the header has 8"),
        (HEADER + ROW + ROW, "line 3: lead_id 'lead-1' is on line 2 already"),
        (HEADER + ROW.replace("UTILITY", "SPAM"), "line 2: category 'SPAM' is none of"),
        (HEADER + ROW.replace("welcome", ""), "line 2: campaign_id is empty"),
        (HEADER + ROW.replace("+5511987654321", "9" * 65), "line 2: phone is longer than 64 characters"),
        (HEADER + '"lead-1,Ana\n', "it is not CSV"),
    ],
    ids=["empty", "no rows", "short row", "repeated id", "category", "no campaign", "long phone", "open quote"],
)
def test_a_broken_file_names_its_lines(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(BrokenFile) as raised:
        read_leads(written(tmp_path, text), "BR")
    assert any(complaint in problem for problem in raised.value.problems), raised.value.problems
    assert "nothing was submitted" in str(raised.value)


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes((HEADER + ROW.replace("Ana", "Otávio")).encode("latin-1"))
    with pytest.raises(BrokenFile, match="save it as UTF-8"):
        read_leads(path, "BR")


def test_a_json_line_that_is_no_object_of_texts_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenFile) as raised:
        read_leads(written(tmp_path, '[1]\n{"lead_id": 7}\nnope\n', "leads.jsonl"), "BR")
    assert [problem.split(":")[0] for problem in raised.value.problems] == ["line 1", "line 2", "line 3"]
