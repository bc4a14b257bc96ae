"use strict";
(() => {
  const { main, contents, make, prose, resolve, kind, table, row, json, entry, section, load } = page;
  const token = document.getElementById("token");
  let api;

  const fields = (schema) => {
    const whole = resolve(schema);
    const given = Object.entries(whole.properties || {});
    const described = given.some(([, value]) => value.description);
    const rows = given.map(([name, value]) =>
      row(
        make("code", {}, name),
        kind(value),
        (whole.required || []).includes(name) ? "required" : "",
        ...(described ? [prose(value.description || "")] : []),
      )
    );
    return rows.length
      ? table(["Field", "Type", "", ...(described ? ["Meaning"] : [])], rows)
      : make("p", { class: "dim" }, kind(schema));
  };

  const shape = (heading, content) => [make("h3", {}, heading), fields(content.schema), json(content.example)];

  const csrf = () => (document.cookie.match(/(?:^|; )nextbuy_csrf=([^;]*)/) || [])[1];

  const tryIt = (verb, path, operation, id) => {
    const parameters = (operation.parameters || []).filter((one) => one.name !== "idempotency-key");
    const body = operation.requestBody?.content?.["application/json"];
    const form = make("form", { class: "try" }, make("h3", {}, "Try it"));
    const inputs = parameters.map((one) => {
      const input = make("input", { id: `${id}-${one.name}`, autocomplete: "off" });
      if (one.required) input.required = true;
      form.append(make("label", { for: input.id }, `${one.name} (${one.in})`), input);
      return [one, input];
    });
    let text;
    if (body) {
      text = make("textarea", { id: `${id}-body`, spellcheck: "false" });
      text.value = JSON.stringify(body.example, null, 2);
      form.append(make("label", { for: text.id }, "Body"), text);
    }
    const button = make("button", { type: "submit" }, `Send ${verb.toUpperCase()}`);
    const result = make("div", { "aria-live": "polite" });
    form.append(button, result);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      let url = path;
      const query = new URLSearchParams();
      const headers = {};
      for (const [one, input] of inputs) {
        if (one.in === "path") url = url.replace(`{${one.name}}`, encodeURIComponent(input.value));
        else if (input.value === "") continue;
        else if (one.in === "header") headers[one.name] = input.value;
        else query.set(one.name, input.value);
      }
      if (token.value) headers.authorization = `Bearer ${token.value}`;
      if (text) headers["content-type"] = "application/json";
      if (verb !== "get") {
        headers["idempotency-key"] = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());
        if (csrf()) headers["x-csrf-token"] = csrf();
      }
      button.disabled = true;
      const began = performance.now();
      try {
        const response = await fetch(url + (query.size ? `?${query}` : ""), {
          method: verb.toUpperCase(),
          headers,
          body: text?.value,
        });
        const raw = await response.text();
        let shown = raw;
        try {
          const read = JSON.parse(raw);
          shown = JSON.stringify(read, null, 2);
          if (read && read.access_token) token.value = read.access_token;
        } catch { /* not JSON: shown as text */ }
        result.replaceChildren(
          make(
            "p",
            {},
            make("strong", {}, `${response.status} ${response.statusText}`),
            ` in ${Math.round(performance.now() - began)} ms · X-Request-ID ${
              response.headers.get("x-request-id") || "none"
            }`,
          ),
          make("pre", { tabindex: "0" }, shown || "(no body)"),
        );
      } catch (error) {
        result.replaceChildren(make("p", {}, `No response: ${error.message}`));
      } finally {
        button.disabled = false;
      }
    });
    return form;
  };

  const who = (operation) => {
    const allowed = operation["x-who"] || "anyone";
    return Array.isArray(allowed) ? (allowed.length === 3 ? "anyone signed in" : allowed.join(" or ")) : allowed;
  };

  const fill = (inside, verb, path, operation, id) => {
    const parameters = operation.parameters || [];
    if (operation.description) inside.append(make("p", {}, operation.description));
    if (parameters.length) {
      inside.append(
        make("h3", {}, "Parameters"),
        table(
          ["Name", "In", "Type", ""],
          parameters.map((one) =>
            row(
              make("code", {}, one.name),
              one.in,
              one.description || kind(one.schema || {}),
              one.required ? "required" : "",
            )
          ),
        ),
      );
    }
    const body = operation.requestBody?.content?.["application/json"];
    if (body) inside.append(...shape("Request", body));
    const errors = [];
    for (const [status, given] of Object.entries(operation.responses || {})) {
      const response = resolve(given);
      const content = response.content?.["application/json"];
      if (status < 300 && content?.example !== undefined) inside.append(...shape(`Response ${status}`, content));
      else if (status < 300) inside.append(make("h3", {}, `Response ${status}`));
      else errors.push(row(status, prose(response.description || "")));
    }
    if (errors.length) inside.append(make("h3", {}, "Errors"), table(["Status", "Meaning"], errors));
    inside.append(tryIt(verb, path, operation, id));
  };

  const route = (verb, path, operation) => {
    const id = `${verb}-${path.replace(/[^a-z0-9-]+/gi, "-").replace(/^-|-$/g, "")}`;
    return entry(
      id,
      [
        make("span", { class: `verb ${verb}` }, verb.toUpperCase()),
        make("code", {}, path),
        make("span", { class: "who" }, who(operation)),
        make("span", { class: "dim" }, prose((operation.summary || "").replace(/^[A-Z]+ \/\S+: /, ""))),
      ],
      `${verb} ${path} ${operation.summary || ""} ${who(operation)}`,
      (inside) => fill(inside, verb, path, operation, id),
    );
  };

  const problems = () => {
    const known = api["x-problems"] || [];
    return [
      make("h2", { id: "problems" }, "Problems"),
      make("p", {}, "The types of errors. The detail of a response explains what to do."),
      table(
        ["Slug", "Status", "Meaning", "Retry"],
        known.map((one) => {
          const line = row(
            make("code", {}, one.slug),
            `${one.status} ${one.title}`,
            prose(one.detail),
            one.transient ? "yes" : "no",
          );
          line.id = one.slug;
          return line;
        }),
      ),
    ];
  };

  document.getElementById("login").addEventListener("submit", (event) => event.preventDefault());
  load("/openapi.json", (read) => {
    api = read;
    const groups = new Map((api.tags || []).map((tag) => [tag.name, []]));
    for (const [path, item] of Object.entries(api.paths)) {
      for (const verb of ["get", "post", "put", "patch", "delete"]) {
        if (!item[verb]) continue;
        const tag = item[verb].tags?.[0] || "other";
        if (!groups.has(tag)) groups.set(tag, []);
        groups.get(tag).push(route(verb, path, item[verb]));
      }
    }
    main.append(
      make("p", {}, api.info.description || ""),
      make(
        "p",
        {},
        make("a", { href: "/openapi.json" }, "openapi.json"),
        " · ",
        make("a", { href: "/docs/events" }, "events and calls"),
        " · ",
        make("a", { href: "#problems" }, "problems"),
      ),
    );
    for (const [name, entries] of groups) {
      section(name, entries, (one) => one.querySelector("code").textContent.replace(/^\/\w+\/api\//, ""));
    }
    contents.append(make("h2", {}, make("a", { href: "#problems" }, "problems")));
    main.append(make("section", {}, ...problems()));
  });
})();
