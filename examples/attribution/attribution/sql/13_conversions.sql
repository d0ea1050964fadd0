-- One row for each complete journey. Without its own completed checkout it has no revenue: nothing is guessed.
-- Revenue is the total in the shop's currency, else the one in the order's currency. An amount without a currency does
-- not count, nor does one of 10^18 or more, whose sums would overflow.
create or replace view conversions as
select
    complete_journeys.account,
    complete_journeys.order_id,
    complete_journeys.conversion_seen,
    checkouts.event_at_ms as converted_at_ms,
    checkouts.step as conversion_step,
    coalesce(checkouts.untimed, 0) as untimed,
    case
        when abs(order_shop_currency_total) < 1e18 and shop_currency is not null then order_shop_currency_total
        when abs(order_total) < 1e18 and order_currency is not null then order_total
    end as revenue,
    case
        when abs(order_shop_currency_total) < 1e18 and shop_currency is not null then shop_currency
        when abs(order_total) < 1e18 and order_currency is not null then order_currency
    end as currency
from complete_journeys
left join (
    select
        account, order_id, event_at_ms, step, untimed,
        row_number() over (
            partition by account, order_id
            order by case when event_at_ms is null then 1 else 0 end, event_at_ms desc, position desc
        ) as lateness
    from journey_events
    where checkout_order_id = order_id
) as checkouts
    on checkouts.account = complete_journeys.account
    and checkouts.order_id = complete_journeys.order_id
    and checkouts.lateness = 1;
