/** @file Rows that may attend to nothing: what does the candidate give? */
import { allowedPairs, type Problem, problem, shapeOf } from "./problem.js";
import type { Lab } from "./lab.js";
import type { PathName } from "./masking.js";
import { unsound } from "./named.js";

export interface DeadRow {
  /** How the row was made dead. */
  says: string;
  kind: "zeros" | "NaN" | "moves" | "fixed" | "throws";
  /** Do rows that see something stay finite? */
  othersFinite: boolean;
  problem: Problem;
  /** The row's output. */
  row: number[];
  message?: string;
}

interface Case {
  says: string;
  needs: PathName[];
  make(p: Problem): Problem;
}

const cases: Case[] = [
  {
    says: "a mask with a row of zeros",
    needs: ["mask"],
    make: (p) => ({
      ...p,
      mask: {
        shape: [p.B, p.H, p.Lq, p.Lk],
        data: Uint8Array.from({ length: p.B * p.H * p.Lq * p.Lk }, (_, n) =>
          Math.floor(n / p.Lk) % p.Lq === 1 ? 0 : 1,
        ),
      },
    }),
  },
  {
    says: "a batch item that is all padding",
    needs: ["keyPadding"],
    make: (p) => ({
      ...p,
      keyPadding: Uint8Array.from({ length: p.B * p.Lk }, (_, n) => (n < p.Lk && p.B > 1 ? 1 : p.B > 1 ? 0 : 0)),
    }),
  },
  {
    says: "causal and padding on the left: the first query sees only padding",
    needs: ["causal", "keyPadding"],
    make: (p) => ({
      ...p,
      causal: true,
      keyPadding: Uint8Array.from({ length: p.B * p.Lk }, (_, n) => (n % p.Lk === 0 ? 0 : 1)),
    }),
  },
];

/** Every way of a dead row that the candidate's sound paths allow. */
export function deadRows(lab: Lab): Promise<DeadRow[] | string> {
  return lab.once("dead rows", async () => {
    const out: DeadRow[] = [];
    let reason = "";
    for (const one of cases) {
      const bad = (await Promise.all(one.needs.map((n) => unsound(lab, n)))).find((r) => r !== undefined);
      if (bad) {
        reason ||= bad;
        continue;
      }
      out.push(await askDead(lab, one));
    }
    return out.length > 0 ? out : reason;
  });
}

async function askDead(lab: Lab, one: Case): Promise<DeadRow> {
  const shape = lab.fit(shapeOf({ B: 2, H: 1, Lk: 3, D: 2 }));
  const p = one.make(problem(shape, lab.seed));
  const pairs = allowedPairs(p);
  const dead = (n: number) => {
    const row = Math.floor(n / p.Dv);
    const [b, h, i] = [Math.floor(row / (p.H * p.Lq)), Math.floor(row / p.Lq) % p.H, row % p.Lq];
    return !Array.from({ length: p.Lk }, (_, j) => pairs(b, h, i, j)).includes(true);
  };
  const first = await lab.ask(p);
  if (!first.ok)
    return { says: one.says, kind: "throws", othersFinite: true, problem: p, row: [], message: first.message };
  const places = Array.from(first.output.keys()).filter(dead);
  const row = places.slice(0, p.Dv).map((n) => first.output[n]!);
  const othersFinite = first.output.every((x, n) => dead(n) || Number.isFinite(x));
  const all = places.map((n) => first.output[n]!);
  const base = { says: one.says, othersFinite, problem: p, row };
  if (all.some((x) => !Number.isFinite(x))) return { ...base, kind: "NaN" };
  if (all.every((x) => x === 0)) return { ...base, kind: "zeros" };
  // Every value is hidden from a dead row: moving all of them must not move it.
  const moved = await lab.ask({ ...p, v: p.v.map((x) => x + 5) });
  const moves = moved.ok && places.some((n) => Math.abs(moved.output[n]! - first.output[n]!) > 1e-3);
  return { ...base, kind: moves ? "moves" : "fixed" };
}
