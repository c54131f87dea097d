/**
 * @file Runs of the sequence lab as a picture and as a page: loss by step, accuracy and slope by distance, a line a model.
 *
 * Pure text from numbers, so a page and the command line draw the same. Colours are Okabe & Ito's, told apart by people who
 * see few colours; every line also has its name at its end.
 */
import type { LabRun } from "./lab-run.js";

interface Line {
  name: string;
  colour: string;
  points: { x: number; y: number }[];
}

interface Panel {
  title: string;
  x: string;
  lines: Line[];
  /** Powers of ten on the y axis. */
  log?: boolean;
  /** The y axis ends here; default the largest number. */
  top?: number;
}

const COLOURS: Record<string, string> = { rnn: "#d55e00", lstm: "#0072b2", gru: "#009e73", attention: "#cc79a7" };
const [WIDTH, HEIGHT, LEFT, TOP, GAP] = [300, 190, 48, 44, 100];

/** One SVG, three panels side by side. */
export function labSvg(runs: readonly LabRun[]): string {
  const panels = panelsOf(runs);
  const width = LEFT + panels.length * (WIDTH + GAP);
  const height = TOP + HEIGHT + 50;
  const drawn = panels.map(
    (panel, n) => `<g transform="translate(${LEFT + n * (WIDTH + GAP)} ${TOP})">${draw(panel)}</g>`,
  );
  const says = html(summary(runs));
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" ` +
    `font-family="system-ui, sans-serif" font-size="11"><title>Sequence lab</title><desc>${says}</desc>` +
    `<rect width="100%" height="100%" fill="#fff"/>${drawn.join("")}</svg>\n`
  );
}

/** One page with the picture, the same numbers as a table, and all of them as JSON. Opens without a network. */
export function labHtml(runs: readonly LabRun[]): string {
  const data = JSON.stringify(runs).replaceAll("<", "\\u003c");
  const rows = runs.map((run) => {
    const last = run.looks.at(-1)!;
    const cells = [
      run.model,
      run.parameters,
      percent(last.accuracy),
      ...last.accuracyByDistance.map((a) => percent(a.value)),
    ];
    return `<tr>${cells.map((c, n) => (n === 0 ? `<th scope="row">${html(String(c))}</th>` : `<td>${c}</td>`)).join("")}</tr>`;
  });
  const distances = runs[0]?.looks.at(-1)?.accuracyByDistance.map((a) => a.distance) ?? [];
  const head = ["model", "weights", "all", ...distances.map(String)].map((h) => `<th scope="col">${h}</th>`).join("");
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sequence lab</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#111;background:#fff}
svg{max-width:100%;height:auto}.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.8rem}
th,td{padding:.2rem .5rem;text-align:right;border-bottom:1px solid #ddd}</style>
<h1>Sequence lab: ${html(runs[0]?.task ?? "")}</h1><p>${html(summary(runs))}</p>
${labSvg(runs)}<h2>Right answers by distance</h2><div class="wide"><table><thead><tr>${head}</tr></thead><tbody>${rows.join("")}</tbody></table></div>
<script type="application/json" id="runs">${data}</script></html>
`;
}

/** In a sentence: who answers how well. */
export function summary(runs: readonly LabRun[]): string {
  const said = runs.map((run) => {
    const last = run.looks.at(-1)!;
    const far = last.accuracyByDistance.at(-1)!;
    return `${run.model} ${percent(last.accuracy)} right, ${percent(far.value)} at distance ${far.distance}`;
  });
  return `After ${runs[0]?.steps ?? 0} steps: ${said.join("; ")}.`;
}

function panelsOf(runs: readonly LabRun[]): Panel[] {
  const lines = (points: (run: LabRun) => Line["points"]): Line[] =>
    runs.map((run) => ({ name: run.model, colour: COLOURS[run.model] ?? "#444", points: points(run) }));
  const byDistance = (key: "accuracyByDistance" | "gradientByDistance") => (run: LabRun) =>
    run.looks.at(-1)![key].map(({ distance, value }) => ({ x: distance, y: value }));
  return [
    {
      title: "Loss",
      x: "step",
      lines: lines((run) => thinned(run.losses.map(({ step, loss }) => ({ x: step, y: loss })))),
    },
    { title: "Share of right answers", x: "steps back", lines: lines(byDistance("accuracyByDistance")), top: 1 },
    { title: "Slope that arrives", x: "steps back", lines: lines(byDistance("gradientByDistance")), log: true },
  ];
}

/** Means of neighbours, so that a line has at most 120 points. */
function thinned(points: Line["points"]): Line["points"] {
  const size = Math.max(1, Math.ceil(points.length / 120));
  return Array.from({ length: Math.ceil(points.length / size) }, (_, n) => {
    const part = points.slice(n * size, (n + 1) * size);
    return { x: part.at(-1)!.x, y: part.reduce((sum, p) => sum + p.y, 0) / part.length };
  });
}

function draw({ title, x, lines, log = false, top }: Panel): string {
  const all = lines.flatMap((l) => l.points);
  const xs = all.map((p) => p.x);
  const ys = all.map((p) => p.y).filter((y) => !log || y > 0);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  const high = top ?? Math.max(...ys, 1e-12);
  const [y0, y1] = log ? [Math.floor(Math.log10(Math.min(...ys))), Math.ceil(Math.log10(high))] : [0, high];
  const atX = (v: number): number => round(((v - x0) / (x1 - x0 || 1)) * WIDTH);
  const share = (v: number): number => ((log ? Math.log10(Math.max(v, 1e-300)) : v) - y0) / (y1 - y0 || 1);
  const atY = (v: number): number => round(HEIGHT * (1 - Math.min(1, Math.max(0, share(v)))));
  const ticks = log
    ? Array.from({ length: y1 - y0 + 1 }, (_, n) => 10 ** (y0 + n)).filter(
        (_, n) => n % Math.ceil((y1 - y0 + 1) / 8) === 0,
      )
    : [0, 0.25, 0.5, 0.75, 1].map((f) => f * y1);
  const grid = ticks.map((t) => {
    const label = log ? `10${superscript(Math.round(Math.log10(t)))}` : Number(t.toPrecision(2)).toString();
    return `<line x2="${WIDTH}" y1="${atY(t)}" y2="${atY(t)}" stroke="#e3e3e3"/><text x="-6" y="${atY(t) + 4}" text-anchor="end" fill="#444">${label}</text>`;
  });
  const named = spread(lines.map((l) => ({ line: l, y: atY(l.points.at(-1)?.y ?? 0) })));
  const paths = named.map(({ line, y }) => {
    const d = line.points.map((p, n) => `${n === 0 ? "M" : "L"}${atX(p.x)} ${atY(p.y)}`).join("");
    return `<path d="${d}" fill="none" stroke="${line.colour}" stroke-width="1.8"/><text x="${WIDTH + 6}" y="${y + 4}" fill="${line.colour}">${html(line.name)}</text>`;
  });
  return (
    `<text y="-16" font-size="13" font-weight="600">${title}</text>${grid.join("")}${paths.join("")}` +
    `<text y="${HEIGHT + 18}" fill="#444">${x0}</text><text x="${WIDTH}" y="${HEIGHT + 18}" text-anchor="end" fill="#444">${x1}</text>` +
    `<text x="${WIDTH / 2}" y="${HEIGHT + 18}" text-anchor="middle" fill="#444">${x}</text>`
  );
}

/** Names at the end of lines, moved apart where they would lie on one another. */
function spread<T extends { y: number }>(names: T[]): T[] {
  const sorted = [...names].sort((a, b) => a.y - b.y);
  for (let n = 1; n < sorted.length; n++) sorted[n]!.y = Math.max(sorted[n]!.y, sorted[n - 1]!.y + 13);
  return sorted;
}

function superscript(n: number): string {
  return String(n).replace(/[-0-9]/g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]!));
}

const round = (x: number): number => Math.round(x * 10) / 10;
const percent = (x: number): string => `${Math.round(100 * x)} %`;
const html = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]!);
