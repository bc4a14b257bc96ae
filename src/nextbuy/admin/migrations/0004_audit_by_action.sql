-- oldest release: 0.2.0

-- For the list of decisions.
CREATE INDEX operator_acts_by_action ON operator_acts (action, id DESC);
