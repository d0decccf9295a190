import { agentName, api, loadAgentNames } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { bytes, duration, json, number, shortID, when } from "../format.js";
import { empty, facts, faultBanner, repeat, sheet, table, time } from "../parts.js";
import { schemaForm } from "../schema-form.js";
import { accessTiles } from "./access.js";

export async function adminView(root, { signal }) {
  const node = h("div", {});
  const fault = h("div", {});
  const told = (problem) => signal.aborted || fill(fault, faultBanner(problem));
  const [doctor, users, audit] = [h("div", {}), h("div", {}), h("div", {})];
  fill(root, h("div", { class: "head" }, h("h1", {}, "Administration"),
    h("div", { class: "actions" },
      h("button", { type: "button", onclick: () => api.pause().then(() => refresh("New executions are refused."), told) }, "Pause admission"),
      h("button", { type: "button", onclick: () => api.resume().then(() => refresh("New executions are admitted."), told) }, "Resume"))),
    fault, node, h("div", { class: "stacked" }, doctor, users, audit));

  async function refresh(text) {
    announce(text);
    fill(fault, h("div", { class: "banner good" }, text));
    await nodeSheet(node, signal);
  }
  await nodeSheet(node, signal);
  await Promise.all([doctorSheet(doctor, signal).catch(told), usersSheet(users, signal), auditSheet(audit, signal)]);
  repeat(async () => {
    await nodeSheet(node, signal);
    return false;
  }, signal);
  return "Administration";
}

/** The samples of Prometheus' text format: name → [labels, value]. */
function parseMetrics(text) {
  const samples = new Map();
  for (const match of text.matchAll(/^([a-zA-Z_:][\w:]*)(?:\{(.*?)\})? ([-+.\deEInfNa]+)$/gm)) {
    if (!samples.has(match[1])) samples.set(match[1], []);
    samples.get(match[1]).push([match[2] ?? "", Number(match[3])]);
  }
  return samples;
}

/** What the page shows of the metrics: name, words, how it is written. */
const figures = [
  ["paddock_queue_depth", "Waiting", number],
  ["paddock_queue_oldest_age_seconds", "Oldest waits", (value) => duration(value * 1000)],
  ["paddock_executions_active", "Running here", number],
  ["paddock_log_followers", "Followers of logs", number],
  ["paddock_pool_size", "Sandboxes prepared", number],
  ["process_resident_memory_bytes", "Memory", bytes],
  ["process_open_fds", "Open files", number],
  ["process_start_time_seconds", "Up since", (value) => when(value * 1000)],
];

async function nodeSheet(root, signal) {
  const ready = await api.ready(signal);
  const samples = await api.metrics(signal).then(parseMetrics, () => new Map());
  const sum = (name) => samples.get(name)?.reduce((total, [, value]) => total + value, 0);
  fill(root, h("div", { class: "tiles" },
    sheet("Readiness", h("p", {}, h("span", { class: `status ${ready.status === "ready" ? "ok" : "failed"}` }, ready.status)),
      facts(Object.entries(ready.checks).map(([name, check]) =>
        [name, [h("span", { class: `status ${check.status === "ok" ? "ok" : "failed"}` }, check.status), h("div", { class: "muted" }, check.message)]]))),
    sheet("This node", facts(figures.filter(([name]) => sum(name) !== undefined).map(([name, title, shown]) => [title, shown(sum(name))])),
      h("p", {}, h("a", { href: "/metrics" }, "All metrics")))));
}

const verdictStyle = { good: "ok", proven: "ok", harmless: "ok", advice: "stopping", unproven: "stopping", broken: "failed" };
const verdict = (word) => h("span", { class: `status ${verdictStyle[word] ?? ""}` }, word);

/** What the node's fence stands on now, and what the doctor found when it last ran there. */
async function doctorSheet(root, signal) {
  const { host, lastRun } = await api.doctor(signal);
  const findings = lastRun?.report.findings ?? [];
  const counted = [...new Set(findings.map((finding) => finding.runtime))].sort().map((runtime) => {
    const own = findings.filter((finding) => finding.runtime === runtime);
    const counts = [...new Set(own.map((finding) => finding.verdict))].sort()
      .map((word) => [verdict(word), ` ${number(own.filter((finding) => finding.verdict === word).length)} `]);
    return [runtime, counts];
  });
  const doubtful = findings.filter((finding) => ["broken", "unproven"].includes(finding.verdict));
  fill(root, h("section", { class: "sheet", "aria-label": "Doctor" }, h("h2", {}, "Doctor"),
    table("What this node's host is", [
      ["Host", (check) => check.subject, "tight"],
      ["Found", (check) => check.found],
      ["Verdict", (check) => verdict(check.verdict), "tight"],
      ["What to do", (check) => check.advice ?? "–", "wide"],
    ], host).element,
    lastRun === null
      ? empty("The doctor has not run here: paddock doctor, with this node's state folder")
      : [h("div", { class: "body" }, h("p", {}, "Probes of the sandbox, ", time(lastRun.time)), facts(counted)),
        doubtful.length > 0 && table("Probes in doubt", [
          ["Probe", (finding) => finding.probe, "tight"],
          ["Runtime", (finding) => finding.runtime, "tight"],
          ["Verdict", (finding) => verdict(finding.verdict), "tight"],
          ["Why", (finding) => finding.advice ?? "–", "wide"],
        ], doubtful).element]));
}

async function usersSheet(root, signal) {
  const { users } = await api.users({ limit: 100 }, signal);
  fill(root, h("section", { class: "sheet", "aria-label": "Users" }, h("h2", {}, "Users"), table("Users", [
    ["Name", (user) => h("a", { href: `#/admin/users/${user.id}` }, user.name ?? user.id), "tight"],
    ["Role", (user) => user.role, "tight"],
    ["Wallet", (user) => h("span", { class: "mono" }, user.walletAddress ?? "–")],
    ["Id", (user) => h("span", { class: "mono muted" }, user.id), "tight"],
    ["Since", (user) => time(user.createdAt), "tight"],
  ], users, (user) => (location.hash = `#/admin/users/${user.id}`)).element));
}

async function auditSheet(root, signal) {
  let entries = [];
  const load = async (cursor = "") => {
    const page = await api.audit({ limit: 50, cursor }, signal);
    entries = [...entries, ...page.entries];
    fill(root, h("section", { class: "sheet", "aria-label": "Audit trail" }, h("h2", {}, "Audit trail"),
      entries.length === 0 ? empty("Nothing yet") : table("Audit trail, oldest first", [
        ["#", (entry) => number(entry.sequence), "num"],
        ["Time", (entry) => h("time", { datetime: entry.time }, when(entry.time)), "tight"],
        ["Who", (entry) => h("span", { class: "mono muted", title: entry.actor }, shortID(entry.actor)), "tight"],
        ["What", (entry) => entry.action, "tight"],
        ["Of", (entry) => h("span", { class: "mono muted", title: entry.subject }, shortID(entry.subject)), "tight"],
        ["Details", (entry) => h("span", { class: "mono", title: json(entry.details) }, JSON.stringify(entry.details)), "wide"],
      ], entries).element,
      page.nextCursor && h("div", { class: "more" }, h("button", { type: "button", onclick: () => load(page.nextCursor) }, "Show later ones"))));
  };
  await load();
}

const count = (title) => ({ type: ["integer", "null"], title, minimum: 0, description: "empty: the tier's" });
const accessSchema = {
  type: "object",
  required: ["tier", "balanceCents", "suspended"],
  properties: {
    tier: { type: "integer", minimum: 1 },
    balanceCents: { type: "integer", title: "Balance, cents", minimum: 0 },
    monthlyLimitCents: { type: ["integer", "null"], title: "Monthly limit, cents", minimum: 0, description: "empty: none" },
    suspended: { type: "boolean" },
    executionsPerHour: count("Executions an hour"),
    executionsPerDay: count("Executions a day"),
    maxConcurrent: count("At once"),
  },
};

export async function userView(root, { id, signal }) {
  const access = await api.userAccess(id, signal);
  const known = Object.fromEntries(Object.keys(accessSchema.properties)
    .map((name) => [name, access[name] ?? access.balance[name] ?? null])
    .filter(([, value]) => value !== null));
  const form = schemaForm(accessSchema, { label: "Access", value: known });
  const tiles = h("div", {}, accessTiles(access));
  const fault = h("div", {});
  const save = async (event) => {
    event.preventDefault();
    const value = form.read();
    if (value === undefined) return;
    const changes = Object.fromEntries(Object.keys(accessSchema.properties)
      .map((name) => [name, value[name] ?? null]).filter(([name, next]) => next !== (known[name] ?? null)));
    if (Object.keys(changes).length === 0) return;
    try {
      fill(tiles, accessTiles(await api.updateAccess(id, changes)));
      for (const [name, next] of Object.entries(changes)) {
        if (next === null) delete known[name];
        else known[name] = next;
      }
      fill(fault, h("div", { class: "banner good", role: "status" }, "Saved."));
    } catch (problem) {
      problem.errors = form.showFaults(problem.errors);
      fill(fault, faultBanner(problem));
    }
  };
  const grants = h("div", {});
  fill(root,
    h("div", { class: "head" }, h("h1", {}, "User"), h("span", { class: "mono muted" }, id)),
    tiles,
    h("div", { class: "split" }, grants,
      h("section", { class: "sheet", "aria-label": "Access" }, h("form", { class: "body", onsubmit: save, novalidate: true }, fault, form.element,
        h("div", { class: "buttons" }, h("button", { class: "main", type: "submit" }, "Save"))))));
  await grantsSheet(grants, id, signal);
  return `User ${id}`;
}

async function grantsSheet(root, id, signal) {
  const [{ entitlements }, agents] = await Promise.all([api.entitlements({ userId: id, limit: 100 }, signal), loadAgentNames(signal)]);
  for (const item of entitlements) item.agentName = await agentName(item.agentId, signal);
  const fault = h("div", {});
  const again = (change) => change.then(() => grantsSheet(root, id, signal)).catch((problem) => fill(fault, faultBanner(problem)));
  const choice = h("select", { id: "grant" }, agents.map((agent) => h("option", { value: agent.id }, agent.name)));
  fill(root, h("section", { class: "sheet", "aria-label": "Entitlements" }, h("h2", {}, "Entitlements"),
    entitlements.length === 0 ? empty("Nothing was granted") : table("Entitlements", [
      ["Agent", (item) => h("a", { href: `#/agents/${item.agentId}` }, item.agentName)],
      ["By", (item) => item.source],
      ["Since", (item) => time(item.createdAt), "tight"],
      ["", (item) => h("button", { class: "plain small", type: "button", "aria-label": `Revoke ${item.agentName}`, onclick: () => again(api.revoke(id, item.agentId)) }, "Revoke"), "num"],
    ], entitlements).element,
    h("form", { class: "body", onsubmit: (event) => {
      event.preventDefault();
      again(api.grant(id, choice.value));
    } }, fault, agents.length > 0 && h("div", { class: "filters" }, h("label", { for: choice.id }, "Agent"), choice, h("button", { type: "submit" }, "Grant")))));
}
