-- Orders, revenue, cost per order (CPA) and revenue per cost (ROAS) of each campaign, under each model. Spend of a whole
-- channel is a row without a campaign (null). No orders belong to it alone, so it has neither CPA nor ROAS here.
create or replace view by_campaign as
select
    model, account, currency, channel, campaign,
    sum(orders) as orders,
    sum(revenue) as revenue,
    sum(spend) as spend,
    sum(spend) / nullif(sum(orders), 0) as cpa,
    case when campaign is not null then sum(revenue) / nullif(sum(spend), 0) end as roas
from (
    select model, account, currency, channel, campaign, orders, revenue, null as spend from credits
    union all
    select models.model, account, currency, channel, campaign, 0 as orders, 0 as revenue, spend
    from costs
    cross join (select distinct model from credits) as models
) as entries
group by model, account, currency, channel, campaign;
