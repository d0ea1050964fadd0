-- The newest readings of which all events are here. Kafka delivers topics one by one, so some events may still be missing.
create or replace view complete_journeys as
select newest_editions.*
from newest_editions
left join (
    select account, order_id, edition, fetched_at_ms, count(*) as event_count
    from events
    group by account, order_id, edition, fetched_at_ms
) as held
    on held.account = newest_editions.account
    and held.order_id = newest_editions.order_id
    and held.edition = newest_editions.edition
    and held.fetched_at_ms = newest_editions.fetched_at_ms
where coalesce(held.event_count, 0) = newest_editions.expected_events;
