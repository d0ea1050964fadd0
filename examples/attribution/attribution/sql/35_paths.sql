-- The channels of each order's touches, from the first to the last, and how many orders came that way.
create or replace view paths as
select account, currency, path, count(*) as orders, sum(revenue) as revenue
from (
    select
        touches.account, touches.order_id, conversions.currency, conversions.revenue,
        string_agg(touches.channel, ' > ' order by touches.touch) as path
    from touches
    join conversions
        on conversions.account = touches.account
        and conversions.order_id = touches.order_id
    group by touches.account, touches.order_id, conversions.currency, conversions.revenue
) as per_order
group by account, currency, path;
