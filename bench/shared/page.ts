/** @file docs/performance.md from measured answers. */
import { type Answer, coreShare, pace } from "./question.js";

const intro = `# Performance

Written by \`npm run bench\` from its last run; every number below was measured, on the machine and under the load its table
names. Contenders of a table take turns (A B C, A B C, …), PyTorch and jax-js in processes of their own by their own
clocks. Everybody is called for 0.4 seconds before the first turn. A turn is one call that is not counted, because it fetches back what the others pushed out of the caches, then
counted calls for 20 ms, at most 20 of them; a call of more than 100 ms is a turn by itself. A contender more than ten
times slower than the fastest sits out three rounds of four. The figure is the median of the counted calls, whose number
is "runs". "÷ ours" is a contender's time divided by the first line's: above 1, the first line is faster. "max |Δ|" is the
distance from float64 on some rows. A ratio is worth more than a time. A load above the number of processors means that
others were computing too: medians are then of little worth, and "best", the quickest of the runs, says more. The same
holds on a virtual machine where a table says that its core was seldom its own alone: that is how often a loop of register
arithmetic, run after each turn, came within a tenth of its quickest. It slows down, without any load to be seen, when
somebody else's work shares the core's arithmetic units, as hyper-threads do, and attention slows down with it: at 512
tokens the same call takes 24 or 38 ms, correlated 0.83 with such a loop before and after it.

Which kernel runs where: \`portable\` (plain WebAssembly SIMD) everywhere, \`relaxed\` (fused multiply-add) from Node 22 and in
browsers with relaxed SIMD, \`wide\` (256-bit) from Node 24 when a program asks for it; \`qkv bench --kernels\` says which and
why. On a processor with 256-bit vectors, 128-bit WebAssembly can reach half of what native code can; \`wide\` lifts that
limit.
`;

export function performancePage(answers: readonly Answer[]): string {
  const groups = new Map<string, Answer[]>();
  for (const answer of answers) groups.set(answer.question, [...(groups.get(answer.question) ?? []), answer]);
  const parts = [...groups].map(([question, list]) => [`## ${question}`, ...list.map(table)].join("\n\n"));
  return `${[intro.trimEnd(), ...parts].join("\n\n")}\n`;
}

function table(answer: Answer): string {
  const { title, conditions: c, lines, missing } = answer;
  const rows = lines.map((l) =>
    [
      l.name,
      `${l.median.toFixed(l.median < 10 ? 3 : 1)} ms`,
      `${l.p90.toFixed(l.p90 < 10 ? 3 : 1)} ms`,
      `${l.best.toFixed(l.best < 10 ? 3 : 1)} ms`,
      l.runs,
      pace(answer, l)[1],
      `${l.ratio.toFixed(2)}×`,
      l.error === null ? "–" : l.error.toExponential(1),
    ].join(" | "),
  );
  const facts = `${title} · ${lines[0]?.turns ?? 0} interleaved turns · ${c.cpu}, ${c.processors} processors, ${c.threads} thread${c.threads > 1 ? "s" : ""} · ${c.runtime} · load ${c.load}${coreShare(answer)} · ${c.date}`;
  return [
    `**${facts}**`,
    "",
    `kernel | median | p90 | best | runs | ${lines[0] ? pace(answer, lines[0])[0] : ""} | ÷ ours | max \\|Δ\\|`,
    "--- | ---: | ---: | ---: | ---: | ---: | ---: | ---:",
    ...rows,
    ...(missing.length > 0 ? ["", ...missing.map((m) => `Not measured – ${m}`)] : []),
  ].join("\n");
}
