-- oldest release: 0.2.0

-- Names that look the same have the same key, so one shop cannot pass for another. `contracts.text.look_alike_key` makes
-- it; for the shops that exist, this is the same but for a few letters without a lower case of their own.
ALTER TABLE shops ADD COLUMN name_key text;

UPDATE shops SET name_key = btrim(regexp_replace(regexp_replace(translate(
    normalize(replace(replace(lower(normalize(name, NFKC) COLLATE pg_c_utf8), 'ß', 'ss'), 'ς', 'σ'), NFKC),
    U&'\115F\1160\2800', '   '),
    U&'[\00AD\034F\061C\180E\200B-\200F\202A-\202E\2060-\2064\2066-\206F\FE00-\FE0F\FEFF]', '', 'g'), '\s+', ' ', 'g'));

-- Of shops that already look the same, the oldest has the name; the others keep theirs, and no new one can join them.
UPDATE shops SET name_key = name_key || ' ' || id
 WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY name_key ORDER BY submitted_at, id) AS place
                                FROM shops) AS placed
               WHERE place > 1);

ALTER TABLE shops ALTER COLUMN name_key SET NOT NULL;
CREATE UNIQUE INDEX shops_by_name_key ON shops (name_key);
DROP INDEX shops_by_name;
