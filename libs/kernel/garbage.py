"""When Python looks for cycles. Knows nothing of who makes them."""

import gc


def collect_seldom() -> None:
    """Leave what is imported out of collections, and have fewer of them, for the rest of the process.

    A batch makes many objects and hardly a cycle; a full collection looked at everything that was ever imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
