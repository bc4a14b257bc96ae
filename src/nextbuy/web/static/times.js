// @ts-check
/** Shows times in the zone of the reader; the text of the server, in the zone of the marketplace, becomes the tooltip. */

/** @type {Record<string, Intl.DateTimeFormatOptions>} */
const UNITS = {
  day: { dateStyle: "medium" },
  minute: {
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "numeric",
    minute: "2-digit",
    timeZoneName: "short",
  },
};

function showLocalTimes() {
  for (const time of document.querySelectorAll("time[data-local]:not([title])")) {
    if (!(time instanceof HTMLTimeElement)) continue;
    const format = new Intl.DateTimeFormat(document.documentElement.lang, UNITS[time.dataset.local ?? "minute"]);
    const text = format.format(new Date(time.dateTime));
    time.title = time.textContent;
    if (text !== time.textContent) time.textContent = text;
  }
}

showLocalTimes();
document.addEventListener("htmx:after:swap", showLocalTimes);
