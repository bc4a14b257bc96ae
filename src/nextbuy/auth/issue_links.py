"""Call IssueLinks: create a token for each link that a mail is about to carry.

The token exists in the mail and in this reply; the database has its hash. A mail that is sent again gets another token,
and both are valid until one is used.
"""

from nextbuy.auth import link_store
from nextbuy.auth.deps import Deps
from nextbuy.auth.sessions import hash_token, new_token
from nextbuy.contracts.auth import IssuedLink, IssuedLinks, IssueLinks


async def issue_links(deps: Deps, call: IssueLinks) -> IssuedLinks:
    """Return a new token for each link that is valid, and the ids of the others."""
    tokens = {link_id: new_token() for link_id in call.link_ids}
    hashes = {link_id: hash_token(token) for link_id, token in tokens.items()}
    async with deps.database.transaction() as tx:
        emails = await link_store.insert_tokens(tx, hashes, at=deps.clock())
    links = [IssuedLink(link_id, email, tokens[link_id]) for link_id, email in emails.items()]
    return IssuedLinks(links, sorted(tokens.keys() - emails.keys()))
