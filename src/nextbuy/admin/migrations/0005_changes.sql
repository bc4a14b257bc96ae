-- oldest release: 0.2.0

-- The transaction of the last change, by which streams find out that something changed (`kit/storage/changes.py`).
ALTER TABLE notifications ADD COLUMN changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX notifications_by_change ON notifications (changed_in);
ALTER TABLE search_entries ADD COLUMN changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX search_entries_by_change ON search_entries (changed_in);
ALTER TABLE operator_acts ADD COLUMN changed_in xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX operator_acts_by_change ON operator_acts (changed_in);
