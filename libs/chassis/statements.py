"""Statements kept as files, one each, named as verbs. Knows nothing of connections."""

import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Self

_COMMENT_LINE = re.compile(r"^\s*--.*\n?", re.MULTILINE)
_BIND = re.compile(r"(?<![:\w]):(\w+)(?!:)")
_CAST_BIND = re.compile(r"(?<![:\w]):\w+::")
_FOLDERS = (("infrastructure", "queries"), ("queries",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One statement: `text` with `:name` binds, and `sql` with the driver's `$1` for the first of `binds`."""

    name: str
    text: str
    sql: str
    binds: tuple[str, ...]

    @classmethod
    def of(cls, name: str, sql: str) -> Self:
        """Make a query from its text; lines that are comments may hold colons."""
        statement = _COMMENT_LINE.sub("", sql).strip().rstrip(";")
        if (misread := _CAST_BIND.search(statement)) is not None:
            raise ValueError(f"{name}: {misread.group()} is not read as a bind; write CAST(:name AS type)")
        binds = tuple(dict.fromkeys(_BIND.findall(statement)))
        sql = _BIND.sub(lambda bind: f"${binds.index(bind[1]) + 1}", statement)
        return cls(name=name, text=statement, sql=sql, binds=binds)


class Queries:
    """The statements of one package, as attributes: `queries.insert_intents` is insert_intents.sql."""

    def __init__(self, package: str, queries: dict[str, Query]) -> None:
        self._package = package
        self._queries = queries

    def __getattr__(self, name: str) -> Query:
        try:
            return self._queries[name]
        except KeyError:
            raise AttributeError(f"{self._package} has no {name}.sql under queries/") from None

    def __dir__(self) -> list[str]:
        return sorted(self._queries)


def load_queries(package: str) -> Queries:
    """Read every statement in `infrastructure/queries/` or `queries/` of `package`."""
    found: dict[str, Query] = {}
    for parts in _FOLDERS:
        folder: Traversable = files(package).joinpath(*parts)
        for file in folder.iterdir() if folder.is_dir() else ():
            if file.name.endswith(".sql"):
                name = file.name.removesuffix(".sql")
                found[name] = Query.of(name, file.read_text(encoding="utf-8"))
    return Queries(package, found)
