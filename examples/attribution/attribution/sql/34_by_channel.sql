-- As `by_campaign`, for whole channels.
create or replace view by_channel as
select
    model, account, currency, channel,
    sum(orders) as orders,
    sum(revenue) as revenue,
    sum(spend) as spend,
    sum(spend) / nullif(sum(orders), 0) as cpa,
    sum(revenue) / nullif(sum(spend), 0) as roas
from by_campaign
group by model, account, currency, channel;
