-- The weights of all models. A model of your own is one more view, and one more line here.
create or replace view weights as
select 'first' as model, account, order_id, touch, channel, campaign, weight from model_first
union all
select 'last' as model, account, order_id, touch, channel, campaign, weight from model_last
union all
select 'last non-direct' as model, account, order_id, touch, channel, campaign, weight from model_last_non_direct
union all
select 'linear' as model, account, order_id, touch, channel, campaign, weight from model_linear
union all
select 'position-based' as model, account, order_id, touch, channel, campaign, weight from model_position_based
union all
select 'time decay' as model, account, order_id, touch, channel, campaign, weight from model_time_decay;
