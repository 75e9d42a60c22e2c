-- A row a drop of master data that was taken: whose it was, what it was, and what became of it.
create table if not exists drops (
    number integer primary key,
    source text not null,
    name text not null,
    digest text not null,
    mode text not null,
    state text not null check (state in ('applied', 'unchanged', 'refused', 'known')),
    rejected integer not null,
    version integer,
    taken_at text not null,
    said text
);
create index if not exists drops_by_digest on drops (source, digest);
