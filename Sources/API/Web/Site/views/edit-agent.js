import { api } from "../api.js";
import { fill, h, openDialog } from "../dom.js";
import { limitsSchema, networkSchema } from "../limits-schema.js";
import { faultBanner } from "../parts.js";
import { schemaForm } from "../schema-form.js";

const fields = {
  name: { type: "string", minLength: 3, maxLength: 100 },
  description: { type: "string", minLength: 10, maxLength: 1000 },
  category: { enum: ["TRADING", "ANALYTICS", "DEFI", "NFT", "SOCIAL", "UTILITY"], default: "UTILITY" },
  price: { type: "string", minLength: 1, default: "0", description: "a decimal number; 0 is free" },
  priceToken: { type: "string", minLength: 1, default: "USD" },
  dockerImage: { type: "string", minLength: 1, title: "Image", description: "stored with its digest", examples: ["paddock/ticker:latest"] },
  inputSchema: { title: "Input schema", description: "JSON Schema" },
  outputSchema: { title: "Output schema", description: "JSON Schema" },
  limits: limitsSchema,
  network: networkSchema,
  isActive: { title: "Active", type: "boolean", default: true, description: "one that is not active is not run" },
};
const schema = { type: "object", required: ["name", "description", "category", "price", "priceToken", "dockerImage"], properties: fields };

/** Makes an agent, or changes one. */
export async function editAgentView(root, { id, signal }) {
  const agent = id ? await api.agent(id, signal) : null;
  const known = agent && Object.fromEntries(Object.keys(fields).filter((name) => agent[name] !== null).map((name) => [name, agent[name]]));
  const form = schemaForm(schema, { label: "Agent", ...(known ? { value: known } : {}) });
  const fault = h("div", {});
  const submit = async (event) => {
    event.preventDefault();
    fill(fault);
    const value = form.read();
    if (value === undefined) return;
    // Only what is new: naming the image again would look it up again.
    const changes = agent
      ? Object.fromEntries(Object.entries(value).filter(([name, next]) => JSON.stringify(next) !== JSON.stringify(known[name])))
      : value;
    try {
      const saved = agent
        ? Object.keys(changes).length > 0 ? await api.updateAgent(id, changes) : agent
        : await api.createAgent(value);
      location.hash = `#/agents/${saved.id}`;
    } catch (problem) {
      problem.errors = form.showFaults(problem.errors);
      fill(fault, faultBanner(problem));
    }
  };
  const askToDelete = () => {
    const dialog = openDialog(`Delete ${agent.name}?`,
      h("p", { class: "muted" }, "It can no longer be run. Its executions stay."),
      h("div", { class: "buttons" },
        h("button", { class: "danger", type: "button", onclick: async () => {
          dialog.close();
          try {
            await api.deleteAgent(id);
            location.hash = "#/agents";
          } catch (problem) {
            fill(fault, faultBanner(problem));
          }
        } }, "Delete it"),
        h("button", { class: "plain push", type: "button", onclick: () => dialog.close() }, "Keep it")));
  };
  fill(root,
    h("div", { class: "head" }, h("h1", {}, agent ? `Edit ${agent.name}` : "New agent"),
      agent && h("div", { class: "actions" }, h("button", { class: "danger", type: "button", onclick: askToDelete }, "Delete"))),
    h("section", { class: "sheet", "aria-label": "Agent" }, h("form", { class: "body", onsubmit: submit, novalidate: true },
      fault, form.element,
      h("div", { class: "buttons" }, h("button", { class: "main", type: "submit" }, agent ? "Save" : "Create"),
        h("a", { class: "quiet", href: agent ? `#/agents/${id}` : "#/agents" }, "Leave it")))));
  return agent ? `Edit ${agent.name}` : "New agent";
}
