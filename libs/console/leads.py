"""Read files of leads: CSV with a header, or JSON lines. Knows neither the wire nor what will be decided.

A file is read whole before anything is submitted, so that a broken row stops it with nothing half-done.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import phonenumbers

REQUIRED = ("lead_id", "phone", "campaign_id", "category", "template")
CATEGORIES = frozenset({"MARKETING", "UTILITY", "AUTHENTICATION", "SERVICE"})
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """One row: whom to write to, with what, from where."""

    line: int
    lead_id: str
    name: str
    phone: str
    campaign_id: str
    category: str
    instance_id: str
    template: str


class BrokenFile(Exception):
    """Tell which rows of a file cannot be read; nothing of it was used."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        more = f"\n  … and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        shown = "\n  ".join(problems[:_SHOWN])
        super().__init__(f"{path}: nothing was submitted; correct this and run it again:\n  {shown}{more}")
        self.problems = problems


def normalised(phone: str, country: str) -> str:
    """Return a number in E.164 where it is written in `country`'s national format; anything else as it is.

    Whether it can be written to is not judged here: the gate decides that.
    """
    phone = phone.strip()
    if phone.startswith("+"):
        return phone
    try:
        parsed = phonenumbers.parse(phone, country)
    except phonenumbers.NumberParseException:
        return phone
    if not phonenumbers.is_possible_number(parsed):
        return phone
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def read_leads(path: Path, country: str) -> list[Lead]:
    """Return every row of a `.csv` or `.jsonl` file. Raises BrokenFile with each line that cannot be read."""
    problems: list[str] = []
    leads: list[Lead] = []
    lines_by_id: dict[str, int] = {}
    rows = _json_rows if path.suffix == ".jsonl" else _csv_rows
    try:
        for line, row in rows(path, problems):
            lead = _lead(line, row, country, problems)
            if lead is None:
                continue
            if lead.lead_id in lines_by_id:
                problems.append(f"line {line}: lead_id {lead.lead_id!r} is on line {lines_by_id[lead.lead_id]} already")
            lines_by_id.setdefault(lead.lead_id, line)
            leads.append(lead)
    except UnicodeDecodeError as error:
        problems.append(f"it is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8")
    except csv.Error as error:
        problems.append(f"it is not CSV: {error}")
    if not leads and not problems:
        problems.append("it has no rows")
    if problems:
        raise BrokenFile(path, problems)
    return leads


def _csv_rows(path: Path, problems: list[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in REQUIRED if name not in header]
        if missing:
            problems.append(f"line 1: the header lacks {', '.join(missing)}")
            return
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) != len(header):
                problems.append(f"line {reader.line_num}: {len(cells)} fields where the header has {len(header)}")
                continue
            yield reader.line_num, dict(zip(header, cells, strict=True))


def _json_rows(path: Path, problems: list[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    with path.open(encoding="utf-8") as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except json.JSONDecodeError as error:
                problems.append(f"line {line}: not JSON: {error.msg} at column {error.colno}")
                continue
            if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
                problems.append(f"line {line}: not an object of texts")
                continue
            yield line, row


def _lead(line: int, row: Mapping[str, str], country: str, problems: list[str]) -> Lead | None:
    cells = {name: value.strip() for name, value in row.items()}
    bad = [f"line {line}: {name} is empty" for name in REQUIRED if name != "phone" and not cells.get(name)]
    category = cells.get("category", "").upper()
    if category and category not in CATEGORIES:
        bad.append(f"line {line}: category {category!r} is none of {', '.join(sorted(CATEGORIES))}")
    if len(cells.get("phone", "")) > 64:
        bad.append(f"line {line}: phone is longer than 64 characters")
    problems.extend(bad)
    if bad:
        return None
    return Lead(
        line=line,
        lead_id=cells["lead_id"],
        name=cells.get("name", ""),
        phone=normalised(cells.get("phone", ""), country),
        campaign_id=cells["campaign_id"],
        category=category,
        instance_id=cells.get("instance_id", ""),
        template=cells["template"],
    )
