import { agentName, api, session } from "../api.js";
import { announce, fill, h, openDialog, save } from "../dom.js";
import { bytes, clock, duration, json, number, seconds, when, words } from "../format.js";
import { followLog } from "../log-stream.js";
import { LogView } from "../log-view.js";
import { facts, faultBanner, final, meter, repeat, sheet, statusMark, time } from "../parts.js";

export async function executionView(root, { id, signal }) {
  let execution = await api.execution(id, signal);
  const name = await agentName(execution.agentId, signal);

  const log = new LogView({ download });
  signal.addEventListener("abort", () => log.close());
  const place = { title: h("div"), ending: h("div"), side: h("aside", { class: "stacked", "aria-label": "About this execution" }), events: h("div") };
  const fault = h("div");
  const told = (problem) => signal.aborted || fill(fault, faultBanner(problem));

  async function download() {
    try {
      save(`${id}.log`, await api.logBytes(id));
    } catch (problem) {
      told(problem);
    }
  }

  function show(next) {
    const before = execution.status;
    // A status that was on its way while the ending came must not undo it.
    if (final(before) && !final(next.status)) return;
    execution = { ...execution, ...next };
    if (execution.status !== before) announce(`Status: ${words(execution.status)}. ${execution.message ?? ""}`);
    draw();
    if (execution.status !== before) loadEvents().catch(() => {});
  }

  async function refresh() {
    show(await api.execution(id, signal));
  }

  async function loadEvents() {
    const { events } = await api.events(id, signal);
    fill(place.events, sheet("Events", h("ol", { class: "timeline" }, events.map((event, at) => h("li", {},
      statusMark(event.status),
      h("time", { datetime: event.time, title: when(event.time) },
        at === 0 ? clock(event.time) : `+${duration(new Date(event.time) - new Date(events[at - 1].time))}`))))));
  }

  function draw() {
    const canCancel = !final(execution.status);
    const focused = document.activeElement?.dataset?.action;
    const action = (label, name, onclick, style) =>
      h("button", { type: "button", class: style, "data-action": name, onclick }, label);
    fill(place.title,
      h("div", { class: "head" },
        h("h1", { tabindex: "-1" }, name),
        statusMark(execution.status),
        h("div", { class: "actions" },
          h("a", { class: "button", href: `#/agents/${execution.agentId}` }, "Run again"),
          final(execution.status) && action("Receipt", "receipt", () => showReceipt(id).catch(told)),
          canCancel && action(execution.status === "stopping" ? "Kill" : "Cancel", "cancel", askToCancel, "danger"))),
      h("div", { class: "sub" },
        h("span", { class: "mono" }, id),
        h("span", {}, "created ", time(execution.createdAt)),
        h("span", { class: "mono" }, execution.userId)));
    if (focused) place.title.querySelector(`[data-action="${focused}"]`)?.focus();
    fill(place.ending, ending(execution));
    fill(place.side, usage(execution), output(execution), place.events, limits(execution), about(execution));
  }

  function askToCancel() {
    const reason = h("input", { id: "cancel-reason", maxlength: "500", autocomplete: "off" });
    const send = async (body) => {
      dialog.close();
      try {
        show(await api.cancel(id, { ...body, ...(reason.value.trim() ? { reason: reason.value.trim() } : {}) }));
      } catch (problem) {
        told(problem);
      }
    };
    const grace = execution.limits.graceSeconds;
    const dialog = openDialog("Cancel this execution?",
      h("p", { class: "muted" }, `It is asked to end (SIGTERM), and killed after ${seconds(grace)}.`),
      h("div", { class: "field" }, h("label", { for: reason.id }, "Reason, if you like"), reason),
      h("div", { class: "buttons" },
        h("button", { class: "main", type: "button", onclick: () => send({}) }, "Cancel it"),
        h("button", { class: "danger", type: "button", onclick: () => send({ graceSeconds: 0 }) }, "Kill it now"),
        h("button", { class: "plain push", type: "button", onclick: () => dialog.close() }, "Let it run")));
  }

  fill(root, place.title, fault, place.ending, h("div", { class: "split" }, log.element, place.side));
  draw();
  loadEvents().catch(() => {});
  followLog(id, {
    log: (record) => log.add(record),
    status: (data) => show({ status: data.status }),
    truncated: (data) => log.tell(`${number(data.droppedBytes)} bytes past the log's limit were left out`),
    gap: (data) => log.tell(`${number(data.missingBytes)} bytes of the log are not kept any more`),
    end: (finished) => {
      log.setNote("");
      log.finish();
      show(finished);
    },
    state: (text) => log.setNote(text),
  }, signal);
  if (!final(execution.status)) {
    // The stream tells each change; this is for the time that it is away, and for the start.
    repeat(async () => {
      if (!final(execution.status)) await refresh();
      return false;
    }, signal);
    const clockwork = setInterval(() => {
      if (final(execution.status)) clearInterval(clockwork);
      else if (execution.startedAt) drawUsage();
    }, 1000);
    signal.addEventListener("abort", () => clearInterval(clockwork));
  }
  function drawUsage() {
    place.side.firstElementChild?.replaceWith(usage(execution));
  }
  return `${name}, ${words(execution.status)}`;
}

function ending(execution) {
  const notes = execution.notes.length > 0 && h("ul", {}, execution.notes.map((note) =>
    h("li", {}, note.message, " ", h("span", { class: "tag" }, note.code))));
  if (!final(execution.status)) return notes && h("div", { class: "banner warn" }, "On the way", notes);
  const style = { succeeded: "good", failed: "bad", timed_out: "warn", lost: "bad" }[execution.status] ?? "";
  const message = execution.message ?? (execution.status === "succeeded" ? "Succeeded" : words(execution.status));
  return h("div", { class: `banner ${style}` },
    h("strong", {}, message.charAt(0).toUpperCase() + message.slice(1)),
    execution.reason !== "exit" && h("span", { class: "muted" }, execution.reason && words(execution.reason)),
    execution.exitCode !== null && h("span", { class: "muted" }, `exit code ${execution.exitCode}`),
    execution.signal && h("span", { class: "muted" }, execution.signal),
    notes);
}

function usage(execution) {
  const { limits, usage } = execution;
  const isRunning = execution.startedAt && !final(execution.status);
  const wall = isRunning ? Date.now() - new Date(execution.startedAt) : usage.wallMs;
  const of = (used, limit) => `${used} of ${limit}`;
  return sheet("Usage",
    meter("Wall clock", wall, limits.timeoutSeconds * 1000, of(duration(wall), seconds(limits.timeoutSeconds))),
    meter("Memory, peak", usage.maxMemoryBytes, limits.memoryMiB * 1024 ** 2,
      isRunning ? `up to ${number(limits.memoryMiB)} MiB` : of(bytes(usage.maxMemoryBytes), `${number(limits.memoryMiB)} MiB`)),
    limits.cpuSeconds
      ? meter("CPU time", usage.cpuMs, limits.cpuSeconds * 1000, of(duration(usage.cpuMs), seconds(limits.cpuSeconds)))
      : meter("CPU time", 0, 0, isRunning ? "" : duration(usage.cpuMs)),
    meter("Log", usage.logBytes, limits.logMiB * 1024 ** 2, of(bytes(usage.logBytes), `${number(limits.logMiB)} MiB`)),
    execution.network.mode !== "none" && meter("Network, both ways", 0, 0, bytes(usage.egressBytes)));
}

function output(execution) {
  if (!final(execution.status)) return null;
  const text = json(execution.output);
  return sheet("Output", execution.output === null
    ? h("p", { class: "muted" }, "None.")
    : [h("pre", { class: "json", tabindex: "0", "aria-label": "Output" }, text.length > 100_000 ? text.slice(0, 100_000) + "\n…" : text),
       h("div", { class: "buttons" }, h("button", { class: "small", type: "button", onclick: () =>
         save(`${execution.id}.output.json`, new Blob([text], { type: "application/json" })) }, "Download"))]);
}

function limits(execution) {
  const { limits } = execution;
  return sheet("Limits", facts([
    ["Memory", `${number(limits.memoryMiB)} MiB`],
    ["CPUs", limits.cpus],
    ["Processes", number(limits.pids)],
    ["Timeout", seconds(limits.timeoutSeconds)],
    ["CPU time", limits.cpuSeconds ? seconds(limits.cpuSeconds) : "no limit"],
    ["/tmp", `${number(limits.tmpMiB)} MiB`],
    ["Log", `${number(limits.logMiB)} MiB`],
    ["Output", `${number(limits.outputKiB)} KiB`],
    ["Open files", number(limits.openFiles)],
    ["Grace", seconds(limits.graceSeconds)],
  ]));
}

function about(execution) {
  const { network } = execution;
  const labels = Object.entries(execution.labels);
  return sheet("About", facts([
    ["Network", network.mode === "none" ? "none" : (network.allow ?? []).join(", ") || "allow-list"],
    ["Connections", network.connectionCounts && Object.entries(network.connectionCounts).map(([name, count]) => `${count} ${name}`).join(", ")],
    ["Runtime", execution.runtime],
    ["Image", h("span", { class: "mono", title: execution.image }, execution.image.replace(/^.*sha256:/, "sha256:").slice(0, 19))],
    ["Started", execution.startedAt && when(execution.startedAt)],
    ["Finished", execution.finishedAt && when(execution.finishedAt)],
    ["Labels", labels.length > 0 && h("span", { class: "tags" }, labels.map(([key, value]) => h("span", { class: "tag" }, `${key}=${value}`)))],
  ]));
}

async function showReceipt(id) {
  const receipt = await api.receipt(id);
  if (!session.key) return;
  const dialog = openDialog("Receipt",
    h("p", { class: "muted" }, `Signed with the key ${receipt.keyId.slice(0, 16)}…. Check it offline: `, h("code", {}, "paddock receipt verify FILE")),
    h("div", { class: "buttons" },
      h("button", { class: "main", type: "button", onclick: () =>
        save(`${id}.receipt.json`, new Blob([json(receipt)], { type: "application/json" })) }, "Download"),
      h("button", { type: "button", onclick: () => dialog.close() }, "Close")),
    h("pre", { class: "json", tabindex: "0", "aria-label": "Receipt" }, json(receipt.receipt)));
}
