-- Touches before each conversion: consecutive events of one channel and campaign. A long pause starts a new touch.
-- Events after the conversion or before the window are cut first. An event without a time is inside the window.
create or replace view touches as
with inside as (
    select
        journey_events.*, conversions.converted_at_ms, settings.gap_minutes
    from journey_events
    join conversions
        on conversions.account = journey_events.account
        and conversions.order_id = journey_events.order_id
    cross join settings
    where journey_events.step <= conversions.conversion_step
        and coalesce(
            journey_events.event_at_ms >= conversions.converted_at_ms - settings.window_days * 86400000, true)
),

marked as (
    select
        inside.*,
        case
            when channel = lag(channel) over (partition by account, order_id order by step)
                and campaign = lag(campaign) over (partition by account, order_id order by step)
                and coalesce(
                    event_at_ms - lag(event_at_ms) over (partition by account, order_id order by step)
                    <= gap_minutes * 60000, true)
                then 0
            else 1
        end as starts
    from inside
),

numbered as (
    select
        marked.*,
        cast(sum(starts) over (
            partition by account, order_id order by step
            rows between unbounded preceding and current row
        ) as bigint) as touch
    from marked
)

select
    account, order_id, touch, channel, campaign, untimed,
    count(*) as event_count,
    min(event_at_ms) as touched_at_ms,
    (converted_at_ms - min(event_at_ms)) / 86400000e0 as days_before
from numbered
group by account, order_id, touch, channel, campaign, untimed, converted_at_ms;
