-- A row an API key: its id, and the digest of the whole key, which is told once and never kept.
-- In: nothing. Out: api_keys, api_jobs, api_audit, where they are not there yet.
create table if not exists api_keys (
    key_id text primary key,
    name text not null,
    digest text not null,
    rights text not null,
    entities text,
    created_at text not null,
    expires_on text,
    revoked_at text
);
-- A row a job: what was asked for over the API, in the order in which it was. entities: those of the key, null for all.
create table if not exists api_jobs (
    job text primary key,
    number integer not null unique,
    kind text not null,
    lane text not null check (lane in ('write', 'preview')),
    state text not null check (state in ('waiting', 'running', 'done', 'failed')),
    key_id text not null,
    entities text,
    legal_entity text,
    asked text not null,
    digest text not null,
    idempotency_key text,
    attempts integer not null default 0,
    before text,
    step text,
    result text,
    problem text,
    created_at text not null,
    started_at text,
    finished_at text,
    unique (key_id, idempotency_key)
);
create index if not exists api_jobs_by_state on api_jobs (state, lane, number);
-- A row a request that changes something or is refused.
create table if not exists api_audit (
    number integer primary key,
    at text not null,
    request_id text not null,
    key_id text,
    address text not null,
    method text not null,
    path text not null,
    status integer not null,
    legal_entity text,
    digest text,
    job text
);
