-- What was spent on each campaign: your spend, and the cost of each influencer's campaign, once however many events
-- name it. The record gives that cost no currency; it is taken in the shop's, like the amounts beside it.
-- `campaign` is null if the spend is of the whole channel. It is empty for events that have no campaign.
create or replace view costs as
select account, channel, campaign, currency, sum(spend) as spend
from (
    select account, channel, nullif(campaign, '') as campaign, currency, spend from spend
    union all
    select account, channel, campaign, shop_currency as currency, max(creator_cost) as spend
    from journey_events
    where creator_cost > 0 and creator_cost < 1e18 and shop_currency is not null
    group by account, channel, campaign, shop_currency, creator_id
) as spent
group by account, channel, campaign, currency;
