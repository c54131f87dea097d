/**
 * @file `npm run bench`: speed beside the peers, then docs/performance.md from what was measured.
 *
 *     npm install --prefix bench               TensorFlow.js and jax-js, once; onnxruntime is a development dependency
 *     QKV_PYTHON=…/bin/python npm run bench    a Python that has torch, to have PyTorch beside
 *     npm run bench                            this Node
 *     npm run bench -- --nodes 22,24           these versions too, from the npm package `node`: relaxed and wide builds
 *     npm run bench -- --browser               in Chromium, beside onnxruntime-web, and nothing else
 *     npm run bench -- matmul decode           some questions
 *     npm run bench -- models                  whole models; bench/peers/model-files.ts says which files they want
 *     npm run bench -- threads whole           one thread beside two; a model beside the sum of its operations
 *     npm run bench -- --quick                 fewer sizes of each question
 *     npm run bench -- --write-docs            only write docs/performance.md from bench/results
 *
 * One process a Node version and thread count; inside a process everybody takes turns. Run it on an idle machine.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";

const root = fileURLToPath(new URL("..", import.meta.url));
const results = join(root, "bench/results");
const args = process.argv.slice(2);

if (args[0] === "--here") {
  const jiti = createJiti(import.meta.url);
  const { main } = await jiti.import(join(root, "bench/run.ts"));
  await main(args.slice(1));
  process.exit(0); // peers keep threads alive
}

mkdirSync(results, { recursive: true });
const at = args.indexOf("--nodes");
const nodes = at < 0 ? [] : args.splice(at, 2)[1].split(",");
if (args.includes("--browser")) {
  const { main } = await createJiti(import.meta.url).import(join(root, "bench/browser.ts"));
  await main(results);
} else if (!args.includes("--write-docs")) {
  const script = fileURLToPath(import.meta.url);
  const mine = process.versions.node.split(".")[0];
  for (const node of [mine, ...nodes.filter((n) => n !== mine)]) {
    for (const threads of ["1", "2"]) {
      const out = join(results, `node${node}-threads${threads}.json`);
      const rest = [script, "--here", "--threads", threads, "--out", out, ...args];
      const [command, first] = node === mine ? [process.execPath, []] : ["npx", ["-y", `node@${node}`]];
      spawnSync(command, [...first, ...rest], { stdio: "inherit", cwd: root });
    }
  }
}
const jiti = createJiti(import.meta.url);
const { performancePage } = await jiti.import(join(root, "bench/shared/page.ts"));
const answers = readdirSync(results)
  .filter((name) => name.endsWith(".json"))
  .sort()
  .flatMap((name) => JSON.parse(readFileSync(join(results, name), "utf8")));
writeFileSync(join(root, "docs/performance.md"), performancePage(answers));
console.log(`docs/performance.md: ${answers.length} tables`);
