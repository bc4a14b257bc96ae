/** `/order/{id}`: one order, for its buyer, its seller or an admin. */

import { get, orNull } from "../api.js";
import { el, fill, title } from "../dom.js";
import { crumbs, linkButton, notice, singleMessage, start } from "../layout.js";
import { badge, bought, shopName } from "../product_views.js";
import { account } from "../session.js";
import { money, when } from "../format.js";

const HOME = { buyer: ["/orders", "Your orders"], seller: ["/sell", "Your shop"], admin: ["/admin", "Admin"] };

function address(to) {
  if (!to) return null;
  return el("section", { class: "panel" }, el("h2", {}, "Goes to"), el("address", {}, [to.full_name, to.line1, `${to.postal_code} ${to.city}`, to.country].map((line) => el("div", {}, line))));
}

/** Details of an event: amount, products, reason. */
function more({ total, lines, reason, pay_until }) {
  const goods = lines.map((line) => `${line.quantity} × ${line.title}`).join(", ");
  const facts = [total && money(total), goods, reason, pay_until && `to be paid by ${when(pay_until)}`].filter(Boolean);
  return facts.length > 0 && el("p", { class: "soft" }, facts.join(" · "));
}

const support = ({ correlation_id, trace_id }) =>
  correlation_id && el("p", { class: "soft" }, "Request ", el("code", {}, correlation_id), trace_id !== correlation_id && [", trace ", el("code", {}, trace_id)]);

const happened = (item) =>
  el("li", {}, el("strong", {}, item.title), el("time", { class: "soft", datetime: item.at, title: item.at }, when(item.at)), more(item.details), support(item));

/** The history of the order; without it the rest of the page is still shown. */
function timeline(history) {
  return el("section", { class: "panel" }, el("h2", {}, "What happened"), history.items ? el("ol", { class: "timeline" }, history.items.map(happened)) : notice(history));
}

start(async (main) => {
  title("Order");
  const who = account();
  if (!who) return singleMessage(main, "Order", "Sign in first", "An order is shown to its buyer and its seller.", linkButton(`/sign-in?next=${encodeURIComponent(location.pathname)}`, "Sign in"));
  const [back, name] = HOME[who.role];
  const id = location.pathname.split("/")[2];
  const history = get(`/order/api/order-timeline/${id}`).catch((problem) => problem);
  const order = (await orNull(get(`/order/api/order-details/${id}`)))?.order;
  if (!order) return singleMessage(main, "Order", "Order not found", "It belongs to another account, or the link is wrong.", linkButton(back, name));
  title(`Order ${order.number}`);
  return fill(
    main,
    crumbs([back, name]),
    el("h1", {}, `Order ${order.number} `, badge(order.status)),
    el("p", { class: "soft" }, "From ", shopName(order.shop_id), ", ", el("time", { datetime: order.created_at }, when(order.created_at))),
    el("section", { class: "panel" }, bought(order.lines), el("p", { class: "total" }, "Total ", el("strong", {}, money(order.total)))),
    address(order.address),
    timeline(await history),
  );
});
