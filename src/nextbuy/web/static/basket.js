/** The basket: product ids and quantities, stored in this browser. Titles, prices and stock come from the server. */

const STORAGE_KEY = "nextbuy.basket";
const CHECKOUT = "nextbuy.checkout";
export const MAX_UNITS = 1000;
export const MAX_LINES = 50;

/** The lines: `[{product_id, quantity}]`. */
export function lines() {
  try {
    const read = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "[]");
    return read.filter((line) => typeof line.product_id === "string" && Number.isInteger(line.quantity) && line.quantity > 0);
  } catch {
    return [];
  }
}

/** Total number of units. */
export const units = () => lines().reduce((sum, line) => sum + line.quantity, 0);

function store(updated) {
  localStorage.setItem(STORAGE_KEY, JSON.stringify(updated));
  dispatchEvent(new Event("basket"));
}

/** Set the quantity of a product; 0 removes it. */
export function set(productId, quantity) {
  const updated = lines();
  const line = updated.find((one) => one.product_id === productId);
  const bounded = Math.min(quantity, MAX_UNITS);
  if (line) line.quantity = bounded;
  else updated.push({ product_id: productId, quantity: bounded });
  store(updated.filter((one) => one.quantity > 0));
}

/** Quantity of a product in the basket. */
export const quantityOf = (productId) => lines().find((line) => line.product_id === productId)?.quantity ?? 0;

/** Call `changed` when the basket changes, in this tab or another. */
export function watch(changed) {
  addEventListener("basket", changed);
  addEventListener("storage", (event) => event.key === STORAGE_KEY && changed());
  addEventListener("pageshow", (event) => event.persisted && changed());
}

/** Store the checkout in progress, so that going back and checking out again leads to the same payment. */
export const startCheckout = (checkout) => sessionStorage.setItem(CHECKOUT, JSON.stringify(checkout));

/** The checkout in progress in this tab (`session_id`, `payment_url`, `request`), or null. */
export const checkoutInProgress = () => JSON.parse(sessionStorage.getItem(CHECKOUT) ?? "null");

/** End the checkout; if it was paid, remove its lines from the basket. */
export function endCheckout({ bought }) {
  const ended = checkoutInProgress();
  sessionStorage.removeItem(CHECKOUT);
  if (bought) for (const line of ended?.request.lines ?? []) set(line.product_id, Math.max(0, quantityOf(line.product_id) - line.quantity));
}
