// The HTTP API, as far as the page uses it.

const storage = "paddock.key";

/** An answer that is an error: RFC 9457. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || `the server answered ${status}`);
    this.status = status;
    this.code = document.code ?? "";
    this.resetAt = document.resetAt ?? null;
    this.errors = document.errors ?? [];
  }
}

/** What is left of the caller's requests, as the last answer said; null without a limit. */
export let requestsLeft = null;

export const session = {
  get key() {
    return sessionStorage.getItem(storage);
  },
  /** The tab forgets the key when it is closed. */
  begin(key) {
    sessionStorage.setItem(storage, key);
  },
  end() {
    sessionStorage.removeItem(storage);
  },
};

function readRateLimit(headers) {
  const left = /r=(\d+)/.exec(headers.get("RateLimit") ?? "");
  const time = /t=(\d+)/.exec(headers.get("RateLimit") ?? "");
  const total = /q=(\d+)/.exec(headers.get("RateLimit-Policy") ?? "");
  requestsLeft = left && time ? { remaining: Number(left[1]), seconds: Number(time[1]), limit: total ? Number(total[1]) : null } : null;
}

async function send(method, path, { query = {}, body, headers = {}, signal } = {}) {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query)) {
    if (value !== "" && value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  const request = { method, headers: { ...headers }, signal, cache: "no-store", credentials: "omit", redirect: "error" };
  if (session.key) request.headers.Authorization = `Bearer ${session.key}`;
  if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(url, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "unreachable", detail: "The server cannot be reached." });
  }
  readRateLimit(response.headers);
  if (response.ok) return response;
  const document = await response.json().catch(() => ({}));
  const problem = new Problem(response.status, document);
  if (response.status === 401) dispatchEvent(new CustomEvent("signed-out", { detail: problem }));
  throw problem;
}

async function answer(...request) {
  const response = await send(...request);
  return response.status === 204 ? null : response.json();
}

const root = "/api/v1";
const one = (kind, id, rest = "") => `${root}/${kind}/${encodeURIComponent(id)}${rest}`;

export const api = {
  me: (signal) => answer("GET", `${root}/users/me`, { signal }),
  access: (signal) => answer("GET", `${root}/users/me/access`, { signal }),
  myEntitlements: (signal) => answer("GET", `${root}/users/me/entitlements`, { query: { limit: 100 }, signal }),

  executions: (query, signal) => answer("GET", `${root}/executions`, { query, signal }),
  execution: (id, signal) => answer("GET", one("executions", id), { signal }),
  events: (id, signal) => answer("GET", one("executions", id, "/events"), { signal }),
  receipt: (id, signal) => answer("GET", one("executions", id, "/receipt"), { signal }),
  cancel: (id, body) => answer("POST", one("executions", id, "/cancel"), { body }),
  submit: (body, idempotencyKey) =>
    answer("POST", `${root}/executions`, { body, headers: { "Idempotency-Key": idempotencyKey } }),
  logToken: (id, signal) => answer("POST", one("executions", id, "/log-token"), { signal }),
  logURL: (id, query) => `${one("executions", id, "/logs")}?${new URLSearchParams(query)}`,
  logBytes: async (id) => (await send("GET", one("executions", id, "/logs"), { headers: { Accept: "text/plain" } })).blob(),

  agents: (query, signal) => answer("GET", `${root}/agents`, { query, signal }),
  agent: (id, signal) => answer("GET", one("agents", id), { signal }),
  agentStats: (id, signal) => answer("GET", one("agents", id, "/stats"), { signal }),
  createAgent: (body) => answer("POST", `${root}/agents`, { body }),
  updateAgent: (id, body) => answer("PUT", one("agents", id), { body }),
  deleteAgent: (id) => answer("DELETE", one("agents", id)),

  keys: (signal) => answer("GET", `${root}/keys`, { query: { limit: 100 }, signal }),
  createKey: (body) => answer("POST", `${root}/keys`, { body }),
  revokeKey: (id) => answer("DELETE", one("keys", id)),

  users: (query, signal) => answer("GET", `${root}/users`, { query, signal }),
  userAccess: (id, signal) => answer("GET", one("users", id, "/access"), { signal }),
  updateAccess: (id, body) => answer("PUT", one("users", id, "/access"), { body }),
  entitlements: (query, signal) => answer("GET", `${root}/entitlements`, { query, signal }),
  grant: (user, agent) => answer("PUT", one("entitlements", user, `/${encodeURIComponent(agent)}`), { body: {} }),
  revoke: (user, agent) => answer("DELETE", one("entitlements", user, `/${encodeURIComponent(agent)}`)),
  pause: () => answer("POST", `${root}/admin/pause`),
  resume: () => answer("POST", `${root}/admin/resume`),
  doctor: (signal) => answer("GET", `${root}/admin/doctor`, { signal }),
  audit: (query, signal) => answer("GET", `${root}/audit`, { query, signal }),

  async ready(signal) {
    const response = await fetch("/ready", { signal, cache: "no-store" });
    return response.json();
  },
  async metrics(signal) {
    return (await send("GET", "/metrics", { signal })).text();
  },
};

const agentNames = new Map();

/** Names of agents by id, each asked for once. An agent that was deleted keeps its id for a name. */
export async function agentName(id, signal) {
  if (!agentNames.has(id)) {
    agentNames.set(id, api.agent(id, signal).then((agent) => agent.name, (error) => {
      if (error.name === "AbortError") agentNames.delete(id);
      return id;
    }));
  }
  return agentNames.get(id);
}

export async function loadAgentNames(signal) {
  const { agents } = await api.agents({ limit: 100 }, signal);
  for (const agent of agents) agentNames.set(agent.id, Promise.resolve(agent.name));
  return agents;
}
