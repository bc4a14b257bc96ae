CREATE INDEX notifications_unread ON notifications (id) WHERE NOT read;
