-- The touches that share the credit, numbered by `place` from 1 to `places`. Direct is among them only if the journey
-- has nothing else, or if the settings say so.
create or replace view credited_touches as
select
    account, order_id, touch, channel, campaign, untimed, days_before,
    row_number() over (partition by account, order_id order by touch) as place,
    count(*) over (partition by account, order_id) as places
from (
    select
        touches.*,
        sum(case when channel = 'direct' then 0 else 1 end) over (partition by account, order_id) as others
    from touches
) as counted
cross join settings
where credit_direct or channel <> 'direct' or others = 0;
