-- One row: how many orders there are, and why some have no revenue in the results.
create or replace view coverage as
select
    count(*) as orders,
    (select count(*) from summaries) - count(*) as older_editions,
    sum(case when conversions.order_id is null then 1 else 0 end) as incomplete,
    sum(case when not conversions.conversion_seen then 1 else 0 end) as without_conversion,
    sum(case when conversions.conversion_seen and conversions.revenue is null then 1 else 0 end) as without_amount,
    sum(case when conversions.conversion_seen and conversions.untimed > 0 then 1 else 0 end) as without_times
from newest_editions
left join conversions
    on conversions.account = newest_editions.account
    and conversions.order_id = newest_editions.order_id;
