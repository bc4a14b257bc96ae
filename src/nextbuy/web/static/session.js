/**
 * The signed-in account. Tokens are in cookies that scripts cannot read; stored here are only the account and the time at which the
 * access token expires. The CSRF cookie, which scripts can read, shows that there is a session.
 */

const STORAGE_KEY = "nextbuy.account";
const MARGIN = 20_000;

/** The CSRF token, or "" if signed out. */
export function csrf() {
  return /(?:^|; )nextbuy_csrf=([^;]+)/.exec(document.cookie)?.[1] ?? "";
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY));
  } catch {
    return null;
  }
}

/** The account that is signed in here (`id`, `name`, `email`, `role`), or null. */
export const account = () => (csrf() ? (stored()?.user ?? null) : null);

/** Expiry of the access token in milliseconds, 0 if unknown. */
export const freshUntil = () => stored()?.until ?? 0;

/** Store the reply of a login, a registration or a refresh. */
export function storeAccount({ user, expires_in }) {
  localStorage.setItem(STORAGE_KEY, JSON.stringify({ user, until: Date.now() + expires_in * 1000 - MARGIN }));
}

/** Sign out in this browser. */
export function clearAccount() {
  localStorage.removeItem(STORAGE_KEY);
  document.cookie = "nextbuy_csrf=; Path=/; Max-Age=0";
  dispatchEvent(new Event("signed-out"));
}
