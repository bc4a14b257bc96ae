// @ts-check
/** Records views and basket additions: after the page has loaded, without waiting, and without harm if a record is lost. */

const PATH = "/product/api/report-activity";

/**
 * Record an action on a product.
 * @param {string} productId
 * @param {"viewed" | "added-to-basket"} action
 */
export function record(productId, action) {
  const body = JSON.stringify({ items: [{ product_id: productId, action }] });
  const headers = { "content-type": "application/json" };
  const submit = () => {
    if (navigator.sendBeacon(PATH, new Blob([body], { type: headers["content-type"] }))) return;
    fetch(PATH, { method: "POST", headers, body, keepalive: true }).catch(() => {});
  };
  // Safari has no requestIdleCallback.
  if ("requestIdleCallback" in globalThis) requestIdleCallback(submit, { timeout: 2000 });
  else setTimeout(submit);
}
