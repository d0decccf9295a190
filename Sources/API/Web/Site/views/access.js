import { agentName, api, requestsLeft } from "../api.js";
import { fill, h, openDialog } from "../dom.js";
import { cents, number, relative, when } from "../format.js";
import { empty, faultBanner, table, time } from "../parts.js";

/** What a user may use, as tiles. */
export function accessTiles(access, requests = null) {
  const tile = (title, big, share, text) => h("section", { class: "sheet tile", "aria-label": title },
    h("h2", {}, title), h("div", { class: "big" }, big),
    share && h("progress", {
      class: share.used >= share.limit ? "full" : share.used >= share.limit * 0.8 ? "high" : null,
      max: Math.max(1, share.limit), value: Math.min(share.used, Math.max(1, share.limit)), "aria-label": `${title}: ${share.used} of ${share.limit} used`,
    }),
    text && h("p", {}, text));
  const left = ({ limit, used, remaining }) => [number(remaining), h("small", {}, ` of ${number(limit)} left`)];
  const reset = ({ resetAt }) => resetAt && ["Resets ", h("time", { datetime: resetAt, title: when(resetAt) }, relative(resetAt)), "."];
  const { balance } = access;
  return h("div", { class: "tiles" },
    tile("Tier", access.tier, null, access.suspended ? "Suspended: nothing can be run." : null),
    tile("Executions today", left(access.quota), access.quota, reset(access.quota)),
    tile("Executions an hour", left(access.rate), access.rate, reset(access.rate)),
    tile("At once", left(access.concurrency), access.concurrency, null),
    tile("Balance", cents(balance.balanceCents), null,
      balance.reservedCents > 0 ? `${cents(balance.reservedCents)} of it reserved for what runs.` : null),
    tile("Spent this month", cents(balance.monthlyUsedCents),
      balance.monthlyLimitCents !== null && { used: balance.monthlyUsedCents, limit: balance.monthlyLimitCents },
      [balance.monthlyLimitCents === null ? "No monthly limit. " : `Of ${cents(balance.monthlyLimitCents)}. `, reset(balance)]),
    access.advance && tile("In advance", number(access.advance.remaining), null, `Reserved until ${when(access.advance.until)}.`),
    requests?.limit && tile("Requests", left({ ...requests, used: requests.limit - requests.remaining }),
      { limit: requests.limit, used: requests.limit - requests.remaining },
      `Whole again ${relative(new Date(Date.now() + requests.seconds * 1000).toISOString())}.`));
}

export async function accessView(root, { signal }) {
  const [access, granted] = await Promise.all([api.access(signal), api.myEntitlements(signal)]);
  for (const item of granted.entitlements) item.agentName = await agentName(item.agentId, signal);
  const keys = h("div", {});
  fill(root,
    h("div", { class: "head" }, h("h1", {}, "Access")),
    access.suspended && h("div", { class: "banner bad" }, "This user is suspended."),
    accessTiles(access, requestsLeft),
    h("div", { class: "stacked" }, h("section", { class: "sheet", "aria-label": "Entitlements" }, h("h2", {}, "Entitlements"), granted.entitlements.length === 0
      ? empty("No agent was granted to you", "Free agents need no entitlement.")
      : table("Entitlements", [
          ["Agent", (item) => h("a", { href: `#/agents/${item.agentId}` }, item.agentName)],
          ["By", (item) => item.source],
          ["Since", (item) => time(item.createdAt), "tight"],
          ["Used", (item) => (item.uses === null ? number(item.used) : `${number(item.used)} of ${number(item.uses)}`), "num"],
          ["Ends", (item) => (item.expiresAt ? time(item.expiresAt) : "never"), "tight"],
        ], granted.entitlements).element),
      keys));
  await keysSheet(keys, signal).catch((problem) => {
    if (signal.aborted) throw problem;
  });
  return "Access";
}

async function keysSheet(root, signal) {
  const keys = (await api.keys(signal)).keys.filter((key) => key.revokedAt === null);
  const fault = h("div", {});
  const again = () => keysSheet(root, signal).catch((problem) => fill(fault, faultBanner(problem)));
  const name = h("input", { id: "key-name", required: true, maxlength: "100", placeholder: "laptop", autocomplete: "off" });
  const create = async (event) => {
    event.preventDefault();
    try {
      const made = await api.createKey({ name: name.value.trim() });
      const dialog = openDialog("A new key",
        h("p", {}, "It is shown this once. Keep it where secrets are kept."),
        h("pre", { class: "json", tabindex: "0", "aria-label": "The key" }, made.key),
        h("div", { class: "buttons" }, h("button", { class: "main", type: "button", onclick: () => dialog.close() }, "I have it")));
      await again();
    } catch (problem) {
      fill(fault, faultBanner(problem));
    }
  };
  const revoke = (key) => {
    const dialog = openDialog(`Revoke ${key.name}?`,
      h("p", { class: "muted" }, "Whoever uses it is refused from then on."),
      h("div", { class: "buttons" },
        h("button", { class: "danger", type: "button", onclick: async () => {
          dialog.close();
          try {
            await api.revokeKey(key.id);
            await again();
          } catch (problem) {
            fill(fault, faultBanner(problem));
          }
        } }, "Revoke it"),
        h("button", { class: "plain push", type: "button", onclick: () => dialog.close() }, "Keep it")));
  };
  fill(root, h("section", { class: "sheet", "aria-label": "API keys" }, h("h2", {}, "API keys"),
    keys.length === 0 ? empty("No keys", "A key lets a program call the API as you.") : table("API keys", [
      ["Name", (key) => key.name],
      ["Begins with", (key) => h("span", { class: "mono" }, key.prefix), "tight"],
      ["Made", (key) => time(key.createdAt), "tight"],
      ["Last used", (key) => (key.lastUsedAt ? time(key.lastUsedAt) : "never"), "tight"],
      ["Ends", (key) => (key.expiresAt ? time(key.expiresAt) : "never"), "tight"],
      ["", (key) => h("button", { class: "plain small", type: "button", "aria-label": `Revoke ${key.name}`, onclick: () => revoke(key) }, "Revoke"), "num"],
    ], keys).element,
    h("form", { class: "body", onsubmit: create }, fault,
      h("div", { class: "filters" }, h("label", { for: name.id }, "Name of a new key"), name, h("button", { type: "submit" }, "Make a key")))));
}
