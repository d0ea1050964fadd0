-- The first and the last touch take 40 % each, those between them share 20 %. Two touches take half each.
create or replace view model_position_based as
select
    account, order_id, touch, channel, campaign,
    case
        when places <= 2 then 1e0
        when place in (1, places) then 4e-1
        else 2e-1 / (places - 2)
    end as weight
from credited_touches;
