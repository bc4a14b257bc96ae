// @ts-check
/**
 * Keys of the queue: j and k (or the arrows, within an item) move, a approves, r opens the rejection, u undoes, ? shows the
 * keys. Everything works by buttons and links too; a key only presses them.
 */

/** @type {HTMLElement[]} */
let items = [];

function findItems() {
  items = [...document.querySelectorAll(".queue > li")].filter((item) => item instanceof HTMLElement);
  for (const item of items) item.tabIndex = -1;
}

findItems();
document.addEventListener("htmx:after:swap", findItems);

/** Return the item that has the focus. */
const current = () => items.find((item) => item.contains(document.activeElement));

/**
 * Focus another item; without a current one, the first.
 * @param {number} step
 */
function move(step) {
  const item = current();
  const place = item ? items.indexOf(item) + step : 0;
  items[Math.max(0, Math.min(place, items.length - 1))]?.focus();
}

/** Press the button of the current item that needs no reason. */
function approve() {
  const button = /** @type {HTMLElement | null} */ (current()?.querySelector(".decision > form button") ?? null);
  button?.click();
  return Boolean(button);
}

/** Open the form of the current item that asks for a reason. */
function reject() {
  const form = /** @type {HTMLDetailsElement | null} */ (current()?.querySelector(".decision > details") ?? null);
  if (!form) return;
  form.open = true;
  /** @type {HTMLElement | null} */ (form.querySelector("[name=reason]"))?.focus();
}

/** Undo the decision of the current item, or show the decisions that can be undone. */
function undo() {
  const link = /** @type {HTMLElement | null} */ (document.querySelector("a[data-undo]"));
  if (link) link.click();
  else if (!approve()) reject();
}

function toggleKeys() {
  const keys = document.querySelector("details.keys");
  if (keys instanceof HTMLDetailsElement) keys.open = !keys.open;
}

/** @type {Record<string, () => void>} */
const acts = {
  j: () => move(1),
  k: () => move(-1),
  a: approve,
  r: reject,
  u: undo,
  "?": toggleKeys,
};

document.addEventListener("keydown", (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.key === "Escape" && target.closest(".decision")) {
    current()?.focus();
    return;
  }
  if (target.matches("input, textarea, select")) return;
  const arrow = current() && { ArrowDown: "j", ArrowUp: "k" }[event.key];
  const act = acts[arrow || event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
