import { api } from "../api.js";
import { fill, h } from "../dom.js";
import { bytes, cents, duration, json, number, price, seconds, words } from "../format.js";
import { limitsSchema, networkSchema } from "../limits-schema.js";
import { empty, facts, faultBanner, sheet, table, time } from "../parts.js";
import { schemaForm } from "../schema-form.js";

const categories = ["TRADING", "ANALYTICS", "DEFI", "NFT", "SOCIAL", "UTILITY"];

export async function agentsView(root, { user, signal }) {
  let shown = [];
  let nextCursor = null;
  let category = "";
  const list = table("Agents", [
    ["Name", (agent) => h("a", { href: `#/agents/${agent.id}` }, agent.name), "tight"],
    ["What it does", (agent) => agent.description, "wide"],
    ["Category", (agent) => agent.category.toLowerCase(), "tight"],
    ["Price", price, "num"],
    ["Changed", (agent) => time(agent.updatedAt), "tight"],
  ], [], (agent) => (location.hash = `#/agents/${agent.id}`));
  const below = h("div", {});

  async function load(cursor = "") {
    const page = await api.agents({ category, cursor }, signal);
    shown = cursor ? [...shown, ...page.agents] : page.agents;
    nextCursor = page.nextCursor;
    list.element.hidden = shown.length === 0;
    list.draw(shown);
    fill(below, shown.length === 0
      ? empty(category ? "No agent in this category" : "There are no agents yet",
          user.role === "admin" ? "Create one from an image." : "An administrator creates them.")
      : nextCursor && h("div", { class: "more" }, h("button", { type: "button", onclick: () => load(nextCursor) }, "Show more")));
  }
  fill(root,
    h("div", { class: "head" }, h("h1", {}, "Agents"),
      user.role === "admin" && h("div", { class: "actions" }, h("a", { class: "button", href: "#/agents/new" }, "New agent"))),
    h("div", { class: "filters" }, h("label", {}, "Category", h("select", { onchange: (event) => {
      category = event.target.value;
      load();
    } }, h("option", { value: "" }, "any"), categories.map((name) => h("option", { value: name }, name.toLowerCase()))))),
    h("div", { class: "sheet" }, list.element, below));
  await load();
  return "Agents";
}

export async function agentView(root, { id, user, signal }) {
  const agent = await api.agent(id, signal);
  const stats = h("div", {});
  const mayChange = user.role === "admin" || agent.developerId === user.id;
  fill(root,
    h("div", { class: "head" }, h("h1", {}, agent.name), h("span", { class: "tag" }, agent.category.toLowerCase()),
      !agent.isActive && h("span", { class: "tag" }, "not active"),
      mayChange && h("div", { class: "actions" }, h("a", { class: "button", href: `#/agents/${id}/edit` }, "Edit"))),
    h("p", { class: "sub" }, agent.description),
    h("div", { class: "split" }, runForm(agent),
      h("aside", { class: "stacked", "aria-label": "About this agent" },
        sheet("About", facts([
          ["Price", price(agent)],
          ["Image", h("span", { class: "mono" }, agent.dockerImage)],
          ["Digest", h("span", { class: "mono", title: agent.imageDigest }, agent.imageDigest.slice(0, 19))],
          ["Version", agent.version],
          ["Network", agent.network.mode === "none" ? "none" : (agent.network.allow ?? []).join(", ")],
          ["Memory", agent.limits.memoryMiB && `${number(agent.limits.memoryMiB)} MiB`],
          ["CPUs", agent.limits.cpus],
          ["Timeout", agent.limits.timeoutSeconds && seconds(agent.limits.timeoutSeconds)],
          ["Changed", time(agent.updatedAt)],
          ["Id", h("span", { class: "mono" }, agent.id)],
        ])),
        stats,
        sheet("Schemas", h("details", {}, h("summary", {}, "Input"), h("pre", { class: "json" }, json(agent.inputSchema))),
          h("details", {}, h("summary", {}, "Output"), h("pre", { class: "json" }, json(agent.outputSchema)))))));
  api.agentStats(id, signal).then((figures) => fill(stats, sheet("Executions", facts([
    ...Object.entries(figures.byStatus).map(([status, count]) => [words(status), number(count)]),
    ["Success", figures.successRate === null ? null : `${(figures.successRate * 100).toFixed(1)} %`],
    ["Wall, half below", figures.wallMs && duration(figures.wallMs.p50)],
    ["Wall, 95 % below", figures.wallMs && duration(figures.wallMs.p95)],
    ["Memory, 95 % below", figures.memoryBytes && bytes(figures.memoryBytes.p95)],
    ["Last", figures.lastExecutionAt && time(figures.lastExecutionAt)],
    ["Revenue", figures.revenueCents > 0 ? cents(figures.revenueCents) : null],
  ]))), () => {});
  return agent.name;
}

const texts = (title, description, format) => ({ type: "object", title, description, additionalProperties: { type: "string", format } });

function runForm(agent) {
  const input = schemaForm(agent.inputSchema ?? {}, { label: "Input" });
  const more = schemaForm({
    type: "object",
    properties: {
      limits: { ...limitsSchema, title: "Limits", description: "Empty: the agent's own." },
      ...(agent.network.mode === "allowlist" ? { network: { ...networkSchema, title: "Network" } } : {}),
      labels: texts("Labels", "to find it by"),
      env: texts("Environment variables", ""),
      secrets: texts("Secrets", "files that the agent reads; never shown again", "password"),
      webhookUrl: { type: "string", title: "Webhook", description: "told when it has ended", examples: ["https://hooks.example.com/paddock"] },
    },
  }, { label: "Options" });
  const fault = h("div", {});
  const button = h("button", { class: "main", type: "submit" }, "Run");
  // Sending the same form again after a lost answer must not run it twice; changing it makes it another one.
  let last = { body: "", key: "" };
  const submit = async (event) => {
    event.preventDefault();
    fill(fault);
    const value = input.read();
    const options = value === undefined ? undefined : more.read();
    if (options === undefined) return;
    const body = { agentId: agent.id, input: value, ...options };
    const text = JSON.stringify(body);
    if (last.body !== text) last = { body: text, key: randomKey() };
    button.disabled = true;
    try {
      const execution = await api.submit(body, last.key);
      location.hash = `#/executions/${execution.id}`;
    } catch (problem) {
      // A denial is an answer: asked again later, it may be another one.
      if (problem.status !== 0) last = { body: "", key: "" };
      // Each fault at its field, and what has none above them.
      const isOfInput = ({ path }) => /^\/input(\/|$)/.test(path);
      const others = more.showFaults(problem.errors.filter((error) => !isOfInput(error)));
      problem.errors = [...others, ...input.showFaults(problem.errors.filter(isOfInput).map((error) =>
        ({ ...error, path: error.path.replace("/input", "") })))];
      fill(fault, faultBanner(problem));
    }
    button.disabled = false;
  };
  return h("section", { class: "sheet", "aria-label": "Run it" }, h("form", { class: "body", onsubmit: submit, novalidate: true },
    fault, input.element,
    h("details", {}, h("summary", {}, "Limits, labels, secrets and more"), more.element),
    h("div", { class: "buttons" }, button, h("span", { class: "muted" }, Number(agent.price) === 0 ? "Free." : `${price(agent)}${agent.priceToken === "USD" ? " each time." : ", bought once."}`))));
}

/** `randomUUID` is there in secure contexts only, and this page may be served over plain HTTP on a machine's own network. */
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
