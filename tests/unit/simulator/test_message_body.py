"""Bodies as Meta takes and refuses them, and the shape of every error."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.graph_errors import GRAPH_ERRORS, error_body, status_error
from simulator.message_body import BadRequest, read_message

TEXT = {"messaging_product": "whatsapp", "to": "+5511999990001", "type": "text", "text": {"body": "Oi"}}
TEMPLATE_CONTENT = {
    "name": "oferta_v3",
    "language": {"code": "pt_BR"},
    "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ana"}]}],
}


def body(**changes: Any) -> bytes:
    merged = TEXT | changes
    return orjson.dumps({name: value for name, value in merged.items() if value is not ...})


def template(**changes: Any) -> bytes:
    return body(type="template", text=..., template=TEMPLATE_CONTENT | changes)


def media(kind: str, content: object) -> bytes:
    return body(type=kind, text=..., **{kind: content})


def components(*parameters: object) -> list[object]:
    return [{"type": "BODY", "parameters": list(parameters)}]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(body(), id="text"),
        pytest.param(body(type=...), id="type is text when left out"),
        pytest.param(body(text={"body": "x" * 4096}), id="longest text"),
        pytest.param(body(biz_opaque_callback_data="x" * 512), id="longest callback data"),
        pytest.param(template(), id="template"),
        pytest.param(template(components=[]), id="template without components"),
        pytest.param(
            template(components=components({"type": "image", "image": {"id": "1"}})), id="template with an image"
        ),
        pytest.param(media("image", {"link": "https://example.com/a.png", "caption": "x"}), id="image by link"),
        pytest.param(media("document", {"id": "123"}), id="document by id"),
        pytest.param(media("audio", {"id": "123"}), id="audio"),
    ],
)
def test_valid_bodies_are_read(content: bytes) -> None:
    assert read_message(content).recipient == "+5511999990001"


@pytest.mark.parametrize(
    ("content", "code", "named"),
    [
        pytest.param(b"", 100, "JSON", id="empty"),
        pytest.param(b"{", 100, "JSON", id="cut JSON"),
        pytest.param(b"\xff\xfe", 100, "JSON", id="not UTF-8"),
        pytest.param(b"[" * 100_000, 100, "JSON", id="deep nesting"),
        pytest.param(b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 100, "", id="deep objects"),
        pytest.param(b"[]", 100, "messaging_product", id="an array"),
        pytest.param(b"null", 100, "messaging_product", id="null"),
        pytest.param(b'"text"', 100, "messaging_product", id="a string"),
        pytest.param(b"NaN", 100, "JSON", id="NaN"),
        pytest.param(body(messaging_product=...), 100, "messaging_product", id="no product"),
        pytest.param(body(messaging_product="sms"), 100, "messaging_product", id="another product"),
        pytest.param(body(messaging_product=["whatsapp"]), 100, "messaging_product", id="product in an array"),
        pytest.param(body(recipient_type="group"), 100, "recipient_type", id="group"),
        pytest.param(body(to=...), 100, "to", id="no recipient"),
        pytest.param(body(to=5511999990001), 100, "to", id="recipient as a number"),
        pytest.param(body(to="abc"), 131009, "to", id="recipient of letters"),
        pytest.param(body(to="٥٥١١٩٩٩٩٩٠٠٠١"), 131009, "to", id="recipient of other digits"),
        pytest.param(body(to="+5511999990001\n"), 131009, "to", id="recipient with a line end"),
        pytest.param(body(type="hologram"), 100, "type", id="unknown type"),
        pytest.param(body(type=7), 100, "type", id="type as a number"),
        pytest.param(body(type={}), 100, "type", id="type as an object"),
        pytest.param(body(type="reaction", reaction={}), 131051, "reaction", id="type not supported"),
        pytest.param(body(text=...), 100, "text", id="no text"),
        pytest.param(body(text="Oi"), 100, "text", id="text not an object"),
        pytest.param(body(text={"body": ""}), 100, "text['body']", id="empty text"),
        pytest.param(body(text={"body": 1}), 100, "text['body']", id="text as a number"),
        pytest.param(body(text={"body": "x" * 4097}), 100, "4096", id="text too long"),
        pytest.param(body(biz_opaque_callback_data="x" * 513), 100, "biz_opaque", id="callback data too long"),
        pytest.param(body(biz_opaque_callback_data=1), 100, "biz_opaque", id="callback data as a number"),
        pytest.param(template(name=None), 100, "name", id="template without a name"),
        pytest.param(template(name="Oferta V3"), 100, "name", id="template name with a space"),
        pytest.param(template(language="pt_BR"), 100, "language", id="language not an object"),
        pytest.param(template(language={"code": "portuguese"}), 100, "language", id="unknown language"),
        pytest.param(template(components={}), 100, "components", id="components not an array"),
        pytest.param(template(components=[1]), 100, "components", id="component as a number"),
        pytest.param(template(components=[{"type": "tail"}]), 100, "components", id="unknown component"),
        pytest.param(template(components=components("x")), 131008, "type", id="parameter not an object"),
        pytest.param(template(components=components({"type": "text"})), 131008, "text", id="text missing"),
        pytest.param(template(components=components({"type": "text", "text": ""})), 131008, "text", id="text empty"),
        pytest.param(media("image", {}), 100, "image", id="image without source"),
        pytest.param(media("image", {"id": "1", "link": "https://x"}), 100, "image", id="image with two sources"),
        pytest.param(media("video", {"link": "file:///etc/passwd"}), 100, "link", id="link of another scheme"),
        pytest.param(media("audio", {"id": "1", "caption": "x"}), 100, "caption", id="audio with a caption"),
        pytest.param(media("image", {"id": "1", "caption": "x" * 1025}), 100, "1024", id="caption too long"),
    ],
)
def test_bad_bodies_name_the_parameter(content: bytes, code: int, named: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_message(content)
    assert refused.value.code == code
    assert named in refused.value.details


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(
    field=st.sampled_from(["messaging_product", "to", "type", "text", "template", "image", "recipient_type"]),
    kind=st.sampled_from(["text", "template", "image"]),
    value=JSON,
)
def test_any_json_in_any_field_is_read_or_refused(field: str, kind: str, value: object) -> None:
    try:
        read_message(orjson.dumps(TEXT | {"type": kind} | {field: value}))
    except BadRequest as refused:
        assert refused.code in GRAPH_ERRORS  # noqa: PT017 - both ends are right


@pytest.mark.parametrize("code", GRAPH_ERRORS)
def test_error_json_has_the_shape_of_the_graph_api(code: int) -> None:
    error = error_body(code=code, trace="AbC")["error"]
    assert set(error) == {"message", "type", "code", "error_data", "fbtrace_id"}
    assert error["code"] == code
    assert error["type"] == "OAuthException"
    assert error["error_data"]["messaging_product"] == "whatsapp"
    assert error["error_data"]["details"]
    assert code in (0, 190) or error["message"].startswith(f"(#{code}) ")
    told = status_error(code)
    assert (told["code"], bool(told["title"]), bool(told["error_data"]["details"])) == (code, True, True)


@pytest.mark.parametrize(
    ("http_status", "codes"),
    [
        (401, {0, 190}),
        (403, {10, 200, 368, 130403, 130497, 131005, 131031}),
        (404, {132001}),
        (500, {3, 131000, 131016, 131045, 131057}),
        (503, {2, 133004}),
    ],
)
def test_http_status_by_code(http_status: int, codes: set[int]) -> None:
    assert {code for code, row in GRAPH_ERRORS.items() if row.http_status == http_status} == codes
