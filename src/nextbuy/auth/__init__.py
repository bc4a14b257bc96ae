"""The auth service: accounts, sessions, and the signing keys of access tokens."""
