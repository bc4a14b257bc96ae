/** `/dead-letters`: events that could not be processed; an admin replays or discards them. */

import { get, send } from "../api.js";
import { announce, el, fill, title } from "../dom.js";
import { action, field, form } from "../form.js";
import { crumbs, empty, notice, paged, requireRole, start } from "../layout.js";
import { badge } from "../product_views.js";
import { count, when } from "../format.js";

const LETTERS = "/kafka/api/dead-letters";
const NAMES = ["topic", "subscription", "event_type", "reason"];
const POLL_INTERVAL = 700;

const pause = () => new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
const time = (moment) => el("time", { datetime: moment }, when(moment));
const named = (values) => Object.fromEntries(NAMES.filter((name) => values[name]?.trim()).map((name) => [name, values[name].trim()]));

/** A letter, once its replay has ended. */
async function settled(letter) {
  let seen = letter;
  while (seen.status === "replaying") {
    await pause();
    seen = await get(`${LETTERS}/${letter.id}`);
  }
  return seen;
}

function acts(letter, redraw, message) {
  const status = el("p", {});
  const name = letter.event_type || letter.topic;
  const again = async (answer) => {
    redraw(answer);
    const seen = await settled(answer).catch(() => answer);
    announce(seen.status === "replayed" ? `${name} was replayed.` : `${name} failed again.`);
    redraw(seen, seen.status === "waiting" && "It failed again.");
  };
  const why = () => {
    const cancel = el("button", { type: "button", class: "link", onclick: () => redraw(letter) }, "Cancel");
    const asked = form({
      fields: [field({ name: "reason", label: "Reason for discarding", hint: "Recorded in the audit log.", maxlength: 500, autocomplete: "off" })],
      button: "Discard",
      act: (body, key) => send("POST", `${LETTERS}/${letter.id}/discard`, { reason: body.reason.trim() }, key),
      done: (answer) => (announce(`${name} was discarded.`), redraw(answer)),
    });
    asked.querySelector(".row").append(cancel);
    fill(place, asked);
    asked.querySelector("input").focus();
  };
  const replay = action({ label: "Replay", class: "main", act: (key) => send("POST", `${LETTERS}/${letter.id}/replay`, {}, key), done: again, status, "aria-label": `Replay ${name}` });
  const place = el("div", { class: "decision" }, el("div", { class: "row" }, replay, el("button", { type: "button", onclick: why, "aria-label": `Discard ${name}` }, "Discard…")), status, message && el("p", { class: "wrong" }, message));
  return place;
}

/** A letter in the list, redrawn when its status changes. */
function row(letter) {
  const node = el("li", { class: "letter", tabindex: -1 });
  const draw = (one, message) => {
    const envelope = typeof one.envelope === "string" ? one.envelope : JSON.stringify(one.envelope, null, 2);
    fill(
      node,
      el("p", {}, el("strong", {}, one.event_type || one.topic), " ", badge(one.status)),
      el("p", { class: "why-not" }, one.reason),
      el("p", { class: "soft" }, `${one.topic} · ${one.subscription || (one.publisher ? `not published by ${one.publisher}` : "undecodable")} · ${count(one.attempts, "attempt")} · `, time(one.failed_at)),
      one.status === "discarded" && el("p", { class: "soft" }, "Discarded ", time(one.resolved_at), `: ${one.discard_reason}`),
      one.status === "replayed" && el("p", { class: "soft" }, one.publisher ? "Put back into the outbox " : "Applied ", time(one.resolved_at)),
      el("details", {}, el("summary", {}, "Error chain"), el("ol", { class: "why" }, one.error_chain.map((link) => el("li", {}, link)))),
      el("details", {}, el("summary", {}, "The event"), el("pre", { tabindex: 0 }, envelope)),
      one.status === "waiting" && acts(one, again, message),
    );
  };
  const again = (...now) => (draw(...now), node.focus());
  draw(letter);
  return node;
}

/** A replay by filter, with its progress until it ends. */
function followed(run, ended) {
  const place = el("div", { class: "panel run" });
  const draw = (one) => {
    const gone = one.done + one.failed;
    const words = one.total === 0 ? "No dead letters match. Change the filter." : `${one.done} of ${count(one.total, "letter")} applied${one.failed ? `, ${one.failed} failed again` : ""}.`;
    fill(
      place,
      el("p", {}, el("strong", {}, one.finished_at ? "Replay has ended" : "Replay is running"), " ", el("span", { class: "soft" }, time(one.requested_at))),
      one.total > 0 && el("progress", { max: one.total, value: gone, "aria-label": "How far the replay has come" }),
      el("p", {}, words),
      one.over_limit > 0 && el("p", { class: "soft" }, `${count(one.over_limit, "letter")} more are waiting. Replay again.`),
      one.blocked_by && !one.finished_at && el("p", { class: "wrong" }, `Waiting for: ${one.blocked_by}`),
    );
    return words;
  };
  const follow = async () => {
    let seen = run;
    let words = draw(seen);
    while (!seen.finished_at) {
      await pause();
      seen = await get(`/kafka/api/replays/${run.id}`);
      words = draw(seen);
    }
    announce(words);
    await ended?.();
  };
  follow().catch((problem) => place.append(notice(problem)));
  return place;
}

start(async (main) => {
  title("Dead letters");
  if (!requireRole(main, "admin", "Dead letters", "Sign in as an admin.")) return;
  const asked = Object.fromEntries(new URLSearchParams(location.search));
  let status = asked.status ?? "waiting";
  let filter = named(asked);
  const list = el("div", {});
  const runs = el("div", { role: "group", "aria-label": "Replays" });
  const feedback = el("p", {});

  const load = async () => {
    const narrow = status !== "waiting" || Object.keys(filter).length > 0;
    const none = empty(narrow ? "No dead letters match" : "No dead letters", narrow ? "Change the filter." : "Events that cannot be processed appear here.");
    const query = { ...filter, status: status === "all" ? "" : status };
    await paged({ path: LETTERS, query, row, none }).then((found) => fill(list, found), (error) => fill(list, notice(error, load)));
    history.replaceState(null, "", `${location.pathname}?${new URLSearchParams({ ...filter, status })}`);
  };
  const states = [["waiting", "Waiting"], ["replaying", "Being replayed"], ["replayed", "Replayed"], ["discarded", "Discarded"], ["all", "All"]];
  const words = { topic: "Topic", subscription: "Subscription", event_type: "Event type", reason: "Reason starts with" };
  const choose = form({
    class: "form filters",
    fields: [
      field({ name: "status", label: "State", tag: "select", options: states, value: status }),
      el("details", { open: NAMES.some((name) => filter[name]) }, el("summary", {}, "Filter"), el("div", {}, NAMES.map((name) => field({ name, label: words[name], required: false, value: filter[name] ?? "", maxlength: 200, autocomplete: "off", spellcheck: "false", autocapitalize: "none" })))),
    ],
    button: "Show",
    act: async (values) => {
      status = values.status;
      filter = named(values);
      await load();
    },
    done: () => announce("The list has changed."),
  });
  const all = action({
    label: "Replay all matches",
    act: (key) => {
      filter = named(Object.fromEntries(new FormData(choose)));
      return send("POST", `${LETTERS}/replay`, filter, key);
    },
    done: (run) => runs.prepend(followed(run, load)),
    status: feedback,
  });
  choose.querySelector(".row").append(all);
  fill(main, crumbs(["/admin", "Admin"]), el("h1", {}, "Dead letters"), el("p", { class: "soft" }, "Events that could not be processed. Each stays here until an admin replays or discards it."), choose, feedback, runs, list);
  const { items } = await get("/kafka/api/replays", { limit: 5 });
  fill(runs, items.filter((run) => !run.finished_at).map((run) => followed(run, load)));
  await load();
});
