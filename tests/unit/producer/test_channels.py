"""The table of channels."""

from __future__ import annotations

import pytest

from journeys.errors import SettingsError
from journeys.producer.channels import Channel, Channels


@pytest.mark.parametrize(
    ("event_type", "channel"),
    [
        ("ads", Channel.ADS),
        ("ad", Channel.ADS),
        ("Email", Channel.EMAIL),
        ("e-mail", Channel.EMAIL),
        ("social media", Channel.SOCIAL_MEDIA),
        ("social_media", Channel.SOCIAL_MEDIA),
        ("SocialMedia", Channel.SOCIAL_MEDIA),
        (" Organic  Search\n", Channel.ORGANIC_SEARCH),
        ("referral", Channel.REFERRAL),
        ("influencer", Channel.INFLUENCER),
        ("direct", Channel.DIRECT),
        ("adverts", Channel.OTHER),
        ("a d", Channel.OTHER),
        ("", Channel.OTHER),
        ("ads" + " " * 253, Channel.ADS),
        ("ads" + " " * 254, Channel.OTHER),
        ("\ud800", Channel.OTHER),
        (None, Channel.OTHER),
        (7, Channel.OTHER),
        (["ads"], Channel.OTHER),
    ],
)
def test_every_type_has_a_channel(event_type: object, channel: Channel) -> None:
    """The document's spellings lead to their channel, anything else to other."""
    assert Channels().of(event_type) is channel


def test_an_alias_adds_a_spelling_in_any_form() -> None:
    """An alias is normalised like a type, so that one entry covers its variants."""
    channels = Channels({"News_Letter": "email"})
    assert [channels.of(text) for text in ("news letter", "NEWS-LETTER", "ad")] == [
        Channel.EMAIL,
        Channel.EMAIL,
        Channel.ADS,
    ]


def test_wrong_aliases_are_all_named() -> None:
    """An unknown channel, a built-in spelling that would move, and an empty spelling are refused together."""
    with pytest.raises(SettingsError) as refused:
        Channels({"tv": "television", "Ads": "email", " _ ": "ads", "pay-per-click": "ads", "x" * 257: "ads"})
    assert [name for name, _ in refused.value.problems] == ["JOURNEYS_PUBLISH__ALIASES"] * 4
    assert "television" in str(refused.value)
    assert "built in as ads" in str(refused.value)
