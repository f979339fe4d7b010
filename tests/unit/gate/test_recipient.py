"""Numbers: every row of the sample leads is classified as its `kind` says."""

import csv
from importlib.resources import files

import pytest

from console.leads import normalised
from gate.domain.recipient import AREA_CODES, canonical_form, recognise

SAMPLE = files("console").joinpath("sample")
ROWS = list(csv.DictReader(SAMPLE.joinpath("leads.csv").read_text(encoding="utf-8").splitlines()))
OPTED_OUT = SAMPLE.joinpath("opted_out.txt").read_text(encoding="utf-8").split()


def verdict_of_rows() -> list[tuple[str, str]]:
    """Judge all rows in order by recipient, suppression and duplicate; return kind and reason of each."""
    suppressed = {canonical_form(number) for number in OPTED_OUT}
    seen: set[tuple[str, str, str]] = set()
    verdicts = []
    for row in ROWS:
        recipient = recognise(normalised(row["phone"], "BR"))
        if recipient is None:
            reason = "INVALID_RECIPIENT"
        elif recipient.canonical in suppressed:
            reason = "OPTED_OUT"
        else:
            key = (recipient.canonical, row["campaign_id"], row["template"])
            reason = "DUPLICATE_CONTENT" if key in seen else ""
            seen.add(key)
        verdicts.append((row["kind"], reason))
    return verdicts


def test_all_rows_are_judged_as_their_kind_says() -> None:
    allowed = {
        "ok": {""},
        "local_format": {""},
        "foreign": {""},
        "malformed": {"INVALID_RECIPIENT"},
        "landline": {"INVALID_RECIPIENT"},
        "opted_out": {"OPTED_OUT"},
        "duplicate": {"", "DUPLICATE_CONTENT"},
        "ninth_digit_twin": {"", "DUPLICATE_CONTENT"},
    }
    verdicts = verdict_of_rows()
    assert len(verdicts) == 5_000
    wrong = [(place, kind, reason) for place, (kind, reason) in enumerate(verdicts) if reason not in allowed[kind]]
    assert wrong == []


@pytest.mark.parametrize("kind", ["duplicate", "ninth_digit_twin"])
def test_duplicates_and_twins_are_people_of_earlier_rows(kind: str) -> None:
    known: set[str] = set()
    for row in ROWS:
        recipient = recognise(normalised(row["phone"], "BR"))
        if row["kind"] == kind:
            assert recipient is not None
            assert recipient.canonical in known
        if recipient is not None:
            known.add(recipient.canonical)


@pytest.mark.parametrize(
    ("number", "canonical"),
    [
        ("+5511987654321", "5511987654321"),
        ("+551187654321", "5511987654321"),
        ("+551167654321", "5511967654321"),
        ("+5511187654321", None),
        ("+551157654321", None),
        ("+552087654321", None),
        ("+5520987654321", None),
        ("5511987654321", None),
        ("+55 11 98765-4321", None),
        ("+55119876543210", None),
        ("+551198765432\u0661", None),
        ("+14155550123", "14155550123"),
        ("+4930123456", None),
        ("+4915128657975", "4915128657975"),
        ("+351913186091", "351913186091"),
        ("+", None),
        ("", None),
        ("=HYPERLINK(960449751)", None),
    ],
)
def test_recognise(number: str, canonical: str | None) -> None:
    recipient = recognise(number)
    assert (recipient.canonical if recipient is not None else None) == canonical
    if recipient is not None:
        assert recipient.given == number


def test_the_plan_has_67_area_codes() -> None:
    assert len(AREA_CODES) == 67


def test_any_e164_number_has_a_form_to_be_suppressed_by() -> None:
    assert canonical_form("+551133224455") == "551133224455"
    assert canonical_form("n/a") is None
