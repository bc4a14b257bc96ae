/** `/notifications`: what the signed-in account was told, the latest first. */

import { announce, el, fill, title } from "../dom.js";
import { action } from "../form.js";
import { alone, empty, linkButton, paged, start } from "../frame.js";
import { notes, read } from "../notes.js";
import { account } from "../session.js";
import { when } from "../words.js";

const PAGES = [
  [/^\/order\/api\/order-details\/([\w-]+)$/, "/order/$1"],
  [/^\/product\/api\/get-product\/([\w-]+)$/, "/product/$1"],
  [/^\/admin\/api\/get-pending-(products|sellers)$/, "/admin#$1"],
];

/** The page that shows what a notification's link, an address of the API, leads to; "" where there is none. */
function pageOf(link) {
  const [from, to] = PAGES.find(([pattern]) => pattern.test(link)) ?? [];
  return from ? link.replace(from, to) : "";
}

const NONE = {
  buyer: ["Your orders and payments are told of here.", "/", "See what there is"],
  seller: ["New orders, and what becomes of your shop and your products, are told of here.", "/sell", "Your shop"],
  admin: ["Orders, new shops and refused products are told of here.", "/admin", "Admin"],
};

function row(one) {
  const link = one.link.includes("/api/") ? pageOf(one.link) : one.link;
  const seen = () => one.read || read(`read-notification/${one.id}`).catch(() => {});
  const node = el("li", { class: one.read ? "note" : "note unread" });
  const told = el("span", {});
  const done = () => {
    const now = row({ ...one, read: true });
    node.replaceWith(now);
    now.querySelector("[tabindex], a")?.focus();
    announce("Read");
  };
  node.append(
    el("p", { class: "line" }, link ? el("a", { href: link, onclick: seen }, one.title) : el("strong", { tabindex: -1 }, one.title), !one.read && el("span", { class: "badge good" }, "New"), el("time", { class: "soft", datetime: one.created_at }, when(one.created_at))),
    el("p", { class: "text" }, one.message),
  );
  if (!one.read) node.append(el("p", { class: "row" }, action({ label: "Mark as read", class: "link", act: (key) => read(`read-notification/${one.id}`, key), done, told, "aria-label": `Mark “${one.title}” as read` }), told));
  return node;
}

async function show(main) {
  title("Notifications");
  const who = account();
  if (!who) return alone(main, "Notifications", "Sign in first", "What concerns you is told of here.", linkButton(`/sign-in?next=${encodeURIComponent("/notifications")}`, "Sign in"));
  const [text, href, name] = NONE[who.role];
  const place = el("div", { class: "notes" });
  const told = el("p", {});
  const list = async () => fill(place, await paged({ path: `${notes()}/notifications`, row, none: empty("Nothing yet", text, linkButton(href, name)) }));
  const readAll = async ({ read: count }) => {
    await list();
    all.hidden = true;
    main.querySelector("h1").focus();
    announce(`${count} marked as read`);
  };
  const all = action({ label: "Mark all as read", act: (key) => read("read-all-notifications", key), done: readAll, told });
  await list();
  all.hidden = place.querySelector(".unread") === null;
  fill(main, el("div", { class: "hero notes" }, el("h1", { tabindex: -1 }, "Notifications"), all), told, place);
}

start(show);
