"""Channels for any spelling."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from journeys.producer.channels import SPELLINGS, Channel, Channels, normalised

CHANNELS = Channels()
separators = st.text("_- ", min_size=1, max_size=3)


@st.composite
def variants(draw: st.DrawFn, spelling: str) -> str:
    """A spelling with any case, any separators and any space around it."""
    words = ["".join(draw(st.sampled_from((char, char.upper()))) for char in word) for word in spelling.split("-")]
    text = words[0] + "".join(draw(separators) + word for word in words[1:])
    around = st.text(" \t\n", max_size=20)
    return draw(around) + text + draw(around)


@given(st.data(), st.sampled_from(sorted(SPELLINGS)))
def test_a_channel_ignores_case_space_and_separators(data: st.DataObject, spelling: str) -> None:
    """Surrounding space, case and separators do not change the channel."""
    assert CHANNELS.of(data.draw(variants(spelling))) is SPELLINGS[spelling]


@given(st.text() | st.text(st.characters(codec=None)))
def test_any_text_has_a_channel(text: str) -> None:
    """A text has the channel of its normal spelling, and normalizing twice changes nothing."""
    assert normalised(normalised(text)) == normalised(text)
    assert CHANNELS.of(text) is SPELLINGS.get(normalised(text), Channel.OTHER)
