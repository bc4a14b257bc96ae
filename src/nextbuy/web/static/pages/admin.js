/** `/admin`: products and shops that wait for a decision, dead letters, and projections. */

import { get, send } from "../api.js";
import { announce, el, fill, title } from "../dom.js";
import { action, field, form } from "../form.js";
import { empty, notice, paged, requireRole, start } from "../layout.js";
import { badge, picture, shopName } from "../product_views.js";
import { projection } from "../projections.js";
import { money, reasonsOf, when } from "../format.js";

async function section([id, heading, list, more]) {
  const place = el("div", {});
  const load = () => paged(list).then((found) => fill(place, found), (error) => fill(place, notice(error, load)));
  await load();
  return el("section", { id, "aria-labelledby": `${id}-heading` }, el("h2", { id: `${id}-heading` }, heading), more, place);
}

const OUTDATED = ["stale", "already-decided"];

const reasonOf = (values) => ({ reason: values.reason.trim() });

/** The two buttons of a decision, replaced by its outcome; `current` shows what has changed since it was read. */
function decision({ name, approve, reject, etag, current, approved = "Approved", rejected = "Refused" }) {
  const place = el("div", { class: "decision" });
  const status = el("p", {});
  const finish = (text) => {
    fill(place, el("p", { class: "done", tabindex: -1 }, text)).firstChild.focus();
    announce(`${name}: ${text}`);
  };
  const decide = (path, body, key) =>
    send("POST", path, body, key, etag).catch((problem) => {
      if (current && OUTDATED.includes(problem.slug)) outdated(problem);
      throw problem;
    });
  const outdated = (problem) => {
    const failure = el("div", { role: "status" });
    const changes = problem.errors.length > 0 && el("ul", { class: "why" }, problem.errors.map((one) => el("li", {}, one.message)));
    const again = action({ label: "Show the current version", ...current, status: failure });
    fill(place, el("div", { class: "notice bad", role: "alert" }, el("div", {}, el("p", {}, problem.message), changes), again, failure));
    again.focus();
  };
  const ask = () => {
    const cancel = el("button", { type: "button", class: "link", onclick: () => choose().querySelector("button").focus() }, "Cancel");
    const why = form({
      fields: [field({ name: "reason", label: `Why is ${name} refused?`, hint: "The seller reads this.", maxlength: 500, autocomplete: "off" })],
      button: "Refuse",
      read: reasonOf,
      act: (body, key) => decide(reject, body, key),
      done: () => finish(rejected),
    });
    why.querySelector(".row").append(cancel);
    fill(place, why);
    why.querySelector("input").focus();
  };
  const choose = () =>
    fill(place, el("div", { class: "row" }, action({ label: "Approve", class: "main", act: (key) => decide(approve, {}, key), done: () => finish(approved), status, "aria-label": `Approve ${name}` }), el("button", { type: "button", onclick: ask, "aria-label": `Refuse ${name}` }, "Refuse…")), status);
  return choose();
}

function product(one) {
  const reasons = reasonsOf(one.moderation);
  const current = {
    act: () => get(`/product/api/get-product/${one.id}`),
    done: ({ product: now }) => {
      const replaced = product(now);
      row.replaceWith(replaced);
      replaced.querySelector("a").focus();
      announce(`This is the current version of “${now.title}”.`);
    },
  };
  const row = el(
    "li",
    { class: "own" },
    el("div", { class: "frame" }, picture(one)),
    el(
      "div",
      { class: "what" },
      el("a", { href: `/product/${one.slug}` }, one.title),
      el("p", { class: "soft" }, shopName(one.shop_id), ` · ${money(one.price)} · ${one.category}`),
      el("p", { class: "text small" }, one.description),
      el("p", { class: "soft" }, `Moderation gave it ${one.moderation.score} of 100 points:`),
      el("ul", { class: "why" }, reasons.map((reason) => el("li", {}, reason))),
      one.status !== "pending" && el("p", {}, badge(one.status)),
      decision({ name: `“${one.title}”`, approve: `/admin/api/approve-product/${one.id}`, reject: `/admin/api/reject-product/${one.id}`, etag: one.etag, current }),
    ),
  );
  return row;
}

function seller(one) {
  const current = {
    act: () => get(`/seller/api/get-shop/${one.shop.id}`),
    done: ({ shop }) => {
      const replaced = seller({ ...one, shop });
      row.replaceWith(replaced);
      replaced.querySelector("button").focus();
      announce(`This is the current version of ${shop.name}.`);
    },
  };
  const row = el(
    "li",
    { class: "own" },
    el(
      "div",
      { class: "what" },
      el("strong", {}, one.shop.name),
      el("p", { class: "soft" }, `${one.name}, ${one.email} · ${one.shop.category} · since ${when(one.submitted_at)}`),
      el("p", { class: "text small" }, one.shop.bio),
      one.shop.status !== "pending" && el("p", {}, badge(one.shop.status)),
      decision({ name: one.shop.name, approve: `/admin/api/approve-seller/${one.user_id}`, reject: `/admin/api/reject-seller/${one.user_id}`, etag: `"${one.shop.version}"`, current }),
    ),
  );
  return row;
}

const deadLetter = (one) => el("li", { class: "note" }, el("p", {}, el("strong", {}, one.event_type || one.topic), " ", el("time", { class: "soft", datetime: one.failed_at }, when(one.failed_at))), el("p", { class: "soft" }, one.reason));

start(async (main) => {
  title("Admin");
  if (!requireRole(main, "admin", "Admin", "Sign in as an admin.")) return;
  const parts = [
    ["products", "Products that wait", { path: "/admin/api/get-pending-products", row: product, none: empty("Nothing waits", "New products that moderation cannot decide appear here.") }],
    ["sellers", "Shops that wait", { path: "/admin/api/get-pending-sellers", row: seller, none: empty("Nothing waits", "New shops appear here before they open.") }],
    ["dead-letters", "Dead letters", { path: "/kafka/api/dead-letters", query: { status: "waiting" }, row: deadLetter, none: empty("No dead letters", "Events that cannot be processed appear here.") }, el("p", {}, el("a", { href: "/dead-letters" }, "Show, replay and discard dead letters"))],
    ["projections", "Projections", { path: "/analytics/api/projections", row: projection, none: empty("None", "There are no projections.") }],
  ];
  const board = el("div", { class: "board" }, el("div", { class: "blank", "aria-hidden": "true" }, parts.map(() => el("p", { class: "bar tall" }))));
  fill(main, el("h1", {}, "Admin"), el("nav", { class: "chips", "aria-label": "On this page" }, parts.map(([id, heading]) => el("a", { class: "chip", href: `#${id}` }, heading)), el("a", { class: "chip", href: "/mails" }, "Mail")), board);
  fill(board, await Promise.all(parts.map(section)));
  document.getElementById(location.hash.slice(1))?.scrollIntoView();
});
