// Limits as a form asks for them; what is left empty is the agent's. Their ranges are the tier's and the host's, so that
// the server tells them.

const limit = (type, title) => ({ type, title });

export const limitsSchema = {
  type: "object",
  properties: {
    memoryMiB: limit("integer", "Memory, MiB"),
    cpus: limit("number", "CPUs"),
    timeoutSeconds: limit("number", "Timeout, s"),
    cpuSeconds: limit("number", "CPU time, s"),
    pids: limit("integer", "Processes"),
    tmpMiB: limit("integer", "/tmp, MiB"),
    logMiB: limit("integer", "Log, MiB"),
    outputKiB: limit("integer", "Output, KiB"),
    openFiles: limit("integer", "Open files"),
    graceSeconds: limit("number", "Grace, s"),
  },
};

export const networkSchema = {
  type: "object",
  required: ["mode"],
  properties: {
    mode: { enum: ["none", "allowlist"], default: "none" },
    allow: {
      type: "array", title: "Hosts it may reach", description: "HOST, HOST:PORT or *.HOST",
      items: { type: "string", minLength: 1, title: "Host", examples: ["api.example.com"] },
    },
  },
};
