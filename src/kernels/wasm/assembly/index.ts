// What the kernels export to TypeScript. `f(args, task, scratch)` are the parallel ones: see ../pool.ts.
export { attentionBackward, backwardScratch } from "./attention-backward"; // its slope
export { attentionDecode, decodeScratch } from "./attention-decode"; // one query
export { attentionForward, attentionScratch, findUnclean } from "./attention-forward"; // attention
export { attentionWeights, weightsRows, weightsScratch } from "./attention-weights"; // its map
export { cells, cellsBackward } from "./cells"; // recurrent layers
export { each } from "./each"; // element by element, along rows and columns
export { fewRow, prepareFew } from "./few-rows"; // rows for matrix × vector
export { addWeighted, dots, exponentials, highest } from "./attention-decode"; // not for TypeScript: so that they stay functions
export { timesBf16, timesF16, timesFloats } from "./few-rows"; // so that they stay functions: inlined, the engine spills the registers of their loops
export { packPanels, packRows } from "./pack"; // operands of products
export { product, productScratch } from "./product"; // matrix products
export { scatterAdd, sumOfRows } from "./columns"; // and these, so that `each` does not become one function of all of them
export { adamW, addScaled, affine, binary, sumOfSquares, unary, unaryBackward } from "./elementwise";
export { crossEntropy } from "./loss";
export { logSoftmax, logSoftmaxBackward, norm, normBackward, rotary, softmax, softmaxBackward } from "./rows";
export { unpackRows } from "./unpack";
// Not for TypeScript: what is not exported and has one caller is put into it, where the registers of its loop spill.
export { columnsAdd, columnsScaled, rowsAdd, rowsZero } from "./tile";
import { MR, NR } from "./tile";

/** Tile rows and columns of this build. */
export function tileRows(): i32 {
  return MR;
}
export function tileColumns(): i32 {
  return NR;
}
/** Where free memory begins. */
export function heapBase(): usize {
  return __heap_base;
}
