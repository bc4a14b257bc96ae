-- oldest release: 0.1.0

CREATE TABLE daily_figures (
    day     date   NOT NULL,
    topic   text   NOT NULL,
    shop_id uuid,
    events  bigint NOT NULL,
    units   bigint NOT NULL,
    amount  bigint NOT NULL,
    UNIQUE NULLS NOT DISTINCT (day, topic, shop_id)
);
