-- The tables that `attribution load` fills. Times are milliseconds since 1970, UTC, so the views need no date functions.
create table if not exists events (
    account varchar not null,
    order_id varchar not null,
    edition varchar not null,
    fetched_at_ms bigint not null,
    position bigint not null,
    channel varchar not null,
    campaign varchar not null,         -- empty if the event has none
    event_at_ms bigint,                -- null if the time cannot be read
    checkout_order_id varchar,         -- order of the completed checkout, if the event has one
    creator_id varchar,
    creator_cost decimal(38, 9)        -- one-time cost of the campaign
);

-- One row for each reading of an order. It says how many events belong to the reading, and what the order is worth.
create table if not exists summaries (
    account varchar not null,
    order_id varchar not null,
    edition varchar not null,
    fetched_at_ms bigint not null,
    expected_events bigint not null,
    conversion_seen boolean not null,
    order_total decimal(38, 9),
    order_currency varchar,
    order_shop_currency_total decimal(38, 9),
    shop_currency varchar
);

-- Where the loader goes on. It writes offsets and rows in one transaction.
create table if not exists offsets (
    topic varchar not null,
    partition_number bigint not null,
    next_offset bigint not null,
    primary key (topic, partition_number)
);

-- Money spent, from a CSV file. An empty campaign is spend of the whole channel.
create table if not exists spend (
    account varchar not null,
    channel varchar not null,
    campaign varchar not null,
    currency varchar not null,
    spend decimal(38, 9) not null
);

-- One row: the rules that you can change.
create table if not exists settings (
    window_days bigint not null,       -- touches that lie further before the conversion get no credit
    gap_minutes bigint not null,       -- a longer pause starts a new touch
    half_life_days bigint not null,    -- time decay halves the weight of a touch after each of these
    credit_direct boolean not null     -- false: direct gets credit only if the journey has nothing else
);
insert into settings
select 30, 30, 7, false
where not exists (select 1 from settings);
