/** @file A small line chart with its numbers as a table beside it: what the labs draw while something runs. */
import "../app/styles/drawings.css";
import { html, nothing, svg, type TemplateResult } from "lit";
import { framed } from "../views/framed.js";

export interface ChartLine {
  name: string;
  colour: string;
  dash?: string;
  points: readonly { x: number; y: number }[];
}

export interface Chart {
  title: string;
  x: string;
  y: string;
  lines: readonly ChartLine[];
  /** Powers of ten on this axis. */
  logX?: boolean;
  logY?: boolean;
  /** The axis runs from 0 to here; default: the largest number. */
  top?: number;
  /** A dashed level with a name: chance. */
  level?: { y: number; name: string };
  /** A place on the x axis that is looked at: a step. */
  mark?: number;
  /** How a number of the y axis is written. */
  show?: (y: number) => string;
}

const [W, H, left, bottom, top, right] = [420, 250, 52, 36, 12, 70];

export function chart(c: Chart): TemplateResult {
  const show =
    c.show ??
    ((y: number) =>
      Math.abs(y) >= 1000 || (y !== 0 && Math.abs(y) < 0.01) ? y.toExponential(0) : `${Math.round(y * 100) / 100}`);
  const onAxis = (y: number): string => (c.logY && !c.show ? powerOfTen(y) : show(y));
  const all = c.lines
    .flatMap((l) => l.points)
    .filter((p) => Number.isFinite(p.y) && (!c.logY || p.y > 0) && (!c.logX || p.x > 0));
  const xs = all.map((p) => p.x);
  const ys = all.map((p) => p.y);
  const fx = (x: number): number => (c.logX ? Math.log10(x) : x);
  const fy = (y: number): number => (c.logY ? Math.log10(y) : y);
  const [x0, x1] = [fx(Math.min(...xs, Number.POSITIVE_INFINITY)), fx(Math.max(...xs))];
  const [y0, y1] = [
    c.logY ? Math.floor(fy(Math.min(...ys))) : 0,
    c.logY ? Math.ceil(fy(Math.max(...ys))) : (c.top ?? Math.max(1e-9, c.level?.y ?? 0, ...ys) * 1.05),
  ];
  const X = (x: number): number => left + ((fx(x) - x0) / Math.max(1e-9, x1 - x0)) * (W - left - right);
  const Y = (y: number): number => H - bottom - ((fy(y) - y0) / Math.max(1e-9, y1 - y0)) * (H - bottom - top);
  const levels = c.logY
    ? Array.from(
        { length: Math.min(9, y1 - y0 + 1) },
        (_, n) => 10 ** (y0 + Math.round((n * (y1 - y0)) / Math.min(8, Math.max(1, y1 - y0)))),
      )
    : c.top === 1
      ? [0, 0.25, 0.5, 0.75, 1]
      : even(0, y1);
  const steps = all.length === 0 ? [] : c.logX ? [...new Set(xs)].sort((a, b) => a - b) : even(x0, x1);
  const last = (l: ChartLine): { x: number; y: number } | undefined =>
    [...l.points].reverse().find((p) => Number.isFinite(p.y));
  // Names at the ends of the lines, kept apart.
  const ends = c.lines
    .map((l) => ({ l, at: last(l) }))
    .filter((e) => e.at && all.length > 0 && (!c.logY || e.at.y > 0))
    .map(({ l, at }) => ({ name: l.name, x: X(at!.x) + 5, y: Y(at!.y) + 4 }))
    .concat(c.level && all.length > 0 ? [{ name: c.level.name, x: W - right + 5, y: Y(c.level.y) + 4 }] : [])
    .sort((a, b) => a.y - b.y);
  const gap = 13;
  ends.forEach((e, n) => { if (n > 0) e.y = Math.max(e.y, ends[n - 1]!.y + gap); }); // biome-ignore format: one line
  let low = H - bottom + 4; // none below the axis
  for (const e of [...ends].reverse()) { e.y = Math.min(e.y, low); low = e.y - gap; } // biome-ignore format: one line
  const says = c.lines.map((l) => `${l.name}: ${last(l) ? show(last(l)!.y) : "nothing yet"}`).join("; ");
  return html`<figure class="chart"><figcaption>${c.title}</figcaption>
    <svg viewBox="0 0 ${W} ${H}" role="img" aria-label=${`${c.title}. ${says}`}>
      ${all.length === 0 ? svg`<text x=${W / 2} y=${H / 2} text-anchor="middle" class="svg-tick">nothing yet</text>` : nothing}
      ${all.length === 0 ? nothing : levels.map((y) => svg`<line x1=${left} x2=${W - right} y1=${Y(y)} y2=${Y(y)} class="svg-grid"></line><text x=${left - 6} y=${Y(y) + 4} text-anchor="end" class="svg-tick">${onAxis(y)}</text>`)}
      ${steps.map((x) => svg`<text x=${X(x)} y=${H - bottom + 16} text-anchor="middle" class="svg-tick">${x >= 1000 ? `${Math.round(x / 100) / 10}k` : x}</text>`)}
      ${c.level && all.length > 0 ? svg`<line x1=${left} x2=${W - right} y1=${Y(c.level.y)} y2=${Y(c.level.y)} class="svg-chance"></line>` : nothing}
      ${c.mark !== undefined && all.length > 0 ? svg`<line x1=${X(Math.max(c.mark, Math.min(...xs)))} x2=${X(Math.max(c.mark, Math.min(...xs)))} y1=${top} y2=${H - bottom} class="svg-mark"></line>` : nothing}
      ${c.lines.map((l) => {
        const points = l.points.filter((p) => Number.isFinite(p.y) && (!c.logY || p.y > 0));
        return points.length === 0 ? nothing : svg`<path d=${points.map((p, n) => `${n ? "L" : "M"}${X(p.x).toFixed(1)} ${Y(Math.max(p.y, c.logY ? 1e-300 : 0)).toFixed(1)}`).join("")} fill="none" stroke=${l.colour} stroke-width="2" stroke-dasharray=${l.dash ?? "none"}></path>`;
      })}
      ${ends.map((e) => svg`<text x=${e.x} y=${e.y} class="svg-tick">${e.name}</text>`)}
      <text x=${(left + W - right) / 2} y=${H - 4} text-anchor="middle" class="svg-tick">${c.x}</text>
      <text x="12" y=${H / 2} text-anchor="middle" transform=${`rotate(-90 12 ${H / 2})`} class="svg-tick">${c.y}</text>
    </svg>
    <details><summary>as numbers</summary>${framed(c.title, html`<table class="numbers"><thead><tr><th scope="col">${c.x}</th>${c.lines.map((l) => html`<th scope="col">${l.name}</th>`)}</tr></thead>
      <tbody>${[...new Set(xs)].sort((a, b) => a - b).filter((_, n, list) => n % Math.ceil(list.length / 14) === 0 || n === list.length - 1).map((x) => html`<tr><td>${Math.round(x)}</td>${c.lines.map((l) => html`<td>${show(l.points.find((p) => p.x === x)?.y ?? Number.NaN).replace("NaN", "–")}</td>`)}</tr>`)}</tbody></table>`)}</details>
  </figure>`; // biome-ignore format: a drawing
}

const powerOfTen = (y: number): string =>
  `10${String(Math.round(Math.log10(y))).replace(/[-0-9]/g, (d) => (d === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(d)]!))}`;

/** About four round numbers between two others. */
function even(from: number, to: number): number[] {
  const rough = (to - from) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999)!;
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, n) =>
    Number(((first + n) * step).toPrecision(6)),
  );
}

/** Okabe & Ito's, deepened for paper; also told apart by dash. */
export const lineStyles: Record<string, { colour: string; dash: string }> = {
  rnn: { colour: "var(--line-a)", dash: "7 3" },
  lstm: { colour: "var(--line-b)", dash: "2 3" },
  gru: { colour: "var(--line-d)", dash: "9 3 2 3" },
  attention: { colour: "var(--line-c)", dash: "none" },
  unscaled: { colour: "var(--soft)", dash: "1 4" },
};
