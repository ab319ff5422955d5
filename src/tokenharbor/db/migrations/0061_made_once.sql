-- What was made by a question with an idempotency key, where its answer holds a secret that is stored nowhere: a repeated question makes no second one.
CREATE TABLE made_once (
    account_id       uuid NOT NULL REFERENCES account,
    idempotency_key  text NOT NULL CHECK (idempotency_key <> ''),
    made             text NOT NULL,                 -- its shown id
    at               timestamptz NOT NULL,
    PRIMARY KEY (account_id, idempotency_key)
);
