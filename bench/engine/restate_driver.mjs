// Restate: a server of its own, and a service beside it whose handlers are made of durable steps.
//
// Called as the other drivers are (see work.py), with the program of the server in RESTATE_SERVER and the modules of
// its SDK in RESTATE_SDK.

import { spawn, execFile } from "node:child_process";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync, writeFileSync, readdirSync, rmSync, openSync } from "node:fs";
import { resolve } from "node:path";

// The SDK asks for it, and Node has it from version 22 on.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const require = createRequire(resolve(process.env.RESTATE_SDK, "driver.js"));
const restate = require("@restatedev/restate-sdk");

const [given, rounds, patience, ...words] = process.argv.slice(2);
const folder = resolve(given);
const asked = words.map((word) => [word.split(":")[0], Number(word.split(":")[1])]);
const LANES = 2, STEPS_OF_A_RUN = 10, AT_ONCE = 100, SETTLING = 5_000;
const [INGRESS, ADMIN, NODE, SERVICE] = [18080, 19070, 15122, 19080];

const start = (program, ...words) =>
  new Promise((done, failed) => execFile(program, words, (error) => (error ? failed(error) : done())));
const work = (shape, number) =>
  shape === "outputs" ? start("cp", `${folder}/in/${number}`, `${folder}/out/${number}`) : start("true");

let free = LANES;
const waiting = [];
async function inLane(shape, number) {
  if (free > 0) free -= 1;
  else await new Promise((done) => waiting.push(done));
  try {
    await work(shape, number);
  } finally {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }
}

const service = restate.service({
  name: "bench",
  handlers: {
    chain: async (ctx, steps) => {
      for (let number = 0; number < steps; number++) await ctx.run(`step ${number}`, () => work("chain", number));
    },
    fan: async (ctx, { shape, steps }) => {
      for (let first = 0; first < steps; first += AT_ONCE) {
        const some = [];
        for (let number = first; number < Math.min(steps, first + AT_ONCE); number++)
          some.push(ctx.run(`step ${number}`, () => inLane(shape, number)));
        await restate.RestatePromise.all(some);
      }
    },
  },
});

async function call(address, body) {
  const answer = await fetch(address, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${address}: ${answer.status} ${await answer.text()}`);
}

function memory(pid) {
  const line = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8").split("\n").find((line) => line.startsWith("Pss:"));
  return Number(line.split(/\s+/)[1]) / 1024;
}

function prepare(shape, steps) {
  for (const name of ["in", "out"]) {
    rmSync(`${folder}/${name}`, { recursive: true, force: true });
    mkdirSync(`${folder}/${name}`, { recursive: true });
  }
  if (shape !== "outputs") return;
  for (let number = 0; number < steps; number++) writeFileSync(`${folder}/in/${number}`, `the input of task ${number}\n`);
}

const at = (handler) => `http://127.0.0.1:${INGRESS}/bench/${handler}`;

async function measure(shape, steps) {
  prepare(shape, steps);
  const begun = performance.now();
  if (shape === "chain") await call(at("chain"), steps);
  else if (shape === "runs") await Promise.all(Array.from({ length: steps / STEPS_OF_A_RUN }, () => call(at("chain"), STEPS_OF_A_RUN)));
  else await call(at("fan"), { shape, steps });
  const seconds = (performance.now() - begun) / 1000;
  if (shape === "outputs" && readdirSync(`${folder}/out`).length !== steps) throw new Error("outputs are missing");
  return seconds;
}

restate.serve({ services: [service], port: SERVICE });
const log = openSync(`${folder}/restate.log`, "w");
const server = spawn(process.env.RESTATE_SERVER, ["--base-dir", `${folder}/restate`, "--node-name", "bench"], {
  stdio: ["ignore", log, log],
  env: {
    ...process.env,
    RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${INGRESS}`,
    RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${ADMIN}`,
    RESTATE_BIND_ADDRESS: `127.0.0.1:${NODE}`,
    RESTATE_DISABLE_TELEMETRY: "true",
    RESTATE_LOG_FILTER: "warn",
  },
});
process.on("exit", () => server.kill("SIGKILL"));
process.on("SIGTERM", () => process.exit(1));
const until = Date.now() + 60_000;
for (;;) {
  try {
    await call(`http://127.0.0.1:${ADMIN}/deployments`, { uri: `http://127.0.0.1:${SERVICE}` });
    break;
  } catch (error) {
    if (Date.now() > until) throw error;
    await new Promise((done) => setTimeout(done, 100));
  }
}
// The first invocation waits until all of the server has come up.
await call(at("chain"), 1);
const begun = performance.now();
for (let round = 0; round < Number(rounds); round++) {
  for (const [shape, steps] of asked) {
    if (round && (performance.now() - begun > 1000 * Number(patience) || shape === "idle")) continue;
    let told;
    try {
      if (shape === "idle") {
        await new Promise((done) => setTimeout(done, SETTLING));
        told = { mb: memory(server.pid) };
      } else {
        told = { seconds: await measure(shape, steps) };
      }
    } catch (error) {
      told = { error: String(error) };
    }
    console.log(JSON.stringify({ shape, steps, ...told }));
  }
}
process.exit(0);
