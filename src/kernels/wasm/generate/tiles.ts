/**
 * @file Prints the register tiles: the innermost loops of every matrix product, in AssemblyScript.
 *
 *            B: n steps × NR numbers          One tile keeps MR × NR sums in registers. A step loads NR numbers of B
 *          ┌──────────────┐                   as vectors, MR numbers of A, each spread over all lanes, and adds MR·NR
 *      A   │ b0 b1 …      │                   products: MR·NR/4 multiply-adds for NR/4 + MR loads.
 *    ┌───┐ ├──────────────┤
 *    │a0 │ │ c00 c01 …    │   MR             5×8 portable  10 sums +  2 of B + 1 of A + 1 product = 14 of 15 registers
 *    │a1 │ │ c10 c11 …    │                  6×8 relaxed   12 sums +  2 of B + 1 of A             = 15 (fused multiply-add)
 *    └───┘ └──────────────┘                  6×16 wide     the same with 256-bit registers: neighbouring v128 pair up
 *              NR
 *
 * Products of matrices have 4-row tiles too, for the ragged edge. AssemblyScript has no arrays of registers, hence a
 * generator. The loop over steps is not unrolled: the optimiser would sink unrolled updates into one chain per sum, and the
 * engine would spill (26–45 instead of 55 GFLOP/s, measured). A loop ends at an address: nothing is counted beside.
 * The first step stands before the loop, so a tile has one at least. What the engine has computed there of A's addresses it
 * keeps in registers; else it computes them anew in every step: 38 instructions instead of 33 in the portable build, whose
 * products are 13 % slower then.
 *
 * `rows`:    A is read row by row: row r begins at a + r·aRow, its steps are neighbours (K and V rows, activations).
 *            Rows past `last` read row `last` again: a ragged edge costs no second tile, its surplus rows are ignored.
 * `columns`: A is read column by column: a step's MR numbers are neighbours, steps are aStep apart (Pᵀ, transposed operands).
 * `packed`:  A and B are packed: a step's numbers lie behind those of the step before. Two addresses move on: up to a
 *            fifth faster than `rows`, whose MR addresses take issue slots from the arithmetic.
 * `Zero` starts the sums at 0, `Add` at what C holds, `Scaled` at C · scale[r] (the rescaled output of online softmax).
 */
export interface TileShape {
  rows: number;
  vectors: number; // of 4 numbers
}

/** The tile of each build. 6×8 spills on Node 20 without fused multiply-add; 8×8, 4×12 and 12×4 spill everywhere. */
export const tileShapes: Record<"portable" | "relaxed" | "wide", TileShape> = {
  portable: { rows: 5, vectors: 2 },
  relaxed: { rows: 6, vectors: 2 },
  wide: { rows: 6, vectors: 4 },
};

/** The tiles with packed A: those above, and low ones for a product's last rows. */
export const packedShapes: readonly TileShape[] = [
  ...Object.values(tileShapes),
  { rows: 4, vectors: 2 },
  { rows: 4, vectors: 4 },
];

type Operand = "rows" | "columns" | "packed";
type Start = "Zero" | "Add" | "Scaled";

const forms: readonly (readonly [Operand, Start])[] = [
  ["rows", "Zero"],
  ["rows", "Add"],
  ["columns", "Add"],
  ["columns", "Scaled"],
];

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** Byte offset as the last argument of a load or store; none for 0. */
const at = (bytes: number): string => (bytes === 0 ? "" : `, ${bytes}`);

function tile(a: Operand, start: Start, { rows, vectors }: TileShape): string {
  const R = range(rows);
  const V = range(vectors);
  const first = (r: number, v: number): string => {
    if (start === "Zero") return "f32x4.splat(0)";
    const load = `v128.load(c${r}${at(16 * v)})`;
    return start === "Add" ? load : `f32x4.mul(${load}, s${r})`;
  };
  const parameters = [
    "a: usize",
    ...{ rows: ["aRow: usize", "last: usize"], columns: ["aStep: usize"], packed: [] }[a],
    "b: usize",
    ...(a === "packed" ? [] : ["bStep: usize"]),
    "c: usize",
    "cRow: usize",
    "n: i32",
    ...(start === "Scaled" ? ["scale: usize"] : []),
  ];
  const onward = {
    rows: [...R.map((r) => `a${r} += 4`), "b += bStep"],
    columns: ["a += aStep", "b += bStep"],
    packed: [`a += ${4 * rows}`, `b += ${16 * vectors}`],
  }[a].join(", ");
  const step = (indent: string, name: string): string[] => [
    ...V.map((v) => `${indent}const ${name}b${v} = v128.load(b${at(16 * v)});`),
    ...R.flatMap((r) => [
      `${indent}const ${name}x${r} = v128.load32_splat(a${a === "rows" ? r : at(4 * r)});`,
      ...V.map((v) => `${indent}c${r}${v} = madd(${name}x${r}, ${name}b${v}, c${r}${v});`),
    ]),
  ];
  const lines = [
    `export function ${a}${start}${rows}x${4 * vectors}(${parameters.join(", ")}): void {`,
    ...(a === "rows" ? R.map((r) => `  let a${r} = a${r === 0 ? "" : ` + min<usize>(${r}, last) * aRow`};`) : []),
    ...R.map((r) => `  const c${r} = ${r === 0 ? "c" : `c${r - 1} + cRow`};`),
    ...(start === "Scaled" ? R.map((r) => `  const s${r} = v128.load32_splat(scale${at(4 * r)});`) : []),
    ...R.flatMap((r) => V.map((v) => `  let c${r}${v} = ${first(r, v)};`)),
    `  const end = ${{ rows: "a0 + (<usize>n << 2)", columns: "a + <usize>n * aStep", packed: `b + <usize>n * ${16 * vectors}` }[a]};`,
    ...step("  ", "first"),
    `  for (${onward}; ${{ rows: "a0", columns: "a", packed: "b" }[a]} != end; ${onward}) {`,
    ...step("    ", ""),
    "  }",
    ...R.flatMap((r) => V.map((v) => `  v128.store(c${r}, c${r}${v}${at(16 * v)});`)),
    "}",
  ];
  return lines.join("\n");
}

/** The whole of assembly/tiles.generated.ts. */
export function printTiles(): string {
  const head = [
    "/** @file Register tiles. Printed by ../generate/tiles.ts, which explains them; do not edit. */",
    'import { madd } from "./simd";',
  ].join("\n");
  const bodies = [
    ...Object.values(tileShapes).flatMap((shape) => forms.map(([a, start]) => tile(a, start, shape))),
    ...packedShapes.flatMap((shape) => (["Zero", "Add"] as const).map((start) => tile("packed", start, shape))),
  ];
  return `${head}\n\n${bodies.join("\n\n")}\n`;
}
