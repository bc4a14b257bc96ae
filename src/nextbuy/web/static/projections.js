/** Projections: figures that are made of events, with a button that has them rebuilt, and how far that is. */

import { get, send } from "./api.js";
import { progress } from "./chart.js";
import { announce, el, fill } from "./dom.js";
import { action } from "./form.js";
import { badge } from "./goods.js";
import { capital, when } from "./words.js";

const PATH = "/kafka/api/projections";
const LOOK = 1000;
const runs = (rebuild) => rebuild !== null && ["asked", "reading"].includes(rebuild.state);

/** A projection in a list; while it is rebuilt it looks by itself how far that is. */
export function projection(first) {
  const node = el("li", { class: "note made" });
  const name = capital(first.name.replaceAll("-", " "));
  const draw = (one) => {
    const { rebuild } = one;
    const told = el("p", {});
    const again = action({ label: "Rebuild", act: (key) => send("POST", `${PATH}/${one.name}/rebuild`, {}, key), done: look, told, "aria-label": `Rebuild ${name}` });
    fill(
      node,
      el("p", { class: "line" }, el("strong", {}, name), rebuild?.state === "failed" && badge("failed")),
      el("p", { class: "soft" }, `Made of ${one.events.toLocaleString("en")} events · generation ${one.generation}`),
      runs(rebuild) ? el("p", { class: "row" }, progress(rebuild.read, rebuild.of), el("span", { class: "soft" }, rebuild.state === "asked" ? "Waits for the kafka service" : `${rebuild.events.toLocaleString("en")} events read`)) : again,
      rebuild?.error && el("p", { class: "wrong" }, `It could not be rebuilt, and is as it was: ${rebuild.error}`),
      rebuild?.ended_at && !rebuild.error && el("p", { class: "soft" }, "Rebuilt ", el("time", { datetime: rebuild.ended_at }, when(rebuild.ended_at))),
      told,
    );
    if (runs(rebuild)) setTimeout(look, LOOK);
  };
  const look = async () => {
    if (!node.isConnected) return;
    const page = await get(PATH).catch(() => null);
    const now = page?.items.find((one) => one.name === first.name);
    if (!now) return void setTimeout(look, LOOK * 5);
    if (!runs(now.rebuild)) announce(`${name}: ${now.rebuild?.error ? "could not be rebuilt" : "rebuilt"}`);
    draw(now);
  };
  draw(first);
  return node;
}
