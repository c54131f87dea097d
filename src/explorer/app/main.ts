/**
 * @file The first code of the page, run as soon as it is here: starts the engine in its Web Worker and has it load the model
 * asked for, while the page's own code and styles are still on their way.
 */
import { engineClient } from "../engine/client.js";

performance.mark("qkv-start");
const engine = engineClient(
  () => new Worker(new URL("../engine/worker.ts", import.meta.url), { type: "module", name: "qkv engine" }),
);
engine.open(new URLSearchParams(location.hash.slice(1)).get("model") ?? "").catch(() => {}); // the page asks again and words what is wrong

const { startPage } = await import("./page.js");
if (document.readyState === "loading") await new Promise((read) => addEventListener("DOMContentLoaded", read));
startPage(engine);
