/** Parts of pages that a script draws: errors, and paged lists. */

import { get } from "./api.js";
import { announce, el, fill } from "./dom.js";
import { account, csrf, clearAccount, storeAccount } from "./session.js";

/** Run a page: `render(main)` fills it; an error is shown with a button to try again. */
export async function start(render) {
  const main = document.getElementById("main");
  await loadAccount();
  const run = async (again) => {
    try {
      await render(main);
    } catch (error) {
      // The session ended during rendering: render again for a visitor who is not signed in.
      if (error.slug === "session-ended" && !again) return run(true);
      fill(main, notice(error, () => run()));
      if (!("slug" in error)) console.error(error);
    }
  };
  await run();
}

/** Load the account that this browser has cookies for; another tab may have signed in with another one. */
async function loadAccount() {
  if (!csrf()) return clearAccount();
  try {
    const { user } = await get("/auth/api/me");
    storeAccount({ user, expires_in: 60 });
  } catch (problem) {
    if (problem.status === 401) clearAccount();
  }
}

/** An error message, with a button if trying again may help. */
export function notice(error, again) {
  const retry = again && error.transient !== false && el("button", { type: "button", onclick: again }, "Try again");
  return el("div", { class: "notice bad", role: "alert" }, el("p", {}, error.message || "This page failed to load."), retry);
}

/** A placeholder for an empty list, with what to do. */
export function empty(heading, text, ...more) {
  return el("div", { class: "empty" }, el("h2", {}, heading), el("p", {}, text), more.length > 0 && el("p", { class: "row" }, more));
}

/** A link that looks like a button. */
export const linkButton = (href, text, look = "main") => el("a", { href, class: `button ${look}` }, text);

/** The account if it has this role; else null, and the page asks the visitor to sign in. */
export function requireRole(main, role, heading, why) {
  const who = account();
  if (who?.role === role) return who;
  const next = `/sign-in?as=${role}&next=${encodeURIComponent(location.pathname + location.search)}`;
  const label = { buyer: "a buyer", seller: "a seller", admin: "an admin" };
  const text = who ? `You are signed in as ${who.name}, ${label[who.role]}. ${why}` : why;
  singleMessage(main, heading, who ? `This page is for ${role}s` : "Sign in first", text, linkButton(next, who ? "Use another account" : "Sign in"));
  return null;
}

/** A page with a single message. */
export const singleMessage = (main, heading, ...text) => fill(main, el("h1", {}, heading), empty(...text));

/** Breadcrumbs: `[href, name]` of each step. */
export const crumbs = (...steps) => el("nav", { class: "crumbs", "aria-label": "Where you are" }, steps.map(([href, name]) => el("a", { href }, name)));

/** A button that loads the next page: `read(cursor)` appends rows, and returns them and the next cursor. */
export function more(place, cursor, read) {
  const status = el("div", {});
  const go = async () => {
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    try {
      const { rows, next } = await read(cursor);
      rows[0]?.querySelector("a, button")?.focus();
      announce(`${rows.length} more shown`);
      more(place, next, read);
    } catch (error) {
      button.removeAttribute("aria-busy");
      if (error.name !== "AbortError") fill(status, notice(error));
    }
  };
  const button = el("button", { type: "button", onclick: go }, "Show more");
  return fill(place, cursor && [button, status]);
}

/** A paged list: an element with `row(item)` for each item, or `none` if there are no items. */
export async function paged({ path, query, row, none }) {
  const list = el("ul", { class: "rows" });
  const read = async (cursor) => {
    const page = await get(path, { ...query, limit: 20, cursor });
    const rows = page.items.map((item) => row(item));
    list.append(...rows);
    return { rows, next: page.next_cursor };
  };
  const { rows, next } = await read();
  return rows.length ? el("div", {}, list, more(el("div", { class: "more" }), next, read)) : none;
}
