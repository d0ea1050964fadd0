-- The credit of each touch under each model: a share of the one order, and of its revenue. Both sums are exact.
-- The remainder of rounding goes to the touch of the largest weight, and of two such touches to the later one.
create or replace view credits as
with weighed as (
    select
        weights.*, conversions.currency, conversions.revenue as order_revenue,
        weight / sum(weight) over (partition by model, weights.account, weights.order_id) as share,
        row_number() over (
            partition by model, weights.account, weights.order_id order by weight desc, touch desc
        ) as heaviness
    from weights
    join conversions
        on conversions.account = weights.account
        and conversions.order_id = weights.order_id
),

rounded as (
    select
        weighed.*,
        cast(share as decimal(38, 9)) as orders,
        cast(order_revenue * 1e0 * share as decimal(38, 9)) as revenue
    from weighed
)

select
    model, account, order_id, touch, channel, campaign, currency,
    orders + case
        when heaviness = 1 then 1 - sum(orders) over (partition by model, account, order_id) else 0
    end as orders,
    revenue + case
        when heaviness = 1 then order_revenue - sum(revenue) over (partition by model, account, order_id) else 0
    end as revenue
from rounded;
