"""The Cloud API's error table: every documented code has one meaning."""

import pytest

from executor.domain.outcome import Rejected, Retryable
from executor.domain.words import SignalKind
from executor.infrastructure.providers.whatsapp_cloud import ERRORS


@pytest.mark.parametrize(
    ("code", "kind", "reason", "signal"),
    [
        ("131000", Retryable, "RETRY_SOON", None),
        ("131016", Retryable, "RETRY_SOON", None),
        ("2", Retryable, "RETRY_SOON", None),
        ("130429", Retryable, "INSTANCE_RATE", SignalKind.RATE_LIMITED),
        ("80007", Retryable, "INSTANCE_RATE", SignalKind.RATE_LIMITED),
        ("131056", Retryable, "PAIR_RATE", None),
        ("131048", Retryable, "SPAM_LIMIT", SignalKind.SPAM_LIMIT),
        ("131049", Rejected, "RECIPIENT_LATER", None),
        ("131026", Rejected, "RECIPIENT_NEVER", None),
        ("131050", Rejected, "OPTED_OUT", SignalKind.OPTED_OUT),
        ("131047", Rejected, "WINDOW_CLOSED", None),
        ("132001", Rejected, "TEMPLATE_REJECTED", None),
        ("132015", Retryable, "TEMPLATE_PAUSED", None),
        ("190", Retryable, "ACCOUNT_LOCKED", SignalKind.ACCOUNT_LOCKED),
        ("250", Retryable, "ACCOUNT_LOCKED", SignalKind.ACCOUNT_LOCKED),
        ("131031", Retryable, "ACCOUNT_LOCKED", SignalKind.ACCOUNT_LOCKED),
        ("100", Rejected, "BAD_REQUEST", None),
        ("999999", Rejected, "UNLISTED", None),
    ],
)
def test_a_code_has_one_meaning(code: str, kind: type, reason: str, signal: SignalKind | None) -> None:
    outcome = ERRORS.answer(code, http_status=400, retry_after=None)
    assert isinstance(outcome, kind)
    assert (outcome.reason, outcome.signal, outcome.provider_code) == (reason, signal, code)


def test_an_unlisted_code_is_tried_again_only_where_the_provider_was_in_trouble() -> None:
    assert isinstance(ERRORS.answer("999999", http_status=500, retry_after=None), Retryable)


def test_a_failed_status_is_tried_again_only_where_the_table_says_so() -> None:
    assert isinstance(ERRORS.failed_status("131056"), Retryable)
    assert isinstance(ERRORS.failed_status("131000"), Rejected)
    assert isinstance(ERRORS.failed_status(""), Rejected)


def test_the_table_has_a_version() -> None:
    assert ERRORS.version
