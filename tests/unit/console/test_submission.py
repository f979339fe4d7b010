"""The result file: what it holds is not submitted again, except rows that were errors or cut off in mid-line."""

from pathlib import Path

from console.submission import ResultFile, RowResult


def result(lead_id: str, outcome: str) -> RowResult:
    return RowResult(line=2, lead_id=lead_id, intent_id="i", outcome=outcome, reason="")


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    kept = ResultFile(path)
    kept.append([result("a", "APPROVED")])
    kept.append([result("b", "BLOCKED")])
    assert ResultFile(path).done == {"a": result("a", "APPROVED"), "b": result("b", "BLOCKED")}


def test_errors_and_cut_off_lines_are_submitted_again(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    ResultFile(path).append([result("a", "APPROVED"), result("b", "ERROR")])
    with path.open("a") as file:
        file.write("4,c,01890")
    kept = ResultFile(path)
    assert set(kept.done) == {"a"}
    kept.append([result("c", "QUEUED")])
    assert set(ResultFile(path).done) == {"a", "c"}
