-- A row a schedule that was seen. done_through: the last moment that counts as done; first the one it was seen at.
create table if not exists schedules (
    schedule text primary key,
    seen_at text not null,
    done_through text not null,
    tried_at text,
    outcome text,
    said text
);
