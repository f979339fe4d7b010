"""Statements kept as files."""

from pathlib import Path

import pytest

from chassis.statements import Query, load_queries


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "stationery"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return folder


@pytest.mark.parametrize("place", ["queries", "infrastructure/queries"])
def test_a_statement_is_an_attribute_named_as_its_file(package: Path, place: str) -> None:
    (package / place).mkdir(parents=True)
    (package / place / "find_pens.sql").write_text("-- not a :bind\nSELECT pen\nFROM pens\nWHERE ink = :ink;\n")
    queries = load_queries("stationery")
    assert dir(queries) == ["find_pens"]
    assert queries.find_pens.name == "find_pens"
    assert queries.find_pens.text == "SELECT pen\nFROM pens\nWHERE ink = :ink"
    assert (queries.find_pens.sql, queries.find_pens.binds) == ("SELECT pen\nFROM pens\nWHERE ink = $1", ("ink",))
    with pytest.raises(AttributeError, match=r"stationery has no lose_pens\.sql"):
        _ = queries.lose_pens


def test_casts_are_no_binds_and_a_bind_with_a_cast_is_refused() -> None:
    assert Query.of("q", "SELECT a::int, CAST(:b AS uuid[]), :c, :b").sql == "SELECT a::int, CAST($1 AS uuid[]), $2, $1"
    with pytest.raises(ValueError, match="CAST"):
        Query.of("q", "SELECT :a::int")
