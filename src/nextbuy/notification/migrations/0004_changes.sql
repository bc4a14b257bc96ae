-- oldest release: 0.2.0

-- The transaction of the last change, by which streams find out whose notifications changed (`kit/storage/changes.py`).
ALTER TABLE notifications ADD COLUMN changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX notifications_by_change ON notifications (changed_in);
