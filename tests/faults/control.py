"""The real control with a wall clock that steps: `python -m tests.faults.control`. Knows no checker."""

import sys

from tests.faults import mutants
from tests.faults.launching import SteppingClock, mutant

import control.__main__ as product

if __name__ == "__main__":
    clock = SteppingClock()
    product.SystemClock = lambda: clock  # type: ignore[assignment,misc]
    mutants.become(mutant())
    sys.exit(product.main())
