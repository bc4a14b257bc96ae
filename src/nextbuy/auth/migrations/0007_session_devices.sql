-- oldest release: 0.2.0

-- What the owner recognises a login session by: the device in plain words, and the IP address, or the /64 network of an IPv6
-- address. Empty for sessions of earlier releases. They are purged with the session.
ALTER TABLE sessions ADD COLUMN device text NOT NULL DEFAULT '', ADD COLUMN network text NOT NULL DEFAULT '';
