/** @file What the Share menu does. Files are made here and handed to the browser; nothing is sent anywhere. */
import { drawScene, type Look } from "../draw/canvas.js";
import { sceneToSvg } from "../draw/svg.js";
import type { KindView, LayerMaps } from "../engine/protocol.js";
import { headsScene, textScene } from "../scene/heads.js";
import { heatmapScene } from "../scene/heatmap.js";
import type { Scene } from "../scene/scene.js";
import { groupLabel, weightText } from "../scene/tokens.js";
import { commandLine, snippet } from "../share/command.js";
import { onePage } from "../share/page.js";
import { citation, markdown } from "../share/summary.js";
import { csv, json } from "../share/tables.js";
import { npy, zip } from "../share/zip.js";
import { groupAt, headOf, layerOf, leading, strongest } from "../state/actions.js";
import { writeLink } from "../state/hash.js";
import { type Store, words } from "../state/store.js";
import { lookOf, measureIn } from "./look.js";

/** Largest trace put into a page: base64 makes it a third larger. */
const largestInline = 60e6;

export async function shareAs(store: Store, name: string): Promise<void> {
  try {
    const say = await actions[name]!(store);
    if (say) store.notice.value = { tone: "info", text: say };
  } catch (error) {
    store.notice.value = { tone: "error", text: words(error) };
  }
}

const actions: Record<string, (store: Store) => Promise<string | undefined>> = {
  async link(store) {
    const url = `${location.href.split("#")[0]}#${await writeLink(store.choice.peek())}`;
    try {
      await navigator.clipboard.writeText(url);
      return "The link is on the clipboard.";
    } catch {
      return url; // no clipboard here: shown, to be copied by hand
    }
  },
  async svg(store) {
    const { scene, look, name } = await picture(store);
    save(`${name}.svg`, sceneToSvg(scene, { ...look, cursor: undefined }, about(store)), "image/svg+xml");
    return undefined;
  },
  png1: (store) => png(store, 1),
  png2: (store) => png(store, 2),
  png3: (store) => png(store, 3),
  png4: (store) => png(store, 4),
  async markdown(store) {
    const { k, maps, head, name } = await layer(store);
    const run = store.shown.peek()!;
    const c = store.choice.peek();
    const model = run.model.source === "bundled" ? "bundled" : run.model.name;
    const link = `${location.href.split("#")[0]}#${await writeLink(c)}`;
    const command = commandLine(c, model, maps.layer, head);
    save(`${name}.md`, markdown({ run, k, maps, head, link, command }), "text/markdown");
    return citation(run, maps.layer, head);
  },
  async csv(store) {
    const { k, maps, head, name } = await layer(store);
    save(`${name}.csv`, csv(k, maps, head), "text/csv");
    return undefined;
  },
  async json(store) {
    const { k, maps, name } = await layer(store);
    const run = store.shown.peek()!;
    save(
      `${name}.json`,
      json(k, maps, { model: run.model.name, text: run.text, edits: run.edits, provenance: run.provenance }),
      "application/json",
    );
    return undefined;
  },
  async npz(store) {
    const { maps, k, name } = await layer(store);
    const shape = [maps.heads, maps.rows.length, maps.columns.length];
    const ids = (tokens: KindView["rows"]): Int32Array => Int32Array.from(tokens, (t) => t.id);
    const files = [
      { name: "weights.npy", bytes: npy(maps.values, shape) },
      { name: "query_ids.npy", bytes: npy(ids(k.rows), [k.rows.length]) },
      { name: "key_ids.npy", bytes: npy(ids(k.columns), [k.columns.length]) },
    ];
    save(`${name}.npz`, zip(files), "application/zip");
    return "Pairs that may not attend are NaN in the file.";
  },
  async trace(store) {
    const run = store.shown.peek()!;
    save("trace.safetensors", await store.engine.traceFile({ run: run.id }), "application/octet-stream");
    return undefined;
  },
  async html(store) {
    const run = store.shown.peek()!;
    const k = store.kind.peek()!;
    const bytes = await store.engine.traceFile({ run: run.id, light: true });
    if (bytes.length > largestInline) {
      return `This trace has ${(bytes.length / 1e6).toFixed(0)} MB, too much for one page. Save it as a trace file and open that here.`;
    }
    const response = await fetch(new URL("attention-view.js", document.baseURI));
    if (!response.ok) return "The element for one-file pages is not built. Fix: npm run build.";
    const c = store.choice.peek();
    const page = onePage({
      element: await response.text(),
      trace: base64(bytes),
      title: `Attention: ${run.text.slice(0, 60)}`,
      about: `${run.model.name}, layer ${layerOf(store, k)}, head ${headOf(store, k)}. Computed by ${run.provenance.engine}.`,
      layer: layerOf(store, k),
      head: headOf(store, k),
      view: c.view === "text" && c.extra["arcs"] ? "arcs" : c.view,
      query: c.query,
      key: c.key,
    });
    save("attention.html", page, "text/html");
    return undefined;
  },
  async command(store) {
    const run = store.shown.peek()!;
    const k = store.kind.peek()!;
    const model = run.model.source === "bundled" ? "bundled" : run.model.name;
    const c = store.choice.peek();
    const lines = [
      commandLine(c, model, layerOf(store, k), headOf(store, k)),
      "",
      snippet(c, model, layerOf(store, k), headOf(store, k)),
    ];
    showText("The same numbers elsewhere", lines.join("\n"));
    return undefined;
  },
};

async function png(store: Store, ratio: number): Promise<undefined> {
  const { scene, look, name } = await picture(store);
  save(
    `${name}${ratio === 1 ? "" : `@${ratio}x`}.png`,
    await scenePng(scene, look, about(store).background, ratio),
    "image/png",
  );
  return undefined;
}

async function layer(store: Store): Promise<{ k: KindView; maps: LayerMaps; head: number; name: string }> {
  const k = store.kind.peek();
  const run = store.shown.peek();
  if (!k || !run) throw new Error("There is no picture yet.");
  const c = store.choice.peek();
  const asked = { run: run.id, kind: k.kind, layer: layerOf(store, k), filter: c.filter };
  const maps = await (c.weighted ? store.engine.valueWeighted(asked) : store.engine.layerMaps(asked));
  const head = headOf(store, k);
  return { k, maps, head, name: `attention-${k.kind}-${asked.layer}-${head}` };
}

/** The picture on the stage as a scene; views that are text or tables give the map of their head. */
async function picture(store: Store): Promise<{ scene: Scene; look: Look; name: string }> {
  const app = document.querySelector("qkv-app")!;
  const shown = document.querySelector<
    HTMLElement & { current?: { scene: Scene; look: Look }; picture?: { scene?: Scene; look?: Look } }
  >(
    "qkv-tiles-view, qkv-arcs-view, qkv-lines-view, qkv-map-view:not(:has(qkv-tiles-view)), qkv-flow-view qkv-plain-map, qkv-compare-view > * > qkv-plain-map",
  );
  const k = store.kind.peek();
  const run = store.shown.peek();
  if (!k || !run) throw new Error("There is no picture yet.");
  const [l, h] = [layerOf(store, k), headOf(store, k)];
  const name = `attention-${k.kind}-${l}-${h}`;
  const scene = shown?.current?.scene ?? shown?.picture?.scene;
  const look = shown?.current?.look ?? shown?.picture?.look;
  if (scene && look) return { scene, look, name };
  const own = lookOf(store, app);
  const measure = measureIn(app);
  const view = store.choice.peek().view;
  if (view === "heads") {
    const atlas = await store.engine.atlas({ run: run.id, kind: k.kind, size: 64 });
    const types = store.types();
    const tags = (a: number, b: number): string =>
      types?.state === "ready" ? (leading(types.value, a, b)?.id ?? "") : "";
    return { scene: headsScene(atlas, k, tags), look: own, name: `attention-${k.kind}-heads` };
  }
  const { maps, head } = await layer(store);
  const [R, C] = [maps.rows.length, maps.columns.length];
  const values = maps.values.slice(head * R * C, (head + 1) * R * C);
  const rows = maps.rows.map((g) => groupLabel(k.rows, g));
  const columns = maps.columns.map((g) => groupLabel(k.columns, g));
  if (view === "text") {
    const asked = groupAt(maps.rows, store.choice.peek().query);
    const row = asked < 0 ? R - 1 : asked;
    const weights = values.subarray(row * C, (row + 1) * C);
    const best = groupAt(maps.columns, strongest(maps, head, row));
    const lead = `Layer ${l}, head ${h}: “${rows[row]}” looks most at “${columns[best]}”, ${weightText(weights[best]!)}`;
    return { scene: textScene(columns, weights, k.kind === "cross" ? -1 : row, lead, 900, measure), look: own, name };
  }
  const says = `Map of layer ${l}, head ${h}: a row a token that looks, a column a token looked at.`;
  return {
    scene: heatmapScene({
      rows,
      columns,
      width: 900,
      height: 900,
      camera: null,
      measure,
      says,
      cells: [{ rows: R, columns: C, values, row0: 0, column0: 0, step: 1 }],
    }),
    look: own,
    name,
  };
}

function about(store: Store): { title: string; source: string; background: string } {
  const run = store.shown.peek()!;
  const k = store.kind.peek()!;
  const edits = run.edits.length > 0 ? ` ${run.edits.length} changes by hand.` : "";
  return {
    title: `Layer ${layerOf(store, k)}, head ${headOf(store, k)}: ${run.text.slice(0, 80)}`,
    source: `${run.model.name}, computed by ${run.provenance.engine}${run.provenance.kernel ? `, kernel ${run.provenance.kernel}` : ""}.${edits}`,
    background: getComputedStyle(document.documentElement).getPropertyValue("--paper").trim(),
  };
}

async function scenePng(scene: Scene, look: Look, background: string, ratio: number): Promise<Blob> {
  const layerCanvas = document.createElement("canvas");
  const canvas = document.createElement("canvas");
  for (const c of [layerCanvas, canvas]) {
    c.width = Math.round(scene.width * ratio);
    c.height = Math.round(scene.height * ratio);
  }
  const g = layerCanvas.getContext("2d")!;
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  drawScene(g, scene, { ...look, cursor: undefined });
  const whole = canvas.getContext("2d")!;
  whole.fillStyle = background;
  whole.fillRect(0, 0, canvas.width, canvas.height);
  whole.drawImage(layerCanvas, 0, 0);
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (b) => (b ? resolve(b) : reject(new Error("The picture is too large for this browser."))),
      "image/png",
    ),
  );
}

function base64(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let i = 0; i < bytes.length; i += 0x8000 - 2)
    parts.push(btoa(String.fromCharCode(...bytes.subarray(i, i + 0x8000 - 2))));
  return parts.join("");
}

function save(name: string, content: string | Uint8Array | Blob, type: string): void {
  const blob = content instanceof Blob ? content : new Blob([content as BlobPart], { type });
  const a = document.createElement("a");
  a.href = URL.createObjectURL(blob);
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10_000);
}

function showText(title: string, text: string): void {
  const box = document.createElement("dialog");
  box.className = "command";
  box.setAttribute("aria-label", title);
  const head = document.createElement("h2");
  head.textContent = title;
  const pre = document.createElement("pre");
  pre.tabIndex = 0;
  pre.textContent = text;
  const form = document.createElement("form");
  form.method = "dialog";
  const close = document.createElement("button");
  close.textContent = "Close";
  form.append(close);
  box.append(head, pre, form);
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
}
