-- The newest reading of each order. It replaces the older ones whole. Currencies are in capitals, an empty one is null.
create or replace view newest_editions as
select
    account, order_id, edition, fetched_at_ms, expected_events, conversion_seen,
    order_total, upper(nullif(order_currency, '')) as order_currency,
    order_shop_currency_total, upper(nullif(shop_currency, '')) as shop_currency
from (
    select
        summaries.*,
        row_number() over (partition by account, order_id order by fetched_at_ms desc, edition desc) as newness
    from summaries
) as readings
where newness = 1;
