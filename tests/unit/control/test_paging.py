"""Page tokens go back to the list they came from and to no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import paging
from kernel.errors import Failure, Kind

_TEXT = st.text(max_size=80)


@given(organization_id=_TEXT, request=st.binary(max_size=64), position=_TEXT)
def test_a_token_gives_back_its_position(organization_id: str, request: bytes, position: str) -> None:
    token = paging.encode(organization_id=organization_id, filter=request, position=position)

    assert paging.decode(token, organization_id=organization_id, filter=request) == position


@pytest.mark.parametrize(
    ("token", "organization_id", "request_filter"),
    [
        pytest.param(paging.encode(organization_id="a", filter=b"f", position="p"), "b", b"f", id="foreign"),
        pytest.param(paging.encode(organization_id="a", filter=b"f", position="p"), "a", b"g", id="other filter"),
        pytest.param(paging.encode(organization_id="a", filter=b"f", position="p")[:-1], "a", b"f", id="cut"),
        pytest.param("A" + paging.encode(organization_id="a", filter=b"f", position="p"), "a", b"f", id="damaged"),
        pytest.param("", "a", b"f", id="empty"),
        pytest.param("%%%", "a", b"f", id="not base64"),
        pytest.param("é" * 8, "a", b"f", id="not ascii"),
        pytest.param("A" * 512, "a", b"f", id="long"),
    ],
)
def test_any_other_token_is_refused(token: str, organization_id: str, request_filter: bytes) -> None:
    with pytest.raises(Failure) as refused:
        paging.decode(token, organization_id=organization_id, filter=request_filter)

    assert (refused.value.kind, refused.value.reason) == (Kind.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")
    assert [violation.field for violation in refused.value.violations] == ["page_token"]
