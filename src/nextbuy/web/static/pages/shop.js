/** `/`: the shop front. Its state is in the URL (`q`, `category`, `sort`), so it can be linked, reloaded and gone back to. */

import { get } from "../api.js";
import { announce, el, fill, title } from "../dom.js";
import { empty, linkButton, more, notice, start } from "../layout.js";
import { blank, card } from "../product_views.js";
import { capital, count } from "../format.js";

const LIMIT = 24;
const BEST = 6;
const SORTS = [["latest", "Newest first"], ["price-low", "Lowest price first"], ["price-high", "Highest price first"]];
const CATEGORIES = "nextbuy.categories";
const CATEGORIES_LIFE = 300_000;

const heading = el("h1", {});
const chips = el("nav", { class: "chips", "aria-label": "Categories" });
const order = el("div", { class: "order" });
const grid = el("ul", { class: "grid" });
const best = el("section", { class: "best", hidden: true, "aria-labelledby": "best" });
const rest = el("div", { class: "more" });
const searchBox = document.getElementById("q");
let pending = new AbortController();
let categories = [];

function state() {
  const query = new URLSearchParams(location.search);
  const sort = query.get("sort");
  return { q: (query.get("q") ?? "").trim(), category: query.get("category") ?? "", sort: SORTS.some(([name]) => name === sort) ? sort : "latest" };
}

function urlOf({ q = "", category = "", sort = "latest" }) {
  const pairs = Object.entries({ q, category, sort: sort === "latest" ? "" : sort }).filter(([, value]) => value);
  return pairs.length ? `/?${new URLSearchParams(pairs)}` : "/";
}

function go(event, wanted) {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button > 0) return;
  event.preventDefault();
  if (urlOf(wanted) !== location.pathname + location.search) history.pushState(null, "", urlOf(wanted));
  show();
}

function search({ q, category, sort }, cursor, signal) {
  if (q) return get("/product/api/search-products", { q, limit: LIMIT, cursor }, { signal });
  return get("/product/api/get-all-products", { category, sort, limit: LIMIT, cursor }, { signal });
}

async function show() {
  const wanted = state();
  pending.abort();
  pending = new AbortController();
  const { signal } = pending;
  searchBox.value = wanted.q;
  const name = wanted.q ? `Results for “${wanted.q}”` : wanted.category ? capital(wanted.category) : "Good things from small shops";
  title(wanted.q || wanted.category ? name : "NextBuy");
  fill(heading, name);
  drawChips(wanted);
  drawOrder(wanted);
  drawBest();
  fill(rest);
  if (!grid.querySelector(".card:not(.blank)")) fill(grid, Array.from({ length: 12 }, blank));
  grid.setAttribute("aria-busy", "true");
  try {
    const page = await search(wanted, undefined, signal);
    if (signal.aborted) return;
    fill(grid, page.items.length ? page.items.map(card) : el("li", { class: "alone" }, nothing(wanted)));
    announce(page.items.length ? `${name}: ${count(page.items.length, "product")} shown` : "Nothing found");
    more(rest, page.next_cursor, async (cursor) => {
      const { items, next_cursor: next } = await search(wanted, cursor, signal);
      const rows = items.map(card);
      grid.append(...rows);
      return { rows, next };
    });
  } catch (error) {
    if (error.name !== "AbortError") fill(grid, el("li", { class: "alone" }, notice(error, show)));
  } finally {
    if (!signal.aborted) grid.removeAttribute("aria-busy");
  }
}

/** Show the best sellers on the first page; hidden if the list is empty or cannot be loaded. */
async function showBest() {
  try {
    const { items } = await get("/analytics/api/best-sellers", { limit: 12 });
    if (!items.length) return;
    const page = await get("/product/api/get-products", { ids: items.map((one) => one.product_id).join(",") });
    const here = page.items.filter((product) => product.stock > 0).slice(0, BEST);
    if (!here.length) return;
    fill(best, el("h2", { id: "best" }, "Best sellers"), el("ul", { class: "grid strip" }, here.map(card)));
    drawBest();
  } catch {
    // The shop front works without them.
  }
}

function drawBest() {
  const { q, category } = state();
  best.hidden = Boolean(q || category || !best.firstChild);
}

function nothing({ q, category }) {
  if (q) return empty("Nothing found", "No product has these words. Try fewer or other words.", linkButton("/", "See everything", "quiet"));
  if (category) return empty("Nothing here", `There is nothing for sale in “${category}” now.`, linkButton("/", "See everything", "quiet"));
  return empty("No products yet", "Open a shop and be the first to sell.", linkButton("/sell", "Open a shop"));
}

function drawChips({ q, category, sort }) {
  const chip = (name, text) =>
    el("a", { class: "chip", href: urlOf({ category: name, sort }), "aria-current": !q && name === category && "true", onclick: (event) => go(event, { category: name, sort }) }, text);
  const known = category && !categories.includes(category) ? [category, ...categories] : categories;
  fill(chips, chip("", "Everything"), known.map((name) => chip(name, capital(name))));
}

function drawOrder({ q, category, sort }) {
  if (q) return fill(order, el("span", { class: "soft" }, "Best match first"));
  const onchange = (event) => go(event, { category, sort: event.target.value });
  const options = SORTS.map(([value, text]) => el("option", { value, selected: value === sort }, text));
  if (!order.querySelector("select")) fill(order, el("label", { for: "sort", class: "unseen" }, "Sort"), el("select", { id: "sort" }, options));
  const select = order.querySelector("select");
  select.value = sort;
  select.onchange = onchange;
  return order;
}

/** Load the categories of the newest hundred products, and cache them for a while. */
async function loadCategories() {
  try {
    const cached = JSON.parse(sessionStorage.getItem(CATEGORIES) ?? "null");
    categories = cached?.names ?? [];
    if (cached?.until > Date.now()) return;
    const { items } = await get("/product/api/get-all-products", { limit: 100 });
    categories = [...new Set(items.map((product) => product.category))].sort();
    sessionStorage.setItem(CATEGORIES, JSON.stringify({ names: categories, until: Date.now() + CATEGORIES_LIFE }));
    drawChips(state());
  } catch {
    // Search works without the category chips.
  }
}

start(async (main) => {
  fill(main, el("div", { class: "hero" }, heading, order), chips, best, el("section", { "aria-label": "Products" }, grid, rest));
  document.querySelector("form.search").addEventListener("submit", (event) => go(event, { q: searchBox.value.trim() }));
  addEventListener("popstate", show);
  const loading = loadCategories();
  await Promise.all([show(), loading]);
  await showBest();
});
