-- Days from the first touch to the conversion. Journeys with events that have no time are left out.
create or replace view days_to_order as
select touches.account, touches.order_id, conversions.currency, max(touches.days_before) as days
from touches
join conversions
    on conversions.account = touches.account
    and conversions.order_id = touches.order_id
where touches.untimed = 0
group by touches.account, touches.order_id, conversions.currency;
