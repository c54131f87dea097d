/**
 * @file The layout of arcs over running text: the text itself on wrapped lines, an arc from a token to each that it looks at;
 * or down the page, a token a line with the arcs beside it. What is left out is counted, so that the legend can say so.
 */
import { type Passage, placed } from "./passage.js";
import { type Label, type Line, type Measure, type Scene, sceneOf } from "./scene.js";
import { shortWeight } from "./tokens.js";

export interface ArcsOptions {
  /** What is looked at, then what looks, where these are two texts; one where a text looks at itself. */
  texts: readonly Passage[];
  /** [rows, columns] of one head. */
  values: Float32Array;
  head: number;
  /** Whose arcs are drawn; −1 = every token's. */
  asked: number;
  /** The token asked is looked at, not looking. */
  reverse: boolean;
  /** Arcs under this weight are not drawn. */
  least: number;
  down: boolean;
  width: number;
  measure: Measure;
  says: string;
}

export interface ArcsScene extends Scene {
  /** Weight drawn, as a share of all weight that was asked for. */
  drawn: number;
}

/** A token's box. */
interface Spot {
  x: number;
  y: number;
  width: number;
  line: number;
}
interface Ground {
  keys: Spot[];
  queries: Spot[];
  width: number;
  height: number;
  size: number;
  /** Highest an arc may rise. */
  room: number;
}

/** Most arcs drawn; the heaviest stay. */
const mostArcs = 3000;
const [boxHeight, numberRoom, pad] = [30, 15, 2.5];

export function arcsScene(o: ArcsOptions): ArcsScene {
  const ground = o.down ? inColumn(o) : onLines(o);
  const { lines, drawn } = arcsOf(o, ground);
  const boxes: NonNullable<Scene["boxes"]> = [];
  const labels: Label[] = [];
  const weights = weightsOf(o);
  const [asks, shaded] = o.reverse ? (["key", "query"] as const) : (["query", "key"] as const);
  const put = (spot: Spot, n: number, text: string, side: "query" | "key", weight: number, chosen: boolean): void => {
    const y = spot.y + boxHeight / 2;
    const shade = Number.isNaN(weight) ? undefined : weight;
    if (chosen || shade !== undefined) boxes.push({ ...spot, height: boxHeight, weight, chosen });
    labels.push({ x: spot.x + pad, y, text, align: "left", size: ground.size, tone: "ink", length: spot.width - 2 * pad, target: { [side]: n }, side, ...(shade !== undefined && { on: shade }) }); // biome-ignore format: one label
    const figure = shortWeight(weight);
    if (figure === "") return;
    const place = o.down
      ? { x: ground.width - 8, y, align: "right" as const }
      : { x: spot.x + spot.width / 2, y: spot.y + boxHeight + 8, align: "center" as const };
    const last = labels.findLast((l) => !l.target);
    const close = last && !o.down && last.y === place.y && Math.abs(last.x - place.x) < 24;
    if (close && weightOf(last.text) >= weightOf(figure)) return; // two that would run into each other: the larger stays
    if (close) labels.splice(labels.indexOf(last), 1);
    labels.push({ ...place, text: figure, size: 12, tone: "soft", length: 20 });
  };
  const one = o.texts.length === 1;
  o.texts.forEach(({ labels: names }, t) => {
    const side = one ? asks : t === 0 ? "key" : "query";
    const spots = t === 0 ? ground.keys : ground.queries;
    names.forEach((name, n) => {
      put(spots[n]!, n, name, side, weights && (one || side === shaded) ? weights[n]! : Number.NaN, side === asks && n === o.asked); // biome-ignore format: one token
    });
  });
  const { width, height } = ground;
  return { ...sceneOf({ width, height, says: o.says, lines, labels, boxes }), drawn };
}

const weightOf = (figure: string): number => Number(figure.replace(">", ""));

/** The weights of the token asked; nothing when all are. */
function weightsOf(o: ArcsOptions): Float32Array | undefined {
  if (o.asked < 0) return undefined;
  const [R, C] = sizes(o);
  if (!o.reverse) return o.values.subarray(o.asked * C, (o.asked + 1) * C);
  return Float32Array.from({ length: R }, (_, i) => o.values[i * C + o.asked]!);
}

const sizes = (o: ArcsOptions): [number, number] => [o.texts.at(-1)!.labels.length, o.texts[0]!.labels.length];

function arcsOf(o: ArcsOptions, g: Ground): { lines: Line[]; drawn: number } {
  const [R, C] = sizes(o);
  let lines: Line[] = [];
  let [all, drawn] = [0, 0];
  for (let i = 0; i < R; i++) {
    if (!o.reverse && o.asked >= 0 && i !== o.asked) continue;
    for (let j = 0; j < C; j++) {
      if (o.reverse && o.asked >= 0 && j !== o.asked) continue;
      const weight = o.values[i * C + j]!;
      if (!(weight > 0)) continue;
      all += weight;
      if (weight >= o.least) lines.push({ ...arc(o, g, g.queries[i]!, g.keys[j]!), weight, head: o.head, query: i, key: j }); // biome-ignore format: one arc
    }
  }
  if (lines.length > mostArcs) lines = lines.sort((a, b) => b.weight - a.weight).slice(0, mostArcs);
  for (const l of lines) drawn += l.weight;
  return { lines, drawn: all > 0 ? drawn / all : 1 };
}

/** From a token that looks to one looked at. */
function arc(o: ArcsOptions, g: Ground, from: Spot, to: Spot): Pick<Line, "x1" | "y1" | "x2" | "y2" | "handles"> {
  const same = from === to;
  /** A cubic with both handles at h rises to ¾ of it. */
  const rise = (far: number): number => Math.min(g.room, 14 + 0.35 * far) / 0.75;
  if (o.down) {
    const [y1, y2] = [from.y + boxHeight / 2 - (same ? 5 : 0), to.y + boxHeight / 2 + (same ? 5 : 0)];
    const [x1, x2] = [from.x - 2, to.x - 2];
    const x = Math.min(x1, x2) - rise(Math.abs(y2 - y1));
    return { x1, y1, x2, y2, handles: [x, y1, x, y2] };
  }
  const [x1, x2] = [from.x + from.width / 2 + (same ? 5 : 0), to.x + to.width / 2 - (same ? 5 : 0)];
  if (from.line === to.line) {
    const y = from.y - 1 - rise(Math.abs(x2 - x1));
    return { x1, y1: from.y - 1, x2, y2: to.y - 1, handles: [x1, y, x2, y] };
  }
  const foot = boxHeight + (o.asked < 0 ? 1 : numberRoom); // the upper token is left from below
  const [y1, y2] = [from.y + (from.line < to.line ? foot : -1), to.y + (to.line < from.line ? foot : -1)];
  return { x1, y1, x2, y2, handles: [x1, (y1 + y2) / 2, x2, (y1 + y2) / 2] };
}

function onLines(o: ArcsOptions): Ground {
  const size = o.width < 480 ? 17 : 20;
  const left = 8;
  const room = Math.round(Math.min(76, Math.max(40, o.width * 0.12)));
  const pitch = room + boxHeight + numberRoom + 6;
  let lines = 0;
  const spots = o.texts.map((t) => {
    const own = placed(t, o.width - 2 * left, size, pad, o.measure).map((p): Spot => ({ x: left + p.x, y: (lines + p.line) * pitch + room + 4, width: p.width, line: lines + p.line })); // biome-ignore format: one list
    lines = Math.max(lines, ...own.map((s) => s.line + 1));
    return own;
  });
  return { keys: spots[0]!, queries: spots.at(-1)!, width: Math.ceil(o.width), height: lines * pitch + 4, size, room };
}

function inColumn(o: ArcsOptions): Ground {
  const size = 16;
  const room = Math.round(Math.min(220, o.width * 0.35));
  let y = 6;
  let widest = 0;
  let line = 0;
  const spots = o.texts.map((t) => {
    const own = t.labels.map((l): Spot => {
      const width = o.measure(l, size) + 2 * pad;
      widest = Math.max(widest, width);
      const spot = { x: room + 12, y, width, line: line++ };
      y += boxHeight + 2;
      return spot;
    });
    y += 24;
    return own;
  });
  return { keys: spots[0]!, queries: spots.at(-1)!, width: Math.ceil(room + widest + 60), height: y - 18, size, room };
}
