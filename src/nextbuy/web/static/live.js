// @ts-check
/**
 * Requests the live part of a page again when the stream says that something changed, and from time to time without one.
 *
 * htmx holds the stream while the tab is visible, and replaces the part. Nothing is replaced in which a visitor types,
 * selects, or is about to press a button; a change then waits.
 */

/** Milliseconds between two requests, at least. */
const PAUSE = 1000;
/** Milliseconds between two requests while there is no stream. */
const POLL = 10_000;
/** Milliseconds since the last movement of a pointer over a form, within which a button may be about to be pressed. */
const AIM = 3000;
/** Milliseconds until a refused stream is requested again. */
const RETRY = 30_000;

const announcer = document.querySelector("[data-updated]");
const part = () => /** @type {HTMLElement | null} */ (document.querySelector("[data-live]"));

let connected = false;
let changed = false;
let requested = performance.now();
let tried = requested;
let moved = -AIM;
let before = "";
let open = 0;

/** The texts of the live part and of the number of notifications, as a screen reader reads them. */
function text() {
  return `${part()?.textContent} ${document.getElementById("bell")?.ariaLabel}`;
}

function openDetails() {
  return part()?.querySelectorAll("details[open]").length ?? 0;
}

/** @param {Element} field */
function isTyped(field) {
  if (field instanceof HTMLSelectElement) {
    const chosen = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(0, chosen);
  }
  if (field instanceof HTMLInputElement && field.checked !== field.defaultChecked) return true;
  return (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement) &&
    field.value !== field.defaultValue;
}

/**
 * Whether the visitor works in the live part.
 * @param {HTMLElement} live
 */
function isInUse(live) {
  const selection = getSelection();
  return live.matches(":focus-within") || document.querySelector("#nav:focus-within") !== null ||
    live.querySelector("dialog[open]") !== null ||
    (performance.now() - moved < AIM && live.querySelector("form:hover") !== null) ||
    openDetails() !== open || (selection?.type === "Range" && live.contains(selection.anchorNode)) ||
    [...live.querySelectorAll("input, select, textarea")].some(isTyped);
}

function check() {
  const live = part();
  if (document.hidden || !live) return;
  const now = performance.now();
  const limit = Number(live.dataset.live) * 1000;
  changed ||= now - requested >= (connected ? limit : Math.min(limit, POLL));
  if (!connected && now - tried >= RETRY) {
    tried = now;
    announcer?.dispatchEvent(new Event("connect"));
  }
  if (!changed || now - requested < PAUSE || isInUse(live)) return;
  changed = false;
  requested = now;
  before = text();
  live.dispatchEvent(new Event("live"));
}

/** @param {boolean} is */
const connection = (is) => () => connected = is;

announcer?.addEventListener("changed", () => changed = true);
announcer?.addEventListener("htmx:sse:after:connection", connection(true));
announcer?.addEventListener("htmx:sse:before:connection", connection(false));
announcer?.addEventListener("htmx:sse:close", connection(false));
document.addEventListener("visibilitychange", () => changed = true);
document.addEventListener("pointermove", () => moved = performance.now(), { passive: true });

document.addEventListener("htmx:before:response", (event) => {
  const { sourceElement, response } = /** @type {CustomEvent} */ (event).detail.ctx;
  if (sourceElement === announcer || (response.raw.ok && !response.raw.redirected)) return;
  // An error page replaces nothing. A page that redirects, to the sign-in for example, is opened as a whole.
  event.preventDefault();
  if (response.raw.redirected) location.reload();
});

document.addEventListener("htmx:after:swap", () => {
  open = openDetails();
  if (!announcer || text() === before) return;
  announcer.textContent = "";
  setTimeout(() => announcer.textContent = announcer.getAttribute("data-updated"), 100);
});

open = openDetails();
setInterval(check, 250);
