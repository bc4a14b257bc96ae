/** Products, shops and orders as elements of a page. */

import { get } from "./api.js";
import { el } from "./dom.js";
import { money, stateOf, when } from "./format.js";

const shops = new Map();

/** A shop, or null if it cannot be loaded; each is requested once per page. */
export function shop(id) {
  if (!shops.has(id)) shops.set(id, get(`/seller/api/get-shop/${id}`).then((reply) => reply.shop, () => null));
  return shops.get(id);
}

/** The name of a shop, once loaded; its line is reserved until then. */
export function shopName(id) {
  const node = el("span", { class: "shop-name" }, "\u00a0");
  shop(id).then((found) => found && (node.textContent = found.name));
  return node;
}

/** A product's picture; decorative, because its title is always beside it. */
export const picture = (product, own = {}) => el("img", { src: product.picture, width: 400, height: 400, alt: "", loading: "lazy", decoding: "async", ...own });

/** A status as a badge. */
export function badge(status) {
  const [text, look] = stateOf(status);
  return el("span", { class: `badge ${look}` }, text);
}

/** An order in a list, with `from` (its shop) if given. */
export const orderRow = (order, from) =>
  el("li", { class: "line order" }, el("a", { href: `/order/${order.id}` }, order.number), from, el("time", { class: "soft", datetime: order.created_at }, when(order.created_at)), badge(order.status), el("strong", {}, money(order.total)));
