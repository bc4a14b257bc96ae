-- oldest release: 0.2.0

-- What operators find by a search: orders, payments, products and shops, as events describe them. The index holds no name, no
-- e-mail address and no postal address of a person: people are found through auth.
CREATE TABLE search_entries (
    kind      text        NOT NULL CHECK (kind IN ('order', 'payment', 'product', 'shop')),
    id        text        NOT NULL,
    title     text        NOT NULL,
    status    text        NOT NULL,
    -- A code for why a payment failed or was refunded, or the provider's own words; else empty.
    reason    text        NOT NULL,
    -- The buyer of an order or payment, the seller of a product or shop. Null until an event names it.
    person_id uuid,
    -- The time of its first event, and the position of its latest one in its publisher's event log.
    at        timestamptz NOT NULL,
    position  bigint      NOT NULL,
    -- The position of the latest event with each of these; 0 until there is one. Events may arrive in any order.
    title_position  bigint NOT NULL,
    reason_position bigint NOT NULL,
    person_position bigint NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX search_entries_of_person ON search_entries (person_id, kind, at DESC) WHERE person_id IS NOT NULL;
CREATE INDEX search_entries_by_status ON search_entries (kind, status, at DESC);

-- The texts by whose beginning an entry is found, in the form of `search_index.search_term`.
CREATE TABLE search_terms (
    kind     text   NOT NULL,
    term     text   NOT NULL COLLATE "C",
    id       text   NOT NULL,
    -- For titles that may change, the position of the latest event with this term: terms of an earlier title are
    -- deleted. Else 0.
    position bigint NOT NULL,
    PRIMARY KEY (kind, term, id),
    FOREIGN KEY (kind, id) REFERENCES search_entries ON DELETE CASCADE
);
CREATE INDEX search_terms_of_entry ON search_terms (kind, id);
