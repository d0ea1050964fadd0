"""Shapes of events: every field of the order-event API, in every state that it can have.

A shape is an event without its id and its time. A mark stands for the id of the event's order. All data is invented;
the addresses are from the ranges for documentation.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TypeAlias

from journeys.model import Json

Event: TypeAlias = dict[str, Json]

SPELLINGS: dict[str, tuple[str, ...]] = {
    "ads": ("ads", "ad", "Ads", " AD ", "ADS"),
    "email": ("Email", "email", "EMAIL"),
    "social-media": ("social media", "social_media", "Social-Media", "SOCIAL MEDIA"),
    "organic-search": ("organic search", "organic_search", "Organic Search"),
    "referral": ("referral", "Referral"),
    "influencer": ("influencer", "Influencer"),
    "direct": ("direct", "Direct", "DIRECT"),
}
"""Channel → the spellings of its event type."""
UNKNOWN: tuple[str | None, ...] = ("sms", "Push Notification", "télévision", "", None)
"""Event types that belong to no channel."""

_PLATFORM = {
    "ads": ("facebook", "google", "tiktok"),
    "email": ("klaviyo", "mailchimp"),
    "social-media": ("instagram", "pinterest", "weibo"),
    "organic-search": ("google", "bing", "baidu"),
    "referral": ("blog.example", "forum.example"),
    "influencer": ("youtube", "instagram"),
    "direct": ("(direct)",),
    "other": ("sms", "unknown"),
}
_TITLES = (
    "Home | Example Shop", "Summer sale", "Linen shirt", "Your basket", "Café & Thé", "春の新作", "Größentabelle",
    "Checkout 🛒", "",
)  # fmt: skip
_CAMPAIGNS = ("Spring launch", "Summer-sale-2026", "Retargeting 30d", "春季促销", "Always on", "")
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    "",
)
_OBJECTS = (
    "creator", "ad", "email", "social_media", "organic_search", "products", "cart_viewed", "checkout_started",
    "checkout_completed", "payment_info_submitted", "search_submitted",
)  # fmt: skip
_ON_SITE = ("products", "cart_viewed", "checkout_started", "payment_info_submitted", "search_submitted")
_OWN = {
    "ads": "ad",
    "email": "email",
    "social-media": "social_media",
    "organic-search": "organic_search",
    "influencer": "creator",
}


def ordinary(chance: random.Random, mark: str) -> list[Event]:
    """Shapes of all spellings with all variations. Unknown types are rarer than known ones."""
    types = [(name, texts[number % len(texts)]) for name, texts in SPELLINGS.items() for number in range(45)]
    known = [_varied(_event(chance, channel, spelling, mark), chance, mark) for channel, spelling in types]
    unknown = [_varied(_event(chance, "other", text, mark), chance, mark) for text in UNKNOWN * 5]
    return known + unknown


def conversions(chance: random.Random, mark: str) -> list[Event]:
    """Shapes that end a journey with the checkout of its order."""
    shapes = []
    for channel, spellings in SPELLINGS.items():
        for spelling in spellings[:2]:
            shape = _event(chance, channel, spelling, mark)
            shape["checkout_completed"] = _checkout(chance, mark)
            shape["products"] = [_product(chance) for _ in range(chance.randint(1, 3))]
            shapes.append(shape)
    return shapes


VALUES = b"""\
{"event_id": 120210000000123457.0, "event_type": "ads", "event_at": " 2023/03/29 08:26:42 UTC", "cart_viewed": [],
 "ad": {"account_id": 1.0, "campaign_id": 120210000000123457.0, "ad_id": 120210000000123458}, "email": [],
 "products": [null, {"price": 129.99, "shop_currency_price": "129.990", "quantity": 2.0}, 7],
 "checkout_completed": {"total_price": 129.99000000000001, "shop_currency_total_price": 9007199254740993.0},
 "score": 12345678901234567.123456789}"""
"""An event whose numbers lose digits as binary floats, and whose empty objects PHP has written."""
ZEROS = b"""\
{"event_id": "zeros", "event_type": "email", "event_at": "0000-00-00 00:00:00", "products": {}, "email": {},
 "cart_viewed": {"total_price": 1e1000000, "total_quantity": 1.5}, "search_submitted": {"search_query": ""},
 "checkout_completed": {"other_order_id": null, "currency": "", "total_price": 0, "shop_currency_total_price": 0.00}}"""
"""An event with a time that cannot be read, a huge exponent, and objects without content."""


def odd_events() -> list[Event]:
    """Events with values that break the types of the API document. Each has an id of its own."""
    shape = _event(random.Random("odd"), "influencer", "influencer", "odd")  # noqa: S311 - it must repeat
    cart = {"currency": "USD", "total_price": 129.99, "shop_currency_total_price": 2**64, "total_quantity": "two"}
    products = [None, {"price": -(2**63) - 1, "quantity": True, "product_name": ["a", "list"]}, "no object"]
    return [
        {**shape, "event_id": "odd-1", "event_page_title": "half an emoji \ud83d", "cart_viewed": cart},
        {**shape, "event_id": "odd-2", "event_at": "the day before yesterday", "products": products},
        {**shape, "event_id": "odd-3", "event_at": 1_780_000_000, "creator": ["no", "object"], "event_type": 7},
    ]


def _event(chance: random.Random, channel: str, spelling: str | None, mark: str) -> Event:
    platform = chance.choice(_PLATFORM[channel])
    return {
        "event_page_url": f"https://shop.example/p/{chance.randrange(900)}?utm_source={platform}",
        "event_page_title": chance.choice(_TITLES),
        "event_page_referrer": chance.choice(("", f"https://{platform}.example/")),
        "event_page_ip": f"203.0.113.{chance.randrange(1, 255)}",
        "event_page_user_agent": chance.choice(_AGENTS),
        "event_campaign": chance.choice(_CAMPAIGNS),
        "event_source": platform,
        "event_medium": channel,
        "event_type": spelling,
        **dict.fromkeys(_OBJECTS),
        **_channel_object(chance, channel, platform),
        **_on_site(chance, mark),
    }


def _channel_object(chance: random.Random, channel: str, platform: str) -> Event:
    number = f"{chance.randrange(10**15, 10**16)}"
    match channel:
        case "ads":
            return {"ad": _ad(number, chance.choice(_CAMPAIGNS), platform)}
        case "email":
            return {"email": {"receiver_email": f"reader{number[:4]}@mail.example", "email_platform": platform}}
        case "social-media":
            return {"social_media": {"social_media_platform": platform}}
        case "organic-search":
            query = chance.choice(("linen shirt", "亚麻衬衫", ""))
            return {"organic_search": {"organic_search_platform": platform, "organic_search_query": query}}
        case "influencer":
            return {"creator": _creator(number, chance, platform)}
        case _:
            return {}


def _ad(number: str, campaign: str, platform: str) -> Event:
    return {
        "account_id": number[:12],
        "account_name": "Example Shop",
        "campaign_id": number,
        "campaign_name": campaign,
        "set_id": number[::-1],
        "set_name": f"{campaign} set",
        "ad_id": number[2:],
        "ad_name": f"{campaign} ad",
        "ad_platform": platform,
        "keyword": "linen shirt" if platform == "google" else "",
    }


def _creator(number: str, chance: random.Random, platform: str) -> Event:
    return {
        "creator_id": number,
        "creator_name": f"Creator {number[:3]}",
        "creator_url": f"https://go.example/{number}",
        "creator_short_url": f"https://go.example/{number[:5]}",
        "creator_origin_url": "https://shop.example/",
        "creator_type": chance.choice(("Influencer", "affiliate", "newmedia")),
        "creator_cost": chance.choice((0, 500, 2**40)),
        "creator_source": platform,
        "creator_campaign": chance.choice(_CAMPAIGNS),
        "creator_platform": platform,
    }


def _on_site(chance: random.Random, mark: str) -> Event:
    """Nothing, or one action of the visitor on the site."""
    action = chance.choice((None, None, *_ON_SITE))
    match action:
        case None:
            return {}
        case "products":
            return {action: [_product(chance) for _ in range(chance.randint(0, 3))]}
        case "cart_viewed":
            price = chance.randrange(1, 900)
            cart = {"currency": "EUR", "total_price": price, "shop_currency_total_price": price + price // 10}
            return {action: {**cart, "total_quantity": chance.randint(1, 5)}}
        case "search_submitted":
            return {action: {"search_query": chance.choice(("shirt", "chemise en lin", "衬衫", ""))}}
        case _:
            return {action: _checkout(chance, mark)}


def _product(chance: random.Random) -> Event:
    price = chance.randrange(1, 400)
    return {
        "other_product_id": f"{chance.randrange(10**12, 10**13)}",
        "other_variant_id": f"{chance.randrange(10**13, 10**14)}",
        "product_name": "Linen shirt",
        "variant_name": chance.choice(("S / white", "M / sand", "L / ink")),
        "final_name": "Linen shirt, sand",
        "currency": "EUR",
        "price": price,
        "quantity": chance.randint(1, 3),
        "shop_currency_price": price + price // 10,
    }


def _checkout(chance: random.Random, mark: str) -> Event:
    price = chance.randrange(1, 900)
    return {
        "other_order_id": mark,
        "other_order_no": f"{chance.randrange(1000, 9999)}",
        "currency": "EUR",
        "total_price": price,
        "shop_currency_total_price": price + price // 10,
    }


def _varied(event: Event, chance: random.Random, mark: str) -> Event:
    """The event unchanged, or with one of the ways in which an API differs from its document."""
    kinds = list(_variations(event, chance, mark))
    return event if chance.random() < 0.45 else chance.choice(kinds)


def _variations(event: Event, chance: random.Random, mark: str) -> Iterator[Event]:
    own = next((name for name in _OWN.values() if event[name] is not None), None)
    yield {name: value for name, value in event.items() if value is not None}
    yield {name: value for name, value in event.items() if name == "event_type" or chance.random() < 0.6}
    yield {
        **event,
        "session": {"number": 3, "first/last~": [True, None, 0.5]},
        "event_score": 0.75,
        "event_note": None,
    }
    yield {**event, "products": [_product(chance), {**_product(chance), "tags": ["new", "夏"]}, {}]}
    yield {
        **event,
        "email": {"receiver_email": None, "email_platform": ""},
        "checkout_started": _checkout(chance, mark),
    }
    yield {**event, "cart_viewed": {}, "search_submitted": {"search_query": None, "results": 12}}
    if own is not None:
        yield {**event, own: None}
        yield {**event, own: {**event[own], "niche": "slow fashion", "scores": [1, 2.5]}}
