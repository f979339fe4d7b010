CREATE TABLE outbox (
    parcel_id uuid NOT NULL,
    receiver text NOT NULL,
    payload bytea NOT NULL,
    items integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    CONSTRAINT outbox_pkey PRIMARY KEY (receiver, parcel_id),
    CONSTRAINT outbox_items_positive CHECK (items > 0)
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_threshold = 5000
);
ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE TABLE outbox_refused (
    refused_id bigint GENERATED ALWAYS AS IDENTITY,
    receiver text NOT NULL,
    item_id text NOT NULL,
    payload bytea NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT outbox_refused_pkey PRIMARY KEY (refused_id)
);
