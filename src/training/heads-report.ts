/** @file A head that formed as a picture and as a page: loss, scores, and the maps of every head at the beginning, on the way and at the end. */
import type { HeadFormsStep } from "./head-forms.js";
import { chartFile, escaped, type LineChart, thinned } from "./line-charts.js";
import { reportPage } from "./report-page.js";

/** All steps of a run. */
type Steps = readonly HeadFormsStep[];
const looksOf = (steps: Steps): HeadFormsStep[] => steps.filter((s) => s.scores);

/** One SVG: loss and scores by step. */
export function headsSvg(steps: Steps, made: HeadsMade): string {
  return chartFile("Watch a head form", chartsOf(steps), [
    headsSummary(steps),
    `Made by: ${headsCommand(steps, made)}`,
  ]);
}

export interface HeadsMade {
  seed: number;
}

/** One page with the charts, the maps on the way, every look as a table row, and all of it as JSON. */
export function headsHtml(steps: Steps, made: HeadsMade): string {
  const looks = looksOf(steps);
  const [first, last] = [looks[0]!, looks.at(-1)!];
  const turning = formed(looks) ?? looks[Math.floor(looks.length / 2)]!;
  const shown = [...new Set([first, turning, last])];
  const rows = looks.filter((_, n) => n % Math.ceil(looks.length / 12) === 0 || n === looks.length - 1);
  return reportPage({
    title: "Watch a head form",
    summary: headsSummary(steps),
    settings: `Two layers of attention and nothing else, two heads each, on random tokens that repeat; seed ${made.seed}. Scores are means over eight sequences of 24 random tokens said twice: previous is the weight on the token before, induction that on the token after the earlier occurrence.`,
    charts: chartsOf(steps).map((c) => ({ ...c, says: headsSummary(steps) })),
    key: [
      { name: "loss", style: "c" },
      { name: "best previous-token head", style: "b" },
      { name: "best induction head", style: "a" },
    ],
    more: `<h2>Maps on the way</h2><p class="soft">Twelve tokens, said twice. Rows look at columns; darker is more weight. A previous-token head is a line just under the diagonal, an induction head a line that begins half way down.</p>${shown.map(mapsOf).join("")}`,
    tables: [
      {
        caption: "Look by look",
        head: ["step", "loss, nats", "best previous", "its head", "best induction", "its head"],
        rows: rows.map((s) => [
          String(s.step),
          Number.isNaN(s.loss) ? "–" : s.loss.toFixed(3),
          s.previous!.previous.toFixed(2),
          `${s.previous!.layer}.${s.previous!.head}`,
          s.induction!.induction.toFixed(2),
          `${s.induction!.layer}.${s.induction!.head}`,
        ]),
      },
    ],
    command: headsCommand(steps, made),
    data: steps.map(({ maps: _, ...rest }) => rest),
  });
}

/** In a sentence: when the heads appeared and what the loss did. */
export function headsSummary(steps: Steps): string {
  const looks = looksOf(steps);
  const last = looks.at(-1)!;
  const turning = formed(looks);
  const losses = steps.filter((s) => !Number.isNaN(s.loss));
  const [a, b] = [losses[0]?.loss, losses.at(-1)?.loss];
  const loss = a === undefined || b === undefined ? "" : ` The loss went from ${a.toFixed(2)} to ${b.toFixed(2)} nats.`;
  const head = turning
    ? `Head ${turning.induction!.layer}.${turning.induction!.head} passed an induction score of 0.5 at step ${turning.step} and has ${last.induction!.induction.toFixed(2)} at step ${last.step}; head ${last.previous!.layer}.${last.previous!.head} looks at the token before with ${last.previous!.previous.toFixed(2)} of its weight.`
    : `At step ${last.step} no head has an induction score of 0.5 yet: the best has ${last.induction!.induction.toFixed(2)}.`;
  const { step, steps: of } = steps.at(-1)!;
  return `${head}${loss}${step < of ? ` Stopped at step ${step} of ${of}.` : ""}`;
}

function headsCommand(steps: Steps, { seed }: HeadsMade): string {
  const of = steps[0]!.steps;
  return `qkv train --task heads${of === 600 ? "" : ` --steps ${of}`}${seed === 1 ? "" : ` --seed ${seed}`}`;
}

const formed = (looks: Steps): HeadFormsStep | undefined => looks.find((s) => s.induction!.induction > 0.5);

function chartsOf(steps: Steps): LineChart[] {
  const looks = looksOf(steps);
  return [
    {
      title: "Loss on tokens that can be foretold",
      x: "step",
      y: "loss, nats a token",
      lines: [
        {
          name: "loss",
          style: "c",
          points: thinned(steps.filter((s) => !Number.isNaN(s.loss)).map((s) => ({ x: s.step, y: s.loss }))),
        },
      ],
    },
    {
      title: "The best head of each kind",
      x: "step",
      y: "score, share of its weight",
      share: true,
      lines: [
        { name: "previous", style: "b", points: looks.map((s) => ({ x: s.step, y: s.previous!.previous })) },
        { name: "induction", style: "a", points: looks.map((s) => ({ x: s.step, y: s.induction!.induction })) },
      ],
    },
  ];
}

function mapsOf({ step, maps, scores }: HeadFormsStep): string {
  const drawn = maps!.flatMap((heads, layer) =>
    heads.map((map, head) => {
      const s = scores!.find((x) => x.layer === layer && x.head === head)!;
      const says = `previous ${s.previous.toFixed(2)}, induction ${s.induction.toFixed(2)}`;
      return `<figure><figcaption>${layer}.${head} <span class="soft">${says}</span></figcaption>${mapOf(map, escaped(`Map of head ${layer}.${head} at step ${step}: ${says}`))}</figure>`;
    }),
  );
  return `<h3>Step ${step}</h3><div class="maps">${drawn.join("")}</div>`;
}

/** Cells with at least a hundredth of their row's weight, as squares of so much ink. */
function mapOf(map: Float32Array, says: string): string {
  const L = Math.round(Math.sqrt(map.length));
  let cells = "";
  for (let i = 0; i < L; i++)
    for (let j = 0; j <= i; j++)
      if (map[i * L + j]! >= 0.01)
        cells += `<path d="M${j} ${i}h1v1h-1z" fill-opacity="${map[i * L + j]!.toFixed(2)}"/>`;
  return `<svg viewBox="0 0 ${L} ${L}" width="170" height="170" role="img" aria-label="${says}" fill="currentColor"><path d="M0 0L${L} ${L}H0z" fill-opacity=".06"/>${cells}</svg>`;
}
