-- A touch weighs half as much for each seven days (a setting) that it lies before the conversion.
-- A journey with an event that has no time falls back to linear.
create or replace view model_time_decay as
select
    account, order_id, touch, channel, campaign,
    case when untimed = 0 then power(2e0, -days_before / half_life_days) else 1e0 end as weight
from credited_touches
cross join settings;
