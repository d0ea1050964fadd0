"""A worker that traces, on real Kafka, with a collector that takes OTLP over HTTP."""

from __future__ import annotations

from tests.broker.kafka_tools import produce_orders
from tests.broker.shop import CHANNELS, KEY, open_shop
from tests.support.collector import collector, values

from journeys_sandbox.stack.stack import Stack

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SENDER = f"00-{TRACE}-00f067aa0ba902b7-01"


def test_sampled_order_has_one_whole_trace_and_its_records_name_it(stack: Stack, namespace: str) -> None:
    """The sender's flag decides. The trace has the order, its pages and the transaction; the end flushes them.

    The collector is not ready at first: that is logged once.
    """
    with (
        collector(503, 503) as collecting,
        open_shop(
            stack,
            namespace,
            environment={
                "JOURNEYS_API__PAGE_SIZE": "2",
                "JOURNEYS_TRACING__ENDPOINT": collecting.url,
                "JOURNEYS_TRACING__RATIO": "0",
            },
        ) as shop,
    ):
        servers = stack.broker.bootstrap_servers
        produce_orders(servers, shop.orders, ["n5-traced"], headers=[("traceparent", SENDER)])
        produce_orders(servers, shop.orders, ["n3-flag"], headers=[("traceparent", SENDER[:-1] + "0")])
        produce_orders(servers, shop.orders, ["n3-plain"])
        worker = shop.crew.hire()
        shop.until_published(3)
        assert worker.stop() == 0, worker.raw()
        assert [line for line in worker.lines("library.message") if line["logger"] != "librdkafka"] == []
        [failing], [_] = worker.lines("tracing.failing"), worker.lines("tracing.recovered")
        assert "Service Unavailable" in failing["reason"]
        records = shop.read(*(shop.topic(end) for end in (*CHANNELS, "summary", "rejected")))

    spans = collecting.spans
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    [order] = [span for span in spans if span.name == f"process {shop.orders}"]
    pages = [span for span in spans if span.name == "fetch page"]
    [transaction] = [span for span in spans if span.name == "send"]
    assert len(spans) == 2 + len(pages)
    assert order.parent_span_id.hex() == "00f067aa0ba902b7"
    assert {span.parent_span_id for span in (*pages, transaction)} == {order.span_id}
    assert sorted(values(page.attributes)["journeys.page"] for page in pages) == [1, 2, 3]
    assert [link.span_id for link in transaction.links] == [order.span_id]
    attributes = values(order.attributes)
    assert (attributes["journeys.order_id"], attributes["journeys.outcome"]) == ("n5-traced", "published")
    assert values(transaction.attributes)["journeys.outcome"] == "committed"
    assert order.start_time_unix_nano <= min(page.start_time_unix_nano for page in pages)
    assert max(page.end_time_unix_nano for page in pages) <= order.end_time_unix_nano
    resource = values(collecting.requests[0].resource_spans[0].resource.attributes)
    assert resource["service.name"] == "journeys"

    ours = [record for record in records if record.key == b"n5-traced"]
    assert len(ours) == 6
    assert {record.header("traceparent") for record in ours} == {f"00-{TRACE}-{order.span_id.hex()}-01"}
    assert {record.header("traceparent") for record in records if record.key != b"n5-traced"} == {None}
    sent = b"".join(request.SerializeToString() for request in collecting.requests)
    assert KEY.encode() not in sent
