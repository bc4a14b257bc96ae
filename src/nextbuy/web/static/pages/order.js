/** `/order/{id}`: one order, for its buyer, its seller or an admin. */

import { found, get } from "../api.js";
import { el, fill, title } from "../dom.js";
import { alone, crumbs, linkButton, start } from "../frame.js";
import { badge, bought, shopName } from "../goods.js";
import { account } from "../session.js";
import { money, when } from "../words.js";

const HOME = { buyer: ["/orders", "Your orders"], seller: ["/sell", "My shop"], admin: ["/admin", "Admin"] };

function address(to) {
  if (!to) return null;
  return el("section", { class: "panel" }, el("h2", {}, "Goes to"), el("address", {}, [to.full_name, to.line1, `${to.postal_code} ${to.city}`, to.country].map((line) => el("div", {}, line))));
}

start(async (main) => {
  title("Order");
  const who = account();
  if (!who) return alone(main, "Order", "Sign in first", "An order is shown to its buyer and its seller.", linkButton(`/sign-in?next=${encodeURIComponent(location.pathname)}`, "Sign in"));
  const [back, name] = HOME[who.role];
  const order = (await found(get(`/order/api/order-details/${location.pathname.split("/")[2]}`)))?.order;
  if (!order) return alone(main, "Order", "There is no such order", "It belongs to somebody else, or the link is wrong.", linkButton(back, name));
  title(`Order ${order.number}`);
  return fill(
    main,
    crumbs([back, name]),
    el("h1", {}, `Order ${order.number} `, badge(order.status)),
    el("p", { class: "soft" }, "From ", shopName(order.shop_id), ", ", el("time", { datetime: order.created_at }, when(order.created_at))),
    el("section", { class: "panel" }, bought(order.lines), el("p", { class: "total" }, "Total ", el("strong", {}, money(order.total)))),
    address(order.address),
  );
});
