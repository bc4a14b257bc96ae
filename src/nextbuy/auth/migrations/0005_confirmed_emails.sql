-- oldest release: 0.2.0

-- When the owner proved, by a link, that the e-mail address is theirs. Accounts of earlier releases count as unconfirmed,
-- since none of their addresses was ever proven. An operator vouches for admins, and demo accounts have no mailbox.
ALTER TABLE accounts ADD COLUMN email_confirmed_at timestamptz;
UPDATE accounts SET email_confirmed_at = created_at WHERE role = 'admin' OR email LIKE '%@demo.nextbuy.test';
