-- A row a delivery: the files of one export or payment order to one destination. copy: 2, 3… where it was asked again.
create table if not exists deliveries (
    delivery text primary key,
    subject text not null,
    legal_entity text not null,
    destination text not null,
    channel text not null,
    copy integer not null,
    state text not null check (state in ('waiting', 'delivered', 'failed', 'unclear')),
    attempts integer not null default 0,
    created_at text not null,
    tried_at text,
    said text,
    unique (subject, destination, copy)
);
-- How far each of its files has come, so that the next attempt goes on where one was cut off.
create table if not exists delivery_steps (
    delivery text not null references deliveries (delivery),
    file text not null,
    step text not null,
    primary key (delivery, file)
);
-- What the receiver has got: a row a file. recorded: whether the ledger has it.
create table if not exists delivery_receipts (
    delivery text not null references deliveries (delivery),
    file text not null,
    receipt text not null,
    recorded integer not null default 0,
    primary key (delivery, file)
);
-- What people were last told of a destination that fails, so that they are not told every hour.
create table if not exists notices (
    destination text primary key,
    said text not null,
    at text not null
);
