-- The last touch takes everything.
create or replace view model_last as
select account, order_id, touch, channel, campaign, 1e0 as weight
from credited_touches
where place = places;
