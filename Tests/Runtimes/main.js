// What Node asks of the kernel: threads, children, files, sockets, timers, the thread pool of libuv.
const assert = require("assert");
const { Worker } = require("worker_threads");
const childProcess = require("child_process");
const crypto = require("crypto");
const fs = require("fs");
const http = require("http");
const zlib = require("zlib");
const { promisify } = require("util");

const checks = {
  async workers() {
    const source = "require('worker_threads').parentPort.postMessage([...Array(1e5).keys()].reduce((a, b) => a + b))";
    const sums = await Promise.all([1, 2, 3, 4].map(() => new Promise((resolve, reject) => {
      const worker = new Worker(source, { eval: true });
      worker.once("message", resolve);
      worker.once("error", reject);
    })));
    assert.deepStrictEqual(sums, Array(4).fill(4999950000));
  },

  async children() {
    assert.strictEqual(childProcess.execFileSync("echo", ["hi"]).toString(), "hi\n");
    const { stdout } = await promisify(childProcess.exec)("cat /etc/hosts | grep -c localhost");
    assert(Number(stdout) > 0);
    const stuck = childProcess.spawn("sleep", ["60"]);
    const ended = new Promise((resolve) => stuck.once("exit", (code, signal) => resolve(signal)));
    stuck.kill("SIGTERM");
    assert.strictEqual(await ended, "SIGTERM");
  },

  async files() {
    const folder = fs.mkdtempSync("/tmp/node-");
    await Promise.all([...Array(50).keys()].map((i) => fs.promises.writeFile(`${folder}/${i}`, "x".repeat(i))));
    const sizes = await Promise.all(fs.readdirSync(folder).map((f) => fs.promises.stat(`${folder}/${f}`)));
    assert.strictEqual(sizes.reduce((sum, file) => sum + file.size, 0), 1225);
    fs.copyFileSync(`${folder}/9`, `${folder}/copy`);
    const watcher = fs.watch(folder);
    const seen = new Promise((resolve) => watcher.once("change", resolve));
    fs.renameSync(`${folder}/copy`, `${folder}/moved`);
    await seen;
    watcher.close();
    fs.rmSync(folder, { recursive: true });
  },

  async sockets() {
    const server = http.createServer((request, response) => request.pipe(response)).listen(0, "localhost");
    await new Promise((resolve) => server.once("listening", resolve));
    const answers = await Promise.all([...Array(20).keys()].map((i) => new Promise((resolve, reject) => {
      const request = http.request({ port: server.address().port, method: "POST" }, (response) => {
        let body = "";
        response.on("data", (part) => { body += part; }).on("end", () => resolve(body));
      }).on("error", reject);
      request.end(`request ${i}`);
    })));
    assert.strictEqual(answers[19], "request 19");
    server.close();
  },

  async pool() {
    const keys = await Promise.all([1, 2, 3, 4].map(() => promisify(crypto.pbkdf2)("p", "s", 1000, 32, "sha256")));
    assert.strictEqual(new Set(keys.map((key) => key.toString("hex"))).size, 1);
    const packed = await promisify(zlib.gzip)(crypto.randomBytes(1 << 16));
    assert.strictEqual((await promisify(zlib.gunzip)(packed)).length, 1 << 16);
  },

  async timers() {
    const start = process.hrtime.bigint();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert(process.hrtime.bigint() - start > 15_000_000n);
    // A handler alone does not keep Node from ending.
    const awake = setTimeout(() => {}, 60_000);
    const signalled = new Promise((resolve) => process.once("SIGUSR2", resolve));
    process.kill(process.pid, "SIGUSR2");
    await signalled;
    clearTimeout(awake);
  },
};

(async () => {
  for (const [name, check] of Object.entries(checks)) {
    await check();
    console.log("ok", name);
  }
})();
