/** The basket: ids and quantities, in this browser alone. Titles, prices and stock are always the server's. */

const KEPT = "nextbuy.basket";
const PAYING = "nextbuy.paying";
export const MOST_UNITS = 1000;
export const MOST_LINES = 50;

/** The lines: `[{product_id, quantity}]`. */
export function lines() {
  try {
    const read = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return read.filter((line) => typeof line.product_id === "string" && Number.isInteger(line.quantity) && line.quantity > 0);
  } catch {
    return [];
  }
}

/** How many units there are. */
export const units = () => lines().reduce((sum, line) => sum + line.quantity, 0);

function keep(kept) {
  localStorage.setItem(KEPT, JSON.stringify(kept));
  dispatchEvent(new Event("basket"));
}

/** Have this many of a product; none takes it out. */
export function set(productId, quantity) {
  const kept = lines();
  const line = kept.find((one) => one.product_id === productId);
  const bounded = Math.min(quantity, MOST_UNITS);
  if (line) line.quantity = bounded;
  else kept.push({ product_id: productId, quantity: bounded });
  keep(kept.filter((one) => one.quantity > 0));
}

/** How many of a product are in the basket. */
export const has = (productId) => lines().find((line) => line.product_id === productId)?.quantity ?? 0;

/** Call back whenever the basket changes, in this tab or another. */
export function watch(changed) {
  addEventListener("basket", changed);
  addEventListener("storage", (event) => event.key === KEPT && changed());
  addEventListener("pageshow", (event) => event.persisted && changed());
}

/** Remember what is being paid for, so that going back and checking out again leads to the same payment. */
export const startPaying = (paying) => sessionStorage.setItem(PAYING, JSON.stringify(paying));

/** What is being paid for in this tab (`session_id`, `payment_url`, `asked`, `key`), or null. */
export const paying = () => JSON.parse(sessionStorage.getItem(PAYING) ?? "null");

/** Forget the payment; where it was made, what was bought leaves the basket. */
export function endPaying({ bought }) {
  const ended = paying();
  sessionStorage.removeItem(PAYING);
  if (bought) for (const line of ended?.asked.lines ?? []) set(line.product_id, Math.max(0, has(line.product_id) - line.quantity));
}
