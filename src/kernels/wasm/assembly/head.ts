/**
 * @file The head that a task is at. In globals: every thread has an instance of its own, hence its own globals.
 */
import { AttentionArgs } from "./calls.generated";

export let call: AttentionArgs = changetype<AttentionArgs>(0);
export let b: i32 = 0; // batch item
export let h: i32 = 0; // query head
export let kBase: usize = 0; // row 0 of this head's keys
export let vBase: usize = 0;
export let unclean: bool = false; // NaN or ∞ among this head's keys or values: see `weighVisible` in attention-forward

export function enterHead(c: AttentionArgs, batch: i32, head: i32): void {
  call = c;
  b = batch;
  h = head;
  const kh = <i32>((<i64>head * c.keyHeads) / c.heads);
  kBase = c.k + <usize>batch * c.kBatch + <usize>kh * c.kHead;
  vBase = c.v + <usize>batch * c.vBatch + <usize>kh * c.vHead;
  unclean = c.unclean != 0 && load<u8>(c.unclean + <usize>(batch * c.keyHeads + kh)) != 0;
}
