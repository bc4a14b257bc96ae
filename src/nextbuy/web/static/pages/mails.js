/** `/mails`: what was written to buyers and sellers, and what became of it; for admins. */

import { get } from "../api.js";
import { el, fill, title } from "../dom.js";
import { crumbs, empty, needed, notice, paged, start } from "../frame.js";
import { badge } from "../goods.js";
import { when } from "../words.js";

const STATUSES = [["", "All"], ["waiting", "Waiting"], ["sent", "Sent"], ["stored", "Stored"], ["failed", "Failed"]];

function row(one) {
  const text = el("div", {});
  const load = async () => {
    if (!details.open || text.firstChild) return;
    const show = ({ body }) => fill(text, el("pre", { tabindex: 0 }, body));
    await get(`/kafka/api/mails/${one.id}`).then(show, (error) => fill(text, notice(error, () => fill(text) && load())));
  };
  const details = el("details", { ontoggle: load }, el("summary", {}, "Read"), text);
  const tries = one.attempts > 1 && ` · tried ${one.attempts} times`;
  return el(
    "li",
    { class: "note" },
    el("p", { class: "line" }, el("strong", {}, one.subject), badge(one.status), el("time", { class: "soft", datetime: one.created_at }, when(one.created_at))),
    el("p", { class: "soft" }, one.recipient ? `To ${one.recipient}` : "Not addressed yet", tries),
    one.reason && el("p", { class: "wrong" }, one.reason),
    details,
  );
}

start(async (main) => {
  title("Mail");
  if (!needed(main, "admin", "Mail", "Sign in as an admin.")) return;
  const asked = new URLSearchParams(location.search).get("status") ?? "";
  const status = STATUSES.some(([value]) => value === asked) ? asked : "";
  const chips = STATUSES.map(([value, name]) => el("a", { class: "chip", href: value ? `/mails?status=${value}` : "/mails", "aria-current": value === status && "page" }, name));
  const none = empty("No mail", status ? "None is in this state." : "What is written to buyers and sellers shows up here.");
  const list = await paged({ path: "/kafka/api/mails", query: { status }, row, none });
  fill(
    main,
    crumbs(["/admin", "Admin"]),
    el("h1", {}, "Mail"),
    el("p", { class: "soft" }, "Without a mail server, mail is only stored here. It is deleted after 90 days."),
    el("nav", { class: "chips", "aria-label": "Which mail" }, chips),
    list,
  );
});
