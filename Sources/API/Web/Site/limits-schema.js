// Limits as a form asks for them; what is left empty is the agent's.

const limit = (type, title, minimum, maximum) => ({ type, title, minimum, maximum });

export const limitsSchema = {
  type: "object",
  properties: {
    memoryMiB: limit("integer", "Memory, MiB", 24, 1048576),
    cpus: limit("number", "CPUs", 0.01, 1024),
    timeoutSeconds: limit("number", "Timeout, s", 0.1, 604800),
    cpuSeconds: limit("number", "CPU time, s", 0.01, 604800),
    pids: limit("integer", "Processes", 1, 32768),
    tmpMiB: limit("integer", "/tmp, MiB", 1, 1048576),
    logMiB: limit("integer", "Log, MiB", 1, 65536),
    outputKiB: limit("integer", "Output, KiB", 1, 16384),
    openFiles: limit("integer", "Open files", 16, 1048576),
    graceSeconds: limit("number", "Grace, s", 0, 3600),
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
