/** `/order/{id}`: one order, for its buyer, its seller or an admin. */

import { found, get } from "../api.js";
import { el, fill, title } from "../dom.js";
import { alone, crumbs, linkButton, notice, start } from "../frame.js";
import { badge, bought, shopName } from "../goods.js";
import { account } from "../session.js";
import { money, when } from "../words.js";

const HOME = { buyer: ["/orders", "Your orders"], seller: ["/sell", "Your shop"], admin: ["/admin", "Admin"] };

function address(to) {
  if (!to) return null;
  return el("section", { class: "panel" }, el("h2", {}, "Goes to"), el("address", {}, [to.full_name, to.line1, `${to.postal_code} ${to.city}`, to.country].map((line) => el("div", {}, line))));
}

/** What more there is to say of a thing that happened: how much, what, why. */
function more({ total, lines, reason, pay_until }) {
  const goods = lines.map((line) => `${line.quantity} × ${line.title}`).join(", ");
  const said = [total && money(total), goods, reason, pay_until && `to be paid by ${when(pay_until)}`].filter(Boolean);
  return said.length > 0 && el("p", { class: "soft" }, said.join(" · "));
}

const support = ({ correlation_id, trace_id }) =>
  correlation_id && el("p", { class: "soft" }, "Request ", el("code", {}, correlation_id), trace_id !== correlation_id && [", trace ", el("code", {}, trace_id)]);

const happened = (item) =>
  el("li", {}, el("strong", {}, item.title), el("time", { class: "soft", datetime: item.at, title: item.at }, when(item.at)), more(item.details), support(item));

/** How the order came about; the order is shown also where this cannot be had. */
function timeline(told) {
  return el("section", { class: "panel" }, el("h2", {}, "What happened"), told.items ? el("ol", { class: "timeline" }, told.items.map(happened)) : notice(told));
}

start(async (main) => {
  title("Order");
  const who = account();
  if (!who) return alone(main, "Order", "Sign in first", "An order is shown to its buyer and its seller.", linkButton(`/sign-in?next=${encodeURIComponent(location.pathname)}`, "Sign in"));
  const [back, name] = HOME[who.role];
  const id = location.pathname.split("/")[2];
  const life = get(`/order/api/order-timeline/${id}`).catch((problem) => problem);
  const order = (await found(get(`/order/api/order-details/${id}`)))?.order;
  if (!order) return alone(main, "Order", "There is no such order", "It belongs to somebody else, or the link is wrong.", linkButton(back, name));
  title(`Order ${order.number}`);
  return fill(
    main,
    crumbs([back, name]),
    el("h1", {}, `Order ${order.number} `, badge(order.status)),
    el("p", { class: "soft" }, "From ", shopName(order.shop_id), ", ", el("time", { datetime: order.created_at }, when(order.created_at))),
    el("section", { class: "panel" }, bought(order.lines), el("p", { class: "total" }, "Total ", el("strong", {}, money(order.total)))),
    address(order.address),
    timeline(await life),
  );
});
