"""The auth service: accounts, login sessions, and the signing keys of access tokens."""
