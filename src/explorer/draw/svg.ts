/** @file A scene as SVG text. The same scene and look give the same bytes; tokens are escaped and cannot become markup. */
import { handlesOf, opacity, thickness } from "../scene/curve.js";
import type { Scene } from "../scene/scene.js";
import { shortWeight, visible } from "../scene/tokens.js";
import { ranks, type Look } from "./canvas.js";
import { colourAt, headStyle, inkOn, position } from "./colour.js";

const number = (x: number): string => `${Math.round(x * 100) / 100}`;

export function escaped(text: string): string {
  return visible(text)
    .replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`)
    .replace(/[\ufffe\uffff]/g, "\ufffd"); // XML has no place for these two
}

const hex = ([r, g, b]: readonly [number, number, number]): string =>
  `#${[r, g, b].map((c) => Math.round(c).toString(16).padStart(2, "0")).join("")}`;

export function sceneToSvg(
  scene: Scene,
  look: Look,
  about: { title: string; source: string; background: string },
): string {
  const out: string[] = [];
  const { width, height, plot, map } = scene;
  out.push(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${number(width)}" height="${number(height)}" viewBox="0 0 ${number(width)} ${number(height)}" font-family="'Source Sans 3',system-ui,sans-serif" role="img">`,
  );
  out.push(`<title>${escaped(about.title)}</title><desc>${escaped(`${scene.says} ${about.source}`)}</desc>`);
  out.push(`<rect width="100%" height="100%" fill="${about.background}"/>`);
  for (const b of scene.boxes ?? []) {
    if (Number.isNaN(b.weight)) continue;
    const fill = hex(colourAt(look.ramp, position(b.weight, look.transform === "log" ? "log" : "linear")));
    out.push(
      `<rect x="${number(b.x)}" y="${number(b.y)}" width="${number(b.width)}" height="${number(b.height)}" fill="${fill}"${b.chosen ? ` stroke="${look.query}" stroke-width="2"` : ""}/>`,
    );
  }
  if (!map) for (const c of scene.cells) out.push(`<g shape-rendering="crispEdges">`, ...cellRuns(c, look), "</g>");
  if (map) {
    out.push(
      `<defs><pattern id="absent" width="6" height="6" patternUnits="userSpaceOnUse"><path d="M0 6 6 0" stroke="${look.hatch}"/></pattern><clipPath id="plot"><rect x="${number(plot.x)}" y="${number(plot.y)}" width="${number(plot.width)}" height="${number(plot.height)}"/></clipPath></defs>`,
    );
    out.push(
      `<rect x="${number(plot.x)}" y="${number(plot.y)}" width="${number(plot.width)}" height="${number(plot.height)}" fill="url(#absent)"/><g clip-path="url(#plot)" shape-rendering="crispEdges">`,
    );
    for (const c of scene.cells) out.push(...cellRuns(c, look));
    out.push("</g>");
    if (map.zoom >= 16) out.push(gridPath(scene, look));
    if (look.numbers && map.zoom >= 30) out.push(...cellNumbers(scene, look));
    if (scene.path) {
      const d = scene.path.map(({ query, key }, i) => `${i ? "L" : "M"}${number(map.x + (key + 0.5) * map.zoom)} ${number(map.y + (query + 0.5) * map.zoom)}`).join(""); // biome-ignore format: one line
      out.push(`<path d="${d}" fill="none" stroke="${look.surface}" stroke-width="5"/><path d="${d}" fill="none" stroke="${look.key}" stroke-width="2.5"/>`); // biome-ignore format: one line
    }
  }
  for (const l of [...scene.lines].sort((a, b) => a.weight - b.weight)) {
    const { colour, dash } = headStyle(l.head, look.mode);
    const [x1, y1, x2, y2] = handlesOf(l, scene.down).map(number);
    out.push(
      `<path d="M${number(l.x1)} ${number(l.y1)}C${x1} ${y1} ${x2} ${y2} ${number(l.x2)} ${number(l.y2)}" fill="none" stroke="${colour}" stroke-width="${number(thickness(l.weight))}" opacity="${number(opacity(l.weight))}"${dash.length ? ` stroke-dasharray="${dash.join(" ")}"` : ""}/>`,
    );
  }
  for (const l of scene.labels) {
    const anchor = { left: "start", right: "end", center: "middle" }[l.align];
    const turn = l.upright ? ` transform="rotate(-90 ${number(l.x)} ${number(l.y)})"` : "";
    out.push(
      `<text x="${number(l.x)}" y="${number(l.y)}" font-size="${l.size}" text-anchor="${anchor}" dominant-baseline="central" fill="${l.on !== undefined && !Number.isNaN(l.on) ? inkOn(colourAt(look.ramp, position(l.on, look.transform === "log" ? "log" : "linear"))) : look[l.tone]}"${turn}>${escaped(l.text)}</text>`,
    );
  }
  out.push("</svg>");
  return out.join("\n");
}

/** Runs of one colour along a row are one rectangle. */
function* cellRuns(c: Scene["cells"][number], look: Look): Generator<string> {
  const shown = look.transform === "rank" && !look.signed ? ranks(c.values, c.rows, c.columns) : c.values;
  for (let r = 0; r < c.rows; r++) {
    let from = 0;
    let had = "";
    for (let k = 0; k <= c.columns; k++) {
      const w = k < c.columns ? shown[r * c.columns + k]! : Number.NaN;
      const t = look.signed ? (w + 1) / 2 : look.transform === "rank" ? w : position(w, look.transform);
      const colour = Number.isNaN(w) ? "" : hex(colourAt(look.ramp, t));
      if (colour === had && k < c.columns) continue;
      if (had)
        yield `<rect x="${number(c.x + from * c.cell)}" y="${number(c.y + r * c.cell)}" width="${number((k - from) * c.cell)}" height="${number(c.cell)}" fill="${had}"/>`;
      from = k;
      had = colour;
    }
  }
}

function gridPath({ plot, map }: Scene, look: Look): string {
  const { x, y, zoom, rows, columns } = map!;
  let d = "";
  for (let c = 0; c <= columns; c++)
    if (x + c * zoom >= plot.x && x + c * zoom <= plot.x + plot.width)
      d += `M${number(x + c * zoom)} ${number(plot.y)}v${number(plot.height)}`;
  for (let r = 0; r <= rows; r++)
    if (y + r * zoom >= plot.y && y + r * zoom <= plot.y + plot.height)
      d += `M${number(plot.x)} ${number(y + r * zoom)}h${number(plot.width)}`;
  return `<path d="${d}" stroke="${look.surface}" fill="none"/>`;
}

function* cellNumbers(scene: Scene, look: Look): Generator<string> {
  for (const c of scene.cells) {
    for (let n = 0; n < c.rows * c.columns; n++) {
      const w = c.values[n]!;
      const text = look.signed ? (Math.abs(w) < 0.005 ? "" : w.toFixed(2)) : shortWeight(w);
      if (!text) continue;
      const ink = inkOn(
        colourAt(look.ramp, look.signed ? (w + 1) / 2 : position(w, look.transform === "log" ? "log" : "linear")),
      );
      yield `<text x="${number(c.x + ((n % c.columns) + 0.5) * c.cell)}" y="${number(c.y + (Math.floor(n / c.columns) + 0.5) * c.cell)}" font-size="11" text-anchor="middle" dominant-baseline="central" fill="${ink}">${text}</text>`;
    }
  }
}
