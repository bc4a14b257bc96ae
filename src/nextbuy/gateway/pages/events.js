"use strict";
(() => {
  const { main, contents, make, prose, resolve, kind, table, row, json, entry, section, load } = page;
  const DEEPEST = 3;
  let api;

  const code = (text) => make("code", {}, text);
  const dim = (text) => make("p", { class: "dim" }, text);
  const requirement = (
    value,
    required,
  ) => (required ? "yes" : value.default === undefined ? "no" : `no, default ${JSON.stringify(value.default)}`);

  // The fields of a schema, followed by nested ones: `total.amount`, `lines[].title`.
  const rows = (schema, before = "", depth = 0) => {
    const whole = resolve(schema);
    return Object.entries(whole.properties || {}).flatMap(([name, value]) => {
      const path = before + name;
      const choice = (value.anyOf || []).find((one) => one.type !== "null") || value;
      const list = resolve(choice).type === "array";
      const inner = list ? resolve(choice).items : choice;
      const required = (whole.required || []).includes(name);
      const meaning = value.description || (value.$ref && resolve(value).description) || "";
      return [
        row(code(path), kind(value), requirement(value, required), prose(meaning)),
        ...(depth < DEEPEST ? rows(inner || {}, `${path}${list ? "[]" : ""}.`, depth + 1) : []),
      ];
    });
  };

  const fields = (schema, nothing) => {
    const made = rows(schema);
    return made.length ? table(["Field", "Type", "Required", "Meaning"], made) : dim(nothing);
  };
  const names = (schema) => rows(schema).map((line) => line.textContent).join(" ");

  const history = (versions) =>
    versions?.length
      ? table(
        ["Version", "Since NextBuy", "Added"],
        versions.map((one) =>
          row(
            String(one.version),
            one.since,
            one.added.length ? one.added.join(", ") : "first version",
          )
        ),
      )
      : dim("Not accepted yet. Run `make contracts`.");

  const link = (id) => make("a", { href: `#${id}` }, "Link to this entry");

  const event = (topic, channel, message) => {
    const subscribers = Object.values(api.operations).filter((one) =>
      one.action === "receive" && one.channel.$ref === `#/channels/${topic}`
    );
    const publishers = channel["x-publishers"].join(", ") || "no service";
    const flow = `${publishers} → ${channel["x-subscribers"].join(", ") || "no service"}`;
    const handlers = subscribers.map((one) => `${one["x-subscription"]} ${one.summary}`).join(" ");
    return entry(
      topic,
      [
        code(topic),
        make("span", { class: "who" }, flow),
        make("span", { class: "who version" }, `version ${message["x-schema-version"]}`),
        make("span", { class: "dim" }, prose(message.summary)),
      ],
      `${topic} ${message.name} ${message.summary} ${flow} ${handlers} ${names(message.payload)}`,
      (inside) => {
        const example = message.examples[0];
        inside.append(
          make(
            "p",
            {},
            "Published by ",
            make("strong", {}, publishers),
            ", in order per ",
            code(message["x-key"]),
            ". On Kafka its topic is ",
            code(channel.bindings.kafka.topic),
            ". ",
            link(topic),
          ),
          make("h3", {}, "Subscribers"),
          subscribers.length
            ? table(
              ["Service", "Subscription", "Purpose"],
              subscribers.map((one) => row(one.tags[0].name, code(one["x-subscription"]), prose(one.summary))),
            )
            : dim("No service yet. The event is stored in the event log."),
          make("h3", {}, "Data"),
          fields(message.payload, "No data."),
          make("h3", {}, "Example"),
          json(example.payload),
          make("h3", {}, "Headers on Kafka"),
          table(["Header", "Example"], Object.entries(example.headers).map(([name, value]) => row(code(name), value))),
          make("h3", {}, "History"),
          history(message["x-history"]),
        );
      },
    );
  };

  const call = (one) => {
    const flow = `${one.callers.join(", ") || "no service"} → ${one.to}`;
    const retries = one.idempotent ? "idempotent" : "not idempotent";
    return entry(
      `call-${one.name}`,
      [
        code(one.name),
        make("span", { class: "who" }, flow),
        make("span", { class: "who version" }, retries),
        make("span", { class: "dim" }, prose(one.summary)),
      ],
      `call ${one.name} ${one.summary} ${flow} ${retries} ${names(one.request)} ${names(one.reply)}`,
      (inside) => {
        inside.append(
          make(
            "p",
            {},
            "Called by ",
            make("strong", {}, one.callers.join(", ") || "no service"),
            ", answered by ",
            make("strong", {}, one.to),
            one.idempotent
              ? ". Idempotent: it is retried if the response is lost. "
              : ". Not idempotent: it is never retried. ",
            link(`call-${one.name}`),
          ),
          make("h3", {}, "Request"),
          fields(one.request, "No fields."),
          make("h3", {}, "Reply"),
          fields(one.reply, "No fields."),
          make("h3", {}, "History"),
          history(one.history),
        );
      },
    );
  };

  const envelope = () => {
    const headers = Object.entries(api.components.messageTraits.envelope.headers.properties);
    return table(
      ["Attribute", "Header on Kafka", "Meaning"],
      headers.map(([name, one]) =>
        row(one["x-attribute"] ? code(one["x-attribute"]) : "", code(name), one.description || `always ${one.const}`)
      ),
    );
  };

  load("/asyncapi.json", (read) => {
    api = read;
    main.append(
      make("p", {}, prose(api.info.description)),
      make(
        "p",
        {},
        make("a", { href: "/asyncapi.json" }, "asyncapi.json"),
        " · ",
        make("a", { href: "/docs" }, "the API"),
        " · ",
        make("a", { href: "#envelope" }, "the envelope"),
      ),
    );
    const groups = new Map();
    for (const [topic, channel] of Object.entries(api.channels)) {
      const publisher = channel["x-publishers"][0] || "no service";
      if (!groups.has(publisher)) groups.set(publisher, []);
      groups.get(publisher).push(event(topic, channel, resolve(Object.values(channel.messages)[0])));
    }
    if (!groups.size) main.append(dim("There are no events."));
    for (const [publisher, entries] of groups) section(publisher, entries, (one) => one.id);
    section("calls", api["x-calls"].map(call), (one) => one.querySelector("code").textContent);
    contents.append(make("h2", {}, make("a", { href: "#envelope" }, "envelope")));
    main.append(
      make(
        "section",
        {},
        make("h2", { id: "envelope" }, "envelope"),
        make("p", {}, "Sent with every event."),
        envelope(),
      ),
    );
  });
})();
