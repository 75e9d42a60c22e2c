-- A row a delivery: the files of one export or payment order to one destination.
create table if not exists deliveries (
    delivery text primary key,
    number integer not null unique,
    subject text not null,
    destination text not null,
    state text not null check (state in ('waiting', 'delivered', 'failed', 'unclear')),
    attempts integer not null default 0,
    created_at text not null,
    tried_at text,
    said text,
    recorded integer not null default 0
);
-- How far each of its files has come, so that the next attempt goes on where one was cut off.
create table if not exists delivery_steps (
    delivery text not null references deliveries (delivery),
    file text not null,
    step text not null,
    primary key (delivery, file)
);
-- What the receiver has got: a row a file, kept until the ledger has it.
create table if not exists delivery_receipts (
    delivery text not null references deliveries (delivery),
    file text not null,
    receipt text not null,
    primary key (delivery, file)
);
