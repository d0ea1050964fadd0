-- The last touch that is not direct takes everything, whatever the settings say; direct, if there is nothing else.
create or replace view model_last_non_direct as
select account, order_id, touch, channel, campaign, 1e0 as weight
from (
    select
        account, order_id, touch, channel, campaign,
        row_number() over (
            partition by account, order_id
            order by case when channel = 'direct' then 1 else 0 end, touch desc
        ) as choice
    from touches
) as ranked
where choice = 1;
