/**
 * Who is signed in. The tokens are in cookies that no script can read; what is kept here is only a name to greet, and until when the
 * access token is good. The CSRF cookie, which scripts can read, tells that there is a session at all.
 */

const KEPT = "nextbuy.account";
const MARGIN = 20_000;

/** The CSRF token, or "" where nobody is signed in. */
export function csrf() {
  return /(?:^|; )nextbuy_csrf=([^;]+)/.exec(document.cookie)?.[1] ?? "";
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

/** The account that is signed in here (`id`, `name`, `email`, `role`), or null. */
export const account = () => (csrf() ? (kept()?.user ?? null) : null);

/** Until when the access token is good, in milliseconds; 0 where that is not known. */
export const freshUntil = () => kept()?.until ?? 0;

/** Whether the access token has run out, or is about to. */
export const isStale = () => csrf() !== "" && freshUntil() < Date.now();

/** Remember what a login, a registration or a refresh answered. */
export function remember({ user, expires_in }) {
  localStorage.setItem(KEPT, JSON.stringify({ user, until: Date.now() + expires_in * 1000 - MARGIN }));
}

/** Nobody is signed in any more. */
export function forget() {
  localStorage.removeItem(KEPT);
  document.cookie = "nextbuy_csrf=; Path=/; Max-Age=0";
  dispatchEvent(new Event("signed-out"));
}
