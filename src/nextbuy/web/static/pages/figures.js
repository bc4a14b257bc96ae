/** `/figures`: a shop's sales and views, by day and by product. */

import { get } from "../api.js";
import { columns } from "../chart.js";
import { el, fill, title } from "../dom.js";
import { empty, linkButton, requireRole, start } from "../layout.js";
import { count, money } from "../format.js";

const DAYS = 30;
const dollars = (amount) => money({ amount, currency: "USD" });
const short = new Intl.DateTimeFormat("en", { month: "short", day: "numeric", timeZone: "UTC" });
const sum = (rows, name) => rows.reduce((all, row) => all + row[name], 0);

/** The last days, oldest first, including days without any activity. */
function everyDay(rows) {
  const known = Map.groupBy ? Map.groupBy(rows, (row) => row.day) : rows.reduce((map, row) => map.set(row.day, [...(map.get(row.day) ?? []), row]), new Map());
  return Array.from({ length: DAYS }, (_, place) => {
    const at = new Date(Date.now() - (DAYS - 1 - place) * 86_400_000);
    const own = known.get(at.toISOString().slice(0, 10)) ?? [];
    return { name: short.format(at), amount: sum(own, "amount"), views: sum(own, "views") };
  });
}

const number = (text, name) => el("div", {}, el("dt", { class: "soft" }, name), el("dd", {}, text));

async function titles(products) {
  const named = products.slice(0, 50);
  if (!named.length) return new Map();
  const page = await get("/product/api/get-products", { ids: named.map((one) => one.product_id).join(",") });
  return new Map(page.items.map((product) => [product.id, product]));
}

function row(one, product) {
  const name = product ? el("a", { href: `/product/${product.slug}` }, product.title) : el("span", { class: "soft" }, "Not for sale now");
  return el("tr", {}, el("th", { scope: "row" }, name), [one.viewed, one.added, one.bought].map((amount) => el("td", {}, amount)), el("td", {}, dollars(one.amount)));
}

function table(products, known) {
  const head = ["Product", "Views", "Added", "Bought", "Turnover"];
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "By product" },
    el("table", { class: "figures" }, el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col" }, text)))), el("tbody", {}, products.map((one) => row(one, known.get(one.product_id))))),
  );
}

start(async (main) => {
  title("Figures");
  if (!requireRole(main, "seller", "Figures of your shop", "Sign in as a seller to see sales and views of your shop.")) return;
  const until = new Date();
  const since = new Date(until - (DAYS - 1) * 86_400_000);
  const { days, products } = await get("/analytics/api/seller-figures", { since: since.toISOString().slice(0, 10), until: until.toISOString().slice(0, 10) });
  const heading = el("h1", {}, "Figures of your shop");
  if (!days.length) {
    fill(main, heading, empty("Nothing to count yet", `Views and sales of the last ${DAYS} days appear here.`, linkButton("/sell", "Your shop", "quiet")));
    return;
  }
  const known = await titles(products);
  const all = everyDay(days);
  fill(
    main,
    heading,
    el("p", { class: "soft" }, `The last ${DAYS} days (UTC), a few seconds behind at most.`),
    el("dl", { class: "numbers" }, number(dollars(sum(days, "amount")), "Turnover"), number(sum(days, "orders"), "Orders"), number(sum(days, "units"), "Units"), number(sum(days, "views"), "Views")),
    el("div", { class: "halves" }, columns(all.map((day) => [day.name, day.amount, dollars(day.amount)]), "Turnover by day"), columns(all.map((day) => [day.name, day.views, count(day.views, "view")]), "Views by day")),
    el("section", {}, el("h2", {}, "By product"), products.length ? table(products, known) : el("p", { class: "soft" }, "Nothing yet.")),
  );
});
