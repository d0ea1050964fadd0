-- The events of complete journeys. `step` is their order: by time, then by position.
-- If any event of a journey has no time, the journey is ordered by position alone (`untimed` counts such events).
create or replace view journey_events as
select
    timed.*,
    row_number() over (
        partition by account, order_id
        order by case when untimed = 0 then event_at_ms end, position
    ) as step
from (
    select
        events.account, events.order_id, events.position, events.channel, events.campaign, events.event_at_ms,
        events.checkout_order_id, events.creator_id, events.creator_cost, complete_journeys.shop_currency,
        sum(case when events.event_at_ms is null then 1 else 0 end)
            over (partition by events.account, events.order_id) as untimed
    from events
    join complete_journeys
        on complete_journeys.account = events.account
        and complete_journeys.order_id = events.order_id
        and complete_journeys.edition = events.edition
        and complete_journeys.fetched_at_ms = events.fetched_at_ms
) as timed;
