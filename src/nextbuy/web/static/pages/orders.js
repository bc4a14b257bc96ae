/** `/orders`: the buyer's orders, newest first. */

import { el, fill, title } from "../dom.js";
import { empty, linkButton, paged, requireRole, start } from "../layout.js";
import { orderRow, shopName } from "../product_views.js";

start(async (main) => {
  title("Your orders");
  if (!requireRole(main, "buyer", "Your orders", "Sign in as a buyer to see your orders.")) return;
  const none = empty("No orders yet", "Your orders appear here.", linkButton("/", "See what there is"));
  const row = (order) => orderRow(order, shopName(order.shop_id));
  fill(main, el("h1", {}, "Your orders"), await paged({ path: "/order/api/user-orders", row, none }));
});
