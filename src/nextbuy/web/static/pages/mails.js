/** `/mails`: mails to buyers and sellers with their delivery status; for admins. */

import { get } from "../api.js";
import { el, fill, title } from "../dom.js";
import { crumbs, empty, notice, paged, requireRole, start } from "../layout.js";
import { badge } from "../product_views.js";
import { when } from "../format.js";

const STATUSES = [["", "All"], ["waiting", "Waiting"], ["sent", "Sent"], ["stored", "Stored"], ["failed", "Failed"], ["superseded", "Superseded"]];

function recipient(one) {
  if (one.recipient) return `To ${one.recipient}`;
  return one.status === "superseded" ? "Not sent, because something newer is known" : "Not addressed yet";
}

function row(one) {
  const text = el("div", {});
  const load = async () => {
    if (!details.open || text.firstChild) return;
    const show = ({ body }) => fill(text, el("pre", { tabindex: 0 }, body));
    await get(`/notification/api/mails/${one.id}`).then(show, (error) => fill(text, notice(error, () => fill(text) && load())));
  };
  const details = el("details", { ontoggle: load }, el("summary", {}, "Read"), text);
  const tries = one.attempts > 1 && ` · tried ${one.attempts} times`;
  return el(
    "li",
    { class: "note" },
    el("p", { class: "line" }, el("strong", {}, one.subject), badge(one.status), el("time", { class: "soft", datetime: one.created_at }, when(one.created_at))),
    el("p", { class: "soft" }, recipient(one), tries),
    one.reason && el("p", { class: "wrong" }, one.reason),
    details,
  );
}

start(async (main) => {
  title("Mail");
  if (!requireRole(main, "admin", "Mail", "Sign in as an admin.")) return;
  const asked = new URLSearchParams(location.search).get("status") ?? "";
  const status = STATUSES.some(([value]) => value === asked) ? asked : "";
  const chips = STATUSES.map(([value, name]) => el("a", { class: "chip", href: value ? `/mails?status=${value}` : "/mails", "aria-current": value === status && "page" }, name));
  const none = empty("No mail", status ? "No mail has this status." : "Mails to buyers and sellers appear here.");
  const list = await paged({ path: "/notification/api/mails", query: { status }, row, none });
  fill(
    main,
    crumbs(["/admin", "Admin"]),
    el("h1", {}, "Mail"),
    el("p", { class: "soft" }, "Without a mail server (NEXTBUY_SMTP_URL), mails are stored here instead of being sent. They are deleted after 90 days."),
    el("nav", { class: "chips", "aria-label": "Which mail" }, chips),
    list,
  );
});
