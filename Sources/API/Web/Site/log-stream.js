// Follows a log through the browser's own EventSource, from where it is until the execution ends.

import { api } from "./api.js";

/**
 * Handlers: log(record), status({status}), truncated({droppedBytes}), gap({missingBytes}), end(execution), state(text).
 *
 * A connection that breaks is made anew by the browser, which says where it was. Where the server has refused (the token
 * has expired), a new token is asked for. Nothing comes twice.
 */
export function followLog(id, handlers, signal) {
  let cursor = null;
  let source = null;
  let attempts = 0;
  let timer = null;

  const on = (name, handle) =>
    source.addEventListener(name, (event) => {
      if (event.lastEventId !== "") cursor = event.lastEventId;
      attempts = 0;
      handle(JSON.parse(event.data));
    });

  async function connect() {
    let token;
    try {
      ({ token } = await api.logToken(id, signal));
    } catch (problem) {
      if (signal.aborted || problem.status === 401) return;
      if (problem.status === 404) return handlers.state("This log is gone.");
      return later(problem.message);
    }
    if (signal.aborted) return;
    source = new EventSource(api.logURL(id, { follow: true, token, ...(cursor === null ? {} : { cursor }) }));
    source.addEventListener("open", () => handlers.state(""));
    on("log", handlers.log);
    on("status", handlers.status);
    on("truncated", handlers.truncated);
    on("gap", handlers.gap);
    on("end", (execution) => {
      source.close();
      handlers.end(execution);
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) later("The connection was lost.");
      else handlers.state("Connecting again…");
    });
  }

  function later(why) {
    source?.close();
    const wait = Math.min(30, 2 ** attempts++);
    handlers.state(`${why} Trying again in ${wait} s.`);
    timer = setTimeout(connect, wait * 1000);
  }

  signal.addEventListener("abort", () => {
    source?.close();
    clearTimeout(timer);
  });
  connect();
}
