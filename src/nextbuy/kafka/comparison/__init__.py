"""The comparison of event logs with the inboxes of the services that subscribe."""
