/** @file A map that was handed over finished. */
import type { Site } from "../attention/listen.js";
import { type Tensor, tensor } from "../tensor/index.js";
import { checkedPart, type Part } from "./part.js";
import type { AttentionRecord } from "./record.js";

/** A finished map [B, H, Lq, Lk], where an engine gives no q and k. */
export class MapRecord implements AttentionRecord {
  readonly site: Site;
  readonly map: Tensor;

  constructor(site: Site, map: Tensor) {
    this.site = site;
    this.map = map;
  }

  get batch(): number {
    return this.map.shape[0]!;
  }
  get heads(): number {
    return this.map.shape[1]!;
  }
  get keyHeads(): number {
    return this.heads;
  }
  get queries(): number {
    return this.map.shape[2]!;
  }
  get keys(): number {
    return this.map.shape[3]!;
  }

  weights(part: Part = {}): Tensor {
    const { batches, heads, rows, columns } = checkedPart(this, part);
    const shape = [batches, heads, rows, columns].map(([from, to]) => to - from);
    const out = new Float32Array(shape.reduce((n, d) => n * d, 1));
    const width = columns[1] - columns[0];
    let at = 0;
    for (let b = batches[0]; b < batches[1]; b++) {
      for (let h = heads[0]; h < heads[1]; h++) {
        for (let i = rows[0]; i < rows[1]; i++, at += width) {
          const start = ((b * this.heads + h) * this.queries + i) * this.keys;
          out.set(this.map.data.subarray(start + columns[0], start + columns[1]), at);
        }
      }
    }
    return tensor(out, shape);
  }

  emptyRows(): [number, number][] {
    const out: [number, number][] = [];
    const seesNothing = (b: number, i: number): boolean => {
      for (let h = 0; h < this.heads; h++) {
        const start = ((b * this.heads + h) * this.queries + i) * this.keys;
        for (let j = 0; j < this.keys; j++) if (this.map.data[start + j]! > 0) return false;
      }
      return true;
    };
    for (let b = 0; b < this.batch; b++) {
      for (let i = 0; i < this.queries; i++) if (seesNothing(b, i)) out.push([b, i]);
    }
    return out;
  }
}
