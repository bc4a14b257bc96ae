/** Records views and basket additions: after the page has loaded, without waiting, and without harm if a record is lost. */

const PATH = "/product/api/report-activity";

/** Record an action (`viewed`, `added-to-basket`) on a product. */
export function record(productId, action) {
  const body = JSON.stringify({ items: [{ product_id: productId, action }] });
  const submit = () => {
    const sent = navigator.sendBeacon?.(PATH, new Blob([body], { type: "application/json" }));
    if (!sent) fetch(PATH, { method: "POST", headers: { "content-type": "application/json" }, body, keepalive: true }).catch(() => {});
  };
  if (window.requestIdleCallback) requestIdleCallback(submit, { timeout: 2000 });
  else setTimeout(submit);
}
