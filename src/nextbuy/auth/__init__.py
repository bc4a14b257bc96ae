"""Who people are: accounts, sessions, and the keys that access tokens are signed with."""
