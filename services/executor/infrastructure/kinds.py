"""What rows of a batch have in common, given to a statement once: columns of kinds, and each row's kind by its number.

An element of an array costs the driver more than PostgreSQL what it does with it. Knows no statement.
"""

from collections.abc import Iterable, Sequence


def by_kind(names: Sequence[str], kinds: Iterable[tuple[object, ...]]) -> dict[str, list[object]]:
    """Return the binds `names`, a column each of the different kinds, and `kinds`: each row's, by its number from 1."""
    numbers: dict[tuple[object, ...], int] = {}
    rows: list[object] = [numbers.setdefault(kind, len(numbers) + 1) for kind in kinds]
    return {**{name: [kind[place] for kind in numbers] for place, name in enumerate(names)}, "kinds": rows}
