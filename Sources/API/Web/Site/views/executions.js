import { agentName, api, loadAgentNames } from "../api.js";
import { announce, fill, h } from "../dom.js";
import { bytes, duration, shortID } from "../format.js";
import { empty, faultBanner, final, repeat, statusMark, table, time } from "../parts.js";

const statuses = ["queued", "starting", "running", "stopping", "succeeded", "failed", "canceled", "timed_out", "lost"];
/** Kept while the page is open, so that going back shows the same list. */
const filter = { status: "", agentId: "", userId: "" };

const wall = (execution) =>
  !execution.startedAt ? "–"
    : duration(final(execution.status) ? execution.usage.wallMs : Date.now() - new Date(execution.startedAt));

export async function executionsView(root, { user, signal }) {
  const agents = await loadAgentNames(signal).catch((problem) => {
    if (signal.aborted) throw problem;
    return [];
  });
  let shown = [];
  let nextCursor = null;

  const columns = [
    ["Status", (item) => statusMark(item.status), "tight"],
    ["Agent", (item) => h("a", { href: `#/executions/${item.id}`, "aria-label": `Execution ${item.id}` }, item.agentName), "tight"],
    ["Execution", (item) => h("span", { class: "mono muted", title: item.id }, shortID(item.id)), "tight"],
    ["Created", (item) => time(item.createdAt), "tight"],
    ["Ran", wall, "num"],
    ["Memory", (item) => (item.usage.maxMemoryBytes ? bytes(item.usage.maxMemoryBytes) : "–"), "num"],
    ["Ending", (item) => item.message ?? "", "wide"],
  ];
  if (user.role === "admin") {
    columns.splice(3, 0, ["User", (item) => h("span", { class: "mono muted", title: item.userId }, shortID(item.userId)), "tight"]);
  }
  const list = table("Executions, newest first", columns, [], (item) => (location.hash = `#/executions/${item.id}`));
  const more = h("button", { type: "button", onclick: () => load(nextCursor).catch(told) }, "Show older");
  const below = h("div", {});
  const fault = h("div", {});
  const told = (problem) => signal.aborted || fill(fault, faultBanner(problem, () => load().catch(told)));

  async function load(cursor = null) {
    const page = await api.executions({ ...filter, limit: 50, cursor: cursor ?? "" }, signal);
    for (const item of page.executions) item.agentName = await agentName(item.agentId, signal);
    fill(fault);
    if (cursor) {
      shown = [...shown, ...page.executions];
      nextCursor = page.nextCursor;
    } else {
      // Older ones that were asked for stay.
      const seen = new Set(page.executions.map((item) => item.id));
      const last = page.executions.at(-1)?.id ?? "";
      const older = shown.filter((item) => !seen.has(item.id) && item.id < last);
      if (older.length === 0 || !page.nextCursor) nextCursor = page.nextCursor;
      shown = page.nextCursor ? [...page.executions, ...older] : page.executions;
    }
    draw();
  }

  function draw() {
    list.element.hidden = shown.length === 0;
    list.draw(shown);
    const isFiltered = Object.values(filter).some(Boolean);
    fill(below, shown.length === 0
      ? isFiltered
        ? empty("No execution matches", "Change the filter to see others.")
        : empty("Nothing has run yet", "Pick one of the ", h("a", { href: "#/agents" }, "agents"), " and run it.")
      : nextCursor && h("div", { class: "more" }, more));
  }

  const changed = (name) => async (event) => {
    filter[name] = event.target.value.trim();
    shown = [];
    await load().then(() => announce(`${shown.length} executions`), told);
  };
  const option = (value, text, name) => h("option", { value, selected: filter[name] === value }, text);
  fill(root,
    h("div", { class: "head" }, h("h1", {}, "Executions")),
    h("div", { class: "filters", role: "search", "aria-label": "Filter executions" },
      h("label", {}, "Status", h("select", { onchange: changed("status") },
        option("", "any", "status"), statuses.map((status) => option(status, status.replaceAll("_", " "), "status")))),
      h("label", {}, "Agent", h("select", { onchange: changed("agentId") },
        option("", "any", "agentId"), agents.map((agent) => option(agent.id, agent.name, "agentId")))),
      user.role === "admin" && h("label", {}, "User",
        h("input", { value: filter.userId, placeholder: "usr_…", class: "mono", onchange: changed("userId") }))),
    fault,
    h("div", { class: "sheet" }, list.element, below));
  await load();
  repeat(async () => {
    await load();
    return shown.some((item) => !final(item.status));
  }, signal);
  return "Executions";
}
