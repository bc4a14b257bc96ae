/** Projections, each with a button that rebuilds it and the progress of its rebuild. */

import { get, send } from "./api.js";
import { progress } from "./chart.js";
import { announce, el, fill } from "./dom.js";
import { action } from "./form.js";
import { badge } from "./product_views.js";
import { capital, when } from "./format.js";

const PATH = "/analytics/api/projections";
const POLL_INTERVAL = 1000;
const runs = (rebuild) => rebuild !== null && ["requested", "reading"].includes(rebuild.state);

/** A projection in a list; it polls while a rebuild runs. */
export function projection(first) {
  const node = el("li", { class: "note projection" });
  const name = capital(first.name.replaceAll("-", " "));
  const draw = (one) => {
    const { rebuild } = one;
    const status = el("p", {});
    const rebuildButton = action({ label: "Rebuild", act: (key) => send("POST", `${PATH}/${one.name}/rebuild`, {}, key), done: poll, status, "aria-label": `Rebuild ${name}` });
    fill(
      node,
      el("p", { class: "line" }, el("strong", {}, name), rebuild?.state === "failed" && badge("failed")),
      el("p", { class: "soft" }, `${one.events.toLocaleString("en")} events · generation ${one.generation}`),
      runs(rebuild) ? el("p", { class: "row" }, progress(rebuild.read, rebuild.of), el("span", { class: "soft" }, rebuild.state === "requested" ? "Waiting for the kafka service" : `${rebuild.events.toLocaleString("en")} events read`)) : rebuildButton,
      rebuild?.error && el("p", { class: "wrong" }, `Rebuild failed; the old figures stay in use: ${rebuild.error}`),
      rebuild?.ended_at && !rebuild.error && el("p", { class: "soft" }, "Rebuilt ", el("time", { datetime: rebuild.ended_at }, when(rebuild.ended_at))),
      status,
    );
    if (runs(rebuild)) setTimeout(poll, POLL_INTERVAL);
  };
  const poll = async () => {
    if (!node.isConnected) return;
    const page = await get(PATH).catch(() => null);
    const now = page?.items.find((one) => one.name === first.name);
    if (!now) return void setTimeout(poll, POLL_INTERVAL * 5);
    if (!runs(now.rebuild)) announce(`${name}: ${now.rebuild?.error ? "rebuild failed" : "rebuilt"}`);
    draw(now);
  };
  draw(first);
  return node;
}
