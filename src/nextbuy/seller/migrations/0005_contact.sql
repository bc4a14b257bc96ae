-- oldest release: 0.2.0

-- How buyers reach a shop, in the words of its seller; empty if it says nothing.
ALTER TABLE shops ADD COLUMN contact text NOT NULL DEFAULT '';
