/**
 * @file Element by element and row by row, cut into tasks of equal size: numbers of operations are those of ../each.ts.
 *
 * A task is a stretch of numbers, of rows or of columns. The cut does not depend on how many threads there are, and tasks
 * that add up leave their sums apart from each other's: no bit depends on the threads.
 */
import { EachArgs } from "./calls.generated";
import { scatterAdd, sumOfRows } from "./columns";
import { adamW, addScaled, affine, binary, sumOfSquares, unary, unaryBackward } from "./elementwise";
import { crossEntropy } from "./loss";
import { logSoftmax, logSoftmaxBackward, norm, normBackward, rotary, softmax, softmaxBackward } from "./rows";
import { unpackRows } from "./unpack";

export function each(args: usize, task: i32, _scratch: usize): void {
  const g = changetype<EachArgs>(args);
  const from = task * g.block, to = min(from + g.block, g.units), n = to - from;
  const at = <usize>from << 2;
  if (g.operation == 0) unary(g.kind, g.a + at, g.y + at, n);
  else if (g.operation == 1) unaryBackward(g.kind, g.a + at, g.b + at, g.y + at, n);
  else if (g.operation == 2) affine(g.a + at, g.y + at, n, g.f0, g.f1);
  else if (g.operation == 3) addScaled(g.y + at, g.a + at, n, g.f0);
  else if (g.operation == 4) adamW(g.y + at, g.a + at, g.b + at, g.c + at, n, g.f0, g.f1, g.f2, g.f3, g.f4, g.f5);
  else if (g.operation == 5) binary(g.kind, g.aOne ? g.a : g.a + at, 0, g.aOne != 0, g.bOne ? g.b : g.b + at, 0, g.bOne != 0, g.y + at, 1, n);
  else if (g.operation == 6) {
    const row = <usize>from * g.aRow, other = <usize>from * g.bRow;
    binary(g.kind, g.a + row, g.aRow, g.aOne != 0, g.b + other, g.bRow, g.bOne != 0, g.y + (<usize>(from * g.length) << 2), n, g.length);
  } else if (g.operation == 7) norm(g.kind != 0, g.a, g.b, g.c, <f64>g.f0 + <f64>g.f1, g.y, from, to, g.length);
  else if (g.operation == 8) softmax(g.a, g.y, from, to, g.length);
  else if (g.operation == 9) logSoftmax(g.a, g.y, from, to, g.length);
  else if (g.operation == 10) softmaxBackward(g.a, g.b, g.y, from, to, g.length);
  else if (g.operation == 11) logSoftmaxBackward(g.a, g.b, g.y, from, to, g.length);
  else if (g.operation == 12) rotary(g.a, g.b, g.c, g.d, g.kind != 0, g.dim, g.y, from, to, g.length);
  else if (g.operation == 13) crossEntropy(g.a, g.b, g.kind, <f64>g.f0 + <f64>g.f1, g.c, g.y, g.f2, from, to, g.length);
  else if (g.operation == 14) normBackward(g.kind != 0, g.a, g.b, <f64>g.f0 + <f64>g.f1, g.c, g.y, g.d + <usize>task * (<usize>g.length << 2), <usize>(g.dim * g.length) << 2, from, to, g.length);
  else if (g.operation == 15) store<f64>(g.y + (<usize>task << 3), sumOfSquares(g.a + at, n));
  else if (g.operation == 16) sumOfRows(g.a, g.y, g.length, g.units, g.f0, from, to);
  else if (g.operation == 17) scatterAdd(g.a, g.b, g.length, g.y, g.dim, g.units, from, to);
  else unpackRows(g.a, g.b, g.c, g.kind, g.y, from, to, g.length);
}
