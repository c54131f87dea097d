/** @file Argument blocks. Printed by ../generate/calls.ts, which explains them; do not edit. */
// @ts-nocheck
@unmanaged
export class AttentionArgs {
  q: usize;
  k: usize;
  v: usize;
  o: usize;
  lse: usize;
  qBatch: usize;
  qHead: usize;
  qRow: usize;
  kBatch: usize;
  kHead: usize;
  kRow: usize;
  vBatch: usize;
  vHead: usize;
  vRow: usize;
  oBatch: usize;
  oHead: usize;
  oRow: usize;
  heads: i32;
  keyHeads: i32;
  queries: i32;
  keys: i32;
  headDim: i32;
  valueDim: i32;
  first: usize;
  end: usize;
  ruleBatch: i32;
  keyMask: usize;
  keyMaskBatch: usize;
  mask: usize;
  maskBatch: i32;
  maskHead: i32;
  maskQuery: i32;
  maskKey: i32;
  documentOfQuery: usize;
  documentOfKey: usize;
  documentQueryBatch: i32;
  documentKeyBatch: i32;
  blocks: usize;
  blockSize: i32;
  blockBatch: i32;
  blockHead: i32;
  blockQuery: i32;
  blockKey: i32;
  bias: usize;
  biasBatch: i32;
  biasHead: i32;
  biasQuery: i32;
  biasKey: i32;
  slopes: usize;
  queryOffset: i32;
  sinks: usize;
  scale: f32;
  softcap: f32;
  dropout: i32;
  dropoutSeed: i32;
  dropoutThreshold: i32;
  dropoutScale: f32;
  panel: i32;
  panels: i32;
  keyTile: i32;
  blockCount: i32;
  tasks: i32;
  unclean: usize;
  output: usize;
  delta: usize;
  dq: usize;
  dk: usize;
  dv: usize;
  dBias: usize;
  overlap: i32;
  firstRow: i32;
  endRow: i32;
  firstColumn: i32;
  endColumn: i32;
}

@unmanaged
export class ProductArgs {
  a: usize;
  aRow: usize;
  aStep: usize;
  aBatch: usize;
  transposedA: i32;
  packed: usize;
  packedBatch: usize;
  tall: i32;
  tiles: i32;
  b: usize;
  bBatch: usize;
  c: usize;
  cRow: usize;
  cBatch: usize;
  bias: usize;
  residual: usize;
  activation: i32;
  scale: f32;
  format: i32;
  columnScale: usize;
  few: usize;
  rows: i32;
  depth: i32;
  columns: i32;
  tileBlock: i32;
  panelBlock: i32;
  tileBlocks: i32;
  panelBlocks: i32;
}

@unmanaged
export class EachArgs {
  operation: i32;
  a: usize;
  b: usize;
  c: usize;
  d: usize;
  y: usize;
  aRow: usize;
  bRow: usize;
  aOne: i32;
  bOne: i32;
  kind: i32;
  length: i32;
  dim: i32;
  units: i32;
  block: i32;
  f0: f32;
  f1: f32;
  f2: f32;
  f3: f32;
  f4: f32;
  f5: f32;
}

@unmanaged
export class CellArgs {
  cell: i32;
  size: i32;
  rows: i32;
  block: i32;
  x: usize;
  xRow: usize;
  a: usize;
  aRow: usize;
  gates: usize;
  gatesRow: usize;
  h: usize;
  hRow: usize;
  before: usize;
  beforeRow: usize;
  c: usize;
  cRow: usize;
  cBefore: usize;
  cBeforeRow: usize;
  dOutput: usize;
  dCells: usize;
  dc: usize;
  da: usize;
  carry: usize;
}
