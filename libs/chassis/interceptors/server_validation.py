"""Reads the request and refuses a bad one, before the handler sees it. Knows no rule's meaning."""

from collections.abc import Callable

from google.protobuf.message import DecodeError, Message

from chassis.interceptors.call import Behaviour, Call, Layer
from chassis.validation import Rules
from kernel.errors import Failure, Kind


def validation(rules: Rules, read: Callable[[bytes], Message]) -> Layer:
    """Make the layer for a method whose requests `read` reads."""

    async def validated(serve: Behaviour, call: Call) -> bytes:
        try:
            request = read(call.raw_request)
        except DecodeError:
            raise Failure(
                Kind.INVALID_ARGUMENT, "INVALID_FIELD", "the request is not a message of this method"
            ) from None
        call.raw_request = b""
        rules.check(request)
        call.request = request
        return await serve(call)

    return validated
