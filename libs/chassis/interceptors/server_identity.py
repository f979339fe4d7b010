"""Who calls, and may they: nothing passes without a row of the table. Knows nothing of the request."""

from chassis.authentication import Tokens, bearer_token, peer_of
from chassis.authorization import authorize
from chassis.identity import Identity, acting_as
from chassis.interceptors.call import Behaviour, Call, Layer, Listener


def identity(tokens: Tokens) -> Layer:
    """Make the layer: a token names a caller at the public listener, a certificate a peer at the internal one."""

    async def identified(serve: Behaviour, call: Call) -> bytes:
        who = await _who(call, tokens)
        call.identity = who
        authorize(call.method, who)
        with acting_as(who):
            return await serve(call)

    return identified


async def _who(call: Call, tokens: Tokens) -> Identity:
    match call.listener:
        case Listener.PUBLIC:
            return await tokens.verify(bearer_token(value for key, value in call.metadata if key == "authorization"))
        case Listener.INTERNAL:
            return peer_of(call.context.auth_context())
