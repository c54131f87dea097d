/**
 * @file The first code of the page: starts the engine in its Web Worker and has it load the model asked for, while the
 * page's own code is still on its way.
 */
import { engineClient } from "../engine/client.js";

performance.mark("qkv-start");
const engine = engineClient(
  () => new Worker(new URL("../engine/worker.ts", import.meta.url), { type: "module", name: "qkv engine" }),
);
const asked = new URLSearchParams(location.hash.slice(1)).get("model");
engine
  .catalog()
  .then((list) => list.find((m) => m.id === asked) ?? list[0])
  .then((model) => model && engine.open(model.id))
  .catch(() => {}); // the page asks again and words what is wrong

const { startPage } = await import("./page.js");
startPage(engine);
